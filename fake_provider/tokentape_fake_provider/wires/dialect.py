"""Dress: how another provider changes what OpenAI would send, as a pure change to its chunks."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Literal, NamedTuple, TypeAlias

import msgspec

from tokentape_fake_provider.script.model import Error, Script, ToolCall
from tokentape_fake_provider.script.usage import Counts
from tokentape_fake_provider.wires.limits import Headers, Limits, openai_limits
from tokentape_fake_provider.wires.wire import Ask, Piece

Object: TypeAlias = dict[str, Any]

DONE = b"data: [DONE]\n\n"
_HEAD = ("id", "object", "created", "model", "provider", "system_fingerprint")
_json = msgspec.json.encode


class Place(NamedTuple):
    """Where a chunk stands: whether it is the first, and the usage if the last choice ends in it."""

    first: bool = True
    usage: Object | None = None


class Dress(NamedTuple):
    """What a provider does differently.

    `part` changes the `delta` or `message` of a choice, `choice` a choice, `chunk` a chunk or a whole body: they
    change the objects they get. `usage` gives its own counts, which stand beside the `last` choice, in a chunk of
    their `own`, or in one if that was `asked` for. `lead` comes before the first chunk. `refuses` says that it has
    a place for refusals, `obfuscates` that it pads chunks as OpenAI does, `sorts` that its keys are sorted.
    """

    name: str
    usage: Callable[[Counts, Ask], Object]
    usage_places: frozenset[Literal["last", "own", "asked"]]
    completion_id: Callable[[Ask], str]
    call_id: Callable[[str], str]
    part: Callable[[Object, Ask], None]
    choice: Callable[[Object], None] = lambda _choice: None
    chunk: Callable[[Object, Ask, Place], None] = lambda _chunk, _ask, _place: None
    own: Mapping[str, Any] = MappingProxyType({"choices": ()})
    whole_calls: bool = False
    lead: Callable[[Ask], bytes] = lambda _ask: b""
    error: Callable[[Object, Error], Object] = lambda fields, _error: {"error": fields}
    headers: Callable[[str], tuple[tuple[str, str], ...]] = lambda _seed: ()
    limits: Callable[[Limits], Headers] = openai_limits
    refuses: bool = False
    obfuscates: bool = False
    sorts: bool = False


def with_call_ids(script: Script, dress: Dress, ask: Ask) -> Script:
    """The script with ids of this provider's kind for the tool calls that have none."""
    choices = []
    for number, choice in enumerate(script.choices):
        items = tuple(
            msgspec.structs.replace(item, id=dress.call_id(f"{ask.seed} call {number} {index}"))
            if isinstance(item, ToolCall) and not item.id
            else item
            for index, item in enumerate(choice.items)
        )
        choices.append(msgspec.structs.replace(choice, items=items))
    return msgspec.structs.replace(script, choices=tuple(choices))


def dress_stream(dress: Dress, pieces: Sequence[Piece], ask: Ask, counts: Counts | None) -> list[Piece]:
    """The stream as this provider sends it; `pieces` is OpenAI's, without usage."""
    if dress.whole_calls:
        pieces = list(_with_whole_calls(pieces))
    usage = None if counts is None else dress.usage(counts, ask)
    own = usage is not None and ("own" in dress.usage_places or ("asked" in dress.usage_places and ask.include_usage))
    documents = [None if piece.data == DONE else _document(piece.data) for piece in pieces]
    last = max((n for n, chunk in enumerate(documents) if chunk and _finished(chunk)), default=-1)
    made = [Piece(lead)] if (lead := dress.lead(ask)) else []
    first = True
    for number, (piece, chunk) in enumerate(zip(pieces, documents, strict=True)):
        if chunk is None and own and last >= 0:
            made.append(Piece(_framed(dress, _head(documents[last]) | dict(dress.own) | {"usage": usage})))
        if chunk is None or "choices" not in chunk:
            made.append(piece)
            continue
        for choice in chunk["choices"]:
            _dress_choice(dress, choice, "delta", ask)
        chunk["id"] = dress.completion_id(ask)
        place = Place(first, usage if number == last else None)
        dress.chunk(chunk, ask, place)
        if place.usage is not None and "last" in dress.usage_places:
            chunk["usage"] = usage
        made.append(Piece(_framed(dress, chunk), piece.tokens, piece.at))
        first = False
    return made


def dress_complete(dress: Dress, body: Object, ask: Ask, counts: Counts | None) -> Object:
    """A whole response as this provider sends it."""
    for choice in body["choices"]:
        _dress_choice(dress, choice, "message", ask)
    body["id"] = dress.completion_id(ask)
    dress.chunk(body, ask, Place())
    if counts is not None:
        body["usage"] = dress.usage(counts, ask)
    return body


def _dress_choice(dress: Dress, choice: Object, part: Literal["delta", "message"], ask: Ask) -> None:
    said: Object = choice[part]
    if not dress.refuses:
        refusal = said.pop("refusal", None)
        if refusal:
            said["content"] = (said.get("content") or "") + refusal
    dress.part(said, ask)
    dress.choice(choice)


def _head(chunk: Object | None) -> Object:
    """What all chunks of a stream begin with."""
    return {key: chunk[key] for key in _HEAD if key in chunk} if chunk else {}


def _framed(dress: Dress, chunk: Object) -> bytes:
    encoded = msgspec.json.encode(chunk, order="sorted" if dress.sorts else None)
    return b"data: " + encoded + b"\n\n"


def _document(data: bytes) -> Object:
    chunk: Object = msgspec.json.decode(data[len(b"data: ") :])
    return chunk


def _finished(chunk: Object) -> bool:
    return any(choice.get("finish_reason") for choice in chunk.get("choices", ()))


def _with_whole_calls(pieces: Sequence[Piece]) -> Iterator[Piece]:
    """Each tool call in one piece, where its last fragment was."""
    calls: dict[tuple[int, int], tuple[Object, int, float | None, int]] = {}
    keys: list[tuple[int, int] | None] = []
    for number, piece in enumerate(pieces):
        chunk = {} if piece.data == DONE else _document(piece.data)
        choice = (chunk.get("choices") or [{}])[0]
        deltas = choice.get("delta", {}).get("tool_calls")
        key = (choice["index"], deltas[0]["index"]) if deltas else None
        keys.append(key)
        if key is None:
            continue
        if key in calls:
            whole, tokens, _, _ = calls[key]
            whole["choices"][0]["delta"]["tool_calls"][0]["function"]["arguments"] += deltas[0]["function"]["arguments"]
            calls[key] = (whole, tokens + piece.tokens, piece.at, number)
        else:
            calls[key] = (chunk, piece.tokens, piece.at, number)
    for number, (piece, key) in enumerate(zip(pieces, keys, strict=True)):
        if key is None:
            yield piece
        elif calls[key][3] == number:
            whole, tokens, at, _ = calls[key]
            yield Piece(b"data: " + _json(whole) + b"\n\n", tokens, at)
