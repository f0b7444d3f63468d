"""Langfuse: observations of the type generation, from its API, its interface or its export to blob storage."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tokentape_harness.traces.answers import read_choices, read_usage
from tokentape_harness.traces.exchange import TracedExchange
from tokentape_harness.traces.messages import request_fields
from tokentape_harness.traces.values import Record, first, is_cut_off, mapping, moment, ms_between, number, parsed, text


def is_langfuse(fields: Mapping[str, Any]) -> bool:
    """Whether a record is an observation."""
    return bool({"traceId", "trace_id"} & fields.keys()) and isinstance(fields.get("type"), str)


def read_langfuse(records: Sequence[Record]) -> Iterator[TracedExchange]:
    """The generations among the observations."""
    for record in records:
        # The blob storage export has snake_case, the API camelCase.
        fields = {re.sub(r"(?<=\w)([A-Z])", r"_\1", name).lower(): value for name, value in record.fields.items()}
        if text(fields.get("type")).upper() == "GENERATION":
            yield _exchange(record, fields)


def _exchange(record: Record, fields: Mapping[str, Any]) -> TracedExchange:
    missing = [
        f"`{name}` is cut off after {len(fields[name]):,} characters"
        for name in ("input", "output")
        if is_cut_off(fields.get(name))
    ]
    request = request_fields(None if is_cut_off(fields.get("input")) else fields.get("input"))
    given = mapping(fields.get("model_parameters"))
    request |= {name: value for name, value in given.items() if value is not None and name not in request}
    choices = () if is_cut_off(fields.get("output")) else read_choices(fields.get("output"))
    started = moment(fields.get("start_time"))
    first_ms = ms_between(started, moment(fields.get("completion_start_time")))
    if first_ms is None and (seconds := number(fields.get("time_to_first_token"))) is not None:
        first_ms = round(seconds * 1000, 3)
    metadata = mapping(fields.get("metadata"))
    failed = fields.get("level") == "ERROR"
    return TracedExchange(
        place=f"{record.place}, observation {text(fields.get('id')) or '?'} ({text(fields.get('name'))})",
        request=request,
        choices=choices,
        usage=read_usage(mapping(fields.get("usage_details"))) or read_usage(mapping(fields.get("usage"))),
        provider=text(first(metadata, "ls_provider", "provider")) or _provider(fields, metadata),
        wire="openai_responses" if text(fields.get("name")) == "OpenAI-response" else "",
        model=text(first(fields, "model", "provided_model_name")),
        streamed=True if first_ms is not None else None,
        started=started,
        first_ms=first_ms,
        total_ms=ms_between(started, moment(fields.get("end_time"))),
        error=(text(fields.get("status_message")) or "the generation failed") if failed and not choices else "",
        missing=tuple(missing),
    )


def _provider(fields: Mapping[str, Any], metadata: Mapping[str, Any]) -> str:
    """The provider by the scope of the instrumentation, or by its name for the observation."""
    attributes = mapping(parsed(metadata.get("attributes")))
    told = text(first(attributes, "gen_ai.provider.name", "gen_ai.system"))
    return told or ("openai" if text(fields.get("name")).startswith("OpenAI-") else "")
