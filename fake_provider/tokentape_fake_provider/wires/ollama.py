"""`ollama`: POST /api/chat and /api/generate, as an Ollama server sends it.

Key order and ids are those of streams recorded in 2026; the reference is docs.ollama.com/api.

- It streams unless `stream` is false. Each line of a stream is an object like the one of a whole response, the last
  has the counts and durations (ns).
- There is one choice. Reasoning is `thinking` (signatures and encrypted reasoning are left out, hidden reasoning is
  counted), a refusal is text. A tool call is whole, in one line, with an object of arguments; its `pieces` have no
  effect, only their times. Citations and server tools are left out, audio is its transcript.
- Finish reasons: `length` is `length`, `error` and `other` are sent as these words, which Ollama never sends,
  all others are `stop`.
- `prompt_eval_count` is all of the input and `eval_count` all of the output; cached tokens, reasoning tokens
  and a total of their own are not reported. Durations are computed from the counts. `report=False` leaves all of
  it out.
- `logprobs` and `top_logprobs` add log probabilities to text and thinking. The options `stop` and `num_predict` have
  no effect on a script. An empty list of messages, which only loads the model, is answered like any other request.
"""

from __future__ import annotations

import re
import string
import zlib
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, assert_never

import msgspec

from tokentape_fake_provider.errors import BadRequestError, ScriptError
from tokentape_fake_provider.script.ids import make_id
from tokentape_fake_provider.script.model import (
    Choice,
    Error,
    FinishReason,
    Reasoning,
    Refusal,
    Script,
    Text,
    ToolCall,
)
from tokentape_fake_provider.script.tokenizer import count_tokens, split_tokens
from tokentape_fake_provider.script.usage import resolve_usage
from tokentape_fake_provider.wires.arguments import object_arguments
from tokentape_fake_provider.wires.deltas import Delta, split_item
from tokentape_fake_provider.wires.document_paths import DocumentPaths
from tokentape_fake_provider.wires.facts import Provider, WireFacts, option_paths
from tokentape_fake_provider.wires.limits import retry_after
from tokentape_fake_provider.wires.logprobs import (
    Logprobs,
    TokenLogprob,
    logprobs_seed,
    requested_count,
    token_object,
)
from tokentape_fake_provider.wires.plain_items import PlainItem, plain_items
from tokentape_fake_provider.wires.request_parts import json_type, texts_in
from tokentape_fake_provider.wires.wire import EncodedFrame, ProviderRequest, Reply, Wire

FINISH_REASONS: Mapping[FinishReason, str] = {
    "stop": "stop",
    "length": "length",
    "tool_calls": "stop",
    "content_filter": "stop",
    "refusal": "stop",
    "pause": "stop",
    "error": "error",
    "other": "other",
}
CHAT_PATH = "/api/chat"
GENERATE_PATH = "/api/generate"

_LOAD_NS = 50_000_000
_PROMPT_TOKEN_NS = 2_500_000
_TOKEN_NS = 15_000_000
_TOKEN_MS = 15

# Go's encoding/json writes these so in every string; none of them stands outside one.
_ESCAPED = (
    (b"&", b"\\u0026"),
    (b"<", b"\\u003c"),
    (b">", b"\\u003e"),
    ("\u2028".encode(), b"\\u2028"),
    ("\u2029".encode(), b"\\u2029"),
)


def _json(value: Any) -> bytes:
    data = msgspec.json.encode(value)
    for found, escaped in _ESCAPED:
        data = data.replace(found, escaped)
    return data


