"""Gemini, Interactions: named events, steps one after the other, usage with the last of them, `[DONE]`.

Gemini API reference: Interactions, streaming.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tokentape_conformance.provider.grammar import (
    COUNT,
    OBJECT,
    STREAM,
    TEXT,
    Fields,
    Grammar,
    Machine,
    Step,
    count_problems,
)
from tokentape_conformance.provider.grammar_event import Call, Document, GrammarEvent, Problem, ResponseContent, at_path
from tokentape_conformance.provider.request_format import Body, RequestFormat, with_function
from tokentape_conformance.provider.scenario import Scenario
from tokentape_conformance.provider.sdks import Sdk, genai_client

STREAM_MACHINE = Machine(
    {
        "start": {"interaction.created": "created", "error": "failed"},
        "created": {"interaction.status_update": "running", "step.start": "step", "error": "failed"},
        "running": {
            "interaction.status_update": "running",
            "step.start": "step",
            "interaction.completed": "completed",
            "error": "failed",
        },
        "step": {"step.delta": "step", "step.stop": "running", "error": "failed"},
        "completed": {"done": "over"},
        "failed": {"done": "failed"},
    },
    ends=frozenset({"over", "failed"}),
    over=frozenset({"over"}),
)
_DELTAS: Mapping[str, tuple[str, ...]] = {
    "thought": ("thought_summary", "thought_signature"),
    "model_output": ("text", "text_annotation_delta"),
    "function_call": ("arguments_delta",),
    "google_search_call": ("google_search_call",),
    "google_search_result": ("google_search_result",),
}
STEP_MACHINE = Machine(
    {
        "start": {kind: kind for kind in _DELTAS},
        **{kind: dict.fromkeys(deltas, kind) | {"stop": "stopped"} for kind, deltas in _DELTAS.items()},
    },
    ends=frozenset({"stopped"}),
    over=frozenset({"stopped"}),
)


def _type(event: GrammarEvent) -> str:
    return "done" if event.text == "[DONE]" else str(event.document.get("event_type", event.name))


def _steps(event: GrammarEvent) -> Iterator[Step]:
    kind, lane = _type(event), f"step {event.document.get('index', '?')}"
    yield Step(STREAM, kind)
    if kind == "step.start":
        yield Step(lane, str(at_path(event.document, "step.type")))
    elif kind == "step.delta":
        yield Step(lane, str(at_path(event.document, "delta.type")))
    elif kind == "step.stop":
        yield Step(lane, "stop")


_FIELDS: Mapping[str, Fields] = {
    "interaction.created": {"interaction.id": TEXT, "interaction.status": TEXT},
    "interaction.status_update": {"interaction_id": TEXT, "status": TEXT},
    "step.start": {"index": COUNT, "step.type": TEXT},
    "step.delta": {"index": COUNT, "delta.type": TEXT},
    "step.stop": {"index": COUNT},
    "interaction.completed": {
        "interaction.id": TEXT,
        "interaction.status": TEXT,
        "interaction.usage": OBJECT,
        "interaction.usage.total_tokens": COUNT,
    },
}


def _fields(event: GrammarEvent) -> Fields:
    return _FIELDS.get(_type(event), {})


def _read(events: Sequence[GrammarEvent]) -> ResponseContent:
    text = reasoning = finish = model = ""
    calls: dict[Any, list[str]] = {}
    usage_reported = None
    for event in events:
        document, index = event.document, event.document.get("index")
        delta = document.get("delta") or {}
        model = model or str(at_path(document, "interaction.model") or "")
        if at_path(document, "step.type") == "function_call":
            step = document["step"]
            calls[index] = [str(step.get("id", "")), str(step.get("name", "")), ""]
        text += str(delta.get("text", "")) if delta.get("type") == "text" else ""
        reasoning += str(at_path(delta, "content.text") or "") if delta.get("type") == "thought_summary" else ""
        if delta.get("type") == "arguments_delta" and index in calls:
            calls[index][2] += str(delta.get("arguments", ""))
        if _type(event) == "interaction.completed":
            finish = str(at_path(document, "interaction.status") or "")
            usage_reported = at_path(document, "interaction.usage")
    tool_calls = tuple(Call(*call) for call in calls.values())
    return ResponseContent(text, reasoning, "", tool_calls, finish, usage_reported, model)


def _read_whole(document: Document) -> ResponseContent:
    text = reasoning = ""
    calls: list[Call] = []
    for step in document.get("steps") or document.get("outputs") or ():
        if step.get("type") == "function_call":
            calls.append(Call(step.get("id", ""), step.get("name", ""), json.dumps(step.get("arguments", {}))))
        for part in step.get("content") or ():
            text += part.get("text", "") if step.get("type") == "model_output" else ""
        for part in step.get("summary") or ():
            reasoning += part.get("text", "")
    finish, model = str(document.get("status") or ""), str(document.get("model") or "")
    return ResponseContent(text, reasoning, "", tuple(calls), finish, document.get("usage"), model)


def usage(counts: Document) -> list[Problem]:
    """Cached tokens are within the input, thoughts beside the output; the total is the sum of all."""
    terms = ["total_input_tokens", "total_output_tokens", "total_thought_tokens", "total_tool_use_tokens"]
    return count_problems(counts, {"total_input_tokens": ["total_cached_tokens"]}, ("total_tokens", terms))


def _request_body(scenario: Scenario, model: str, stream: bool) -> Body:
    options: Body = {"max_output_tokens": scenario.limit} | ({"tool_choice": "any"} if scenario.tool else {})
    body: Body = {"model": model, "input": scenario.prompt, "generation_config": options}
    body |= {"stream": True} if stream else {}
    return body | with_function(scenario, lambda f: {"tools": [{"type": "function", **f}]})


def _read_sdk(genai: Any, url: str, key: str, body: Body, stream: bool, model: str) -> ResponseContent:
    del model
    with genai_client(genai, url, key) as client:
        result = client.interactions.create(**body)
        if not stream:
            whole = result.model_dump(mode="json", exclude_none=True)
            steps = whole.get("steps") or whole.get("outputs") or []
            text = "".join(p.get("text", "") for s in steps if s["type"] == "model_output" for p in s["content"])
            calls = [
                Call(s["id"], s["name"], json.dumps(s["arguments"])) for s in steps if s["type"] == "function_call"
            ]
            return ResponseContent(text, calls=tuple(calls), finish=whole["status"], usage=whole.get("usage"))
        text, finish, usage, parts = "", "", None, dict[int, list[str]]()
        for event in result:
            document = event.model_dump(mode="json", exclude_none=True)
            step, delta = document.get("step") or {}, document.get("delta") or {}
            if step.get("type") == "function_call":
                parts[document["index"]] = [step["id"], step["name"], ""]
            text += delta.get("text", "") if delta.get("type") == "text" else ""
            if delta.get("type") == "arguments_delta":
                parts[document["index"]][2] += delta.get("arguments") or ""
            if document.get("event_type") == "interaction.completed":
                finish, usage = document["interaction"]["status"], document["interaction"].get("usage")
        return ResponseContent(text, calls=tuple(Call(*call) for call in parts.values()), finish=finish, usage=usage)


GRAMMAR = Grammar(
    "gemini_interactions",
    "Gemini API reference: Interactions, streaming",
    "sse",
    "text/event-stream",
    {STREAM: STREAM_MACHINE, "step": STEP_MACHINE},
    _steps,
    _fields,
    _read,
    _read_whole,
    usage,
    named=_type,
    constant=("interaction.id", "interaction.model"),
    counted=frozenset({"step"}),
    request=RequestFormat(
        "/v1beta/interactions", "/v1beta/interactions", _request_body, "input", lambda key: {"x-goog-api-key": key}
    ),
    whole_fields={"id": TEXT, "status": TEXT, "usage": OBJECT},
    sdk=Sdk("google.genai", "google.genai._gaos.lib.compat_errors.APIError", _read_sdk),
)
