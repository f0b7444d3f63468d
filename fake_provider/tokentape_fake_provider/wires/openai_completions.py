"""`openai_completions`: POST /v1/completions, the legacy text completions, as api.openai.com sends them.

Key order, framing and ids are those of recorded streams of 2024 to 2026; the reference is
platform.openai.com/docs/api-reference/completions.

- There is text and nothing else: reasoning that is not hidden and tool calls in a script are an error; a refusal is
  sent as text, audio as its transcript. Citations and server tools are left out.
- A script of one choice answers each of the `n` requested ones, and each prompt of a list. Choices take turns, delta
  by delta. The finish reason comes in a chunk of its own, with empty text.
- Finish reasons `tool_calls`, `refusal` and `pause` are `stop` here.
- `logprobs` adds log probabilities, whose offsets begin behind the prompt. The request's `stop`, `max_tokens`, `echo`
  and `suffix` have no effect on a script.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from tokentape_fake_provider.errors import BadRequestError, ScriptError
from tokentape_fake_provider.script.ids import BASE62, make_id
from tokentape_fake_provider.script.model import Choice, Error, FinishReason, Reasoning, Refusal, Script, Text, ToolCall
from tokentape_fake_provider.script.usage import resolve_usage
from tokentape_fake_provider.wires.deltas import split_item, take_turns
from tokentape_fake_provider.wires.document_paths import DocumentPaths
from tokentape_fake_provider.wires.facts import WireFacts, option_paths
from tokentape_fake_provider.wires.logprobs import Logprobs, logprobs_seed
from tokentape_fake_provider.wires.openai_http import (
    OPENAI,
    OpenAIWire,
    completion_usage,
    error_fields,
    expect,
    json_reply,
    missing,
    stream_options,
    wanted_choices,
)
from tokentape_fake_provider.wires.plain_items import plain_items
from tokentape_fake_provider.wires.request_parts import match_path, texts_in
from tokentape_fake_provider.wires.wire import EncodedFrame, ProviderRequest, Reply

FINISH_REASONS: Mapping[FinishReason, str] = {
    "stop": "stop",
    "length": "length",
    "tool_calls": "stop",
    "content_filter": "content_filter",
    "refusal": "stop",
    "pause": "stop",
    "error": "error",
    "other": "other",
}

MAX_PROMPTS = 2048
_MOST_LOGPROBS = 5

_json = msgspec.json.encode


class OpenAICompletions(OpenAIWire):
    """The wire format `openai_completions`."""

    name = "openai_completions"
    paths: Sequence[str] = (
        "/v1/completions",
        "/completions",
        "/openai/v1/completions",  # Azure's v1
        "/openai/deployments/{model}/completions",  # Azure
        "/api/v1/completions",  # OpenRouter
        "{_base*}/completions",  # as openai_chat
    )
    document_paths = DocumentPaths(
        endings=(("choices", "*", "finish_reason"),),
        usage=(("usage",),),
        output=(("usage", "completion_tokens"),),
    )
    facts = WireFacts(
        provider=OPENAI,
        option_paths=option_paths(),
        choices_path="n",
        terminal_event=True,
        response_id=True,
        usage_on_request=True,
        tool_calls=False,
        reasoning=False,
        finish_words={"stop": "stop", "length": "length", "content_filter": "content_filter"},
        text_finish_reasons=("stop", "length", "content_filter"),
        input_usage=("prompt_tokens",),
        output_usage=("completion_tokens",),
        error_fields=("error.message", "error.type"),
    )

    def read(self, path: str, body: Mapping[str, Any], *, created: int, seed: str) -> ProviderRequest:
        """Read a request body; fields it doesn't know are let through."""
        model = body.get("model") or (match_path(self.paths, path) or {}).get("model")
        if model is None or model == "":
            raise missing("model")
        expect("model", model, str, "a string")
        prompt = body.get("prompt")
        if prompt is None:
            raise missing("prompt")
        expect("prompt", prompt, (str, list), "a string or an array")
        prompts = _prompts(prompt)
        if prompts > MAX_PROMPTS:
            raise BadRequestError(
                f"Invalid 'prompt': array too long. Expected an array with maximum length {MAX_PROMPTS}, but got an "
                f"array with length {prompts} instead.",
                param="prompt",
                code="array_above_max_length",
            )
        stream = body.get("stream") or False
        expect("stream", stream, bool, "a boolean")
        options = stream_options(body, stream=stream)
        return ProviderRequest(
            wire=self.name,
            model=model,
            stream=stream,
            text="\n".join(texts_in(prompt)),
            include_usage=bool(options.get("include_usage")),
            choices=wanted_choices(body) * prompts,
            created=created,
            seed=seed,
            body=body,
            path=path,
        )

    def encode_stream(self, script: Script, request: ProviderRequest) -> list[EncodedFrame]:
        """The chunks of a streamed response."""
        choices = _choices(script, request)
        head = b"data: " + _json(_head(request))[:-1] + b',"choices":['
        tail = b'],"model":' + _json(script.model or request.model)
        end = tail + (b',"usage":null}\n\n' if request.include_usage else b"}\n\n")
        ends = script.error is None
        pieces = take_turns(
            [_choice_chunks(head, end, choice, index, ends, request) for index, choice in enumerate(choices)]
        )
        if script.error is not None:
            pieces.append(EncodedFrame(_error_event(script.error)))
        elif request.include_usage and (counts := resolve_usage(script, request.text, choices)) is not None:
            pieces.append(EncodedFrame(head + tail + b',"usage":' + _json(completion_usage(counts)) + b"}\n\n"))
        pieces.append(EncodedFrame(b"data: [DONE]\n\n"))
        return pieces

    def encode_complete(self, script: Script, request: ProviderRequest) -> Reply:
        """The same response as one JSON object."""
        choices = _choices(script, request)
        body = _head(request) | {
            "model": script.model or request.model,
            "choices": [
                {
                    "text": "".join(text.text for text in _texts(choice)),
                    "index": index,
                    "logprobs": _whole_logprobs(choice, index, request),
                    "finish_reason": _finish_reason(choice),
                }
                for index, choice in enumerate(choices)
            ],
        }
        counts = resolve_usage(script, request.text, choices)
        if counts is not None:
            body["usage"] = completion_usage(counts)
        return json_reply(body, request)

    def encode_error_event(self, error: Error, request: ProviderRequest) -> bytes:  # noqa: ARG002 - nothing of it is in the event
        """The error and `[DONE]`."""
        return _error_event(error) + b"data: [DONE]\n\n"


