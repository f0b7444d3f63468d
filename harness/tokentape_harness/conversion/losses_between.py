"""Losses between a response and its conversion to another wire format, found by comparing both as decoded."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from itertools import zip_longest
from typing import Any

from tokentape import ChatMessage, ChatOutput, ProviderError, ProviderPart, ReasoningPart, TextPart
from tokentape.message import ToolCall
from tokentape.stream.tool_call_assembly import ToolCallAssembly
from tokentape_fake_provider.script.model import Choice, Reasoning, Refusal, Script, Text
from tokentape_harness.conversion.loss import Loss, differing
from tokentape_harness.conversion.response_decoder import DecodedResponse
from tokentape_harness.conversion.script_builder import TOOL_PLAN, provider_message

USAGE = ("input", "output", "total", "cached", "cache_write", "reasoning")


def losses_between(recorded: DecodedResponse, converted: DecodedResponse, script: Script) -> Iterator[Loss]:
    """What is missing, different or new in the converted response, which was encoded from `script`.

    Choices that the script does not have are not compared.
    """
    before, after = recorded.output, converted.output
    yield from _error(recorded.error, converted.error)
    if recorded.error is not None and not recorded.streamed:
        return
    converted_choices = {message.index: message for message in after.messages}
    for index, (message, choice) in enumerate(zip(before.messages, script.choices, strict=False)):
        for loss in _message(message, converted_choices.get(index, ChatMessage()), choice):
            yield loss.at(f"choice {index}")
    yield from _usage(before, after)
    yield from differing("model", before.model, after.model)
    yield from _metadata(before.metadata, after.metadata)
    yield from _times(recorded, converted)


def _error(before: ProviderError | None, after: ProviderError | None) -> Iterator[Loss]:
    if before is None or after is None:
        if before is not None:
            yield Loss("error", "left out", note=provider_message(before))
        elif after is not None:
            yield Loss("error", "made up", note=provider_message(after))
        return
    for name in ("status", "type", "code", "param", "retry_after"):
        yield from differing(f"error {name}", getattr(before, name), getattr(after, name))
    yield from differing("error message", provider_message(before), provider_message(after))


def _message(before: ChatMessage, after: ChatMessage, choice: Choice) -> Iterator[Loss]:
    content = "".join(item.text for item in choice.items if isinstance(item, Text | Refusal))
    if before.refusal and not after.refusal and after.text == content:
        yield Loss("refusal", "changed", note="sent as text")
    else:
        yield from _text("text", before.text, after.text)
        yield from _text("refusal", before.refusal, after.refusal)
    planned = any(isinstance(part, ProviderPart) and part.kind == TOOL_PLAN for part in before.parts)
    reasoning = "".join(item.text for item in choice.items if isinstance(item, Reasoning))
    yield from _text("reasoning", reasoning if planned and after.reasoning else before.reasoning, after.reasoning)
    for old, new in zip_longest(before.tool_calls, after.tool_calls):
        yield from _call(old, new)
    if before.finish_reason != after.finish_reason:
        yield from differing("finish reason", before.finish_reason, after.finish_reason)
    else:
        yield from differing("provider's finish reason", before.provider_finish_reason, after.provider_finish_reason)
    yield from _parts(before, after)


def _text(what: str, before: str, after: str) -> Iterator[Loss]:
    if before == after:
        return
    change = "left out" if not after else "made up" if not before else "changed"
    yield Loss(what, change, note=f"{len(before)} characters, now {len(after)}")  # type: ignore[arg-type]


def _call(before: ToolCall | None, after: ToolCall | None) -> Iterator[Loss]:
    if before is None or after is None:
        change = "made up" if before is None else "left out"
        yield Loss("tool call", change)  # type: ignore[arg-type]
        return
    if before.name != after.name:
        yield Loss("tool call name", "changed", note=f"was {before.name}, now {after.name}")
    if (before.valid, before.arguments) != (after.valid, after.arguments) or (
        not before.valid and before.raw_arguments != after.raw_arguments
    ):
        yield Loss("arguments", "changed", note=f"of {before.name}")
    elif before.raw_arguments.strip() != after.raw_arguments.strip() and before.arguments:
        yield Loss("spacing of arguments", "changed")
    if before.id != after.id:
        yield Loss("tool call id", "left out" if not after.id else "changed" if before.id else "made up")


def _parts(before: ChatMessage, after: ChatMessage) -> Iterator[Loss]:
    for what, old, new in (
        ("signature", _field(before, "signature"), _field(after, "signature")),
        ("encrypted reasoning", _field(before, "encrypted"), _field(after, "encrypted")),
    ):
        gone, added = old - new, new - old
        changed = min(gone.total(), added.total())
        if changed:
            yield Loss(what, "changed", count=changed)
        if gone.total() > changed:
            yield Loss(what, "left out", count=gone.total() - changed)
        if added.total() > changed:
            yield Loss(what, "made up", count=added.total() - changed)
    cited = sum(len(part.citations) for part in before.parts if isinstance(part, TextPart))
    kept = sum(len(part.citations) for part in after.parts if isinstance(part, TextPart))
    if cited > kept:
        yield Loss("citation", "left out", count=cited - kept)
    for part in before.parts:
        if isinstance(part, ProviderPart) and part not in after.parts:
            if part.kind == TOOL_PLAN and part.data.get(TOOL_PLAN, "") in after.reasoning:
                yield Loss("tool plan", "changed", note="sent as reasoning")
            else:
                yield Loss(f"provider part {part.kind}", "left out")


def _field(message: ChatMessage, name: str) -> Counter[str]:
    return Counter(
        value for part in message.parts if isinstance(part, ReasoningPart) and (value := getattr(part, name))
    )


def _usage(before: ChatOutput, after: ChatOutput) -> Iterator[Loss]:
    for name in USAGE:
        old, new = getattr(before.usage, name), getattr(after.usage, name)
        # A count that is not reported is 0.
        if (old or 0) != (new or 0):
            yield from differing(f"usage {name}", old, new)


def _metadata(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[Loss]:
    gone = [key for key, value in before.items() if value not in (None, "", [], {}) and after.get(key) != value]
    for change, keys in (
        ("left out", [key for key in gone if after.get(key) is None]),
        ("changed", [key for key in gone if after.get(key) is not None]),
    ):
        if keys:
            yield Loss("metadata", change, count=len(keys), note=", ".join(keys))  # type: ignore[arg-type]


def _times(before: DecodedResponse, after: DecodedResponse) -> Iterator[Loss]:
    """Deltas whose time differs."""
    old, new = _arrivals(before), _arrivals(after)
    for key, times in old.items():
        if None in times.values() or key not in new:
            continue
        index, what = key
        moved = sum(1 for end, at in times.items() if not _same(at, new[key].get(end)))
        if moved:
            yield Loss(f"time of {what}", "changed", f"choice {index}", moved)


def _same(before: float | None, after: float | None) -> bool:
    return before is not None and after is not None and abs(before - after) < 0.002


def _arrivals(response: DecodedResponse) -> dict[tuple[int, str], dict[int, float | None]]:
    """For each choice and kind: the time of each delta, by the number of characters that had then arrived."""
    found: dict[tuple[int, str], dict[int, float | None]] = {}
    lengths: Counter[tuple[int, str]] = Counter()
    calls: defaultdict[int, ToolCallAssembly] = defaultdict(ToolCallAssembly)
    for message, at in response.chunks:
        for what, text in _deltas(message, calls[message.index]):
            key = (message.index, what)
            lengths[key] += len(text)
            found.setdefault(key, {}).setdefault(lengths[key], at)
    return found


def _deltas(message: ChatMessage, calls: ToolCallAssembly) -> Iterator[tuple[str, str]]:
    if message.text:
        yield "text", message.text
    if message.reasoning:
        yield "reasoning", message.reasoning
    for delta in message.tool_call_deltas:
        call = calls.add_delta(delta)
        if delta.arguments:
            yield f"tool call {calls.started.index(call)}", delta.arguments
    for whole in message.tool_calls:
        calls.add_call(whole)
        if whole.raw_arguments:
            yield f"tool call {len(calls.started) - 1}", whole.raw_arguments
