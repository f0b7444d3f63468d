"""Fragments: the same deltas in more events, in fewer, or in another order, where the wire format allows it."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

import msgspec

from tokentape_harness.doctor.change import Change, Kind
from tokentape_harness.doctor.stream import Stream

# The texts of a document that a provider may send in fragments of any size; `*` is each element of an array.
_TEXTS: Final[Mapping[str, Sequence[str]]] = {
    "openai_chat": ("choices.*.delta.content", "choices.*.delta.tool_calls.*.function.arguments"),
    "openai_completions": ("choices.*.text",),
    "anthropic_messages": ("delta.text", "delta.partial_json", "delta.thinking"),
    "gemini": ("candidates.*.content.parts.*.text",),
    "ollama": ("message.content",),
    "cohere_chat": ("delta.message.content.text", "delta.message.tool_calls.function.arguments"),
}
# What comes once: a document with it is not sent twice.
_ONCE: Final = ("finish_reason", "finishReason", "logprobs", "thoughtSignature", "usage", "usageMetadata")


def events_with(stream: Stream, changes: Sequence[Change]) -> Mapping[int, bytes]:
    """The bytes of the events that these changes replace, by number; an event that joined another one is empty."""
    found: dict[int, bytes] = {}
    for change in sorted(changes):
        number = change.event
        if number >= len(stream.events):
            continue
        match change.kind:
            case "merge":
                merged = merge(stream, number)
                if merged is not None:
                    found[number], found[number + 1] = _encoded(stream, number, merged), b""
            case "halve" | "apart":
                parts = (halve if change.kind == "halve" else name_apart)(stream, number)
                if parts:
                    found[number] = b"".join(_encoded(stream, number, part) for part in parts)
            case "swap" if swaps(stream, number):
                found[number], found[number + 1] = _bytes(stream, number + 1), _bytes(stream, number)
            case _:
                pass
    return found


def fragment_changes(stream: Stream, request: int, kind: Kind) -> Iterator[Change]:
    """The changes of this kind that the stream allows."""
    applies: Callable[[Stream, int], Any] = {
        "halve": halve,
        "apart": name_apart,
        "swap": swaps,
        "merge": merge,
    }[kind]
    if not stream.wire or stream.framing.between:
        return
    skipped = -1
    for number, event in enumerate(stream.events):
        if number > skipped and event.whole and applies(stream, number):
            skipped = number + 1 if kind == "swap" else -1
            yield Change(request, number, 0, kind)


def halve(stream: Stream, number: int) -> Sequence[Any]:
    """The documents that together carry the one text of this event; none if it has not one that can be split."""
    document = stream.documents[number]
    if not isinstance(document, dict) or _has(document, _ONCE):
        return ()
    texts = [(holder, key) for path in _TEXTS.get(stream.wire, ()) for holder, key in _texts(document, path.split("."))]
    if len(texts) != 1 or len(texts[0][0][texts[0][1]]) < 2:
        return ()
    first, second = copy.deepcopy(document), copy.deepcopy(document)
    middle = len(texts[0][0][texts[0][1]]) // 2
    for part, piece in ((first, slice(None, middle)), (second, slice(middle, None))):
        for path in _TEXTS[stream.wire]:
            for holder, key in _texts(part, path.split(".")):
                holder[key] = holder[key][piece]
    for delta in _deltas(second):
        delta.pop("role", None)
        for call in delta.get("tool_calls") or ():
            call.pop("id", None), call.pop("type", None), call["function"].pop("name", None)
    return first, second


def name_apart(stream: Stream, number: int) -> Sequence[Any]:
    """The first event of a tool call with its id, and one with its name; none in other formats than OpenAI's chat."""
    calls = _calls(stream.documents[number]) if stream.wire == "openai_chat" else ()
    if len(calls) != 1 or not calls[0].get("id") or not calls[0].get("function", {}).get("name"):
        return ()
    first, second = copy.deepcopy(stream.documents[number]), copy.deepcopy(stream.documents[number])
    _calls(first)[0]["function"] = {"arguments": ""}
    _calls(second)[0].pop("id")
    for delta in _deltas(second):
        delta.pop("role", None), delta.pop("content", None)
    return first, second


