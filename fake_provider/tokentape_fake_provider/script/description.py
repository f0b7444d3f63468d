"""Describes a scripted response in a few words, for messages."""

from __future__ import annotations

from typing import assert_never

from tokentape_fake_provider.script.model import Audio, Item, Reasoning, Refusal, Script, ServerTool, Text, ToolCall
from tokentape_fake_provider.tape import Tape

_LONGEST = 60


def shortened(text: str, limit: int = _LONGEST) -> str:
    """Text on one line, cut at `limit` characters."""
    line = " ".join(text.split())
    return line if len(line) <= limit else line[: limit - 1] + "…"


def describe(response: Script | Tape) -> str:
    """What the response holds: texts in quotation marks, calls with their arguments."""
    if isinstance(response, Tape):
        return f"a tape of {len(response.frames)} frames"
    parts = [_item(item) for choice in response.choices for item in choice.items]
    if response.result is not None:
        parts.append(type(response.result).__name__.lower())
    if response.error is not None:
        parts.append(f'an error {response.error.status} "{shortened(response.error.message)}"')
    return " + ".join(parts) or "an empty response"


def _item(item: Item) -> str:
    match item:
        case Text() | Refusal():
            return f'"{shortened(item.text)}"'
        case ToolCall():
            return f"{item.name}({shortened(item.arguments)})"
        case Reasoning():
            return "reasoning"
        case ServerTool():
            return f"{item.kind}({shortened(item.input)})"
        case Audio():
            return f'audio "{shortened(item.transcript)}"'
        case _:
            assert_never(item)
