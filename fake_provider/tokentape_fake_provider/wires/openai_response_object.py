"""The response object of `openai_responses`: what begins and ends a stream, and is the whole answer without one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from operator import itemgetter
from typing import Any, TypeAlias, assert_never

from tokentape_fake_provider.errors import ScriptError
from tokentape_fake_provider.script.ids import BASE62, HEX, make_id
from tokentape_fake_provider.script.model import (
    Audio,
    Choice,
    Error,
    FinishReason,
    Reasoning,
    Refusal,
    Script,
    ServerTool,
    Text,
    ToolCall,
)
from tokentape_fake_provider.script.usage import Counts, resolve_usage
from tokentape_fake_provider.wires.citations import citations_of
from tokentape_fake_provider.wires.deltas import split_item
from tokentape_fake_provider.wires.logprobs import Logprobs, logprobs_seed, requested_count, token_object
from tokentape_fake_provider.wires.openai_http import error_fields
from tokentape_fake_provider.wires.openai_server_tools import is_included, tool_item
from tokentape_fake_provider.wires.reading.fields import objects
from tokentape_fake_provider.wires.wire import ProviderRequest

OutputPart: TypeAlias = Text | Refusal | Reasoning | ToolCall | ServerTool

STATUSES = ("completed", "incomplete", "failed")

# Status, and why it is incomplete, by finish reason; all others are completed.
_ENDINGS: Mapping[FinishReason, tuple[str, str | None]] = {
    "length": ("incomplete", "max_output_tokens"),
    "content_filter": ("incomplete", "content_filter"),
    "error": ("failed", None),
    "other": ("incomplete", "other"),
}

_NO_IMAGES = {"image_tokens": 0, "text_tokens": 0}
_NO_IMAGE_USAGE = {
    "input_tokens": 0,
    "input_tokens_details": _NO_IMAGES,
    "output_tokens": 0,
    "output_tokens_details": _NO_IMAGES,
    "total_tokens": 0,
}

_ECHOED = (
    "background",
    "instructions",
    "max_output_tokens",
    "max_tool_calls",
    "metadata",
    "parallel_tool_calls",
    "previous_response_id",
    "prompt_cache_key",
    "prompt_cache_retention",
    "reasoning",
    "safety_identifier",
    "store",
    "temperature",
    "text",
    "tool_choice",
    "tools",
    "top_logprobs",
    "top_p",
    "truncation",
    "user",
)
"""The fields of a request that its response repeats."""


def final_response(script: Script, request: ProviderRequest) -> dict[str, Any]:
    """The response as it is when it has ended."""
    choice = _choice(script)
    status, reason = _status(choice)
    error: dict[str, Any] | None = None
    if script.error is not None:
        fields = error_fields(script.error)
        status, reason = "failed", None
        error = {"code": fields["code"] or fields["type"], "message": fields["message"]}
    elif status == "failed":
        error = {"code": "server_error", "message": Error().message}
    output = _output(choice, request, "completed" if status == "completed" else "incomplete")
    counts = resolve_usage(script, request.text, script.choices) if script.error is None else None
    return response_object(script, request, status, output, reason=reason, error=error, counts=counts)


def response_object(
    script: Script,
    request: ProviderRequest,
    status: str,
    output: list[dict[str, Any]],
    *,
    reason: str | None = None,
    error: dict[str, Any] | None = None,
    counts: Counts | None = None,
) -> dict[str, Any]:
    """The response with this status and output; settings are those of the request, else the provider's own."""
    begun = status == "in_progress"
    given = {name: value for name in _ECHOED if (value := request.body.get(name)) is not None}
    searches = sum(item["type"] == "web_search_call" for item in output)
    return {
        "id": "resp_" + make_id(request.seed, "response", 50, HEX),
        "object": "response",
        "created_at": request.created,
        "status": status,
        "background": given.get("background", False),
        "completed_at": request.created if status == "completed" else None,
        "error": error,
        "frequency_penalty": 0.0,
        "incomplete_details": None if reason is None else {"reason": reason},
        "instructions": given.get("instructions"),
        "max_output_tokens": given.get("max_output_tokens"),
        "max_tool_calls": given.get("max_tool_calls"),
        "model": script.model or request.model,
        "moderation": None,
        "output": output,
        "parallel_tool_calls": given.get("parallel_tool_calls", True),
        "presence_penalty": 0.0,
        "previous_response_id": given.get("previous_response_id"),
        "prompt_cache_key": given.get("prompt_cache_key"),
        "prompt_cache_retention": given.get("prompt_cache_retention"),
        "reasoning": {"effort": None, "summary": None} | _object(given.get("reasoning")),
        "safety_identifier": given.get("safety_identifier"),
        "service_tier": "auto" if begun else "default",
        "store": given.get("store", True),
        "temperature": given.get("temperature", 1.0),
        "text": {"format": {"type": "text"}, "verbosity": "medium"} | _object(given.get("text")),
        "tool_choice": given.get("tool_choice", "auto"),
        "tool_usage": {"image_gen": _NO_IMAGE_USAGE, "web_search": {"num_requests": searches}},
        "tools": given.get("tools", []),
        "top_logprobs": given.get("top_logprobs", 0),
        "top_p": given.get("top_p", 1.0),
        "truncation": given.get("truncation", "disabled"),
        "usage": None if counts is None else _usage(counts),
        "user": given.get("user"),
        "metadata": given.get("metadata", {}),
    }