def swaps(stream: Stream, number: int) -> bool:
    """Whether this event and the next one are fragments of two different tool calls."""
    if stream.wire != "openai_chat" or number + 1 >= len(stream.events):
        return False
    one, other = _calls(stream.documents[number]), _calls(stream.documents[number + 1])
    return bool(one and other) and not {call.get("index") for call in one} & {call.get("index") for call in other}


def merge(stream: Stream, number: int) -> Any:
    """One document for those of this event and of the next one; `None` where no provider sends both in one.

    Texts are not joined: a test may count their deltas.
    """
    document = stream.documents[number]
    following = stream.documents[number + 1] if number + 1 < len(stream.events) else None
    if not isinstance(document, dict) or not isinstance(following, dict) or _has(document, ("logprobs",)):
        return None
    merged = copy.deepcopy(document)
    return _merged_chat(merged, following) if stream.wire == "openai_chat" else None


def _merged_chat(merged: Any, following: Any) -> Any:
    """A chunk of OpenAI's chat and the next one, if each has at most one choice, and at most one a tool call."""
    choices, added = merged.get("choices"), following.get("choices")
    if not isinstance(choices, list) or not isinstance(added, list) or len(choices) != 1 or len(added) > 1:
        return None
    choice, then = choices[0], added[0] if added else {}
    if choice.get("index") != then.get("index", choice.get("index")) or then.get("logprobs"):
        return None
    if added and choice.get("finish_reason"):
        return None
    delta, more = choice.setdefault("delta", {}), then.get("delta") or {}
    calls, new_calls = delta.get("tool_calls") or [], more.get("tool_calls") or []
    if new_calls:
        same = len(calls) == len(new_calls) == 1 and calls[0].get("index") == new_calls[0].get("index")
        if not same or new_calls[0].get("id"):
            return None
        function = calls[0].setdefault("function", {})
        if function.get("arguments"):
            return None
        function["arguments"] = new_calls[0].get("function", {}).get("arguments") or ""
    if more.keys() - {"content", "tool_calls", "role"}:
        return None
    if more.get("content"):
        if calls or delta.get("content"):
            return None
        delta["content"] = more["content"]
    if then.get("finish_reason"):
        choice["finish_reason"] = then["finish_reason"]
    if following.get("usage"):
        merged["usage"] = following["usage"]
    return merged


def _encoded(stream: Stream, number: int, document: Any) -> bytes:
    return stream.context.replaced(number, lambda _: msgspec.json.encode(document))


def _bytes(stream: Stream, number: int) -> bytes:
    event = stream.events[number]
    return stream.tape.body[event.start : event.stop]


def _deltas(document: Any) -> Iterator[dict[str, Any]]:
    choices = document.get("choices") if isinstance(document, dict) else None
    for choice in choices if isinstance(choices, list) else ():
        delta = choice.get("delta") if isinstance(choice, dict) else None
        if isinstance(delta, dict):
            yield delta


def _calls(document: Any) -> list[dict[str, Any]]:
    found = [call for delta in _deltas(document) for call in delta.get("tool_calls") or ()]
    return found if all(isinstance(call, dict) and isinstance(call.get("function"), dict) for call in found) else []


def _texts(value: Any, path: Sequence[str]) -> Iterator[tuple[dict[str, Any], str]]:
    """Each object that has a text at the end of the path, and the key of the text."""
    key, rest = path[0], path[1:]
    if key == "*":
        for item in value if isinstance(value, list) else ():
            yield from _texts(item, rest)
    elif isinstance(value, dict) and isinstance(value.get(key), str) and not rest and value[key]:
        yield value, key
    elif isinstance(value, dict) and key in value and rest:
        yield from _texts(value[key], rest)


def _has(value: Any, names: Sequence[str]) -> bool:
    """Whether an object in this value has one of these fields, with a value."""
    if isinstance(value, dict):
        return any(value.get(name) for name in names) or any(_has(item, names) for item in value.values())
    return isinstance(value, list) and any(_has(item, names) for item in value)