class Ollama(Wire):
    """The wire format `ollama`."""

    name = "ollama"
    base_path = ""
    paths: Sequence[str] = (CHAT_PATH, GENERATE_PATH)
    document_paths = DocumentPaths(
        endings=(("done",),),
        usage=tuple((name,) for name in ("prompt_eval_count", "prompt_eval_duration", "eval_count", "eval_duration")),
        output=(("eval_count",),),
    )
    # server/sched.go
    overloaded = Error(503, "server busy, please try again.  maximum pending requests exceeded")
    facts = WireFacts(
        provider=Provider("ollama", "http://localhost:11434", sdk="ollama", base_urls=("OLLAMA_HOST",)),
        framing="ndjson",
        option_paths=option_paths("options", max_tokens="num_predict"),
        # For a chat without messages it loads the model, and reports that.
        prompt_required=False,
        terminal_event=True,
        tool_call_ids=False,
        argument_text=False,
        finish_words={"stop": "stop", "length": "length", "tool_calls": "stop"},
        text_finish_reasons=("stop", "length"),
        input_usage=("prompt_eval_count",),
        output_usage=("eval_count",),
        unreported_usage=frozenset({"cached", "cache_write", "reasoning"}),
        error_fields=("error",),
        error_paths=r"/api/",
        error_headers=((b"user-agent", b"ollama"),),
    )

    def read(self, path: str, body: Mapping[str, Any], *, created: int, seed: str) -> ProviderRequest:
        """Read a request body; fields it doesn't know are let through."""
        kind = "ChatRequest" if path.endswith(CHAT_PATH) else "GenerateRequest"
        model = _field(body, "model", str, f"{kind}.model of type string") or ""
        if not model.strip():
            raise BadRequestError("model is required")
        streams = _field(body, "stream", bool, f"{kind}.stream of type bool")
        messages = _field(body, "messages", list, f"{kind}.messages of type []api.Message") or []
        for message in messages:
            if not isinstance(message, dict):
                raise unmarshal(message, f"{kind}.messages of type api.Message")
            _field(message, "role", str, f"{kind}.messages.role of type string")
            _field(message, "content", str, f"{kind}.messages.content of type string")
        prompt = [
            *texts_in(_field(body, "system", str, f"{kind}.system of type string")),
            *texts_in(_field(body, "prompt", str, f"{kind}.prompt of type string")),
            *(text for message in messages for text in texts_in(message)),
        ]
        return ProviderRequest(
            wire=self.name,
            model=model,
            stream=streams is not False,
            text="\n".join(prompt),
            include_usage=True,
            created=created,
            seed=seed,
            body=body,
            path=path,
        )

    def stream_headers(self, request: ProviderRequest) -> tuple[tuple[str, str], ...]:  # noqa: ARG002 - they are always the same
        """The headers of a streamed response."""
        return (("content-type", "application/x-ndjson"),)

    def encode_stream(self, script: Script, request: ProviderRequest) -> list[EncodedFrame]:
        """The lines of a streamed response."""
        choice = _choice(script)
        line = _Line(script, request)
        pieces: list[EncodedFrame] = []
        calls = 0
        for item in plain_items(choice.items):
            if isinstance(item, ToolCall):
                deltas = list(split_item(item))
                tokens = count_tokens(item.name) + sum(delta.tokens for delta in deltas)
                data = line.calls([_tool_call(item, calls, request)])
                pieces.append(EncodedFrame(data, tokens, deltas[-1].at if deltas else None))
                calls += 1
            else:
                pieces += _text_lines(line, item, split_item(item))
        if script.error is not None:
            pieces.append(EncodedFrame(self.encode_error_event(script.error, request)))
        else:
            pieces.append(EncodedFrame(line.last(_end(script, choice, request))))
        return pieces

    def encode_complete(self, script: Script, request: ProviderRequest) -> Reply:
        """The same response as one JSON object."""
        choice = _choice(script)
        items = plain_items(choice.items)
        text = "".join(item.text for item in items if isinstance(item, Text | Refusal))
        thinking = "".join(item.text for item in items if isinstance(item, Reasoning))
        calls = [item for item in items if isinstance(item, ToolCall)]
        beside: dict[str, Any] = {"thinking": thinking} if thinking else {}
        if calls:
            beside["tool_calls"] = [_tool_call(call, index, request) for index, call in enumerate(calls)]
        body = _json(
            {
                "model": script.model or request.model,
                "created_at": _timestamp(request.created, 0),
                **(
                    {"message": {"role": "assistant", "content": text, **beside}}
                    if not request.path.endswith(GENERATE_PATH)
                    else {"response": text, **beside}
                ),
                **_end(script, choice, request, _whole_logprobs(items, request)),
            }
        )
        return Reply(200, (("content-type", "application/json; charset=utf-8"),), body)

    def encode_error(self, error: Error, request: ProviderRequest | None = None) -> Reply:  # noqa: ARG002 - nothing of it is in the answer
        """An HTTP error."""
        headers = (("content-type", "application/json; charset=utf-8"), *retry_after(error))
        return Reply(error.status, headers, _json(_error_fields(error)))

    def encode_error_event(self, error: Error, request: ProviderRequest) -> bytes:  # noqa: ARG002 - nothing of it is in the line
        """A line with nothing but the error."""
        return _json(_error_fields(error)) + b"\n"


class _Line:
    """Encodes the lines of one stream; the model's name once."""

    def __init__(self, script: Script, request: ProviderRequest) -> None:
        self.head = b'{"model":' + _json(script.model or request.model) + b',"created_at":"'
        self.created = request.created
        self.sent = 0
        self.logprobs = _requested_logprobs(request)
        self.open, self.close = b',"message":{"role":"assistant","content":', b"}"
        if request.path.endswith(GENERATE_PATH):
            self.open, self.close = b',"response":', b""

    def text(self, content: bytes, beside: bytes, text: str) -> bytes:
        """A line with this text, whose log probabilities it has."""
        if self.logprobs is None:
            return self.line(content, beside)
        tokens = [_logprob(token) for token in self.logprobs.of(text)]
        return self.line(content, beside, b',"done":false,"logprobs":' + _json(tokens))

    def line(self, content: bytes, beside: bytes = b"", end: bytes = b',"done":false') -> bytes:
        """A line with this content, and more fields of the message; all of it JSON already."""
        at = _timestamp(self.created, self.sent).encode()
        self.sent += 1
        return b"".join((self.head, at, b'"', self.open, content, beside, self.close, end, b"}\n"))

    def calls(self, calls: list[dict[str, Any]]) -> bytes:
        """A line with tool calls."""
        return self.line(b'""', b',"tool_calls":' + _json(calls))

    def last(self, end: dict[str, Any]) -> bytes:
        """The last line."""
        return self.line(b'""', end=b"," + _json(end)[1:-1])


