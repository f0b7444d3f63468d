"""Whether a body that its client stopped reading had its terminal event."""

from __future__ import annotations

import pytest

from tokentape_harness.recording.stream_end import reached_end

CHAT, MESSAGES = "/v1/chat/completions", "/v1/messages"
EVENT = (
    b'data: {"id":"c","object":"chat.completion.chunk","created":1,"model":"m",'
    b'"choices":[{"index":0,"delta":{"content":"Hi"},"finish_reason":null}]}\n\n'
)


@pytest.mark.parametrize(
    ("path", "body", "reached"),
    [
        (CHAT, EVENT + b"data: [DONE]\n\n", True),
        (CHAT, EVENT + b"data: [DONE]\r\n\r\n", True),
        (CHAT, EVENT + b"data: [DONE]", True),
        (CHAT, EVENT, False),
        (CHAT, EVENT + EVENT.replace(b"Hi", b"data: [DONE]"), False),
        (MESSAGES, b'event: message_stop\ndata: {"type":"message_stop"}\n\n', True),
        ("/v1/unknown", EVENT + b"data: [DONE]\n\n", False),
        (CHAT, b"", False),
    ],
)
def test_a_terminal_event_is_the_end(path, body, reached):
    """A stream is complete with its terminal event, and not without, nor where the path has no wire format."""
    assert reached_end(path, body) is reached
