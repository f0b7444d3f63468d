"""Anthropic, Messages: named events, blocks one after the other, usage at the beginning and at the end.

Anthropic API reference: Streaming messages.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tokentape_conformance.provider.grammar import (
    COUNT,
    LIST,
    OBJECT,
    STREAM,
    TEXT,
    TEXT_OR_NULL,
    Fields,
    Grammar,
    Machine,
    Step,
    count_problems,
    exactly,
)
from tokentape_conformance.provider.grammar_event import Call, Document, GrammarEvent, Problem, ResponseContent, at_path
from tokentape_conformance.provider.request_format import TOOL_MEANING, Body, RequestFormat
from tokentape_conformance.provider.scenario import FUNCTION, PARAMETERS, Scenario
from tokentape_conformance.provider.sdks import Sdk, model_usage

STREAM_MACHINE = Machine(
    {
        "start": {"message_start": "message", "error": "failed"},
        "message": {"content_block_start": "block", "message_delta": "ended", "error": "failed"},
        "block": {"content_block_delta": "block", "content_block_stop": "message", "error": "failed"},
        "ended": {"message_delta": "ended", "message_stop": "over", "error": "failed"},
    },
    ends=frozenset({"over", "failed"}),
    over=frozenset({"over", "failed"}),
    anywhere=frozenset({"ping"}),
)
_DELTAS: Mapping[str, tuple[str, ...]] = {
    "text": ("text_delta", "citations_delta"),
    "thinking": ("thinking_delta", "signature_delta"),
    "redacted_thinking": (),
    "tool_use": ("input_json_delta",),
    "server_tool_use": ("input_json_delta",),
    "mcp_tool_use": ("input_json_delta",),
    "compaction": ("compaction_delta",),
    "result": (),
}
"""The deltas of each type of block; `result` is any that ends in `_tool_result`."""
BLOCK_MACHINE = Machine(
    {
        "start": {kind: kind for kind in _DELTAS},
        **{kind: dict.fromkeys(deltas, kind) | {"stop": "stopped"} for kind, deltas in _DELTAS.items()},
    },
    ends=frozenset({"stopped"}),
)


def _type(event: GrammarEvent) -> str:
    return str(event.document.get("type", event.name))


def _steps(event: GrammarEvent) -> Iterator[Step]:
    kind, lane = _type(event), f"block {event.document.get('index', '?')}"
    yield Step(STREAM, kind)
    if kind == "content_block_start":
        block = str(at_path(event.document, "content_block.type"))
        yield Step(lane, "result" if block.endswith("_tool_result") else block)
    elif kind == "content_block_delta":
        yield Step(lane, str(at_path(event.document, "delta.type")))
    elif kind == "content_block_stop":
        yield Step(lane, "stop")


_FIELDS: Mapping[str, Fields] = {
    "message_start": {
        "message.id": TEXT,
        "message.type": exactly("message"),
        "message.role": exactly("assistant"),
        "message.model": TEXT,
        "message.content": LIST,
        "message.stop_reason": TEXT_OR_NULL,
        "message.usage.input_tokens": COUNT,
        "message.usage.output_tokens": COUNT,
    },
    "content_block_start": {"index": COUNT, "content_block.type": TEXT},
    "content_block_delta": {"index": COUNT, "delta.type": TEXT},
    "content_block_stop": {"index": COUNT},
    "message_delta": {"delta": OBJECT, "usage.output_tokens": COUNT},
    "error": {"error.type": TEXT, "error.message": TEXT},
}
_DELTA_FIELDS: Mapping[str, Fields] = {
    "text_delta": {"delta.text": TEXT},
    "thinking_delta": {"delta.thinking": TEXT},
    "signature_delta": {"delta.signature": TEXT},
    "input_json_delta": {"delta.partial_json": TEXT},
}
_BLOCK_FIELDS: Mapping[str, Fields] = {
    "text": {"content_block.text": TEXT},
    "thinking": {"content_block.thinking": TEXT},
    "tool_use": {"content_block.id": TEXT, "content_block.name": TEXT, "content_block.input": OBJECT},
}


def _fields(event: GrammarEvent) -> Fields:
    if event.name.endswith("Exception"):
        return {"message": TEXT}  # Amazon Bedrock's
    kind = _type(event)
    found = dict(_FIELDS.get(kind, {}))
    if kind == "content_block_delta":
        found |= _DELTA_FIELDS.get(str(at_path(event.document, "delta.type")), {})
    if kind == "content_block_start":
        found |= _BLOCK_FIELDS.get(str(at_path(event.document, "content_block.type")), {})
    return {"type": TEXT, **found}


def _named(event: GrammarEvent) -> str | None:
    return _type(event)


def merged_usage(events: Sequence[GrammarEvent]) -> Document | None:
    """The counts of message_start, replaced by those of message_delta, which are cumulative."""
    found: dict[str, Any] = {}
    for event in events:
        for reported in (at_path(event.document, "message.usage"), event.document.get("usage")):
            if isinstance(reported, Mapping):
                found |= {name: value for name, value in reported.items() if value is not None}
    return found or None


def read(events: Sequence[GrammarEvent]) -> ResponseContent:
    """The content of a stream."""
    text = reasoning = finish = model = ""
    calls: dict[Any, list[str]] = {}
    for event in events:
        document, index = event.document, event.document.get("index")
        delta = document.get("delta") if isinstance(document.get("delta"), dict) else {}
        assert isinstance(delta, dict)
        block = document.get("content_block") if isinstance(document.get("content_block"), dict) else {}
        assert isinstance(block, dict)
        model = model or str(at_path(document, "message.model") or "")
        if block.get("type") == "tool_use":
            given = block.get("input")
            calls[index] = [str(block.get("id", "")), str(block.get("name", "")), json.dumps(given) if given else ""]
        text += str(block.get("text", "") if block.get("type") == "text" else "")
        text += str(delta.get("text", "") if delta.get("type") == "text_delta" else "")
        reasoning += str(delta.get("thinking", "") if delta.get("type") == "thinking_delta" else "")
        if delta.get("type") == "input_json_delta" and index in calls:
            calls[index][2] += str(delta.get("partial_json", ""))
        finish = str(delta.get("stop_reason") or finish)
    tool_calls = tuple(Call(*parts) for parts in calls.values())
    return ResponseContent(text, reasoning, "", tool_calls, finish, merged_usage(events), model)


def read_whole(document: Document) -> ResponseContent:
    """The content of a message."""
    blocks = [block for block in document.get("content") or () if isinstance(block, dict)]
    return ResponseContent(
        "".join(block["text"] for block in blocks if block.get("type") == "text"),
        "".join(block["thinking"] for block in blocks if block.get("type") == "thinking"),
        "",
        tuple(
            Call(block["id"], block["name"], json.dumps(block["input"]))
            for block in blocks
            if block.get("type") == "tool_use"
        ),
        document.get("stop_reason") or "",
        document.get("usage"),
        str(document.get("model") or ""),
    )


def usage(counts: Document) -> list[Problem]:
    """Cached tokens are not part of the input here; cache writes and the output contain their own parts."""
    parts = {
        "cache_creation_input_tokens": [
            "cache_creation.ephemeral_5m_input_tokens",
            "cache_creation.ephemeral_1h_input_tokens",
        ],
        "output_tokens": ["output_tokens_details.thinking_tokens"],
        "input_tokens": [],
        "cache_read_input_tokens": [],
    }
    return count_problems(counts, parts, None)


def claude_body(scenario: Scenario) -> Body:
    """The body of a request, without the model."""
    body: Body = {"max_tokens": scenario.limit, "messages": [{"role": "user", "content": scenario.prompt}]}
    body |= {"thinking": {"type": "enabled", "budget_tokens": 1024}} if scenario.reasoning else {}
    tools = {
        "tools": [{"name": FUNCTION, "description": TOOL_MEANING, "input_schema": dict(PARAMETERS)}],
        "tool_choice": {"type": "any"},
    }
    return body | (tools if scenario.tool else {})


def _request_body(scenario: Scenario, model: str, stream: bool) -> Body:
    return {"model": model, **claude_body(scenario)} | ({"stream": True} if stream else {})


def _read_sdk(anthropic: Any, url: str, key: str, body: Body, stream: bool, model: str) -> ResponseContent:
    del model
    with anthropic.Anthropic(base_url=url, api_key=key, max_retries=0) as client:
        if stream:
            del body["stream"]
            with client.messages.stream(**body) as events:
                text = "".join(events.text_stream)
                whole = events.get_final_message()
        else:
            whole = client.messages.create(**body)
            text = "".join(block.text for block in whole.content if block.type == "text")
        calls = [Call(b.id, b.name, json.dumps(b.input)) for b in whole.content if b.type == "tool_use"]
        return ResponseContent(text, calls=tuple(calls), finish=whole.stop_reason or "", usage=model_usage(whole.usage))


GRAMMAR = Grammar(
    "anthropic_messages",
    "Anthropic API reference: streaming messages",
    "sse",
    "text/event-stream",
    {STREAM: STREAM_MACHINE, "block": BLOCK_MACHINE},
    _steps,
    _fields,
    read,
    read_whole,
    usage,
    named=_named,
    constant=("message.id", "message.model"),
    counted=frozenset({"block"}),
    request=RequestFormat(
        "/v1/messages",
        "/v1/messages",
        _request_body,
        "messages",
        lambda key: {"x-api-key": key, "anthropic-version": "2023-06-01"},
    ),
    whole_fields={
        "id": TEXT,
        "type": exactly("message"),
        "role": exactly("assistant"),
        "model": TEXT,
        "content": LIST,
        "stop_reason": TEXT,
        "usage.input_tokens": COUNT,
        "usage.output_tokens": COUNT,
    },
    sdk=Sdk("anthropic", "anthropic.APIStatusError", _read_sdk),
)
