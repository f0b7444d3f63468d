"""A request's conversation, independent of its wire format."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, assert_never

import msgspec

from tokentape_fake_provider.script.model import Reasoning, Refusal, Text, ToolCall
from tokentape_fake_provider.wires.prompt import Media, ToolResult
from tokentape_fake_provider.wires.reading.tools import read_tools
from tokentape_fake_provider.wires.reading.turns import Part, Unknown, read_turns


class ConversationPart(msgspec.Struct, frozen=True, omit_defaults=True):
    """A part of a message.

    `type` is `text`, `reasoning`, `refusal`, `tool_call`, `tool_result`, `image`, `audio`, `video`, `document`, `file`,
    or the request's own word. `id` is that of a call, which its result repeats; `size` is in bytes, 0 where the request
    only refers to the media.
    """

    type: str
    text: str = ""
    id: str = ""
    name: str = ""
    arguments: str = ""
    error: bool = False
    media_type: str = ""
    size: int = 0
    width: int = 0
    height: int = 0
    title: str = ""


class ConversationMessage(msgspec.Struct, frozen=True):
    """A message with its parts in order; the role is `system`, `user`, `assistant` or `tool`."""

    role: str
    parts: Sequence[ConversationPart]


class OfferedTool(msgspec.Struct, frozen=True):
    """A tool that the request offers; `kind` is `function`, `custom` or the provider's own."""

    name: str
    kind: str
    description: str


def conversation_in(body: Any) -> list[ConversationMessage]:
    """Return the messages of a request body; empty if it has none."""
    if not isinstance(body, Mapping):
        return []
    return [ConversationMessage(turn.role, [*_parts(turn.parts)]) for turn in read_turns(body)]


def tools_in(body: Any) -> list[OfferedTool]:
    """Return the tools that a request body offers."""
    if not isinstance(body, Mapping):
        return []
    return [OfferedTool(tool.name, tool.kind, tool.description) for tool in read_tools(body)]


def _parts(parts: Sequence[Part]) -> Iterator[ConversationPart]:
    for part in parts:
        match part:
            case Text():
                yield ConversationPart("text", part.text)
            case Refusal():
                yield ConversationPart("refusal", part.text)
            case Reasoning():
                yield ConversationPart("reasoning", part.text)
            case ToolCall():
                yield ConversationPart("tool_call", id=part.id or "", name=part.name, arguments=part.arguments)
            case ToolResult():
                yield ConversationPart("tool_result", part.text, part.call_id, part.name, error=part.error)
                yield from _parts(part.media)
            case Media():
                yield ConversationPart(
                    part.kind,
                    part.text,
                    media_type=part.media_type,
                    size=part.size,
                    width=part.width,
                    height=part.height,
                    title=part.title,
                )
            case Unknown():
                yield ConversationPart(part.kind)
            case _:
                assert_never(part)
