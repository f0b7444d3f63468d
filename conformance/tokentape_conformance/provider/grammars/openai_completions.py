"""OpenAI, legacy completions: chunks of text, a chunk of usage, `[DONE]`.

OpenAI API reference: Completions.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from tokentape_conformance.provider.grammar import (
    COUNT,
    LIST,
    STREAM,
    TEXT,
    Fields,
    Grammar,
    Step,
    exactly,
)
from tokentape_conformance.provider.grammar_event import Document, GrammarEvent, Problem, ResponseContent
from tokentape_conformance.provider.grammars.openai_chat import (
    CHOICE_MACHINE,
    STREAM_MACHINE,
    choices,
    last_usage,
    objects,
    stream_token,
    usage,
)
from tokentape_conformance.provider.request_format import Body, RequestFormat
from tokentape_conformance.provider.scenario import Scenario
from tokentape_conformance.provider.sdks import Sdk, model_usage, openai_client


def _steps(event: GrammarEvent) -> Iterator[Step]:
    yield Step(STREAM, stream_token(event))
    for choice in choices(event):
        yield Step(f"choice {choice.get('index', 0)}", "finish" if choice.get("finish_reason") else "delta")


def _fields(event: GrammarEvent) -> Fields:
    if stream_token(event) in ("done", "error"):
        return {}
    return {"id": TEXT, "object": exactly("text_completion"), "created": COUNT, "model": TEXT, "choices": LIST}


def _agree(events: Sequence[GrammarEvent]) -> Iterable[Problem]:
    for event in events:
        for choice in choices(event):
            if not COUNT.takes(choice.get("index")):
                yield Problem("fields", "`choices[].index`", COUNT.name, repr(choice.get("index")), event.number)
            if not TEXT.takes(choice.get("text")):
                yield Problem("fields", "`choices[].text`", TEXT.name, repr(choice.get("text")), event.number)


def _read(events: Sequence[GrammarEvent]) -> ResponseContent:
    text = finish = model = ""
    for event in events:
        model = model or str(event.document.get("model") or "")
        for choice in choices(event):
            if choice.get("index", 0) == 0:
                text += choice.get("text") or ""
                finish = choice.get("finish_reason") or finish
    return ResponseContent(text, finish=finish, usage=last_usage(events), model=model)


def _read_whole(document: Document) -> ResponseContent:
    first = (objects(document.get("choices")) or [{}])[0]
    return ResponseContent(
        first.get("text") or "",
        finish=first.get("finish_reason") or "",
        usage=document.get("usage"),
        model=str(document.get("model") or ""),
    )


def _request_body(scenario: Scenario, model: str, stream: bool) -> Body:
    body: Body = {"model": model, "prompt": scenario.prompt, "max_tokens": scenario.limit}
    if stream:
        body |= {"stream": True} | ({"stream_options": {"include_usage": True}} if scenario.usage else {})
    return body


def _read_sdk(openai: Any, url: str, key: str, body: Body, stream: bool, model: str) -> ResponseContent:
    del model
    with openai_client(openai, url, key) as client:
        result = client.completions.create(**body)
        chunks = list(result) if stream else [result]
        choices = [choice for chunk in chunks for choice in chunk.choices]
        finish = next((choice.finish_reason for choice in choices if choice.finish_reason), "")
        usage = next((model_usage(chunk.usage) for chunk in reversed(chunks) if chunk.usage), None)
        return ResponseContent("".join(choice.text for choice in choices), finish=finish, usage=usage)


GRAMMAR = Grammar(
    "openai_completions",
    "OpenAI API reference: legacy completions",
    "sse",
    "text/event-stream",
    {STREAM: STREAM_MACHINE, "choice": CHOICE_MACHINE},
    _steps,
    _fields,
    _read,
    _read_whole,
    usage,
    constant=("id", "model", "created"),
    agree=_agree,
    request=RequestFormat("/v1/completions", "/v1/completions", _request_body, "prompt"),
    whole_fields={"id": TEXT, "object": exactly("text_completion"), "created": COUNT, "model": TEXT, "choices": LIST},
    sdk=Sdk("openai", "openai.APIStatusError", _read_sdk),
)
