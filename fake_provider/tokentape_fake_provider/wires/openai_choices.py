"""The choices of `openai_chat`: as the chunks of a stream, and as those of a whole completion."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import cycle, islice
from typing import Any, NamedTuple, assert_never

import msgspec

from tokentape_fake_provider.script.ids import BASE62, HEX, make_id, padding
from tokentape_fake_provider.script.model import (
    Audio,
    Choice,
    FinishReason,
    Item,
    Reasoning,
    Refusal,
    Script,
    ServerTool,
    Text,
    ToolCall,
)
from tokentape_fake_provider.script.tokenizer import count_tokens
from tokentape_fake_provider.script.usage import Counts
from tokentape_fake_provider.wires.citations import placed_citations
from tokentape_fake_provider.wires.deltas import Columns, columns_of, split_item
from tokentape_fake_provider.wires.dialect import LOGPROB_NAMES, Dialect, Object, url_citation
from tokentape_fake_provider.wires.logprobs import Logprobs, logprobs_seed, requested_count, token_object
from tokentape_fake_provider.wires.openai_dialects import dialect_named
from tokentape_fake_provider.wires.openai_http import completion_usage
from tokentape_fake_provider.wires.wire import EncodedFrame, ProviderRequest

FINISH_REASONS: Mapping[FinishReason, str] = {
    "stop": "stop",
    "length": "length",
    "tool_calls": "tool_calls",
    "content_filter": "content_filter",
    "refusal": "stop",
    "pause": "stop",
    "error": "error",  # OpenRouter's
    "other": "other",
}
_FIELDS: Mapping[type, str] = {Text: "content", Reasoning: "reasoning_content", Refusal: "refusal"}
_AUDIO_SLICE = 16_384
"""Characters of base64 in a chunk of audio."""
_AUDIO_LIFETIME = 3600
_PADDINGS = 64
"""The number of chunks after which the same padding comes again."""

_json = msgspec.json.encode


class ChunkFrame:
    """What surrounds the delta in each chunk of one stream, encoded once."""

    def __init__(self, script: Script, request: ProviderRequest, *, obfuscates: bool) -> None:
        self._obfuscates = obfuscates
        self._usage = b',"usage":null' if request.include_usage else b""
        self._sent = 0
        self._head = (
            b'data: {"id":"%b","object":"chat.completion.chunk","created":%d,"model":%b,"service_tier":"default",'
            b'"system_fingerprint":"%b","choices":['
        ) % (
            completion_id(request).encode(),
            request.created,
            _json(script.model or request.model),
            fingerprint(script, request).encode(),
        )

    def chunk(self, index: int, delta: bytes, finish_reason: bytes = b"null", logprobs: bytes = b"null") -> bytes:
        choice = b'%b{"index":%d,"delta":%b,"logprobs":%b,"finish_reason":%b}]'
        return self._closed(choice % (self._head, index, delta, logprobs, finish_reason), self._usage)

    def texts(self, index: int, key: str, deltas: Columns) -> list[EncodedFrame]:
        """The chunks of a text, without log probabilities; what stands around each part is encoded once."""
        before = self._head + b'{"index":%d,"delta":{"%b":' % (index, key.encode())
        ends = _ends(b'},"logprobs":null,"finish_reason":null}]' + self._usage, self._obfuscates)
        texts, size, first = deltas.encoded, len(before), self._sent % _PADDINGS
        self._sent += len(texts)
        turns = zip(texts, islice(cycle(ends), first, None), deltas.tokens, deltas.at, strict=False)
        return [
            EncodedFrame(before + text + end[(size + len(text)) % 16], tokens, at) for text, end, tokens, at in turns
        ]

    def usage_chunk(self, counts: Counts) -> bytes:
        return self._closed(self._head + b'],"usage":' + _json(completion_usage(counts)), b"")

    def _closed(self, data: bytes, after: bytes) -> bytes:
        end = _ends(after, self._obfuscates)[self._sent % _PADDINGS]
        self._sent += 1
        return data + end[len(data) % 16]


@lru_cache(maxsize=64)
def _ends(after: bytes, obfuscates: bool) -> Sequence[Sequence[bytes]]:
    """The ends of chunks in turn: what stands `after` the delta, and the padding, by the size before both modulo 16.

    Recorded chunks are padded to one length modulo 16, which hides the length of the delta.
    """
    if not obfuscates:
        return [[after + b"}\n\n"] * 16] * _PADDINGS
    letters = padding(16 * (_PADDINGS + 1)).encode()
    return [
        [
            b'%b,"obfuscation":"%b"}\n\n' % (after, letters[start : start + -(size + len(after) + 2) % 16])
            for size in range(16)
        ]
        for start in range(0, 16 * _PADDINGS, 16)
    ]


def choice_chunks(
    frame: ChunkFrame, choice: Choice, index: int, request: ProviderRequest, ends: bool
) -> list[EncodedFrame]:
    dialect = dialect_of(request)
    items = _sent_items(choice, dialect)
    logprobs = _ChoiceLogprobs.requested(request, index)
    match items[0] if items else None:
        case ToolCall() | Audio():
            role = b'{"role":"assistant","content":null}'
        case Refusal():
            role = b'{"role":"assistant","content":null,"refusal":""}'
        case _:
            role = b'{"role":"assistant","content":"","refusal":null}'
    frames = [
        EncodedFrame(frame.chunk(index, role, logprobs=b"null" if logprobs is None else logprobs.field("content")))
    ]
    calls = tools = 0
    for item in items:
        match item:
            case Text():
                key = "content"
            case Reasoning():
                key = "reasoning_content"
            case Refusal():
                key = "refusal"
            case ToolCall():
                form = _call_form(item, request, dialect)
                deltas = list(split_item(item))
                at = deltas[0].at if deltas else None
                opening = form.opening(item.name, calls, _call_id(item, index, calls, request))
                frames.append(EncodedFrame(frame.chunk(index, opening), count_tokens(item.name), at))
                before, after = form.around(calls)
                for delta in deltas:
                    data = before + _json(delta.text) + after
                    frames.append(EncodedFrame(frame.chunk(index, data), delta.tokens, delta.at))
                calls += 1
                continue
            case ServerTool():
                tokens = count_tokens(item.input)
                for fields in dialect.server_tool(item, tools) if dialect is not None else ():
                    frames.append(
                        EncodedFrame(frame.chunk(index, _json(fields)), tokens, item.at[-1] if item.at else None)
                    )
                    tokens = 0
                tools += 1
                continue
            case Audio():
                for fields, tokens, at in _audio_deltas(item, request):
                    frames.append(EncodedFrame(frame.chunk(index, _json({"audio": fields})), tokens, at))
                continue
            case _:
                assert_never(item)
        if logprobs is None:
            frames += frame.texts(index, key, columns_of(item))
            continue
        for delta in split_item(item):
            data = b'{"%b":%b}' % (key.encode(), _json(delta.text))
            found = logprobs.field(key, delta.text)
            frames.append(EncodedFrame(frame.chunk(index, data, logprobs=found), delta.tokens, delta.at))
    if annotations := _annotations(items, dialect):
        frames.append(EncodedFrame(frame.chunk(index, _json({"annotations": annotations}))))
    if ends:
        frames.append(EncodedFrame(frame.chunk(index, b"{}", _json(_finish_reason(choice, request)))))
    return frames


class _ChoiceLogprobs:
    """The log probabilities of one choice's text, reasoning and refusals, as far as the dialect has them."""

    def __init__(self, request: ProviderRequest, index: int, names: Sequence[str]) -> None:
        self._source = Logprobs(logprobs_seed(request, index), requested_count(request.body, "top_logprobs"))
        self._names = names

    @classmethod
    def requested(cls, request: ProviderRequest, index: int) -> _ChoiceLogprobs | None:
        if request.body.get("logprobs") is not True:
            return None
        dialect = dialect_of(request)
        names = LOGPROB_NAMES if dialect is None else dialect.logprobs
        return cls(request, index, names) if names else None

    def field(self, name: str, text: str = "") -> bytes:
        """`logprobs` of a delta of this field."""
        if name not in self._names:
            return b"null"
        return _json(dict.fromkeys(self._names) | {name: self.of(text)})

    def of(self, text: str) -> list[dict[str, Any]]:
        return [token_object(token) for token in self._source.of(text)]

    def whole(self, items: Sequence[Item]) -> dict[str, Any] | None:
        """`logprobs` of a choice."""
        found: dict[str, Any] = dict.fromkeys(self._names)
        for item in items:
            name = _FIELDS.get(type(item), "")
            if name in self._names:
                tokens = [token for delta in split_item(item) for token in self.of(delta.text)]
                found[name] = (found[name] or []) + tokens
        return found if any(value is not None for value in found.values()) else None


