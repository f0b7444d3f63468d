"""OpenAI, chat completions: chunks, each with deltas of choices, a chunk of usage, `[DONE]`.

OpenAI API reference: Chat Completions, streaming; `CreateChatCompletionStreamResponse` of its OpenAPI description.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
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
from tokentape_conformance.provider.grammar_event import Call, Document, GrammarEvent, Problem, ResponseContent
from tokentape_conformance.provider.request_format import Body, RequestFormat, with_function
from tokentape_conformance.provider.scenario import Scenario
from tokentape_conformance.provider.sdks import Sdk, model_usage, openai_client

STREAM_MACHINE = Machine(
    {
        # `empty` has no choices and no usage: Azure's first chunk, with the prompt's filter results.
        "start": {"empty": "start", "choices": "open", "usage": "used", "error": "failed"},
        "open": {"choices": "open", "empty": "open", "usage": "used", "done": "over", "error": "failed"},
        "used": {"done": "over", "usage": "used", "error": "failed"},
        "failed": {"done": "failed"},
    },
    ends=frozenset({"over", "failed"}),
    over=frozenset({"over"}),
)
CHOICE_MACHINE = Machine(
    {
        "start": {"delta": "speaking", "finish": "finished"},
        "speaking": {"delta": "speaking", "finish": "finished"},
    },
    ends=frozenset({"finished"}),
)
CALL_MACHINE = Machine(
    {
        "start": {"opening": "open"},
        "open": {"fragment": "open"},
    },
    ends=frozenset({"open"}),
)


def objects(value: Any) -> list[Document]:
    """The objects of a list."""
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def choices(event: GrammarEvent) -> list[Document]:
    """The choices of a chunk."""
    return objects(event.document.get("choices"))


def _delta(choice: Document) -> Document:
    found = choice.get("delta")
    return found if isinstance(found, dict) else {}


def stream_token(event: GrammarEvent) -> str:
    """The kind of a chunk: done, error, choices, usage or empty."""
    if event.text == "[DONE]":
        return "done"
    if event.document.get("error"):
        return "error"
    if choices(event):
        return "choices"
    return "usage" if event.document.get("usage") else "empty"


def calls(choice: Document) -> list[Document]:
    """The fragments of tool calls in a choice."""
    return objects(_delta(choice).get("tool_calls"))


def _steps(event: GrammarEvent) -> Iterator[Step]:
    yield Step(STREAM, stream_token(event))
    for choice in choices(event):
        index = choice.get("index", 0)
        for call in calls(choice):
            yield Step(f"call {index}.{call.get('index', '?')}", "opening" if call.get("id") else "fragment")
        yield Step(f"choice {index}", "finish" if choice.get("finish_reason") else "delta")


def _fields(event: GrammarEvent) -> Fields:
    if stream_token(event) in ("done", "error") or "prompt_filter_results" in event.document:
        return {}
    return {"id": TEXT, "object": exactly("chat.completion.chunk"), "created": COUNT, "model": TEXT, "choices": LIST}


def _agree(events: Sequence[GrammarEvent]) -> Iterable[Problem]:
    """The fields of each choice; the tables of fields do not reach into arrays."""
    for event in events:
        for choice in choices(event):
            if not COUNT.takes(choice.get("index")):
                yield Problem("fields", "`choices[].index`", COUNT.name, repr(choice.get("index")), event.number)
            if not OBJECT.takes(choice.get("delta")):
                yield Problem("fields", "`choices[].delta`", OBJECT.name, repr(choice.get("delta")), event.number)
            for call in calls(choice):
                yield from _call_fields(call, event.number)


def _call_fields(call: Document, number: int) -> Iterator[Problem]:
    function = call.get("function") if isinstance(call.get("function"), dict) else {}
    assert isinstance(function, dict)
    if not COUNT.takes(call.get("index")):
        yield Problem("call-index", "`tool_calls[].index`", COUNT.name, repr(call.get("index")), number)
    if call.get("id") and not function.get("name"):
        yield Problem("fields", "`function.name` of a call that begins", TEXT.name, repr(function.get("name")), number)
    arguments = function.get("arguments", "")
    if not isinstance(arguments, str | None):
        yield Problem("arguments", "`function.arguments`", TEXT.name, repr(arguments)[:80], number)


def fragments(found: Sequence[Document], into: dict[Any, list[str]]) -> None:
    """Put the fragments of calls to what their index has so far: id, name, arguments."""
    for call in found:
        function = call.get("function") or {}
        parts = into.setdefault(call.get("index", len(into)), ["", "", ""])
        for at, value in enumerate((call.get("id"), function.get("name"), function.get("arguments"))):
            parts[at] += value if isinstance(value, str) and (at == 2 or not parts[at]) else ""


def last_usage(events: Sequence[GrammarEvent]) -> Document | None:
    """The usage that counts: the last one."""
    found = None
    for event in events:
        reported = event.document.get("usage") or (event.document.get("x_groq") or {}).get("usage")
        found = reported if isinstance(reported, dict) else found
    return found


def _read(events: Sequence[GrammarEvent]) -> ResponseContent:
    text = reasoning = refusal = finish = model = ""
    found: dict[Any, list[str]] = {}
    for event in events:
        model = model or str(event.document.get("model") or "")
        for choice in choices(event):
            if choice.get("index", 0) != 0:
                continue
            delta = _delta(choice)
            text += _plain(delta.get("content"))
            reasoning += _plain(delta.get("reasoning_content") or delta.get("reasoning"))
            refusal += _plain(delta.get("refusal"))
            finish = choice.get("finish_reason") or finish
            fragments(calls(choice), found)
    tool_calls = tuple(Call(*parts) for parts in found.values())
    return ResponseContent(text, reasoning, refusal, tool_calls, finish, last_usage(events), model)


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _read_whole(document: Document) -> ResponseContent:
    first = (objects(document.get("choices")) or [{}])[0]
    message = first.get("message") or {}
    tool_calls = tuple(
        Call(call.get("id", ""), call["function"]["name"], call["function"]["arguments"])
        for call in objects(message.get("tool_calls"))
    )
    reasoning = _plain(message.get("reasoning_content") or message.get("reasoning"))
    return ResponseContent(
        _plain(message.get("content")),
        reasoning,
        _plain(message.get("refusal")),
        tool_calls,
        first.get("finish_reason") or "",
        document.get("usage"),
        str(document.get("model") or ""),
    )


def usage(counts: Document) -> list[Problem]:
    """Parts are within their whole, and the total is the sum."""
    return count_problems(
        counts,
        {
            "prompt_tokens": ["prompt_tokens_details.cached_tokens", "prompt_tokens_details.audio_tokens"],
            "completion_tokens": [
                "completion_tokens_details.reasoning_tokens",
                "completion_tokens_details.audio_tokens",
            ],
        },
        ("total_tokens", ["prompt_tokens", "completion_tokens"]),
    )


def _request_body(scenario: Scenario, model: str, stream: bool) -> Body:
    body: Body = {"model": model, "messages": [{"role": "user", "content": scenario.prompt}]}
    body["max_tokens"] = scenario.limit
    if stream:
        body |= {"stream": True} | ({"stream_options": {"include_usage": True}} if scenario.usage else {})
    tools = with_function(
        scenario, lambda f: {"tools": [{"type": "function", "function": f}], "tool_choice": "required"}
    )
    return body | tools


def _read_sdk(openai: Any, url: str, key: str, body: Body, stream: bool, model: str) -> ResponseContent:
    del model
    with openai_client(openai, url, key) as client:
        if not stream:
            whole = client.chat.completions.create(**body)
            first = whole.choices[0]
            tool_calls = [Call(c.id, c.function.name, c.function.arguments) for c in first.message.tool_calls or ()]
            return ResponseContent(
                first.message.content or "",
                calls=tuple(tool_calls),
                finish=first.finish_reason,
                usage=model_usage(whole.usage),
            )
        text, finish, usage, calls = "", "", None, dict[int, list[str]]()
        for chunk in client.chat.completions.create(**body):
            usage = model_usage(chunk.usage) or usage
            for choice in chunk.choices:
                text += choice.delta.content or ""
                finish = choice.finish_reason or finish
                for call in choice.delta.tool_calls or ():
                    parts = calls.setdefault(call.index, ["", "", ""])
                    parts[0] = call.id or parts[0]
                    if call.function is not None:
                        parts[1] = call.function.name or parts[1]
                        parts[2] += call.function.arguments or ""
        return ResponseContent(text, calls=tuple(Call(*parts) for parts in calls.values()), finish=finish, usage=usage)


GRAMMAR = Grammar(
    "openai_chat",
    "OpenAI API reference: chat completion chunks",
    "sse",
    "text/event-stream",
    {STREAM: STREAM_MACHINE, "choice": CHOICE_MACHINE, "call": CALL_MACHINE},
    _steps,
    _fields,
    _read,
    _read_whole,
    usage,
    constant=("id", "model", "created"),
    counted=frozenset({"call"}),
    agree=_agree,
    request=RequestFormat("/v1/chat/completions", "/v1/chat/completions", _request_body, "messages"),
    whole_fields={
        "id": TEXT,
        "object": exactly("chat.completion"),
        "created": COUNT,
        "model": TEXT,
        "choices": LIST,
        "usage": OBJECT,
    },
    sdk=Sdk("openai", "openai.APIStatusError", _read_sdk),
)
