"""Reading over HTTP."""

from __future__ import annotations

import httpx2

from tokentape_harness.flush.observed_output import ObservedOutput
from tokentape_harness.flush.targets import HttpTarget

_CONNECT_S = 10.0


async def read_http(target: HttpTarget, output: ObservedOutput) -> None:
    """Send the request and read the response as it arrives."""
    # The checker has its own timeouts. A proxy of the environment is not used: it could hold tokens, too.
    timeout = httpx2.Timeout(None, connect=_CONNECT_S)
    async with (
        httpx2.AsyncClient(timeout=timeout, trust_env=False, follow_redirects=True) as client,
        client.stream(
            target.request.verb, target.url, headers=list(target.request.all_headers), content=target.request.body
        ) as response,
    ):
        output.on_head(response.status_code, response.headers.multi_items(), response.http_version)
        async for data in response.aiter_raw():
            output.on_data(data)