def output_runs(choice: Choice) -> Iterator[list[OutputPart]]:
    """The items of the script that each output item consists of: adjacent texts and refusals are one message."""
    message: list[OutputPart] = []
    for item in choice.items:
        if isinstance(item, Audio):
            message.append(Text(item.transcript, item.pieces, item.at))
            continue
        if isinstance(item, Text | Refusal):
            message.append(item)
            continue
        if message:
            yield message
            message = []
        yield [item]
    if message:
        yield message


def _output(choice: Choice, request: ProviderRequest, last: str) -> list[dict[str, Any]]:
    """The output items as they are when they are done; the last one's status is `last`."""
    tools = objects(request.body.get("tools"))
    custom = {str(tool.get("name")) for tool in tools if tool.get("type") == "custom"}
    runs = list(output_runs(choice))
    output = []
    for index, run in enumerate(runs):
        status = last if index + 1 == len(runs) else "completed"
        match run[0]:
            case Text() | Refusal():
                content = [
                    content_part(part, number, index, request)
                    for number, part in enumerate(run)
                    if isinstance(part, Text | Refusal)
                ]
                item = {"type": "message", "status": status, "content": content, "role": "assistant"}
                output.append({"id": _item_id("msg", index, request)} | item)
            case Reasoning() as reasoning:
                output.append(_reasoning(reasoning, index, request))
            case ToolCall() as call:
                kind, prefix = ("custom_tool_call", "ctc") if call.name in custom else ("function_call", "fc")
                item = {"type": kind, "status": status}
                item["input" if call.name in custom else "arguments"] = call.arguments
                item |= {"call_id": _call_id(call, index, request), "name": call.name}
                output.append({"id": _item_id(prefix, index, request)} | item)
            case ServerTool() as tool:
                output.append(tool_item(tool, index, request))
            case never:
                assert_never(never)
    return output


def content_part(part: Text | Refusal, number: int, index: int, request: ProviderRequest) -> dict[str, Any]:
    """The content part with this number of the message with this index."""
    if isinstance(part, Refusal):
        return {"type": "refusal", "refusal": part.text}
    annotations = [annotation for _, annotation in annotations_of(part)]
    logprobs = part_logprobs(number, index, request)
    found = [token for delta in split_item(part) for token in logprobs(delta.text)] if logprobs is not None else []
    return {"type": "output_text", "annotations": annotations, "logprobs": found, "text": part.text}


def part_logprobs(number: int, index: int, request: ProviderRequest) -> Callable[[str], list[dict[str, Any]]] | None:
    """The log probabilities of the next tokens of a content part, if they are requested."""
    if not is_included(request, "message.output_text.logprobs"):
        return None
    source = Logprobs(logprobs_seed(request, index, number), requested_count(request.body, "top_logprobs"))
    return lambda text: [token_object(token, ordered=True) for token in source.of(text)]


def annotations_of(text: Text) -> list[tuple[int, dict[str, Any]]]:
    """The text's annotations by the number of characters behind which they are sent: pages, and files by their id."""
    found: list[tuple[int, dict[str, Any]]] = []
    for placed in citations_of(text):
        cited = placed.citation
        if cited.url:
            place = {"end_index": placed.end, "start_index": placed.start, "title": cited.title, "url": cited.url}
            found.append((placed.end, {"type": "url_citation"} | place))
        elif cited.id:
            file = {"file_id": cited.id, "filename": cited.title, "index": placed.end}
            found.append((placed.end, {"type": "file_citation"} | file))
    return sorted(found, key=itemgetter(0))


def _reasoning(reasoning: Reasoning, index: int, request: ProviderRequest) -> dict[str, Any]:
    item: dict[str, Any] = {"id": reasoning.signature or _item_id("rs", index, request), "type": "reasoning"}
    if reasoning.encrypted or is_included(request, "reasoning.encrypted_content"):
        item["content"] = []
        made_up = "gAAAAAB" + make_id(request.seed, f"encrypted {index}", 213) + "="
        item["encrypted_content"] = reasoning.encrypted or made_up
    shown = reasoning.text and not reasoning.hidden
    return item | {"summary": [{"type": "summary_text", "text": reasoning.text}] if shown else []}


def _usage(counts: Counts) -> dict[str, Any]:
    return {
        "input_tokens": counts.input,
        "input_tokens_details": {"cache_write_tokens": counts.cache_write, "cached_tokens": counts.cached},
        "output_tokens": counts.output,
        "output_tokens_details": {"reasoning_tokens": counts.reasoning},
        "total_tokens": counts.total,
    }


def _choice(script: Script) -> Choice:
    if len(script.choices) != 1:
        raise ScriptError(f"openai_responses answers with one choice; this script has {len(script.choices)}")
    return script.choices[0]


def _status(choice: Choice) -> tuple[str, str | None]:
    """The status of the final response, and why it is incomplete."""
    status, reason = _ENDINGS.get(choice.ended, ("completed", None))
    word = choice.provider_finish_reason
    if word in STATUSES:
        return word, reason if word == "incomplete" else None
    return ("incomplete", word) if word else (status, reason)


def _item_id(prefix: str, index: int, request: ProviderRequest) -> str:
    return f"{prefix}_" + make_id(request.seed, f"item {index}", 50, HEX)


def _call_id(call: ToolCall, index: int, request: ProviderRequest) -> str:
    return call.id or "call_" + make_id(request.seed, f"call {index}", 24, BASE62)


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
