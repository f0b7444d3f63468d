"""Gemini, streamGenerateContent: responses, each with more parts of its candidates; the last one of each has why.

Gemini API reference: GenerateContentResponse. Nothing ends the stream but its end.
"""

from __future__ import annotations

import json
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
)
from tokentape_conformance.provider.grammar_event import Call, Document, GrammarEvent, Problem, ResponseContent, at_path
from tokentape_conformance.provider.grammars.openai_chat import objects
from tokentape_conformance.provider.request_format import Body, RequestFormat, with_function
from tokentape_conformance.provider.scenario import Scenario
from tokentape_conformance.provider.sdks import Sdk, genai_client

STREAM_MACHINE = Machine(
    {
        "start": {"candidates": "open", "blocked": "blocked", "usage": "start", "error": "failed"},
        "open": {"candidates": "open", "usage": "open", "error": "failed"},
        "blocked": {"usage": "blocked", "blocked": "blocked"},
    },
    ends=frozenset({"open", "blocked", "failed"}),
    over=frozenset({"failed"}),
)
CANDIDATE_MACHINE = Machine(
    {
        "start": {"parts": "speaking", "finish": "finished"},
        "speaking": {"parts": "speaking", "finish": "finished"},
    },
    ends=frozenset({"finished"}),
    over=frozenset({"finished"}),
)


def _candidates(document: Document) -> list[Document]:
    return objects(document.get("candidates"))


def _token(event: GrammarEvent) -> str:
    if event.document.get("error"):
        return "error"
    if _candidates(event.document):
        return "candidates"
    return "blocked" if event.document.get("promptFeedback") else "usage"


def _steps(event: GrammarEvent) -> Iterator[Step]:
    yield Step(STREAM, _token(event))
    for candidate in _candidates(event.document):
        finish = "finish" if candidate.get("finishReason") else "parts"
        yield Step(f"candidate {candidate.get('index', 0)}", finish)


def _fields(event: GrammarEvent) -> Fields:
    if _token(event) == "error":
        return {"error.code": COUNT, "error.message": TEXT, "error.status": TEXT}
    if not any(candidate.get("finishReason") for candidate in _candidates(event.document)):
        return {"modelVersion": TEXT}
    # Vertex counts only when it is done.
    return {"modelVersion": TEXT, "usageMetadata.promptTokenCount": COUNT, "usageMetadata.totalTokenCount": COUNT}


def parts(candidate: Document) -> list[Document]:
    """The parts of a candidate."""
    return objects(at_path(candidate, "content.parts"))


def _agree(events: Sequence[GrammarEvent]) -> Iterable[Problem]:
    for event in events:
        for candidate in _candidates(event.document):
            for part in parts(candidate):
                call = part.get("functionCall")
                if call is None:
                    continue
                if not TEXT.takes(call.get("name")):
                    yield Problem("fields", "`functionCall.name`", TEXT.name, repr(call.get("name")), event.number)
                if not isinstance(call.get("args", {}), dict):
                    yield Problem(
                        "arguments", "`functionCall.args`", "an object", repr(call["args"])[:80], event.number
                    )


def _read(events: Sequence[GrammarEvent]) -> ResponseContent:
    text = reasoning = finish = model = ""
    calls: list[Call] = []
    usage_told = None
    for event in events:
        model = model or str(event.document.get("modelVersion") or "")
        usage_told = event.document.get("usageMetadata") or usage_told
        for candidate in _candidates(event.document):
            if candidate.get("index", 0) != 0:
                continue
            finish = candidate.get("finishReason") or finish
            more = _content(parts(candidate))
            text, reasoning = text + more.text, reasoning + more.reasoning
            calls += more.calls
    return ResponseContent(text, reasoning, "", tuple(calls), finish, usage_told, model)


