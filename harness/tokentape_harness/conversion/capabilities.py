"""Capabilities: the part of a script that a wire format can express.

No table lists what a format can do: each item is encoded alone and decoded again. An item that the encoder refuses
(`ScriptError`), or encodes without its text, is tried in plainer forms, and left out if none of them works.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from tokentape import ChatMessage, DecodeError
from tokentape.message import ProviderPart
from tokentape.message import ToolCall as DecodedCall
from tokentape_fake_provider.encoding.encode import encode
from tokentape_fake_provider.errors import ScriptError
from tokentape_fake_provider.script.model import (
    Audio,
    Choice,
    Item,
    Reasoning,
    Refusal,
    Script,
    ServerTool,
    Text,
    ToolCall,
)
from tokentape_fake_provider.timing import Instant
from tokentape_fake_provider.wires import ProviderRequest
from tokentape_harness.conversion.loss import Loss
from tokentape_harness.conversion.response_decoder import decode_tape


def fit(script: Script, target: ProviderRequest) -> tuple[Script, list[Loss]]:
    """The script without what the wire format of the request `target` can't express, and the losses."""
    losses: list[Loss] = []
    choices = script.choices
    if len(choices) > 1 and (refusal := _refusal(Script((Choice(), Choice())), target)):
        losses.append(Loss("choice", "left out", count=len(choices) - 1, note=refusal))
        choices = choices[:1]
    fitted = []
    for index, choice in enumerate(choices):
        items: list[Item] = []
        for item in choice.items:
            found, lost = _fitted(item, target)
            losses += [loss.at(f"choice {index}") for loss in lost]
            items += [found] if found is not None else []
        fitted.append(msgspec.structs.replace(choice, items=tuple(items)))
    result = msgspec.structs.replace(script, choices=tuple(fitted))
    if script.usage.report and (refusal := _refusal(Script(usage=script.usage), target)):
        # Numbers that contradict each other, such as more cached tokens than there are.
        losses.append(Loss("usage", "changed", note=refusal))
        plain = msgspec.structs.replace(script.usage, cached=None, cache_write=None)
        result = msgspec.structs.replace(result, usage=plain)
    return result, losses


def _fitted(item: Item, target: ProviderRequest) -> tuple[Item | None, list[Loss]]:
    if isinstance(item, Text):
        return item, []
    reason, encodable = "", None
    for candidate in _forms(item):
        decoded = _round_trip(candidate, target)
        if isinstance(decoded, str):
            reason = reason or decoded
        elif _is_kept(item, decoded):
            return candidate, _dropped_arguments(item, candidate, reason)
        else:
            encodable = encodable or candidate
    if encodable is not None:
        return encodable, _dropped_arguments(item, encodable, reason)
    return None, [Loss(_name(item), "left out", note=reason)]


def _forms(item: Item) -> Iterator[Item]:
    """The item, and its plainer forms."""
    yield item
    match item:
        case Reasoning():
            if item.encrypted and item.text:
                yield msgspec.structs.replace(item, encrypted="")
            if item.signature or item.encrypted:
                yield msgspec.structs.replace(item, signature="", encrypted="")
        case Refusal():
            yield Text(item.text, item.pieces, item.at)
        case ToolCall():
            yield msgspec.structs.replace(item, arguments="{}", pieces=("{}",) if item.at else (), at=item.at[-1:])
        case Text() | ServerTool() | Audio():
            pass


def _is_kept(item: Item, decoded: ChatMessage) -> bool:
    """Whether the text of an item was decoded, as a part of whatever kind."""
    match item:
        case ToolCall():
            expected = DecodedCall.parse("", "", item.arguments)
            return any(
                (call.valid, call.arguments) == (expected.valid, expected.arguments)
                and (call.valid or call.raw_arguments == expected.raw_arguments)
                for call in decoded.tool_calls
            )
        case Reasoning():
            return item.text in decoded.reasoning
        case ServerTool() | Audio():
            return any(isinstance(part, ProviderPart) for part in decoded.parts)
        case _:
            return item.text in (decoded.text, decoded.refusal)


def _dropped_arguments(item: Item, candidate: Item, reason: str) -> list[Loss]:
    """The loss of a call's arguments, with the encoder's reason; comparing both responses finds every other loss."""
    if isinstance(item, ToolCall) and isinstance(candidate, ToolCall) and item.arguments != candidate.arguments:
        return [Loss("arguments", "left out", note=reason)]
    return []


def _round_trip(item: Item, target: ProviderRequest) -> ChatMessage | str:
    """The item encoded alone and decoded again, or the reason why it can't be encoded."""
    try:
        return decode_tape(encode(Script.of(item), target, Instant()), target.wire).output.message
    except (ScriptError, DecodeError) as error:
        return str(error)


def _refusal(script: Script, target: ProviderRequest) -> str:
    try:
        encode(script, target, Instant())
    except ScriptError as error:
        return str(error)
    return ""


def _name(item: Item) -> str:
    match item:
        case Reasoning():
            return "reasoning"
        case ToolCall():
            return "tool call"
        case Refusal():
            return "refusal"
        case Text():
            return "text"
        case ServerTool():
            return "server tool"
        case Audio():
            return "audio"
