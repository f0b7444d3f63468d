"""LangSmith: runs of the type llm, from its API, its SDK or its export, nested or not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tokentape_harness.conversion.traces.answers import error_text, read_choices, read_usage, status_in
from tokentape_harness.conversion.traces.exchange import TracedExchange
from tokentape_harness.conversion.traces.messages import request_fields
from tokentape_harness.conversion.traces.values import Record, first, mapping, moment, ms_between, parsed, text

_NOT_SENT = ("model_type", "_type", "model", "model_name", "stream", "use_responses_api", "tools", "stream_options")


def is_langsmith(fields: Mapping[str, Any]) -> bool:
    """Whether a record is a run."""
    return "run_type" in fields


def read_langsmith(records: Sequence[Record]) -> Iterator[TracedExchange]:
    """The runs of models, each before those inside it."""
    for record in records:
        fields = record.fields
        if fields.get("run_type") == "llm":
            yield _exchange(record.place, fields)
        nested = fields.get("child_runs")
        if isinstance(nested, list):
            yield from read_langsmith([Record(record.place, mapping(run)) for run in nested])


def _exchange(place: str, fields: Mapping[str, Any]) -> TracedExchange:
    inputs, outputs = mapping(fields.get("inputs")), mapping(fields.get("outputs"))
    extra = mapping(fields.get("extra"))
    metadata, sent = mapping(extra.get("metadata")), mapping(extra.get("invocation_params"))
    # The wrappers of SDKs trace the arguments of the call, which are the body.
    exact = "model" in inputs and bool({"messages", "input", "contents", "prompt"} & inputs.keys())
    request = dict(inputs) if exact else request_fields(inputs)
    if not exact:
        params = {**sent, **mapping(metadata.get("ls_invocation_params"))}
        for name in ("temperature", "max_tokens", "stop"):
            params.setdefault(name, metadata.get(f"ls_{name}"))
        request |= {n: v for n, v in params.items() if v is not None and n not in _NOT_SENT and n not in request}
        tools = first(sent, "tools", "functions") or mapping(extra.get("options")).get("tools")
        if isinstance(parsed(tools), list):
            request.setdefault("tools", parsed(tools))
    choices = read_choices(outputs)
    started = moment(fields.get("start_time"))
    events = map(mapping, fields.get("events") or ())
    token = next((event for event in events if event.get("name") == "new_token"), {})
    first_ms = ms_between(started, moment(first(fields, "first_token_time") or token.get("time")))
    streamed = first(inputs, "stream") if exact else first(sent, "stream")
    responses = mapping(metadata.get("ls_invocation_params")).get("use_responses_api") or "input" in inputs
    error = error_text(fields.get("error")) or text(fields.get("error"))
    return TracedExchange(
        place=f"{place}, run {text(fields.get('id')) or '?'} ({text(fields.get('name'))})",
        request=request,
        exact=exact,
        choices=choices,
        usage=_usage(outputs, fields),
        provider=text(metadata.get("ls_provider")),
        wire="openai_responses" if responses and "openai" in text(metadata.get("ls_provider")) else "",
        model=text(first(inputs, "model"))
        or text(first(metadata, "ls_model_name"))
        or text(first(sent, "model", "model_name")),
        streamed=_streamed(streamed, first_ms, exact),
        started=started,
        first_ms=first_ms,
        total_ms=ms_between(started, moment(fields.get("end_time"))),
        error=error.splitlines()[0] if error and not choices else "",
        status=status_in(error),
    )


def _usage(outputs: Mapping[str, Any], fields: Mapping[str, Any]) -> Any:
    """The token counts of the outputs, of their first message, or of the run."""
    llm_output = mapping(outputs.get("llm_output"))
    for counts in (
        outputs.get("usage_metadata"),
        outputs.get("usage"),
        *_of_messages(outputs),
        llm_output.get("token_usage"),
        llm_output.get("usage"),
    ):
        if (found := read_usage(mapping(counts))) is not None:
            return found
    return read_usage({n: fields[n] for n in ("prompt_tokens", "completion_tokens", "total_tokens") if fields.get(n)})


def _of_messages(outputs: Mapping[str, Any]) -> Iterator[Any]:
    generations = outputs.get("generations")
    while isinstance(generations, list) and generations:
        generations = generations[0]
    for message in (mapping(generations).get("message"), outputs.get("message"), outputs.get("output")):
        held = mapping(mapping(message).get("kwargs")) or mapping(message)
        yield held.get("usage_metadata")


def _streamed(sent: Any, first_ms: float | None, exact: bool) -> bool | None:
    """Whether the answer was streamed: a call without the argument was not."""
    if isinstance(sent, bool):
        return sent
    return True if first_ms is not None else False if exact else None