def _error_event(error: Error) -> bytes:
    return b"data: " + _json({"error": error_fields(error)}) + b"\n\n"


def _head(request: ProviderRequest) -> dict[str, Any]:
    return {
        "id": "cmpl-" + make_id(request.seed, "completion", 29, BASE62),
        "object": "text_completion",
        "created": request.created,
    }


def _choice_chunks(
    head: bytes, end: bytes, choice: Choice, index: int, ends: bool, request: ProviderRequest
) -> Iterator[EncodedFrame]:
    logprobs = _requested_logprobs(index, request)
    for text in _texts(choice):
        for delta in split_item(text):
            found = b"null" if logprobs is None else _json(logprobs.of(delta.text))
            data = b'{"text":%b,"index":%d,"logprobs":%b,"finish_reason":null}' % (_json(delta.text), index, found)
            yield EncodedFrame(head + data + end, delta.tokens, delta.at)
    if ends:
        reason = _json(_finish_reason(choice))
        data = b'{"text":"","index":%d,"logprobs":null,"finish_reason":%b}' % (index, reason)
        yield EncodedFrame(head + data + end)


class _Logprobs:
    """The log probabilities of one choice, in the form of this format."""

    def __init__(self, seed: str, top: int, offset: int) -> None:
        self._source = Logprobs(seed, top)
        self._offset = offset

    def of(self, *texts: str) -> dict[str, Any]:
        """Those of the next tokens; the alternatives always have the token itself among them."""
        found: dict[str, Any] = {"text_offset": [], "token_logprobs": [], "tokens": [], "top_logprobs": []}
        for token in (token for text in texts for token in self._source.of(text)):
            found["text_offset"].append(self._offset)
            found["token_logprobs"].append(token.logprob)
            found["tokens"].append(token.token)
            found["top_logprobs"].append(dict(token.top) | {token.token: token.logprob})
            self._offset += len(token.token)
        return found


def _requested_logprobs(index: int, request: ProviderRequest) -> _Logprobs | None:
    count = request.body.get("logprobs")
    if not isinstance(count, int) or isinstance(count, bool):
        return None
    prompt = request.body.get("prompt")
    prompts = prompt if isinstance(prompt, list) and _prompts(prompt) == len(prompt) else [prompt]
    text = prompts[index * len(prompts) // max(request.choices, 1) % len(prompts)] if prompts else ""
    offset = len(text) if isinstance(text, str) else 0
    return _Logprobs(logprobs_seed(request, index), min(count, _MOST_LOGPROBS), offset)


def _whole_logprobs(choice: Choice, index: int, request: ProviderRequest) -> dict[str, Any] | None:
    logprobs = _requested_logprobs(index, request)
    if logprobs is None:
        return None
    return logprobs.of(*(delta.text for text in _texts(choice) for delta in split_item(text)))


def _texts(choice: Choice) -> Iterator[Text | Refusal]:
    for item in plain_items(choice.items):
        if isinstance(item, Reasoning | ToolCall):
            what = "tool call" if isinstance(item, ToolCall) else "reasoning"
            raise ScriptError(f"openai_completions has text only: leave the {what} out of the script")
        yield item


def _choices(script: Script, request: ProviderRequest) -> tuple[Choice, ...]:
    if not script.choices:
        raise ScriptError("a script needs at least one choice; for an empty answer take Choice() with no items")
    return script.choices * request.choices if len(script.choices) == 1 else script.choices


def _finish_reason(choice: Choice) -> str:
    return choice.provider_finish_reason or FINISH_REASONS[choice.ended]


def _prompts(prompt: Any) -> int:
    """The number of prompts: a string or an array of tokens is one, an array of either is several."""
    if isinstance(prompt, list) and prompt and all(isinstance(each, str | list) for each in prompt):
        return len(prompt)
    return 1
