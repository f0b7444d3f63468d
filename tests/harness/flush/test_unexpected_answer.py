"""Answers that are no stream are quoted as they are read, with the reader that they take."""

from __future__ import annotations

import random

import pytest

from tests.harness.flush import apps
from tokentape_harness.errors import FlushError
from tokentape_harness.flush.marker_tokens import generate_markers
from tokentape_harness.flush.observed_output import ObservedOutput
from tokentape_harness.flush.unexpected_answer import quoted, reader_needed

MARKS = generate_markers(3, 0, random.Random(0))
PAGE = """<!DOCTYPE html>
<html><head><title>%s &amp; more</title><style>body { color: red }</style></head>
<body><!-- a comment --><noscript>Turn on JavaScript.</noscript><h1 class="x">Hello</h1>
<script>var page = "<b>";</script></body></html>"""


def output(body: str) -> ObservedOutput:
    """An output with this body."""
    far = ObservedOutput(MARKS, lambda: 0.0)
    far.on_data(body.encode())
    far.on_end()
    return far


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (PAGE % "Chat", "Chat & more Turn on JavaScript. Hello"),
        ("<html><body><h1>502 Bad Gateway</h1><hr>nginx/1.22.1</body></html>", "502 Bad Gateway nginx/1.22.1"),
        ('{"detail": "Not Found"}', '{"detail": "Not Found"}'),
        ("a < b and\n\tc > d", "a < b and c > d"),
        ("x" * 300, "x" * 199 + "…"),
        ("\x1b[31mred", "\\x1b[31mred"),
    ],
)
def test_a_body_is_quoted_as_it_is_read(body: str, text: str) -> None:
    """A page is quoted as its title and text, without markup, styles and scripts, on one short line."""
    assert quoted(body.encode()) == text


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (PAGE % "Streamlit", "Streamlit answers by WebSocket"),
        (PAGE % "Gradio" + "<script>window.gradio_config = {}</script>", "Gradio answers from a queue"),
        (PAGE % "x" + '<meta property="og:site" content="Chainlit">', "Chainlit answers by socket.io"),
        (PAGE % "NiceGUI", "NiceGUI answers by socket.io"),
        (PAGE % "x" + '<script src="/socket.io.min.js"></script>', "this app answers by socket.io"),
        (PAGE % "Chat", "its content comes with another request"),
        ('{"event_id": "4f1b"}', "GET on the same path and /4f1b returns the answer"),
        ('{"status": "queued", "job_id": "7"}', "another request returns (job_id)"),
        ('0{"sid":"abc","upgrades":["websocket"]}', "the handshake of socket.io"),
    ],
)
def test_the_reader_that_it_takes_is_named(body: str, words: str) -> None:
    """A page, a place in a queue and a handshake are refused as answers, and a function is named to read them."""
    needed = reader_needed(output(body))
    assert words in needed
    assert "not a stream" in needed
    assert "MODULE:FUNCTION" in needed


@pytest.mark.parametrize("body", ["", "hello", 'data: {"event_id": 1}\n\n', '{"text": "x"}', "[1]", "<p>fragment</p>"])
def test_what_may_be_a_stream_takes_no_other_reader(body: str) -> None:
    """Text, events, JSON and fragments of HTML may be streams."""
    assert reader_needed(output(body)) == ""


def serving(status: int, kind: str, body: str, *, requests: bool):
    """An ASGI app with this one answer; it may also send a request to the provider."""

    async def app(scope, receive, send):
        if requests:
            [token async for token in apps.async_tokens()]
        await send({"type": "http.response.start", "status": status, "headers": [(b"content-type", kind.encode())]})
        await send({"type": "http.response.body", "body": body.encode()})

    return app


@pytest.mark.parametrize(
    ("status", "kind", "body", "requests", "message"),
    [
        (
            502,
            "text/html",
            PAGE % "Bad Gateway",
            False,
            r"status 502: Bad Gateway & more Turn on JavaScript\. Hello\. Send",
        ),
        (200, "text/html", PAGE % "Streamlit", False, r"with 'Streamlit & more .*'\. This is a page.*MODULE:FUNCTION"),
        (
            200,
            "text/html",
            PAGE % "Chat",
            True,
            r"no token came out: 'Chat & more .*'\. This is a page.*MODULE:FUNCTION",
        ),
        (
            200,
            "application/json",
            '{"event_id": "4f1b"}',
            False,
            r'with \'\{"event_id": "4f1b"\}\'\. This is a place in Gradio',
        ),
        (
            200,
            "application/json",
            '{"event_id": "4f1b"}',
            True,
            r'\'\{"event_id": "4f1b"\}\'\. This is a place in Gradio',
        ),
        (200, "text/plain", "no model", False, r"with 'no model'\. Its base URL must be"),
    ],
)
@pytest.mark.slow
def test_the_error_states_it(flush_probe, status, kind, body, requests, message):
    """The error of a target that can't be checked quotes what came and names the reader."""
    with pytest.raises(FlushError, match=message):
        flush_probe.check(serving(status, kind, body, requests=requests))
