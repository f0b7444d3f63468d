"""Cohere, v2 chat: named events for the message, its contents, its plan and its tool calls, in this order.

Cohere API reference: Chat with streaming (v2).
"""

from __future__ import annotations

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
    exactly,
)
from tokentape_conformance.provider.grammar_event import Call, Document, GrammarEvent, Problem, ResponseContent, at_path
from tokentape_conformance.provider.request_format import Body, RequestFormat, with_function
from tokentape_conformance.provider.scenario import Scenario
from tokentape_conformance.provider.sdks import Sdk

STREAM_MACHINE = Machine(
    {
        "start": {"message-start": "message"},
        "message": {
            "content-start": "content",
            "tool-plan-delta": "message",
            "tool-call-start": "call",
            "citation-start": "citation",
            "message-end": "ended",
            "error-end": "failed",
        },
        "content": {
            "content-delta": "content",
            "content-end": "message",
            "citation-start": "cited content",
            "message-end": "ended",
            "error-end": "failed",
        },
        "cited content": {"citation-end": "content"},
        "call": {"tool-call-delta": "call", "tool-call-end": "message"},
        "citation": {"citation-end": "message"},
        # `[DONE]` is sent since 2024; the reference does not mention it.
        "ended": {"done": "over"},
        "failed": {"done": "failed"},
    },
    ends=frozenset({"ended", "over", "failed"}),
    over=frozenset({"over"}),
)
PART_MACHINE = Machine(
    {"start": {"start": "open"}, "open": {"delta": "open", "end": "ended"}},
    ends=frozenset({"ended"}),
)


def _type(event: GrammarEvent) -> str:
    return "done" if event.text == "[DONE]" else str(event.document.get("type", event.name))


def _steps(event: GrammarEvent) -> Iterator[Step]:
    kind = _type(event)
    wrong = kind == "message-end" and at_path(event.document, "delta.finish_reason") == "ERROR"
    yield Step(STREAM, "error-end" if wrong else kind)
    part, _, token = kind.rpartition("-")
    if part in ("content", "tool-call"):
        yield Step(f"{part.removeprefix('tool-')} {event.document.get('index', '?')}", token)


_FIELDS: Mapping[str, Fields] = {
    "message-start": {"delta.message.role": TEXT},
    "content-start": {"index": COUNT, "delta.message.content.type": TEXT},
    "content-delta": {"index": COUNT, "delta.message.content": OBJECT},
    "content-end": {"index": COUNT},
    "tool-plan-delta": {"delta.message.tool_plan": TEXT},
    "tool-call-start": {
        "index": COUNT,
        "delta.message.tool_calls.id": TEXT,
        "delta.message.tool_calls.function.name": TEXT,
    },
    "tool-call-delta": {"index": COUNT, "delta.message.tool_calls.function.arguments": TEXT},
    "tool-call-end": {"index": COUNT},
    "message-end": {"delta.finish_reason": TEXT},
}


def _fields(event: GrammarEvent) -> Fields:
    return _FIELDS.get(_type(event), {})


def _named(event: GrammarEvent) -> str | None:
    return None if event.text == "[DONE]" else _type(event)


def _read(events: Sequence[GrammarEvent]) -> ResponseContent:
    text = reasoning = finish = ""
    calls: dict[Any, list[str]] = {}
    usage_told = None
    for event in events:
        document, index = event.document, event.document.get("index")
        content = at_path(document, "delta.message.content")
        if isinstance(content, dict):
            text += content.get("text") or ""
            reasoning += content.get("thinking") or ""
        reasoning += str(at_path(document, "delta.message.tool_plan") or "")
        call = at_path(document, "delta.message.tool_calls")
        if isinstance(call, dict):
            parts = calls.setdefault(index, ["", "", ""])
            parts[0] += call.get("id") or ""
            parts[1] += at_path(call, "function.name") or ""
            arguments = at_path(call, "function.arguments")
            parts[2] += arguments if isinstance(arguments, str) else ""
        if _type(event) == "message-end":
            finish = str(at_path(document, "delta.finish_reason") or "")
            usage_told = at_path(document, "delta.usage")
    return ResponseContent(text, reasoning, "", tuple(Call(*parts) for parts in calls.values()), finish, usage_told)


