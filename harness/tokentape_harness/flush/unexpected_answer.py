"""Unexpected answers: a response that is not a stream, quoted, and the reader that the app needs. Pure."""

from __future__ import annotations

import html
import re
from typing import Any, Final

import msgspec

from tokentape_harness.flush.observed_output import ObservedOutput
from tokentape_harness.redaction import redact_text
from tokentape_harness.terminal_text import one_line

_QUOTED: Final = 200
_NOT_SHOWN: Final = re.compile(r"<(script|style|svg|head)\b.*?(</\1\s*>|$)", re.IGNORECASE | re.DOTALL)
_TITLE: Final = re.compile(r"<title[^>]*>(.*?)</title>", re.IGNORECASE | re.DOTALL)
_TAG: Final = re.compile(r"<!--.*?(-->|$)|<[!/?a-zA-Z][^<>]*(>|$)", re.DOTALL)
_FUNCTION: Final = (
    "check a function that sends the requests of its page and yields the output: tokentape flush-check "
    "MODULE:FUNCTION, with -- COMMAND to serve the app"
)
# Words that identify the page of a framework, and how the framework sends its answers.
_PAGES: Final = (
    (rb"streamlit", "Streamlit answers by WebSocket (/_stcore/stream)"),
    (
        rb"gradio_config|gradio-app|<title>gradio",
        "Gradio answers from a queue (/gradio_api/call/NAME, then .../EVENT_ID)",
    ),
    (rb"chainlit", "Chainlit answers by socket.io"),
    (rb"nicegui", "NiceGUI answers by socket.io"),
    (rb"socket\.io", "this app answers by socket.io"),
)
_LATER: Final = ("job_id", "task_id", "run_id", "request_id", "job", "jobId", "taskId", "runId", "requestId")


def quoted(body: bytes) -> str:
    """The beginning of a body on one line, or the title and the text of HTML."""
    text = body.decode("utf-8", "replace")
    if is_page(body):
        title = _TITLE.search(text)
        shown = f"{title[1] if title else ''} {_TAG.sub(' ', _NOT_SHOWN.sub(' ', text))}"
        text = html.unescape(shown)
    return one_line(redact_text(text), _QUOTED)


def is_page(body: bytes) -> bool:
    """Whether a body is an HTML document."""
    return (
        re.match(rb"\s*(<!--.*?-->\s*)*<(!doctype\s+html|html|head|body|title|h1)\b", body, re.IGNORECASE | re.DOTALL)
        is not None
    )


def reader_needed(output: ObservedOutput) -> str:
    """What an answer without a token is, and the reader that it needs; empty if it may be a stream."""
    body = output.body
    if is_page(body):
        how = next(
            (how for words, how in _PAGES if re.search(words, body, re.IGNORECASE)),
            "its content comes with another request",
        )
        return f"this is a page, and not a stream: {how}. Check the path that streams, or {_FUNCTION}"
    if re.match(rb"\d*\{\"sid\":", body):
        return f"this is the handshake of socket.io, and not a stream: {_FUNCTION}"
    value = _object(body)
    if "event_id" in value:
        return (
            "this is a place in Gradio's queue, and not a stream: GET on the same path and "
            f"/{value['event_id']} returns the answer. So {_FUNCTION}"
        )
    later = next((key for key in _LATER if key in value), None)
    if later is not None:
        return f"this names an answer that another request returns ({later}), and is not a stream: {_FUNCTION}"
    return ""


def _object(body: bytes) -> dict[str, Any]:
    try:
        value = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return {}
    return value if isinstance(value, dict) else {}
