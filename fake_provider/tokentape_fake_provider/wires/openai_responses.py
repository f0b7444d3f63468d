"""`openai_responses`: POST /v1/responses, as api.openai.com sends it.

Key order, framing, ids and obfuscation are those of recorded streams of May to July 2026; the reference is
platform.openai.com/docs/api-reference/responses-streaming.

- There is one choice. Adjacent texts and refusals of the script are the content parts of one message; reasoning,
  tool calls and server tools are output items of their own.
- Reasoning is the summary of its item, which is empty if it is hidden. Its `signature` is the item's id, as that is
  what a client sends back; `encrypted` is its encrypted content, which is made up where the request includes it and
  the script has none.
- A call of a tool that the request calls custom has its arguments as free text.
- Citations of pages are annotations, and those that have an `id` are annotations of that file; others are left out.
  A list of an MCP server's tools is a server tool `mcp` without a name, whose `sources` are the tools. Sources, search
  results and outputs of code are sent where the request includes them. Audio is sent as its transcript.
- Text has log probabilities if the request includes `message.output_text.logprobs`.
- The status of a response shows why it ended: `length` and `content_filter` are incomplete for that reason, `error` is
  failed, `other` is incomplete for a reason that the provider never gives; all else is completed.
  `provider_finish_reason` is a status, or why the response is incomplete.
- An error inside the stream is an `error` event and a failed response, as recorded.
- The request's `max_output_tokens` has no effect on a script.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, assert_never

import msgspec

from tokentape_fake_provider.errors import BadRequestError
from tokentape_fake_provider.script.ids import padding
from tokentape_fake_provider.script.model import Error, Reasoning, Refusal, Script, ServerTool, Text, ToolCall
from tokentape_fake_provider.script.tokenizer import count_tokens
from tokentape_fake_provider.wires.deltas import Delta, split_item
from tokentape_fake_provider.wires.document_paths import DocumentPaths
from tokentape_fake_provider.wires.facts import WireFacts, option_paths
from tokentape_fake_provider.wires.openai_http import (
    OPENAI,
    OpenAIWire,
    error_fields,
    expect,
    json_reply,
    missing,
    stream_options,
)
from tokentape_fake_provider.wires.openai_response_object import (
    STATUSES,
    OutputPart,
    annotations_of,
    final_response,
    output_runs,
    part_logprobs,
    response_object,
)
from tokentape_fake_provider.wires.openai_server_tools import begun_item, tool_events
from tokentape_fake_provider.wires.request_parts import json_type, texts_in
from tokentape_fake_provider.wires.template import slot, template
from tokentape_fake_provider.wires.wire import EncodedFrame, ProviderRequest, Reply

ROLES = ("assistant", "system", "developer", "user")

# What stands beside the prompt in its place.
_OTHER_INPUTS = ("previous_response_id", "prompt", "conversation")
# A stored prompt names its own model.
_PROMPTS_MODEL = "gpt-5"

_json = msgspec.json.encode


class OpenAIResponses(OpenAIWire):
    """The wire format `openai_responses`."""

    name = "openai_responses"
    paths: Sequence[str] = (
        "/v1/responses",
        "/responses",
        "/openai/v1/responses",  # Groq, Azure's v1
        "/openai/responses",  # Azure
        "/api/v1/responses",  # OpenRouter
        "{_base*}/responses",  # as openai_chat
    )
    document_paths = DocumentPaths(
        endings=(("type",),),
        values=frozenset(f"response.{status}" for status in STATUSES),
        usage=(("response", "usage"), ("usage",)),
        output=(("response", "usage", "output_tokens"), ("usage", "output_tokens")),
    )
    facts = WireFacts(
        provider=OPENAI,
        option_paths=option_paths(max_tokens="max_output_tokens", stop=""),
        named_events=True,
        response_id=True,
        refusals=True,
        finish_words={
            "stop": "completed",
            "length": "max_output_tokens",
            "tool_calls": "completed",
            "content_filter": "content_filter",
        },
        text_finish_reasons=("stop", "length", "content_filter"),
        input_usage=("input_tokens",),
        output_usage=("output_tokens",),
        cached_usage="input_tokens_details.cached_tokens",
        reasoning_usage="output_tokens_details.reasoning_tokens",
        error_fields=("error.message", "error.type"),
    )

    def read(self, path: str, body: Mapping[str, Any], *, created: int, seed: str) -> ProviderRequest:
        """Read a request body; fields it doesn't know are let through."""
        model = body.get("model")
        if model is None and isinstance(body.get("prompt"), Mapping):
            model = _PROMPTS_MODEL
        if model is None or model == "":
            raise missing("model")
        expect("model", model, str, "a string")
        prompt = body.get("input")
        if prompt is None:
            if not any(body.get(name) for name in _OTHER_INPUTS):
                raise missing("input")
            prompt = []
        if not isinstance(prompt, str | list):
            raise BadRequestError(
                "Invalid type for 'input': expected one of a string or array of input items, but got "
                f"{json_type(prompt)} instead.",
                param="input",
                code="invalid_type",
            )
        for index, item in enumerate(prompt if isinstance(prompt, list) else ()):
            _check_item(f"input[{index}]", item)
        tools = body.get("tools")
        if tools is not None:
            expect("tools", tools, list, "an array of objects")
            for index, tool in enumerate(tools):
                expect(f"tools[{index}]", tool, dict, "an object")
        stream = body.get("stream") or False
        expect("stream", stream, bool, "a boolean")
        stream_options(body, stream=stream)
        return ProviderRequest(
            wire=self.name,
            model=model,
            stream=stream,
            text="\n".join([*texts_in(body.get("instructions")), *_prompt(prompt)]),
            include_usage=True,
            created=created,
            seed=seed,
            body=body,
            path=path,
        )

    def encode_stream(self, script: Script, request: ProviderRequest) -> list[EncodedFrame]:
        """The events of a streamed response."""
        end = final_response(script, request)
        event = _Event(request)
        begun = response_object(script, request, "in_progress", [])
        pieces = []
        if request.body.get("background") is True:
            queued = begun | {"status": "queued"}
            pieces = [EncodedFrame(event(name, response=queued)) for name in ("response.created", "response.queued")]
        else:
            pieces = [EncodedFrame(event("response.created", response=begun))]
        pieces.append(EncodedFrame(event("response.in_progress", response=begun)))
        runs = list(output_runs(script.choices[0]))
        for index, (run, item) in enumerate(zip(runs, end["output"], strict=True)):
            ends = script.error is None or index + 1 < len(runs)
            pieces += _item_events(event, run, item, index, ends, request)
        if script.error is not None:
            pieces.append(EncodedFrame(event("error", error=error_fields(script.error))))
        pieces.append(EncodedFrame(event(f"response.{end['status']}", response=end)))
        return pieces

    def encode_complete(self, script: Script, request: ProviderRequest) -> Reply:
        """The same response as one JSON object."""
        return json_reply(final_response(script, request), request)

    def encode_error_event(self, error: Error, request: ProviderRequest) -> bytes:
        """The `error` event and a failed response."""
        event = _Event(request)
        failed = final_response(Script(error=error), request)
        return event("error", error=error_fields(error)) + event("response.failed", response=failed)


