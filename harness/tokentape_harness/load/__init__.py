"""Load: many users who stream at the same time, on Locust, and a report of what they saw.

In a locustfile of your own:

    from locust import task
    from tokentape_harness.load import StreamUser

    class Reader(StreamUser):
        wire = "openai_chat"

        @task
        def ask(self):
            self.stream("How deep is the sea?")
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tokentape_fake_provider.errors import lazy_exports

if TYPE_CHECKING:
    from tokentape_harness.load.stream_user import StreamUser

__all__ = ["StreamUser"]

__getattr__, __dir__ = lazy_exports(__name__, {"StreamUser": "stream_user"}, "load")
