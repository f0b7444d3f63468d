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

from typing import TYPE_CHECKING, Any, Final

from tokentape_fake_provider.errors import lazy_export

if TYPE_CHECKING:
    from tokentape_harness.load.stream_user import StreamUser

__all__ = ["StreamUser"]

_EXPORTS: Final = {"StreamUser": "load.stream_user"}


def __getattr__(name: str) -> Any:
    return lazy_export("tokentape_harness", _EXPORTS, name, "load")