def _read_whole(document: Document) -> ResponseContent:
    message = document.get("message") or {}
    parts = message.get("content") or ()
    return ResponseContent(
        "".join(part.get("text") or "" for part in parts),
        "".join(part.get("thinking") or "" for part in parts) + (message.get("tool_plan") or ""),
        "",
        tuple(
            Call(call["id"], call["function"]["name"], call["function"]["arguments"])
            for call in message.get("tool_calls") or ()
        ),
        document.get("finish_reason") or "",
        document.get("usage"),
    )


def usage(counts: Document) -> list[Problem]:
    """Cached tokens are within the input."""
    parts = {
        "tokens.input_tokens": ["cached_tokens"],
        "tokens.output_tokens": ["tokens.reasoning_tokens"],
    }
    whole = {name: value for name, value in counts.items() if name != "tokens"}
    tokens = counts.get("tokens")
    if isinstance(tokens, Mapping):
        # Cohere's own counts are JSON numbers such as 12.0 in some of its models.
        whole["tokens"] = {name: int(n) if isinstance(n, float) and n.is_integer() else n for name, n in tokens.items()}
    return count_problems(whole, parts, None)


def _request_body(scenario: Scenario, model: str, stream: bool) -> Body:
    body: Body = {"model": model, "messages": [{"role": "user", "content": scenario.prompt}], "stream": stream}
    body["max_tokens"] = scenario.limit
    choice = {"tool_choice": "REQUIRED"}
    return body | with_function(scenario, lambda f: {"tools": [{"type": "function", "function": f}], **choice})


def _read_sdk(cohere: Any, url: str, key: str, body: Body, stream: bool, model: str) -> ResponseContent:
    del model
    import httpx

    del body["stream"]
    with httpx.Client(trust_env=False) as transport:
        client = cohere.ClientV2(api_key=key, base_url=url, httpx_client=transport)
        if not stream:
            whole = client.chat(**body, request_options={"max_retries": 0})
            text = "".join(part.text for part in whole.message.content or () if part.type == "text")
            calls = [Call(c.id, c.function.name, c.function.arguments) for c in whole.message.tool_calls or ()]
            return ResponseContent(
                text, calls=tuple(calls), finish=whole.finish_reason, usage=_cohere_usage(whole.usage)
            )
        text, finish, usage, parts = "", "", None, dict[int, list[str]]()
        for event in client.chat_stream(**body, request_options={"max_retries": 0}):
            if event.type == "content-delta":
                text += event.delta.message.content.text or ""
            elif event.type == "tool-call-start":
                call = event.delta.message.tool_calls
                parts[event.index] = [call.id, call.function.name, call.function.arguments or ""]
            elif event.type == "tool-call-delta":
                parts[event.index][2] += event.delta.message.tool_calls.function.arguments or ""
            elif event.type == "message-end":
                finish, usage = event.delta.finish_reason or "", _cohere_usage(event.delta.usage)
        return ResponseContent(text, calls=tuple(Call(*call) for call in parts.values()), finish=finish, usage=usage)


def _cohere_usage(usage: Any) -> Body | None:
    return None if usage is None else usage.dict()


GRAMMAR = Grammar(
    "cohere_chat",
    "Cohere API reference: chat v2 with streaming",
    "sse",
    "text/event-stream",
    {STREAM: STREAM_MACHINE, "content": PART_MACHINE, "call": PART_MACHINE},
    _steps,
    _fields,
    _read,
    _read_whole,
    usage,
    named=_named,
    constant=("id",),
    counted=frozenset({"content", "call"}),
    request=RequestFormat("/v2/chat", "/v2/chat", _request_body, "messages"),
    whole_fields={"id": TEXT, "finish_reason": TEXT, "message.role": exactly("assistant"), "usage": OBJECT},
    sdk=Sdk("cohere", "cohere.core.api_error.ApiError", _read_sdk),
)