def _sent_items(choice: Choice, dialect: Dialect | None) -> Sequence[Item]:
    """The items without hidden reasoning; audio is its transcript where the dialect has none."""
    silent = dialect is not None and not dialect.audio
    return [
        Text(item.transcript, item.pieces, item.at) if silent and isinstance(item, Audio) else item
        for item in choice.items
        if not (isinstance(item, Reasoning) and item.hidden)
    ]


def _annotations(items: Sequence[Item], dialect: Dialect | None) -> list[dict[str, Any]]:
    """The citations of web pages as annotations of the whole text."""
    annotation = url_citation if dialect is None else dialect.annotation
    if annotation is None:
        return []
    return [annotation(placed) for placed in placed_citations(items) if placed.citation.url]


def complete_choice(choice: Choice, index: int, request: ProviderRequest) -> dict[str, Any]:
    dialect = dialect_of(request)
    items = _sent_items(choice, dialect)
    texts: dict[type, list[str]] = {Text: [], Reasoning: [], Refusal: []}
    calls: list[dict[str, Any]] = []
    tools: list[Object] = []
    audio: dict[str, Any] | None = None
    for item in items:
        match item:
            case ToolCall():
                form = _call_form(item, request, dialect)
                named = {"name": item.name, form.field: item.arguments}
                call_id = _call_id(item, index, len(calls), request)
                calls.append({"id": call_id, "type": form.kind, form.kind: named})
            case ServerTool():
                tools += dialect.server_tool(item, len(tools))[-1:] if dialect is not None else ()
            case Audio():
                audio = _audio_object(item, request)
            case _:
                texts[type(item)].append(item.text)
    silent = bool(calls or texts[Refusal] or audio) and not texts[Text]
    message: dict[str, Any] = {
        "role": "assistant",
        "content": None if silent else "".join(texts[Text]),
        "refusal": "".join(texts[Refusal]) if texts[Refusal] else None,
    }
    if texts[Reasoning]:
        message["reasoning_content"] = "".join(texts[Reasoning])
    if calls:
        message |= {"function_call": calls[0]["function"]} if _has_functions(request) else {"tool_calls": calls}
    if audio:
        message["audio"] = audio
    for tool in tools:
        for name, value in tool.items():
            message[name] = message.get(name, []) + value
    message["annotations"] = _annotations(items, dialect)
    logprobs = _ChoiceLogprobs.requested(request, index)
    return {
        "index": index,
        "message": message,
        "logprobs": None if logprobs is None else logprobs.whole(items),
        "finish_reason": _finish_reason(choice, request),
    }