class _Event:
    """Encodes the events of one stream and counts them. Fields are in order of name, as in recorded events."""

    def __init__(self, request: ProviderRequest) -> None:
        options = request.body.get("stream_options") or {}
        self.obfuscates = options.get("include_obfuscation") is not False
        self.sent = request.sent

    def __call__(self, name: str, **fields: Any) -> bytes:
        fields["sequence_number"] = self.sent
        self.sent += 1
        return _encoded(name, fields)

    def deltas(
        self,
        name: str,
        deltas: Iterable[Delta],
        *,
        logprobs_of: Callable[[str], list[dict[str, Any]]] | None = None,
        padded: bool = True,
        **fields: Any,
    ) -> Iterator[EncodedFrame]:
        """The deltas of one part, padded to a length that is divisible by 16, as recorded ones are."""
        padded = padded and self.obfuscates
        fields |= {"delta": slot(), "sequence_number": slot(b"%d")}
        if logprobs_of is not None:
            fields["logprobs"] = slot()
        if padded:
            fields["obfuscation"] = slot(b'"%b"')
        form = template(_encoded(name, fields))
        # 16 letters too many, so that any slice of up to 15 exists.
        letters = padding(1024 + 16).encode()
        for delta in deltas:
            values: list[bytes | int] = [_json(delta.text)]  # in order of name, as the fields are
            if logprobs_of is not None:
                values.append(_json(logprobs_of(delta.text)))
            if padded:
                start = self.sent * 16 % 1024
                values.append(letters[start : start + -len(delta.text) % 16])
            data = form % (*values, self.sent)
            self.sent += 1  # before the frame is taken: an annotation may follow it
            yield EncodedFrame(data, delta.tokens, delta.at)


def _encoded(name: str, fields: Mapping[str, Any]) -> bytes:
    body = {"type": name} | {field: fields[field] for field in sorted(fields)}
    return b"event: %b\ndata: %b\n\n" % (name.encode(), _json(body))


