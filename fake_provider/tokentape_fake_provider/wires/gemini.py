"""`gemini`: POST /v1beta/models/{model}:streamGenerateContent and :generateContent, on AI Studio and on Vertex.

Key order, framing and spacing are those of recorded streams of 2025 and 2026; the reference is
ai.google.dev/api/generate-content. The path shows whether the answer is streamed and names the model; a stream is
of server-sent events with `alt=sse` in the query, else a JSON array. On Vertex paths it is Vertex's variant: no
index, usage at the end only, `createTime`.

- Each candidate is one choice; a script of one choice answers each of the `candidateCount` requested ones.
- Reasoning is parts with `thought: true`, which are not sent if it is hidden. Its signature is on the function call
  after it, or else on an empty text part at the end, or before the next thoughts that are signed; `encrypted` is sent
  as a signature, and hidden reasoning has a made-up one. A signature that is not base64 is sent as base64 of it. A
  refusal is text.
- A function call comes whole, and its `pieces` have no effect; with `streamFunctionCallArguments` in the request its
  arguments come as values at JSON paths. Its arguments must be a JSON object.
- Citations, and the queries of web searches, are `groundingMetadata` at the end; pages that were fetched are
  `urlContextMetadata`. Code and its result, images and audio are parts. Other server tools are left out, and so is the
  transcript of audio that has data.
- Finish reasons: `tool_calls` is `STOP`, `content_filter` and `refusal` are `SAFETY`, `pause` is `CONTINUATION`,
  `error` is `MALFORMED_RESPONSE`. A choice without items that ends with `content_filter` is a blocked prompt:
  `promptFeedback` and no candidates.
- `candidatesTokenCount` leaves out the thoughts, `promptTokenCount` has the cached tokens in it; cache writes
  have no place.
- Without streaming adjacent text is one part. `responseLogprobs` adds log probabilities to text. The request's
  `stopSequences` and `maxOutputTokens` have no effect on a script.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple
from urllib.parse import parse_qs

import msgspec

from tokentape_fake_provider.errors import BadRequestError, ScriptError
from tokentape_fake_provider.script.ids import BASE62, make_id
from tokentape_fake_provider.script.model import (
    Choice,
    Error,
    Script,
)
from tokentape_fake_provider.script.usage import Counts, resolve_usage
from tokentape_fake_provider.wires.deltas import take_turns
from tokentape_fake_provider.wires.document_paths import DocumentPaths
from tokentape_fake_provider.wires.facts import ModelList, WireFacts, option_paths
from tokentape_fake_provider.wires.gemini_candidate import CandidatePart, candidate_parts, complete_candidate
from tokentape_fake_provider.wires.google_errors import (
    GOOGLE,
    JSON_TYPE,
    OVERLOADED,
    error_object,
    error_reply,
    headers,
    on_one_line,
    pretty,
)
from tokentape_fake_provider.wires.reading.fields import either
from tokentape_fake_provider.wires.request_parts import json_type, match_path, texts_in
from tokentape_fake_provider.wires.wire import EncodedFrame, ProviderRequest, Reply, Wire

BLOCKED = "PROHIBITED_CONTENT"

METHODS = ("generateContent", "streamGenerateContent")
_NOT_SERVED: Final = (
    *("asyncBatchEmbedContent", "batchGenerateContent", "computeTokens", "fetchPredictOperation", "generateAnswer"),
    *("predict", "predictLongRunning"),
)

VERSIONS = ("/v1beta", "/v1", "/v1alpha", "/v1beta1", "")
PARENTS = (
    "",
    "/publishers/google",
    "/projects/{_project}/locations/{_location}/publishers/google",
)


def _listed_model(model: str) -> dict[str, Any]:
    methods = ["generateContent", "streamGenerateContent", "countTokens"]
    return {"name": f"models/{model}", "version": "001", "displayName": model, "supportedGenerationMethods": methods}


class Gemini(Wire):
    """The wire format `gemini`."""

    name = "gemini"
    base_path = ""
    paths: Sequence[str] = (
        *(f"{version}{parent}/models/{{model}}:{{method}}" for version in VERSIONS for parent in PARENTS),
        *(f"{version}/tunedModels/{{model}}:{{method}}" for version in VERSIONS),
    )
    document_paths = DocumentPaths(
        endings=(("candidates", "*", "finishReason"), ("promptFeedback", "blockReason")),
        usage=(("usageMetadata",),),
        output=(("usageMetadata", "candidatesTokenCount"), ("usageMetadata", "thoughtsTokenCount")),
    )
    overloaded = OVERLOADED
    facts = WireFacts(
        provider=GOOGLE,
        client_settings={"api_version": "v1beta"},
        option_paths=option_paths("generationConfig", max_tokens="maxOutputTokens", top_p="topP", stop="stopSequences"),
        choices_path="generationConfig.candidateCount",
        tool_call_ids=False,
        argument_text=False,
        finish_words={"stop": "STOP", "length": "MAX_TOKENS", "tool_calls": "STOP", "content_filter": "SAFETY"},
        text_finish_reasons=("stop", "length", "content_filter"),
        input_usage=("promptTokenCount",),
        output_usage=("candidatesTokenCount", "thoughtsTokenCount"),
        cached_usage="cachedContentTokenCount",
        reasoning_usage="thoughtsTokenCount",
        unreported_usage=frozenset({"cache_write"}),
        error_fields=("error.message", "error.status"),
        retry_after=False,
        error_paths=r"/v1(alpha|beta)|.*/(projects|publishers)/"
        r"|.*:\w*(Contents?|Tokens|Text|Message|Answer|LongRunning|[pP]redict)$",
        error_headers=((b"x-goog-api-key", b""), (b"x-goog-api-client", b"")),
        model_list=ModelList(_listed_model, lambda data: {"models": data}),
    )

    def read(self, path: str, body: Mapping[str, Any], *, created: int, seed: str) -> ProviderRequest:
        """Read a request body; fields it doesn't know are let through."""
        named = match_path(self.paths, path) or {}
        model, method = named.get("model", ""), named.get("method", "")
        if method not in METHODS:
            raise BadRequestError(
                f"models/{model} is not supported for {method}: this server answers {' and '.join(METHODS)}, and what "
                "is listed in docs/wire-formats.md#endpoints-of-the-fake-provider.",
                status=501 if method in _NOT_SERVED else 404,
            )
        contents = body.get("contents")
        if not contents:
            raise BadRequestError("* GenerateContentRequest.contents: contents is not specified", param="contents")
        if isinstance(contents, Mapping):
            contents = [contents]
        if not isinstance(contents, list) or not all(isinstance(content, Mapping) for content in contents):
            raise BadRequestError(f"Invalid value at 'contents' (Content), {json_type(contents)}", param="contents")
        prompt = [*_texts(either(body, "systemInstruction")), *_texts(contents)]
        return ProviderRequest(
            wire=self.name,
            model=model,
            stream=method == "streamGenerateContent",
            text="\n".join(prompt),
            include_usage=True,
            choices=_candidate_count(body),
            created=created,
            seed=seed,
            body=body,
            path=path,
        )

    def stream_headers(self, request: ProviderRequest) -> tuple[tuple[str, str], ...]:
        """The headers of a streamed response."""
        return (("content-type", "text/event-stream") if _is_sse(request) else JSON_TYPE, *headers(request.seed))

    def encode_stream(self, script: Script, request: ProviderRequest) -> list[EncodedFrame]:
        """The chunks of a streamed response."""
        choices = _choices(script, request)
        response = _Response(script, choices, request)
        blocked = _blocked(choices) if script.error is None else None
        chunks: list[_Chunk] = []
        if blocked is not None:
            chunks.append(_Chunk(response.blocked(blocked)))
        else:
            ends = script.error is None
            turns = take_turns([candidate_parts(choice, index, request, ends) for index, choice in enumerate(choices)])
            last = len(turns) - 1
            chunks += [response.chunk(part, last=number == last and ends) for number, part in enumerate(turns)]
        if script.error is not None:
            chunks.append(_Chunk({"error": error_object(script.error)}))
        if _is_sse(request):
            return [EncodedFrame(b"data: " + on_one_line(c.value) + b"\r\n\r\n", c.tokens, c.at) for c in chunks]
        pieces = [
            EncodedFrame((b"," + b"\r\n" if number else b"[") + pretty(c.value) + b"\n", c.tokens, c.at)
            for number, c in enumerate(chunks)
        ]
        return [*pieces, EncodedFrame(b"]")]

    def encode_complete(self, script: Script, request: ProviderRequest) -> Reply:
        """The same response as one JSON object."""
        choices = _choices(script, request)
        response = _Response(script, choices, request)
        blocked = _blocked(choices)
        if blocked is not None:
            body = response.blocked(blocked)
        else:
            body = response.whole([complete_candidate(choice, index, request) for index, choice in enumerate(choices)])
        return Reply(200, (JSON_TYPE, *headers(request.seed)), pretty(body) + b"\n")

    def encode_error(self, error: Error, request: ProviderRequest | None = None) -> Reply:
        """An HTTP error."""
        return error_reply(
            error,
            request.seed if request is not None else "",
            listed=request is not None and request.stream and not _is_sse(request),
        )

    def encode_error_event(self, error: Error, request: ProviderRequest) -> bytes:
        """The error as an event, or as an element of the array."""
        value = {"error": error_object(error)}
        return b"data: " + on_one_line(value) + b"\r\n\r\n" if _is_sse(request) else b"\r\n" + pretty(value) + b"\n"