def _text_lines(line: _Line, item: PlainItem, deltas: Iterator[Delta]) -> Iterator[EncodedFrame]:
    match item:
        case Reasoning():
            for delta in deltas:
                yield EncodedFrame(
                    line.text(b'""', b',"thinking":' + _json(delta.text), delta.text), delta.tokens, delta.at
                )
        case Text() | Refusal():
            for delta in deltas:
                yield EncodedFrame(line.text(_json(delta.text), b"", delta.text), delta.tokens, delta.at)
        case ToolCall():
            raise AssertionError("tool calls are whole")
        case _:
            assert_never(item)


def _choice(script: Script) -> Choice:
    if len(script.choices) != 1:
        raise ScriptError(f"ollama answers with one choice; this script has {len(script.choices)}")
    return script.choices[0]


def _requested_logprobs(request: ProviderRequest) -> Logprobs | None:
    if request.body.get("logprobs") is not True:
        return None
    return Logprobs(logprobs_seed(request), requested_count(request.body, "top_logprobs"))


def _whole_logprobs(items: Sequence[PlainItem], request: ProviderRequest) -> list[dict[str, Any]]:
    logprobs = _requested_logprobs(request)
    texts = (item for item in items if logprobs is not None and not isinstance(item, ToolCall))
    deltas = (delta for item in texts for delta in split_item(item))
    return [] if logprobs is None else [_logprob(token) for delta in deltas for token in logprobs.of(delta.text)]


def _logprob(token: TokenLogprob) -> dict[str, Any]:
    """Fields that are empty are left out."""
    found = token_object(token)
    return found if token.top else {name: value for name, value in found.items() if name != "top_logprobs"}


def _end(
    script: Script, choice: Choice, request: ProviderRequest, logprobs: Sequence[dict[str, Any]] = ()
) -> dict[str, Any]:
    """What the last line, or a whole response, ends with."""
    reason = choice.provider_finish_reason or FINISH_REASONS[choice.ended]
    end: dict[str, Any] = {"done": True, "done_reason": reason}
    if logprobs:
        end["logprobs"] = logprobs
    if request.path.endswith(GENERATE_PATH):
        end["context"] = _context(request.text, choice)
    counts = resolve_usage(script, request.text, script.choices)
    if counts is None:
        return end
    prompt, output = counts.input * _PROMPT_TOKEN_NS, counts.output * _TOKEN_NS
    return end | {
        "total_duration": _LOAD_NS + prompt + output,
        "load_duration": _LOAD_NS,
        "prompt_eval_count": counts.input,
        "prompt_eval_duration": prompt,
        "eval_count": counts.output,
        "eval_duration": output,
    }


def _context(prompt: str, choice: Choice) -> list[int]:
    """The conversation in tokens, which clients send back: a number for each token-like piece."""
    texts = [prompt, *(item.text for item in plain_items(choice.items) if isinstance(item, Text | Refusal))]
    return [zlib.crc32(token.encode()) % 128_000 for text in texts for token in split_tokens(text)]


def _tool_call(call: ToolCall, index: int, request: ProviderRequest) -> dict[str, Any]:
    call_id = call.id or "call_" + make_id(request.seed, f"call {index}", 8, string.ascii_lowercase + string.digits)
    function = {"index": index, "name": call.name, "arguments": _arguments(call)}
    return {"id": call_id, "function": function}


_BLANKS = re.compile(r'("(?:[^"\\]|\\.)*+")|\s++')


def _arguments(call: ToolCall) -> msgspec.Raw:
    """The arguments on one line. Raises `ScriptError` if they are not a JSON object."""
    object_arguments(call, "ollama")
    return msgspec.Raw(_BLANKS.sub(r"\1", call.arguments or "{}").encode())


def _timestamp(created: int, number: int) -> str:
    """When a token was generated, as Go writes it: without trailing zeros."""
    seconds, ms = divmod(number * _TOKEN_MS, 1000)
    fraction = f".{ms:03d}".rstrip("0").rstrip(".")
    return f"{_second(created + seconds)}{fraction}Z"


@lru_cache(64)
def _second(time: int) -> str:
    return f"{datetime.fromtimestamp(time, UTC):%Y-%m-%dT%H:%M:%S}"


def _error_fields(error: Error) -> dict[str, Any]:
    return {"error": error.message}


def _field(body: Mapping[str, Any], name: str, kind: type, wanted: str) -> Any:
    value = body.get(name)
    if value is not None and not isinstance(value, kind):
        raise unmarshal(value, wanted)
    return value


def unmarshal(value: Any, wanted: str) -> BadRequestError:
    """Go's own words for a value of another type."""
    kind = {"a boolean": "bool", "a string": "string", "an object": "object", "an array": "array", "null": "null"}
    found = kind.get(json_type(value), "number")
    return BadRequestError(f"json: cannot unmarshal {found} into Go struct field {wanted}")
