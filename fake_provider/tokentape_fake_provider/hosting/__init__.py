"""In process: the fake provider behind a client's transport, without a socket and without a thread.

provider = InProcessProvider()
provider.default.push("Hello")
client = openai.OpenAI(
    base_url=provider.base_url("openai_chat"), api_key="any", http_client=httpx2.Client(transport=provider.transport())
)
"""

from __future__ import annotations

from tokentape_fake_provider.hosting.in_process import InProcessProvider

__all__ = ["InProcessProvider"]
