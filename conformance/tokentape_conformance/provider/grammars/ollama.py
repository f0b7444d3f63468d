"""Ollama, /api/chat and /api/generate: a line for each piece, `done` on the last, which has the counts.

Ollama API documentation: Generate a chat completion, Generate a completion.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from tokentape_conformance.provider.grammar import (
    BOOLEAN,
    COUNT,
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
from tokentape_conformance.provider.grammars.openai_chat import objects
from tokentape_conformance.provider.request_format import Body, RequestFormat, with_function
from tokentape_conformance.provider.scenario import Scenario
from tokentape_conformance.provider.sdks import Sdk

STREAM_MACHINE = Machine(
    {
        "start": {"piece": "open", "done": "over", "error": "failed"},
        "open": {"piece": "open", "done": "over", "error": "failed"},
    },
    ends=frozenset({"over", "failed"}),
    over=frozenset({"over", "failed"}),
)


def _token(event: GrammarEvent) -> str:
    if "error" in event.document:
        return "error"
    return "done" if event.document.get("done") else "piece"


def _steps(event: GrammarEvent) -> Iterator[Step]:
    yield Step(STREAM, _token(event))


_PIECE: Fields = {"model": TEXT, "created_at": TEXT, "done": BOOLEAN}
_DONE: Fields = {
    "prompt_eval_count": COUNT,
    "eval_count": COUNT,
    "total_duration": COUNT,
    "done_reason": TEXT,
}
_CHAT: Fields = {"message.role": exactly("assistant"), "message.content": TEXT}


def _fields(event: GrammarEvent) -> Fields:
    if _token(event) == "error":
        return {"error": TEXT}
    content: Fields = {"response": TEXT} if "response" in event.document else _CHAT
    return {**_PIECE, **content, **(_DONE if _token(event) == "done" else {})}


def _agree(events: Sequence[GrammarEvent]) -> Iterable[Problem]:
    for event in events:
        for call in objects(at_path(event.document, "message.tool_calls")):
            arguments = at_path(call, "function.arguments")
            if not isinstance(arguments, dict):
                yield Problem("arguments", "`function.arguments`", "an object", repr(arguments)[:80], event.number)


def _read(events: Sequence[GrammarEvent]) -> ResponseContent:
    documents = [_read_whole(event.document) for event in events]
    return ResponseContent(
        "".join(each.text for each in documents),
        "".join(each.reasoning for each in documents),
        "",
        tuple(call for each in documents for call in each.calls),
        documents[-1].finish if documents else "",
        documents[-1].usage if documents else None,
        documents[0].model if documents else "",
    )


def _read_whole(document: Document) -> ResponseContent:
    message = document.get("message") or {}
    counts = {name: document[name] for name in ("prompt_eval_count", "eval_count") if name in document}
    calls = tuple(
        Call(call.get("id", ""), call["function"]["name"], json.dumps(call["function"]["arguments"]))
        for call in objects(message.get("tool_calls"))
    )
    return ResponseContent(
        message.get("content") or document.get("response") or "",
        message.get("thinking") or document.get("thinking") or "",
        "",
        calls,
        document.get("done_reason") or "",
        counts or None,
        str(document.get("model") or ""),
    )


def usage(counts: Document) -> list[Problem]:
    """Two counts, with no parts and no total."""
    return count_problems(counts, {"prompt_eval_count": [], "eval_count": []}, None)


def _request_body(scenario: Scenario, model: str, stream: bool) -> Body:
    body: Body = {"model": model, "messages": [{"role": "user", "content": scenario.prompt}], "stream": stream}
    body |= {"options": {"num_predict": scenario.limit}} | ({"think": True} if scenario.reasoning else {})
    return body | with_function(scenario, lambda f: {"tools": [{"type": "function", "function": f}]})


def _read_sdk(ollama: Any, url: str, key: str, body: Body, stream: bool, model: str) -> ResponseContent:
    del model
    client = ollama.Client(host=url, headers={"authorization": f"Bearer {key}"})
    try:
        result = client.chat(**body)
        chunks = list(result) if stream else [result]
    finally:
        client._client.close()
    last = chunks[-1]
    functions = [call.function for chunk in chunks for call in chunk.message.tool_calls or ()]
    return ResponseContent(
        "".join(chunk.message.content or "" for chunk in chunks),
        calls=tuple(Call("", call.name, json.dumps(dict(call.arguments))) for call in functions),
        finish=last.done_reason or "",
        usage={"prompt_eval_count": last.prompt_eval_count, "eval_count": last.eval_count},
    )


GRAMMAR = Grammar(
    "ollama",
    "Ollama API documentation: chat, generate",
    "ndjson",
    "application/x-ndjson",
    {STREAM: STREAM_MACHINE},
    _steps,
    _fields,
    _read,
    _read_whole,
    usage,
    constant=("model",),
    agree=_agree,
    request=RequestFormat("/api/chat", "/api/chat", _request_body, "messages"),
    whole_fields={
        "model": TEXT,
        "created_at": TEXT,
        "message.role": exactly("assistant"),
        "message.content": TEXT,
        "done_reason": TEXT,
    },
    sdk=Sdk("ollama", "ollama.ResponseError", _read_sdk),
)