def _item_events(
    event: _Event, run: Sequence[OutputPart], item: dict[str, Any], index: int, ends: bool, request: ProviderRequest
) -> Iterator[EncodedFrame]:
    """The events of one output item; without `ends` it is broken off after its last delta."""
    place = {"item_id": item["id"], "output_index": index}
    begun, tokens, at = dict(item), 0, None
    if "status" in item:
        begun["status"] = "in_progress"
    match item["type"]:
        case "message":
            begun["content"] = []
        case "reasoning":
            begun["summary"] = []
            tokens = 0 if item["summary"] else 1
        case "function_call" | "custom_tool_call":
            (call,) = run
            begun["input" if item["type"] == "custom_tool_call" else "arguments"] = ""
            tokens = count_tokens(item["name"])
            at = call.at[0] if call.at else None
        case _:
            begun = begun_item(item)
    yield EncodedFrame(event("response.output_item.added", item=begun, output_index=index), tokens, at)
    for number, part in enumerate(run):
        part_ends = ends or number + 1 < len(run)
        match part:
            case Text():
                content = item["content"][number]
                logprobs = part_logprobs(number, index, request)
                yield from _text_events(event, part, content, logprobs, place | {"content_index": number}, part_ends)
            case Refusal():
                yield from _refusal_events(event, part, place | {"content_index": number}, part_ends)
            case Reasoning():
                if item["summary"]:
                    yield from _summary_events(event, part, place | {"summary_index": 0}, part_ends)
            case ToolCall():
                yield from _call_events(event, part, item["type"], place, part_ends)
            case ServerTool():
                for found in tool_events(part, item):
                    if found.deltas is not None:
                        yield from event.deltas(found.name, found.deltas, **place)
                        continue
                    yield EncodedFrame(event(found.name, **found.fields, **place), found.tokens, found.at)
            case _:
                assert_never(part)
    if ends:
        yield EncodedFrame(event("response.output_item.done", item=item, output_index=index))


def _text_events(
    event: _Event,
    text: Text,
    content: dict[str, Any],
    logprobs: Callable[[str], list[dict[str, Any]]] | None,
    place: dict[str, Any],
    ends: bool,
) -> Iterator[EncodedFrame]:
    """The events of a text, whose part is `content` at its end; an annotation comes when its text is complete."""
    begun = {"type": "output_text", "annotations": [], "logprobs": [], "text": ""}
    yield EncodedFrame(event("response.content_part.added", part=begun, **place))
    annotations = annotations_of(text) if text.citations else []
    sent = number = 0
    deltas = list(split_item(text))
    frames = event.deltas("response.output_text.delta", deltas, logprobs_of=logprobs, logprobs=[], **place)
    for delta, frame in zip(deltas, frames, strict=True):
        yield frame
        sent += len(delta.text)
        while number < len(annotations) and annotations[number][0] <= sent:
            fields = {"annotation_index": number, "annotation": annotations[number][1]}
            yield EncodedFrame(event("response.output_text.annotation.added", **fields, **place))
            number += 1
    if ends:
        yield EncodedFrame(event("response.output_text.done", text=text.text, logprobs=content["logprobs"], **place))
        yield EncodedFrame(event("response.content_part.done", part=content, **place))


def _refusal_events(event: _Event, refusal: Refusal, place: dict[str, Any], ends: bool) -> Iterator[EncodedFrame]:
    yield EncodedFrame(event("response.content_part.added", part={"type": "refusal", "refusal": ""}, **place))
    yield from event.deltas("response.refusal.delta", split_item(refusal), padded=False, **place)
    if ends:
        yield EncodedFrame(event("response.refusal.done", refusal=refusal.text, **place))
        part = {"type": "refusal", "refusal": refusal.text}
        yield EncodedFrame(event("response.content_part.done", part=part, **place))


def _summary_events(event: _Event, reasoning: Reasoning, place: dict[str, Any], ends: bool) -> Iterator[EncodedFrame]:
    name = "response.reasoning_summary"
    yield EncodedFrame(event(f"{name}_part.added", part={"type": "summary_text", "text": ""}, **place))
    yield from event.deltas(f"{name}_text.delta", split_item(reasoning), **place)
    if ends:
        yield EncodedFrame(event(f"{name}_text.done", text=reasoning.text, **place))
        part = {"type": "summary_text", "text": reasoning.text}
        yield EncodedFrame(event(f"{name}_part.done", part=part, **place))


def _call_events(event: _Event, call: ToolCall, kind: str, place: dict[str, Any], ends: bool) -> Iterator[EncodedFrame]:
    custom = kind == "custom_tool_call"
    name = "response.custom_tool_call_input" if custom else "response.function_call_arguments"
    yield from event.deltas(f"{name}.delta", split_item(call), **place)
    if ends:
        yield EncodedFrame(event(f"{name}.done", **{"input" if custom else "arguments": call.arguments}, **place))


def _prompt(prompt: str | list[Any]) -> Iterator[str]:
    yield from texts_in(prompt)
    for item in prompt:
        if isinstance(item, dict):
            yield from texts_in(item.get("output"))


def _check_item(param: str, item: Any) -> None:
    expect(param, item, dict, "an object")
    role = item.get("role")
    if role is None and item.get("type", "message") != "message":
        return
    if role is None:
        raise missing(f"{param}.role")
    expect(f"{param}.role", role, str, "a string")
    if role not in ROLES:
        raise BadRequestError(
            f"Invalid value: {role!r}. Supported values are: {', '.join(map(repr, ROLES[:-1]))}, and {ROLES[-1]!r}.",
            param=f"{param}.role",
            code="invalid_value",
        )
