"""Loads what answers need before the first client waits for one."""

from __future__ import annotations

from typing import Any, Final

from tokentape_fake_provider.answers.answer import HttpRequest
from tokentape_fake_provider.answers.resolver import find_answer
from tokentape_fake_provider.sessions.session import Session
from tokentape_fake_provider.wires import served_at, wire_named

_ARGUMENTS: Final = {"type": "object", "properties": {"email": {"type": "string"}, "city": {"type": "string"}}}
# A text, also as a stream, a tool call, and JSON: Faker's words and its providers of names and places are loaded for
# them.
_REQUESTS: Final[tuple[dict[str, Any], ...]] = (
    {},
    {"stream": True},
    {"tools": [{"type": "function", "function": {"name": "tool", "parameters": _ARGUMENTS}}]},
    {"response_format": {"type": "json_object"}},
)


def warm_up(*, simulated: bool = True) -> None:
    """Compile the patterns of all paths, and let the `simulated` model answer a request of each kind, in a session of
    its own."""
    served_at("/")
    if not simulated:
        return
    message = {"role": "user", "content": "Answer in JSON…"}  # texts beyond ASCII have a pattern of their own
    for fields in _REQUESTS:
        body = {"model": "tokentape", "messages": [message], **fields}
        find_answer(Session(), HttpRequest("POST", "/v1/chat/completions", body, wire_named("openai_chat")))
