"""Web responses whose stream fails: the error is their last frame, or they are cut off."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from tests.tokentape.web_streams import FAILURE, SECRET, STREAMS, Client, async_stream, run_asgi, sync_stream
from tokentape import (
    ChatMessage,
    RateLimitError,
)
from tokentape.web import ASGIStream, smooth, wsgi_stream
from tokentape.web.frames import Format, error_frame


@pytest.mark.parametrize("error", [FAILURE, ValueError(SECRET)])
@pytest.mark.parametrize("format", ["sse", "ndjson"])
@pytest.mark.parametrize("make", STREAMS)
def test_a_failed_stream_ends_with_an_error_frame(make: Any, format: Format, error: Exception) -> None:  # noqa: A002
    """The error frame has the error's class but not the provider's message; there is no `done`."""
    client = run_asgi(ASGIStream(make(ChatMessage("Hel"), error=error), format=format))
    last = client.frames[-2]
    assert last == error_frame(error, format)
    reported = json.loads(last.split(b"data: ")[-1])["error"]
    assert reported["message"] == "the stream broke off before it was complete"
    if error is FAILURE:
        assert (reported["type"], reported["status"], reported["retry_after"]) == ("RateLimitError", 429, 2.0)
    else:
        assert reported["type"] == "InternalError"
    assert b"secret" not in client.body
    assert b"done" not in client.body
    if make is sync_stream:
        wsgi = b"".join(wsgi_stream(make(ChatMessage("Hel"), error=error), format=format))
        assert wsgi == client.body


@pytest.mark.parametrize("heartbeat", [None, 0.01])
@pytest.mark.parametrize("error", [asyncio.CancelledError(), BaseExceptionGroup("", [asyncio.CancelledError()])])
@pytest.mark.parametrize("make", [*STREAMS, lambda **options: smooth(async_stream(**options), max_delay=0.01)])
def test_a_source_that_is_cancelled_has_failed(make: Any, error: BaseException, heartbeat: float | None) -> None:
    """A cancellation that is not the reader's own ends the stream with an error, not with heartbeats for ever."""
    client = run_asgi(ASGIStream(make(error=error), format="sse", heartbeat=heartbeat))
    assert client.complete
    assert client.frames[-2].startswith(b"event: error\n")


@pytest.mark.parametrize("make", STREAMS)
def test_failed_plain_text_is_cut_off(make: Any) -> None:
    """Plain text contains the error, and the response does not end like a complete one."""
    client = Client.__new__(Client)

    async def main() -> None:
        client.__init__()  # type: ignore[misc]
        app = ASGIStream(make(ChatMessage("Hel"), error=FAILURE))
        await app({"type": "http"}, client.receive, client.send)

    with pytest.raises(RateLimitError):
        asyncio.run(main())
    assert client.body == b"Hel\n\n[the stream broke off before it was complete: RateLimitError]\n"
    assert not client.complete


def test_failed_plain_text_is_cut_off_in_wsgi_too() -> None:
    """The server sees the exception after the words."""
    frames = wsgi_stream(sync_stream(ChatMessage("Hel"), error=FAILURE))
    assert next(frames) == b"Hel"
    assert next(frames).endswith(b"RateLimitError]\n")
    with pytest.raises(RateLimitError):
        next(frames)
