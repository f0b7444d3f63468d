"""OpenAI, Responses: named and numbered events; items, their parts, deltas, and each whole again when it is done.

OpenAI API reference: Responses, streaming events.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from tokentape_conformance.provider.grammar import (
    COUNT,
    LIST,
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
from tokentape_conformance.provider.sdks import Sdk, model_usage, openai_client

_ENDINGS = {"completed": "over", "incomplete": "cut", "failed": "failed", "error": "failed"}
STREAM_MACHINE = Machine(
    {
        "start": {"created": "created", "error": "failed"},
        "created": {"queued": "created", "in_progress": "running", "failed": "failed", "error": "failed"},
        "running": {"item": "running", **_ENDINGS},
        "failed": {"failed": "failed"},
    },
    ends=frozenset({"over", "cut", "failed"}),
    over=frozenset({"over", "cut"}),
)
ITEM_MACHINE = Machine(
    {"start": {"added": "open"}, "open": {"event": "open", "done": "done"}},
    ends=frozenset({"done"}),
    over=frozenset({"done"}),
)
PART_MACHINE = Machine(
    {
        "start": {"added": "open"},
        "open": {"delta": "open", "annotation": "open", "whole": "whole", "done": "done"},
        # A file citation may still follow the text that it is in.
        "whole": {"annotation": "whole", "done": "done"},
    },
    ends=frozenset({"done"}),
    over=frozenset({"done"}),
)
VALUE_MACHINE = Machine(
    {"start": {"delta": "open", "whole": "whole"}, "open": {"delta": "open", "whole": "whole"}},
    ends=frozenset({"whole"}),
    over=frozenset({"whole"}),
)
_LIFE = {"created", "queued", "in_progress", "completed", "incomplete", "failed"}
_PARTS: Mapping[str, tuple[str, str]] = {
    "response.output_text.delta": ("part", "delta"),
    "response.output_text.done": ("part", "whole"),
    "response.output_text.annotation.added": ("part", "annotation"),
    "response.refusal.delta": ("part", "delta"),
    "response.refusal.done": ("part", "whole"),
    "response.reasoning_text.delta": ("part", "delta"),
    "response.reasoning_text.done": ("part", "whole"),
    "response.content_part.added": ("part", "added"),
    "response.content_part.done": ("part", "done"),
    "response.reasoning_summary_part.added": ("summary", "added"),
    "response.reasoning_summary_part.done": ("summary", "done"),
    "response.reasoning_summary_text.delta": ("summary", "delta"),
    "response.reasoning_summary_text.done": ("summary", "whole"),
    "response.function_call_arguments.delta": ("value", "delta"),
    "response.function_call_arguments.done": ("value", "whole"),
    "response.mcp_call_arguments.delta": ("value", "delta"),
    "response.mcp_call_arguments.done": ("value", "whole"),
    "response.custom_tool_call_input.delta": ("value", "delta"),
    "response.custom_tool_call_input.done": ("value", "whole"),
}
"""The kind and the phase of an event in the lane of its part, its summary or its one value."""
_NUMBERS = {"part": "content_index", "summary": "summary_index"}


def _type(event: GrammarEvent) -> str:
    return str(event.document.get("type", event.name))


def _steps(event: GrammarEvent) -> Iterator[Step]:
    kind, document = _type(event), event.document
    life = kind.removeprefix("response.")
    if life in _LIFE or kind == "error":
        yield Step(STREAM, life)
        return
    yield Step(STREAM, "item" if kind.startswith("response.") else kind)
    item = document.get("output_index", "?")
    if kind.startswith("response.output_item."):
        yield Step(f"item {item}", kind.rpartition(".")[2])
        return
    yield Step(f"item {item}", "event")
    if kind in _PARTS:
        lane, token = _PARTS[kind]
        number = _NUMBERS.get(lane)
        yield Step(f"{lane} {item}.{document.get(number, '?') if number else 0}", token)


_RESPONSE: Fields = {
    "response.id": TEXT,
    "response.object": exactly("response"),
    "response.created_at": COUNT._replace(types=(int, float)),
    "response.model": TEXT,
    "response.output": LIST,
    "response.status": TEXT,
}
_OF_ITEM: Fields = {"output_index": COUNT, "item_id": TEXT}
_OF_PART: Fields = {**_OF_ITEM, "content_index": COUNT}
_FIELDS: Mapping[str, Fields] = {
    "response.created": _RESPONSE,
    "response.in_progress": _RESPONSE,
    "response.completed": {**_RESPONSE, "response.status": exactly("completed"), "response.usage": OBJECT},
    "response.incomplete": {**_RESPONSE, "response.status": exactly("incomplete")},
    "response.failed": {**_RESPONSE, "response.status": exactly("failed")},
    "response.output_item.added": {"output_index": COUNT, "item.type": TEXT},
    "response.output_item.done": {"output_index": COUNT, "item.type": TEXT},
    "response.content_part.added": {**_OF_PART, "part.type": TEXT},
    "response.content_part.done": {**_OF_PART, "part.type": TEXT},
    "response.output_text.delta": {**_OF_PART, "delta": TEXT},
    "response.output_text.done": {**_OF_PART, "text": TEXT},
    "response.refusal.delta": {**_OF_PART, "delta": TEXT},
    "response.refusal.done": {**_OF_PART, "refusal": TEXT},
    "response.reasoning_text.delta": {**_OF_PART, "delta": TEXT},
    "response.reasoning_summary_text.delta": {**_OF_ITEM, "summary_index": COUNT, "delta": TEXT},
    "response.reasoning_summary_text.done": {**_OF_ITEM, "summary_index": COUNT, "text": TEXT},
    "response.function_call_arguments.delta": {**_OF_ITEM, "delta": TEXT},
    "response.function_call_arguments.done": {**_OF_ITEM, "arguments": TEXT},
}


def _fields(event: GrammarEvent) -> Fields:
    return {"type": TEXT, **_FIELDS.get(_type(event), {})}


def _agree(events: Sequence[GrammarEvent]) -> Iterator[Problem]:
    """Wholes equal their joined deltas, items keep their ids, and the last event's output has the stream's items."""
    joined: dict[tuple[Any, ...], str] = {}
    ids: dict[Any, str] = {}
    done: list[Document] = []
    for event in events:
        kind, document = _type(event), event.document
        where = tuple(document.get(name) for name in ("output_index", "content_index", "summary_index"))
        value, _, phase = kind.removeprefix("response.").rpartition(".")
        if phase == "delta" and isinstance(document.get("delta"), str):
            joined[(value, *where)] = joined.get((value, *where), "") + document["delta"]
        elif phase == "done":
            stated = next(
                (document[name] for name in ("text", "refusal", "arguments", "input") if name in document), None
            )
            parts = joined.pop((value, *where), None)
            if parts is not None and stated is not None and parts != stated:
                yield Problem("wholes", f"the whole of {value}", repr(parts), repr(stated), event.number)
        own = document.get("item_id") or at_path(document, "item.id")
        if own and "output_index" in document:
            first = ids.setdefault(where[0], own)
            if own != first:
                yield Problem("item-ids", f"the id of item {where[0]}", repr(first), repr(own), event.number)
        if kind == "response.output_item.done" and isinstance(document.get("item"), dict):
            done.append(document["item"])
        if kind == "response.completed":
            yield from _whole_output(done, at_path(document, "response.output"), event.number)


def _whole_output(done: Sequence[Document], output: Any, number: int) -> Iterable[Problem]:
    types = [item.get("type") for item in output] if isinstance(output, list) else output
    if types != [item.get("type") for item in done]:
        yield Problem("wholes", "`response.output`", repr([item.get("type") for item in done]), repr(types), number)
    elif _output(output)[:4] != _output(done)[:4]:
        yield Problem("wholes", "`response.output`", repr(_output(done)[:4]), repr(_output(output)[:4]), number)


def _output(items: Sequence[Document]) -> tuple[str, str, str, tuple[Call, ...]]:
    text = refusal = reasoning = ""
    calls = []
    for item in items:
        for part in item.get("content") or ():
            text += part.get("text", "") if part.get("type") == "output_text" else ""
            refusal += part.get("refusal", "") if part.get("type") == "refusal" else ""
            reasoning += part.get("text", "") if part.get("type") == "reasoning_text" else ""
        if item.get("type") == "reasoning":
            reasoning += "".join(part.get("text", "") for part in item.get("summary") or ())
        if item.get("type") == "function_call":
            calls.append(Call(item.get("call_id", ""), item.get("name", ""), item.get("arguments", "")))
    return text, reasoning, refusal, tuple(calls)


def _read(events: Sequence[GrammarEvent]) -> ResponseContent:
    """The content of the deltas alone; `_agree` compares the last event with them."""
    text = reasoning = refusal = model = finish = ""
    calls: dict[Any, list[str]] = {}
    usage_reported = None
    for event in events:
        kind, document = _type(event), event.document
        delta = document.get("delta") if isinstance(document.get("delta"), str) else ""
        assert isinstance(delta, str)
        text += delta if kind == "response.output_text.delta" else ""
        refusal += delta if kind == "response.refusal.delta" else ""
        reasoning += delta if kind.startswith("response.reasoning") else ""
        index = document.get("output_index")
        if kind == "response.output_item.added" and at_path(document, "item.type") == "function_call":
            item = document["item"]
            calls[index] = [str(item.get("call_id", "")), str(item.get("name", "")), ""]
        if kind == "response.function_call_arguments.delta" and index in calls:
            calls[index][2] += delta
        model = model or str(at_path(document, "response.model") or "")
        if kind in ("response.completed", "response.incomplete", "response.failed"):
            finish = _finish(document.get("response") or {})
            usage_reported = at_path(document, "response.usage")
    tool_calls = tuple(Call(*parts) for parts in calls.values())
    return ResponseContent(text, reasoning, refusal, tool_calls, finish, usage_reported, model)


def _finish(response: Document) -> str:
    return str(at_path(response, "incomplete_details.reason") or response.get("status") or "")


def _read_whole(document: Document) -> ResponseContent:
    items = [item for item in document.get("output") or () if isinstance(item, dict)]
    text, reasoning, refusal, calls = _output(items)
    return ResponseContent(
        text, reasoning, refusal, calls, _finish(document), document.get("usage"), str(document.get("model", ""))
    )


def usage(counts: Document) -> list[Problem]:
    """Parts are within their whole, and the total is the sum."""
    return count_problems(
        counts,
        {
            "input_tokens": ["input_tokens_details.cached_tokens"],
            "output_tokens": ["output_tokens_details.reasoning_tokens"],
        },
        ("total_tokens", ["input_tokens", "output_tokens"]),
    )


def _request_body(scenario: Scenario, model: str, stream: bool) -> Body:
    body: Body = {"model": model, "input": scenario.prompt, "max_output_tokens": max(16, scenario.limit)}
    body |= {"stream": True} if stream else {}
    body |= {"reasoning": {"summary": "auto"}} if scenario.reasoning else {}
    return body | with_function(scenario, lambda f: {"tools": [{"type": "function", **f}], "tool_choice": "required"})


def _read_sdk(openai: Any, url: str, key: str, body: Body, stream: bool, model: str) -> ResponseContent:
    del model
    with openai_client(openai, url, key) as client:
        if stream:
            del body["stream"]
            with client.responses.stream(**body) as events:
                text = "".join(event.delta for event in events if event.type == "response.output_text.delta")
                whole = events.get_final_response()
        else:
            whole = client.responses.create(**body)
            text = whole.output_text
        calls = [Call(i.call_id, i.name, i.arguments) for i in whole.output if i.type == "function_call"]
        cut = whole.incomplete_details
        return ResponseContent(
            text, calls=tuple(calls), finish=(cut and cut.reason) or whole.status, usage=model_usage(whole.usage)
        )


GRAMMAR = Grammar(
    "openai_responses",
    "OpenAI API reference: Responses, streaming events",
    "sse",
    "text/event-stream",
    {
        STREAM: STREAM_MACHINE,
        "item": ITEM_MACHINE,
        "part": PART_MACHINE,
        "summary": PART_MACHINE,
        "value": VALUE_MACHINE,
    },
    _steps,
    _fields,
    _read,
    _read_whole,
    usage,
    named=_type,
    constant=("response.id", "response.model", "response.created_at"),
    counted=frozenset({"item", "part", "summary"}),
    sequence="sequence_number",
    agree=_agree,
    broken=frozenset({"failed", "cut"}),
    request=RequestFormat("/v1/responses", "/v1/responses", _request_body, "input"),
    whole_fields={
        "id": TEXT,
        "object": exactly("response"),
        "model": TEXT,
        "output": LIST,
        "status": TEXT,
        "usage": OBJECT,
    },
    sdk=Sdk("openai", "openai.APIStatusError", _read_sdk),
)