def _audio_deltas(item: Audio, request: ProviderRequest) -> Iterator[tuple[dict[str, Any], int, float | None]]:
    """The fields of each `audio` delta, its tokens and its time: the transcript, the data, and when it expires."""
    whole = _audio_object(item, request)
    named: dict[str, Any] = {"id": whole["id"]}
    for delta in split_item(item):
        yield named | {"transcript": delta.text}, delta.tokens, delta.at
        named = {}
    for start in range(0, len(item.data), _AUDIO_SLICE):
        yield named | {"data": item.data[start : start + _AUDIO_SLICE]}, 0, None
        named = {}
    yield named | {"expires_at": whole["expires_at"]}, 0, None


def _audio_object(item: Audio, request: ProviderRequest) -> dict[str, Any]:
    return {
        "id": item.id or "audio_" + make_id(request.seed, "audio", 24, HEX),
        "data": item.data,
        "expires_at": request.created + _AUDIO_LIFETIME,
        "transcript": item.transcript,
    }


class _CallForm(NamedTuple):
    """How a call is sent: its type, the field of its arguments, and whether it is the deprecated `function_call`."""

    kind: str = "function"
    field: str = "arguments"
    deprecated: bool = False

    def opening(self, name: str, number: int, call_id: str) -> bytes:
        """The first delta."""
        named = {"name": name, self.field: ""}
        call = {"index": number, "id": call_id, "type": self.kind, self.kind: named}
        return _json({"function_call": named} if self.deprecated else {"tool_calls": [call]})

    def around(self, number: int) -> tuple[bytes, bytes]:
        """What the other deltas have before their part of the arguments, and after it."""
        if self.deprecated:
            return b'{"function_call":{"arguments":', b"}}"
        return b'{"tool_calls":[{"index":%d,"%b":{"%b":' % (number, self.kind.encode(), self.field.encode()), b"}}]}"


def _call_form(call: ToolCall, request: ProviderRequest, dialect: Dialect | None) -> _CallForm:
    # The deltas of custom tools are those of github.com/openai/openai-openapi/issues/576; dialects have no such tools.
    if dialect is None and call.name in _custom_tools(request):
        return _CallForm("custom", "input")
    return _CallForm(deprecated=_has_functions(request))


def _custom_tools(request: ProviderRequest) -> list[Any]:
    """The names of the request's custom tools."""
    tools = request.body.get("tools")
    customs = (tool.get("custom") for tool in tools if isinstance(tool, dict)) if isinstance(tools, list) else ()
    return [custom.get("name") for custom in customs if isinstance(custom, dict)]


def _has_functions(request: ProviderRequest) -> bool:
    """Whether the request has the deprecated `functions` in place of tools."""
    return bool(request.body.get("functions")) and not request.body.get("tools")


def _finish_reason(choice: Choice, request: ProviderRequest) -> str:
    word = choice.provider_finish_reason or FINISH_REASONS[choice.ended]
    return "function_call" if word == "tool_calls" and _has_functions(request) else word


def dialect_of(request: ProviderRequest) -> Dialect | None:
    return dialect_named(request.dialect) if request.dialect else None


def completion_id(request: ProviderRequest) -> str:
    return "chatcmpl-" + make_id(request.seed, "completion", 29, BASE62)


def fingerprint(script: Script, request: ProviderRequest) -> str:
    return _fingerprint(script.model or request.model)


@lru_cache(maxsize=1024)
def _fingerprint(model: str) -> str:
    return "fp_" + make_id(model, "fingerprint", 10, HEX)


def _call_id(call: ToolCall, choice: int, index: int, request: ProviderRequest) -> str:
    return call.id or "call_" + make_id(request.seed, f"call {choice} {index}", 24, BASE62)
