"""Fitting: a script as far as a wire format can say it.

The encoder itself is the authority: each item is said alone and heard again, so that there is no table of
capabilities that could tell another story than the encoder. What it refuses (`ScriptError`), or says without its
text, is tried in a plainer form, and left out if that does not help.
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
    Usage,
)
from tokentape_fake_provider.timing import Instant
from tokentape_fake_provider.wires import ProviderRequest
from tokentape_harness.conversion.loss import Loss
from tokentape_harness.conversion.response_decoder import decode_tape


def fit(script: Script, ask: ProviderRequest) -> tuple[Script, list[Loss]]:
    """The script with whatever the wire format of `ask` refuses left out, and what that is."""
    losses: list[Loss] = []
    choices = script.choices
    if len(choices) > 1 and (refusal := _refusal(Script((Choice(), Choice())), ask)):
        losses.append(Loss("choice", "left out", count=len(choices) - 1, note=refusal))
        choices = choices[:1]
    fitted = []
    for index, choice in enumerate(choices):
        items: list[Item] = []
        for item in choice.items:
            found, lost = _fitted(item, ask)
            losses += [loss.at(f"choice {index}") for loss in lost]
            items += [found] if found is not None else []
        fitted.append(msgspec.structs.replace(choice, items=tuple(items)))
    made = msgspec.structs.replace(script, choices=tuple(fitted))
    if script.usage.report and (refusal := _refusal(Script(usage=script.usage), ask)):
        # Numbers that contradict each other, such as more cached tokens than there are.
        losses.append(Loss("usage", "changed", note=refusal))
        made = msgspec.structs.replace(made, usage=_plain_usage(script.usage))
    return made, losses


def _fitted(item: Item, ask: ProviderRequest) -> tuple[Item | None, list[Loss]]:
    if isinstance(item, Text):
        return item, []
    reason, sayable = "", None
    for candidate in _forms(item):
        heard = _heard(candidate, ask)
        if isinstance(heard, str):
            reason = reason or heard
        elif _is_kept(item, heard):
            return candidate, _changed(item, candidate, reason)
        else:
            sayable = sayable or candidate
    if sayable is not None:
        return sayable, _changed(item, sayable, reason)
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


def _is_kept(item: Item, heard: ChatMessage) -> bool:
    """Whether the words of an item were heard, whatever it is taken for."""
    match item:
        case ToolCall():
            meant = DecodedCall.parse("", "", item.arguments)
            return any(
                (call.valid, call.arguments) == (meant.valid, meant.arguments)
                and (call.valid or call.raw_arguments == meant.raw_arguments)
                for call in heard.tool_calls
            )
        case Reasoning():
            return item.text in heard.reasoning
        case ServerTool() | Audio():
            return any(isinstance(part, ProviderPart) for part in heard.parts)
        case _:
            return item.text in (heard.text, heard.refusal)


def _changed(item: Item, candidate: Item, reason: str) -> list[Loss]:
    """What the plainer form leaves out beyond what is heard to be missing."""
    if isinstance(item, ToolCall) and isinstance(candidate, ToolCall) and item.arguments != candidate.arguments:
        return [Loss("arguments", "left out", note=reason)]
    return []


def _heard(item: Item, ask: ProviderRequest) -> ChatMessage | str:
    """An item as it is heard when it is said alone; the reason if it can't be said."""
    try:
        return decode_tape(encode(Script.of(item), ask, Instant()), ask.wire).output.message
    except (ScriptError, DecodeError) as error:
        return str(error)


def _refusal(script: Script, ask: ProviderRequest) -> str:
    try:
        encode(script, ask, Instant())
    except ScriptError as error:
        return str(error)
    return ""


def _plain_usage(usage: Usage) -> Usage:
    return msgspec.structs.replace(usage, cached=None, cache_write=None)


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
