"""Request reader: the content of a request body of any wire format, as the library's messages and tools.

The fake provider reads the body, by the shape of its fields; here it is put in the library's words, and what has no
place in them is listed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple, assert_never

from tokentape import ChatMessage, ReasoningPart, TextPart
from tokentape.message import Part, ToolCall
from tokentape.providers import Tool
from tokentape_fake_provider.script.model import Reasoning, Refusal, Text
from tokentape_fake_provider.script.model import ToolCall as ScriptedCall
from tokentape_fake_provider.wires.prompt import Media, ToolResult
from tokentape_fake_provider.wires.reading.tools import NO_ARGUMENTS, TOOL_FIELDS, read_tools
from tokentape_fake_provider.wires.reading.turns import MESSAGE_FIELDS, SYSTEM_FIELDS, Turn, Unknown, read_turns
from tokentape_fake_provider.wires.reading.turns import Part as RequestPart
from tokentape_harness.conversion.loss import Loss
from tokentape_harness.conversion.request_options import read_options

# How the response is sent; the request of each wire format has its own way to state this.
_DELIVERY = ("model", "stream", "stream_options", "n", "anthropic_version")


class RequestContent(NamedTuple):
    """The messages, tools and common options of a request; `losses` lists the rest."""

    messages: tuple[ChatMessage, ...]
    tools: tuple[Tool, ...] = ()
    options: Mapping[str, Any] = MappingProxyType({})
    losses: tuple[Loss, ...] = ()


def read_content(body: Mapping[str, Any]) -> RequestContent:
    """The content of a request body; never raises."""
    losses: list[Loss] = []
    messages = [message for turn in read_turns(body) for message in _messages(turn, losses)]
    tools: list[Tool] = []
    for tool in read_tools(body):
        if tool.kind == "function":
            schema = tool.schema if isinstance(tool.schema, Mapping) else NO_ARGUMENTS
            tools.append(Tool(tool.name, tool.description, schema))
        else:
            losses.append(Loss(f"request tool {_word(tool.definition)}", "left out"))
    known = {*SYSTEM_FIELDS, *MESSAGE_FIELDS, *TOOL_FIELDS, *_DELIVERY}
    options, left = read_options({key: value for key, value in body.items() if key not in known})
    left = [key for key in left if key != "generationConfig.candidateCount"]
    if left:
        losses.append(Loss("request field", "left out", count=len(left), note=", ".join(left)))
    return RequestContent(tuple(messages), tuple(tools), options, tuple(loss.at("request") for loss in losses))


def _messages(turn: Turn, losses: list[Loss]) -> Iterator[ChatMessage]:
    """The messages of a turn: each result is one of its own."""
    for part in turn.parts:
        if isinstance(part, ToolResult):
            losses += [Loss(f"request part {media.word}", "left out") for media in part.media]
            # Depending on the format a result names its function or its call; the target may require either.
            known = part.call_id or part.name or "call"
            yield ChatMessage.tool(part.text, tool_call_id=known, name=part.name or None)
    if turn.role != "tool":
        yield from _message(turn, losses)


def _message(turn: Turn, losses: list[Loss]) -> Iterator[ChatMessage]:
    parts = [read for part in turn.parts for read in _parts(part, losses)]
    refusal = "".join(part.text for part in turn.parts if isinstance(part, Refusal))
    if turn.parts and not parts and not refusal and (turn.role == "assistant" or turn.continues):
        return
    texts = [part.text for part in parts if isinstance(part, TextPart)]
    plain = len(parts) == len(texts)
    yield ChatMessage(
        "".join(texts),
        "developer" if turn.developer else turn.role,
        tool_calls=tuple(part for part in parts if isinstance(part, ToolCall)),
        parts=() if plain and len(texts) < 2 else tuple(parts),
        refusal=refusal,
        name=turn.name or None,
    )


def _parts(part: RequestPart, losses: list[Loss]) -> Sequence[Part]:
    match part:
        case Text():
            return [TextPart(part.text)]
        case Reasoning():
            return [ReasoningPart(part.text, part.signature, encrypted=part.encrypted)]
        case ScriptedCall():
            return [ToolCall.parse(part.id or part.name, part.name, part.arguments)]
        case Refusal() | ToolResult():
            return []
        case Media() | Unknown():
            word = part.word if isinstance(part, Media) else part.kind
            losses.append(Loss(f"request part {word}", "left out"))
            return []
        case _:
            assert_never(part)


def _word(definition: Mapping[str, Any]) -> str:
    """The request's own word for a tool of the provider's."""
    return str(definition.get("type") or next(iter(definition), "?"))
