"""Scripts that quote the request: `{last_user}`, `{tool_result}` and others."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

import msgspec

from tokentape_fake_provider.errors import ScriptError
from tokentape_fake_provider.script.model import (
    Audio,
    Error,
    Item,
    Reasoning,
    Refusal,
    Script,
    ServerTool,
    Text,
    ToolCall,
)
from tokentape_fake_provider.sessions.condition import IncomingRequest

# Only these names are replaced, so that other braces, as in JSON, stay as they are.
_QUOTES: Final = re.compile(r"\{(last_user|system|model|turn|tools|tool_result)\}|\{tool_result\.([^{}]+)\}")
_FIELDS: Final[dict[type[Item], tuple[str, ...]]] = {
    Text: ("text",),
    Reasoning: ("text",),
    Refusal: ("text",),
    ToolCall: ("arguments",),
    ServerTool: ("input", "output"),
    Audio: ("transcript",),
}


def check_template(script: Script) -> None:
    """Raise `ScriptError` for a script whose citations would lose their place when its text is replaced."""
    for choice in script.choices:
        for item in choice.items:
            if isinstance(item, Text) and item.citations and _QUOTES.search(item.text):
                raise ScriptError("a text with citations can't quote the request: leave out one of the two")


def fill_template(script: Script, incoming: IncomingRequest) -> Script:
    """The script with the request's words in place of the names in braces, in one pass.

    In the arguments of a tool call they are escaped, so that they may stand inside a JSON string.
    """

    def quoted(match: re.Match[str]) -> str:
        return _quote(incoming, match[1], match[2])

    def escaped(match: re.Match[str]) -> str:
        return msgspec.json.encode(quoted(match)).decode()[1:-1]

    choices = tuple(
        msgspec.structs.replace(
            choice,
            items=tuple(_filled(item, escaped if isinstance(item, ToolCall) else quoted) for item in choice.items),
        )
        for choice in script.choices
    )
    error = script.error
    if isinstance(error, Error):
        error = msgspec.structs.replace(error, message=_QUOTES.sub(quoted, error.message))
    return msgspec.structs.replace(script, choices=choices, error=error)


def _filled(item: Item, quote: Callable[[re.Match[str]], str]) -> Item:
    changes: dict[str, object] = {}
    for name in _FIELDS[type(item)]:
        before = getattr(item, name)
        after = _QUOTES.sub(quote, before)
        if after != before:
            changes[name] = after
    if not changes:
        return item
    if item.pieces:
        pieces = tuple(_QUOTES.sub(quote, piece) for piece in item.pieces)
        # A name that two pieces share can't be replaced in them; then the encoder splits the text.
        kept = "".join(pieces) == changes.get(_FIELDS[type(item)][0])
        changes |= {"pieces": pieces if kept else (), "at": item.at if kept else ()}
    return msgspec.structs.replace(item, **changes)


def _quote(incoming: IncomingRequest, name: str | None, tool: str | None) -> str:
    """The request's words; empty where it has none."""
    prompt = incoming.prompt
    match name:
        case "last_user":
            return prompt.last_user
        case "system":
            return prompt.system
        case "model":
            return incoming.request.model
        case "turn":
            return str(prompt.turn)
        case "tools":
            return ", ".join(offered.name for offered in prompt.tools)
        case _:
            results = [result.text for result in prompt.results if tool is None or result.name == tool]
            return results[-1] if results else ""