class _Chunk(NamedTuple):
    value: Mapping[str, Any]
    tokens: int = 0
    at: float | None = None


class _Response:
    """What stands around the candidates in each chunk."""

    def __init__(self, script: Script, choices: tuple[Choice, ...], request: ProviderRequest) -> None:
        self.vertex = "/publishers/" in request.path
        self.counts = resolve_usage(script, request.text, choices)
        self.sent = 0
        self.head: dict[str, Any] = {"modelVersion": script.model or request.model}
        if self.vertex:
            created = datetime.fromtimestamp(request.created, UTC)
            self.head["createTime"] = created.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        self.head["responseId"] = make_id(request.seed, "response", 23, BASE62)

    def chunk(self, part: CandidatePart, *, last: bool) -> _Chunk:
        """A chunk of a stream; its usage counts what was sent up to it."""
        candidate: dict[str, Any] = {"content": self.content([part.part])}
        if part.finish_reason is not None:
            candidate["finishReason"] = part.finish_reason
        if not self.vertex:
            candidate["index"] = part.candidate
        if part.beside:
            candidate |= part.beside
        if not part.is_thought:
            self.sent += part.tokens
        value = {"candidates": [candidate]} | self.usage(part, last=last) | self.head
        return _Chunk(value, part.tokens, part.at)

    def whole(self, candidates: list[dict[str, Any]]) -> dict[str, Any]:
        """A response that is not streamed."""
        placed = []
        for index, candidate in enumerate(candidates):
            head = {"content": self.content(candidate.pop("content")), "finishReason": candidate.pop("finishReason")}
            placed.append(head | ({} if self.vertex else {"index": index}) | candidate)
        return {"candidates": placed} | self._all() | self.head

    def blocked(self, reason: str) -> dict[str, Any]:
        """A response to a prompt that was blocked."""
        return {"promptFeedback": {"blockReason": reason}} | self._all() | self.head

    def content(self, parts: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """The content of a candidate."""
        return {"role": "model", "parts": parts} if self.vertex else {"parts": parts, "role": "model"}

    def usage(self, part: CandidatePart, *, last: bool) -> dict[str, Any]:
        """What is counted so far; Vertex counts at the end only."""
        counts = self.counts
        if counts is None:
            return {}
        if last:
            return self._all()
        if self.vertex:
            return {"usageMetadata": {"trafficType": "ON_DEMAND"}}
        if part.is_thought:
            return {"usageMetadata": _usage(counts, 0, 0)}
        return {"usageMetadata": _usage(counts, min(self.sent, _candidates(counts)), counts.reasoning)}

    def _all(self) -> dict[str, Any]:
        if self.counts is None:
            return {}
        usage = _usage(self.counts, _candidates(self.counts), self.counts.reasoning)
        usage["totalTokenCount"] = self.counts.total
        return {"usageMetadata": usage | ({"trafficType": "ON_DEMAND"} if self.vertex else {})}


def _choices(script: Script, request: ProviderRequest) -> tuple[Choice, ...]:
    if not script.choices:
        raise ScriptError("a script needs at least one choice; for an empty answer take Choice() with no items")
    return script.choices * request.choices if len(script.choices) == 1 else script.choices


def _blocked(choices: tuple[Choice, ...]) -> str | None:
    """Why the prompt was blocked, if it was."""
    first = choices[0]
    if any(choice.items or choice.finish_reason != "content_filter" for choice in choices):
        return None
    return first.provider_finish_reason or BLOCKED


def _candidates(counts: Counts) -> int:
    return max(counts.output - counts.reasoning, 0)


def _usage(counts: Counts, candidates: int, thoughts: int) -> dict[str, Any]:
    usage: dict[str, Any] = {"promptTokenCount": counts.input}
    if candidates:
        usage["candidatesTokenCount"] = candidates
    usage["totalTokenCount"] = counts.input + candidates + thoughts
    if counts.cached:
        usage["cachedContentTokenCount"] = counts.cached
    usage["promptTokensDetails"] = [{"modality": "TEXT", "tokenCount": counts.input}]
    if counts.cached:
        usage["cacheTokensDetails"] = [{"modality": "TEXT", "tokenCount": counts.cached}]
    if thoughts:
        usage["thoughtsTokenCount"] = thoughts
    return usage


def _is_sse(request: ProviderRequest) -> bool:
    return parse_qs(request.query).get("alt", [""])[-1] == "sse"


def _candidate_count(body: Mapping[str, Any]) -> int:
    config = either(body, "generationConfig")
    count = either(config, "candidateCount")
    if count is None:
        return 1
    if not isinstance(count, int) or isinstance(count, bool) or not 1 <= count <= 8:
        raise BadRequestError(
            "* GenerateContentRequest.generation_config.candidate_count: candidate_count must be in the range [1, 8]",
            param="generation_config.candidate_count",
        )
    return count


def _texts(content: Any) -> Iterator[str]:
    if isinstance(content, Mapping):
        yield from texts_in(content.get("text"))
        yield from _texts(content.get("parts"))
        result = either(content, "functionResponse")
        if isinstance(result, Mapping) and result.get("response"):
            yield msgspec.json.encode(result["response"]).decode()
    elif isinstance(content, list):
        for part in content:
            yield from _texts(part)
    elif isinstance(content, str):
        yield content
