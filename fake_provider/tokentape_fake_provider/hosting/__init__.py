"""Hosts the fake provider: on a port, in a thread, or in process as a client's transport.

provider = InProcessProvider()
provider.default.push("Hello")
client = openai.OpenAI(
    base_url=provider.base_url("openai_chat"), api_key="any", http_client=httpx2.Client(transport=provider.transport())
)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tokentape_fake_provider.errors import lazy_exports

if TYPE_CHECKING:
    from tokentape_fake_provider.hosting.in_process import InProcessProvider

__all__ = ["InProcessProvider"]

# The recording proxy uses the server's thread alone.
__getattr__, __dir__ = lazy_exports(__name__, {"InProcessProvider": "in_process"}, "fake-provider")