def _content(found: Sequence[Document]) -> ResponseContent:
    thought = "".join(part["text"] for part in found if part.get("thought") and isinstance(part.get("text"), str))
    text = "".join(part["text"] for part in found if not part.get("thought") and isinstance(part.get("text"), str))
    used = [part["functionCall"] for part in found if isinstance(part.get("functionCall"), dict)]
    calls = tuple(Call(call.get("id", ""), str(call.get("name")), json.dumps(call.get("args", {}))) for call in used)
    return ResponseContent(text, thought, calls=calls)


def _read_whole(document: Document) -> ResponseContent:
    first = (_candidates(document) or [{}])[0]
    content = _content(parts(first))
    return ResponseContent(
        content.text,
        content.reasoning,
        "",
        content.calls,
        first.get("finishReason") or "",
        document.get("usageMetadata"),
        str(document.get("modelVersion") or ""),
    )


def usage(counts: Document) -> list[Problem]:
    """Cached tokens are within the prompt, thoughts beside the candidates; the total is the sum of all."""
    terms = ["promptTokenCount", "candidatesTokenCount", "thoughtsTokenCount", "toolUsePromptTokenCount"]
    return count_problems(counts, {"promptTokenCount": ["cachedContentTokenCount"]}, ("totalTokenCount", terms))


def _request_body(scenario: Scenario, model: str, stream: bool) -> Body:
    del model, stream
    options: Body = {"maxOutputTokens": scenario.limit}
    options |= {"thinkingConfig": {"includeThoughts": True}} if scenario.reasoning else {}
    body: Body = {
        "contents": [{"role": "user", "parts": [{"text": scenario.prompt}]}],
        "generationConfig": options,
    }
    mode = {"toolConfig": {"functionCallingConfig": {"mode": "ANY"}}}
    return body | with_function(scenario, lambda f: {"tools": [{"functionDeclarations": [f]}], **mode})


def _read_sdk(genai: Any, url: str, key: str, body: Body, stream: bool, model: str) -> ResponseContent:
    config = dict(body["generationConfig"])
    config |= {name: body[name] for name in ("tools", "toolConfig") if name in body}
    config["automaticFunctionCalling"] = {"disable": True}
    with genai_client(genai, url, key) as client:
        generate = client.models.generate_content_stream if stream else client.models.generate_content
        result = generate(model=model, contents=body["contents"], config=config)
        chunks = list(result) if stream else [result]
    candidates = [candidate for chunk in chunks for candidate in chunk.candidates or ()]
    parts = [part for c in candidates if c.content is not None for part in c.content.parts or ()]
    used = [part.function_call for part in parts if part.function_call]
    finish = next((c.finish_reason.value for c in reversed(candidates) if c.finish_reason), "")
    usage = next((chunk.usage_metadata for chunk in reversed(chunks) if chunk.usage_metadata), None)
    return ResponseContent(
        "".join(part.text for part in parts if part.text and not part.thought),
        calls=tuple(Call(call.id or "", call.name, json.dumps(call.args or {})) for call in used),
        finish=finish,
        usage=None if usage is None else usage.model_dump(exclude_none=True, by_alias=True, mode="json"),
    )


GRAMMAR = Grammar(
    "gemini",
    "Gemini API reference: GenerateContentResponse",
    "sse",
    "text/event-stream",
    {STREAM: STREAM_MACHINE, "candidate": CANDIDATE_MACHINE},
    _steps,
    _fields,
    _read,
    _read_whole,
    usage,
    constant=("responseId", "modelVersion"),
    agree=_agree,
    request=RequestFormat(
        "/v1beta/models/{model}:streamGenerateContent?alt=sse",
        "/v1beta/models/{model}:generateContent",
        _request_body,
        "contents",
        lambda key: {"x-goog-api-key": key},
    ),
    whole_fields={"candidates": LIST, "usageMetadata": OBJECT, "modelVersion": TEXT},
    sdk=Sdk("google.genai", "google.genai.errors.APIError", _read_sdk),
)
