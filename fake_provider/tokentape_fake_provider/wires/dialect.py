"""How another provider's variant differs from OpenAI's format, as a pure change to OpenAI's chunks."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Literal, NamedTuple, TypeAlias

import msgspec

from tokentape_fake_provider.script.model import Error, Script, ServerTool, ToolCall
from tokentape_fake_provider.script.usage import Counts
from tokentape_fake_provider.wires.citations import PlacedCitation
from tokentape_fake_provider.wires.limits import Headers, Limits, openai_limits
from tokentape_fake_provider.wires.wire import EncodedFrame, ProviderRequest

Object: TypeAlias = dict[str, Any]

DONE = b"data: [DONE]\n\n"
LOGPROB_NAMES = ("content", "refusal")
"""The fields that OpenAI reports log probabilities for."""
_HEAD = ("id", "object", "created", "model", "provider", "system_fingerprint")
_json = msgspec.json.encode


class Place(NamedTuple):
    """A chunk's place in the stream: whether it is the first, and the usage if the last choice ends in it."""

    first: bool = True
    usage: Object | None = None


class Dialect(NamedTuple):
    """What a provider does differently.

    `part` changes the `delta` or `message` of a choice, `choice` a choice, `chunk` a chunk or a whole body, each in
    place. `usage` returns the provider's own counts, which are beside the `last` choice, in a chunk of their `own`,
    or in one if that was `requested`. `lead` comes before the first chunk. `refuses`: it has a field for refusals;
    `obfuscates`: it pads chunks as OpenAI does; `sorts`: its keys are sorted. `logprobs` are the fields that it
    reports log probabilities for. `annotation` returns its form of a citation, if it has one, and `server_tool` the
    deltas of the server tool with that number, of which the last one is in a whole message. `audio`: it generates it.
    """

    name: str
    usage: Callable[[Counts, ProviderRequest], Object]
    usage_places: frozenset[Literal["last", "own", "requested"]]
    completion_id: Callable[[ProviderRequest], str]
    call_id: Callable[[str], str]
    part: Callable[[Object, ProviderRequest], None]
    choice: Callable[[Object], None] = lambda _choice: None
    chunk: Callable[[Object, ProviderRequest, Place], None] = lambda _chunk, _request, _place: None
    own: Mapping[str, Any] = MappingProxyType({"choices": ()})
    whole_calls: bool = False
    lead: Callable[[ProviderRequest], bytes] = lambda _request: b""
    error: Callable[[Object, Error], Object] = lambda fields, _error: {"error": fields}
    headers: Callable[[str], tuple[tuple[str, str], ...]] = lambda _seed: ()
    limits: Callable[[Limits], Headers] = openai_limits
    refuses: bool = False
    obfuscates: bool = False
    sorts: bool = False
    logprobs: Sequence[str] = ()
    annotation: Callable[[PlacedCitation], Object] | None = None
    server_tool: Callable[[ServerTool, int], Sequence[Object]] = lambda _tool, _number: ()
    audio: bool = False


def url_citation(placed: PlacedCitation) -> Object:
    """OpenAI's annotation for a web page."""
    cited = placed.citation
    place = {"end_index": placed.end, "start_index": placed.start, "title": cited.title, "url": cited.url}
    return {"type": "url_citation", "url_citation": place}


def with_call_ids(script: Script, dialect: Dialect, request: ProviderRequest) -> Script:
    """The script with ids of this provider's kind for the tool calls that have none."""
    choices = []
    for number, choice in enumerate(script.choices):
        items = tuple(
            msgspec.structs.replace(item, id=dialect.call_id(request.seed + f" call {number} {index}"))
            if isinstance(item, ToolCall) and not item.id
            else item
            for index, item in enumerate(choice.items)
        )
        choices.append(msgspec.structs.replace(choice, items=items))
    return msgspec.structs.replace(script, choices=tuple(choices))


def stream_in_dialect(
    dialect: Dialect, pieces: Sequence[EncodedFrame], request: ProviderRequest, counts: Counts | None
) -> list[EncodedFrame]:
    """The stream as this provider sends it; `pieces` is OpenAI's, without usage."""
    if dialect.whole_calls:
        pieces = list(_with_whole_calls(pieces))
    usage = None if counts is None else dialect.usage(counts, request)
    own = usage is not None and (
        "own" in dialect.usage_places or ("requested" in dialect.usage_places and request.include_usage)
    )
    documents = [None if piece.data == DONE else _document(piece.data) for piece in pieces]
    last = max((n for n, chunk in enumerate(documents) if chunk and _finished(chunk)), default=-1)
    frames = [EncodedFrame(lead)] if (lead := dialect.lead(request)) else []
    first = True
    for number, (piece, chunk) in enumerate(zip(pieces, documents, strict=True)):
        if chunk is None and own and last >= 0:
            frames.append(EncodedFrame(_framed(dialect, _head(documents[last]) | dict(dialect.own) | {"usage": usage})))
        if chunk is None or "choices" not in chunk:
            frames.append(piece)
            continue
        for choice in chunk["choices"]:
            _change_choice(dialect, choice, "delta", request)
        chunk["id"] = dialect.completion_id(request)
        place = Place(first, usage if number == last else None)
        dialect.chunk(chunk, request, place)
        if place.usage is not None and "last" in dialect.usage_places:
            chunk["usage"] = usage
        frames.append(EncodedFrame(_framed(dialect, chunk), piece.tokens, piece.at))
        first = False
    return frames


def body_in_dialect(dialect: Dialect, body: Object, request: ProviderRequest, counts: Counts | None) -> Object:
    """A whole response as this provider sends it."""
    for choice in body["choices"]:
        _change_choice(dialect, choice, "message", request)
    body["id"] = dialect.completion_id(request)
    dialect.chunk(body, request, Place())
    if counts is not None:
        body["usage"] = dialect.usage(counts, request)
    return body


def _change_choice(
    dialect: Dialect, choice: Object, part: Literal["delta", "message"], request: ProviderRequest
) -> None:
    message: Object = choice[part]
    if not dialect.refuses:
        refusal = message.pop("refusal", None)
        if refusal:
            message["content"] = (message.get("content") or "") + refusal
        if choice.get("logprobs"):
            refused = choice["logprobs"].pop("refusal", None)
            choice["logprobs"]["content"] = choice["logprobs"]["content"] or refused
    dialect.part(message, request)
    dialect.choice(choice)


def _head(chunk: Object | None) -> Object:
    """The fields that all chunks of a stream begin with."""
    return {key: chunk[key] for key in _HEAD if key in chunk} if chunk else {}


def _framed(dialect: Dialect, chunk: Object) -> bytes:
    encoded = msgspec.json.encode(chunk, order="sorted" if dialect.sorts else None)
    return b"data: " + encoded + b"\n\n"


def _document(data: bytes) -> Object:
    chunk: Object = msgspec.json.decode(data[len(b"data: ") :])
    return chunk


def _finished(chunk: Object) -> bool:
    return any(choice.get("finish_reason") for choice in chunk.get("choices", ()))


def _with_whole_calls(pieces: Sequence[EncodedFrame]) -> Iterator[EncodedFrame]:
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
            yield EncodedFrame(b"data: " + _json(whole) + b"\n\n", tokens, at)
