"""Langfuse: observations of the type generation, from its API, its interface or its export to blob storage."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from tokentape_harness.conversion.traces.answers import read_choices, read_usage, status_in
from tokentape_harness.conversion.traces.exchange import TracedExchange
from tokentape_harness.conversion.traces.messages import request_fields
from tokentape_harness.conversion.traces.values import (
    Record,
    first,
    is_cut_off,
    mapping,
    moment,
    ms_between,
    number,
    parsed,
    text,
)

_DEFAULTS: Final[Mapping[str, float]] = {"temperature": 1, "top_p": 1, "frequency_penalty": 0, "presence_penalty": 0}


def is_langfuse(fields: Mapping[str, Any]) -> bool:
    """Whether a record is an observation."""
    return bool({"traceId", "trace_id"} & fields.keys()) and isinstance(fields.get("type"), str)


def read_langfuse(records: Sequence[Record]) -> Iterator[TracedExchange]:
    """The generations among the observations."""
    for record in records:
        # The blob storage export has snake_case, the API camelCase.
        fields = {re.sub(r"(?<=\w)([A-Z])", r"_\1", name).lower(): value for name, value in record.fields.items()}
        if text(fields.get("type")).upper() == "GENERATION":
            name = text(fields.get("id")) or "?"
            yield observation_exchange(f"{record.place}, observation {name} ({text(fields.get('name'))})", fields)


def observation_exchange(place: str, fields: Mapping[str, Any]) -> TracedExchange:
    """The exchange of a generation, whose fields have names in snake_case."""
    missing = [
        f"`{name}` is cut off after {len(fields[name]):,} characters"
        for name in ("input", "output")
        if is_cut_off(fields.get(name))
    ]
    request = request_fields(None if is_cut_off(fields.get("input")) else fields.get("input"))
    given = mapping(fields.get("model_parameters"))
    if any(_is_default(name, value) for name, value in given.items()):
        missing.append(
            "whether the request had the parameters that Langfuse lists with their default: they are left out"
        )
    sent = {name: value for name, value in given.items() if value is not None and not _is_default(name, value)}
    request = {**sent, **request}
    choices = () if is_cut_off(fields.get("output")) else read_choices(fields.get("output"))
    started = moment(fields.get("start_time"))
    first_ms = ms_between(started, moment(fields.get("completion_start_time")))
    if first_ms is None and (seconds := number(fields.get("time_to_first_token"))) is not None:
        first_ms = round(seconds * 1000, 3)
    metadata = mapping(fields.get("metadata"))
    failed = fields.get("level") == "ERROR"
    error = text(fields.get("status_message")) or "the generation failed"
    return TracedExchange(
        place=place,
        request=request,
        choices=choices,
        usage=read_usage(mapping(fields.get("usage_details"))) or read_usage(mapping(fields.get("usage"))),
        provider=text(first(metadata, "ls_provider", "provider")) or _provider(fields, metadata),
        wire="openai_responses" if _is_of_responses(fields.get("output"), metadata) else "",
        model=text(first(fields, "model", "provided_model_name")),
        streamed=True if first_ms is not None else None,
        started=started,
        first_ms=first_ms,
        total_ms=ms_between(started, moment(fields.get("end_time"))),
        error=error if failed and not choices else "",
        status=status_in(error),
        missing=tuple(missing),
    )


def _is_default(name: str, value: Any) -> bool:
    """Whether it is the default of OpenAI's API, which Langfuse lists for requests that do not have the parameter."""
    return value in ("Infinity", "inf") or (name in _DEFAULTS and number(value) == _DEFAULTS[name])


def _is_of_responses(output: Any, metadata: Mapping[str, Any]) -> bool:
    """Whether an answer is one of OpenAI's responses: an item or a list of items of its output."""
    value = parsed(output)
    items = value if isinstance(value, list) else [value]
    return metadata.get("object") == "response" or any(
        mapping(item).get("type") in ("message", "function_call") and "status" in mapping(item) for item in items
    )


def _provider(fields: Mapping[str, Any], metadata: Mapping[str, Any]) -> str:
    """The provider by the scope of the instrumentation, or by its name for the observation."""
    attributes = mapping(parsed(metadata.get("attributes")))
    provider = text(first(attributes, "gen_ai.provider.name", "gen_ai.system"))
    return provider or ("openai" if text(fields.get("name")).startswith("OpenAI-") else "")
