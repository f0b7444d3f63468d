"""Web responses: their frames and headers, and what they refuse."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import Callable
from typing import Any

import pytest

from tests.tokentape.web_streams import BODIES, CHUNKS, SECRET, STREAMS, async_stream, run_asgi, sync_stream
from tokentape import (
    ChatMessage,
    ConfigurationError,
)
from tokentape.web import ASGIStream, StreamingChatResponse, response_headers, smooth, wsgi_stream
from tokentape.web.frames import Format, message_frame


@pytest.mark.parametrize(("format", "body"), BODIES)
@pytest.mark.parametrize("make", STREAMS)
def test_asgi_sends_each_message_as_a_frame(make: Any, format: Format, body: bytes) -> None:  # noqa: A002
    """Each message becomes one frame, empty ones none; the last frame has usage and finish reason."""
    client = run_asgi(ASGIStream(make(), format=format))
    assert client.body == body
    assert client.complete
    assert all(client.frames[:-1])
    headers = dict(client.sent[0]["headers"])
    assert headers[b"x-accel-buffering"] == b"no"
    assert headers[b"cache-control"] == b"no-cache"
    assert headers[b"surrogate-control"] == b"no-store"
    assert b"content-length" not in headers


@pytest.mark.parametrize(("format", "body"), BODIES)
def test_wsgi_sends_each_message_as_a_frame(format: Format, body: bytes) -> None:  # noqa: A002
    """The same frames, as an iterable."""
    frames = wsgi_stream(sync_stream(), format=format)
    assert b"".join(frames) == body
    assert frames.headers["x-accel-buffering"] == "no"
    frames.close()


def test_headers_can_be_overridden_and_taken_out() -> None:
    """Names are compared whatever their case; None removes one."""
    assert response_headers("sse", {"Cache-Control": "no-store", "X-Accel-Buffering": None, "X-Mine": "1"}) == {
        "content-type": "text/event-stream; charset=utf-8",
        "cache-control": "no-store",
        "surrogate-control": "no-store",
        "x-mine": "1",
    }


def test_bad_arguments_are_named() -> None:
    """An unknown format, a heartbeat in plain text or one of no length is refused at once."""
    with pytest.raises(ConfigurationError, match="'text', 'sse', 'ndjson' or 'ui-message-stream'"):
        ASGIStream(async_stream(), format="xml")  # type: ignore[arg-type]
    with pytest.raises(ConfigurationError, match="can't contain a heartbeat"):
        wsgi_stream(sync_stream(), heartbeat=1)
    with pytest.raises(ConfigurationError, match="more than 0"):
        ASGIStream(async_stream(), format="sse", heartbeat=0)


@pytest.mark.parametrize(
    "create",
    [
        lambda stream: ASGIStream(stream, format="sse"),
        lambda stream: StreamingChatResponse(stream),
        lambda stream: wsgi_stream(stream, heartbeat=5, format="ndjson"),
        lambda stream: wsgi_stream(stream),
        lambda stream: smooth(stream),
    ],
)
def test_what_is_no_stream_is_refused_at_once(create: Callable[[Any], Any]) -> None:
    """Such as a call that nobody awaited, a function that nobody called, or a text: not a response with an error."""
    with pytest.raises(ConfigurationError, match=r"the coroutine sleep\(\): await it first"):
        create(asyncio.sleep(0))
    for wrong, name in (
        (async_stream, "function"),
        ("text", "str"),
        (None, "NoneType"),
        ({}, "dict"),
        (CHUNKS[0], "Cha"),
    ):
        with pytest.raises(ConfigurationError, match=f"the stream is of the type {name}.* must be an iterator of"):
            create(wrong)


def test_wsgi_reads_no_async_stream() -> None:
    """The error names the alternatives."""
    with pytest.raises(ConfigurationError, match=r"use the provider's chat\(\) rather than achat"):
        wsgi_stream(async_stream())


@pytest.mark.parametrize("format", ["text", "sse", "ndjson", "ui-message-stream"])
def test_what_is_no_message_ends_the_stream_with_an_error(format: Format, caplog: pytest.LogCaptureFixture) -> None:  # noqa: A002
    """Such as a chunk of a provider's SDK: the log has the remedy, the reader the error's class."""
    caplog.set_level("WARNING", logger="tokentape.web")  # an app of conformance, imported by a test, has another
    frames: list[bytes] = []
    with contextlib.suppress(ConfigurationError):
        frames += wsgi_stream([{"choices": []}], format=format)
    assert "item of the type dict; it must be a ChatMessage: pass the stream of a provider's own SDK" in caplog.text
    assert format == "text" or b"ConfigurationError" in b"".join(frames)


@pytest.mark.parametrize("make", STREAMS)
def test_the_log_has_the_place_of_an_error(make: Any, caplog: pytest.LogCaptureFixture) -> None:
    """An app's own error can be found, though its message, which may repeat a secret, is not logged."""
    caplog.set_level("WARNING", logger="tokentape.web")
    run_asgi(ASGIStream(make(error=ValueError(SECRET)), format="sse"))
    assert re.search(r"broke off: ValueError at .*web_streams\.py:\d+, in source", caplog.text)
    assert "secret" not in caplog.text


def test_a_lone_surrogate_does_not_break_the_stream() -> None:
    """Half a character that a provider sent is replaced, in each format."""
    for format, _ in BODIES:  # noqa: A001
        assert b"?" in message_frame(ChatMessage("\ud83d"), format)
