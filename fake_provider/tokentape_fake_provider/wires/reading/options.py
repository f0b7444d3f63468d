"""Reads what a request asks of the output: its limits, its form and reasoning."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final, get_args

import msgspec

from tokentape_fake_provider.wires.prompt import Effort, OutputFormat, ReasoningRequest
from tokentape_fake_provider.wires.reading.fields import (
    NOTHING,
    as_object,
    either,
    first,
    objects,
    strings,
    text_of,
    whole,
)
from tokentape_fake_provider.wires.reading.schemas import json_schema

OPTION_HOLDERS: Final = (
    "generationConfig",
    "generation_config",
    "inferenceConfig",
    "options",
    "textGenerationConfig",
)
"""The fields that hold options: Gemini's, Interactions', Converse's, Ollama's, Titan's."""

_HOLDERS: Final = frozenset(OPTION_HOLDERS)
_MAX_TOKENS: Final = dict.fromkeys(
    (
        "max_completion_tokens",
        "max_output_tokens",
        "maxOutputTokens",
        "max_tokens",
        "maxTokens",
        "num_predict",
        "max_gen_len",  # Llama on Bedrock
        "maxTokenCount",  # Titan
        "max_new_tokens",  # Nova
        "max_tokens_to_sample",
    )
)
_STOP: Final = dict.fromkeys(("stop", "stop_sequences", "stopSequences"))
_SEED: Final = dict.fromkeys(("seed", "random_seed"))
_LIMITS: Final = _HOLDERS.union(_MAX_TOKENS, _STOP, _SEED)
_EFFORTS: Final[tuple[Effort, ...]] = get_args(Effort)
_JSON: Final = "application/json"
_ENUM: Final = "text/x.enum"


def has_limits(body: Mapping[str, Any]) -> bool:
    """Whether a body may have the most tokens, where to stop, or a seed."""
    return not _LIMITS.isdisjoint(body)


def read_max_tokens(body: Mapping[str, Any]) -> int | None:
    """The limit of the output; `None` if there is none (Ollama has -1 for that)."""
    limit = whole(_option(body, _MAX_TOKENS))
    return limit if limit is not None and limit >= 0 else None


def read_stop(body: Mapping[str, Any]) -> tuple[str, ...]:
    """The texts that end the output, without empty ones."""
    return tuple(text for text in strings(_option(body, _STOP)) if text)


def read_seed(body: Mapping[str, Any]) -> int | None:
    """The seed."""
    return whole(_option(body, _SEED))


def read_verbosity(body: Mapping[str, Any]) -> Any:
    """`low`, `medium` or `high`."""
    verbosity = first(body, "verbosity") or first(body.get("text"), "verbosity")
    return verbosity if verbosity in ("low", "medium", "high") else None


def read_modalities(body: Mapping[str, Any]) -> tuple[str, ...]:
    """The forms of output besides text, in lower case."""
    found = [
        *strings(body.get("modalities")),
        *strings(body.get("response_modalities")),
        *strings(either(either(body, "generationConfig"), "responseModalities")),
    ]
    return tuple(word for word in dict.fromkeys(name.lower() for name in found) if word != "text")


def read_output(body: Mapping[str, Any]) -> OutputFormat:
    """The requested form of the text; the first of the fields that name one."""
    return next(filter(None, _outputs(body)), OutputFormat())


def _outputs(body: Mapping[str, Any]) -> Iterator[OutputFormat | None]:
    yield from (_form(form) for form in objects(body.get("response_format")))
    yield _form(as_object(first(body.get("text"), "format")))
    # platform.claude.com/docs/en/build-with-claude/structured-outputs; the second was its name in the beta.
    yield _form(as_object(first(body.get("output_config"), "format")))
    yield _form(as_object(body.get("output_format")))
    extra = as_object(body.get("additionalModelRequestFields"))
    yield _form(as_object(first(extra.get("output_config"), "format")))
    yield _form(as_object(extra.get("response_format")))
    # docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_JsonSchemaDefinition.html: the schema is JSON text.
    structure = first(first(body.get("outputConfig"), "textFormat"), "structure")
    yield _form({"type": "json_schema", **as_object(first(structure, "jsonSchema"))} if structure else NOTHING)
    yield _gemini_form(as_object(either(body, "generationConfig")))
    ollama = body.get("format")
    if ollama == "json":
        yield OutputFormat("json")
    elif isinstance(ollama, Mapping) and ollama:
        yield OutputFormat("schema", ollama, strict=True)


def _form(form: Mapping[str, Any]) -> OutputFormat | None:
    """A form with `type`, and a schema in it or in the field of that name."""
    kind = form.get("type")
    inner = as_object(form.get("json_schema")) or form
    schema = _schema(first(inner, "schema", "schema_"))
    if schema is None and inner is not form and kind == "json_object":
        schema = inner  # Cohere's
    name = text_of(inner.get("name"))
    match kind:
        case "json_schema":
            return OutputFormat("schema", {} if schema is None else schema, name, inner.get("strict") is True)
        case "json_object":
            return OutputFormat("json") if schema is None else OutputFormat("schema", schema, name)
        case "text" if form.get("mime_type") == _JSON:  # Interactions'
            return OutputFormat("json") if schema is None else OutputFormat("schema", schema, name)
        case "text":
            return OutputFormat()
        case None | "object" if form and {"properties", "anyOf", "$ref"} & set(form):
            return OutputFormat("schema", json_schema(form))  # a schema by itself (Interactions, formerly)
        case _:
            return None


def _gemini_form(config: Mapping[str, Any]) -> OutputFormat | None:
    kind = either(config, "responseMimeType")
    openapi = either(config, "responseSchema")
    given = first(config, "responseJsonSchema", "response_json_schema", "_responseJsonSchema")
    schema = json_schema(openapi) if isinstance(openapi, Mapping) and openapi else _schema(given)
    if kind == _ENUM:
        return None if schema is None else OutputFormat("enum", schema)
    if kind == _JSON:
        return OutputFormat("json") if schema is None else OutputFormat("schema", schema, strict=True)
    return None


def _schema(schema: Any) -> Mapping[str, Any] | bool | None:
    if isinstance(schema, str):
        try:
            schema = msgspec.json.decode(schema)
        except (msgspec.DecodeError, RecursionError):
            return None
    return schema if isinstance(schema, Mapping | bool) else None


def read_reasoning(body: Mapping[str, Any]) -> ReasoningRequest:
    """The requested reasoning, from the fields of the request and from those that it passes on to the model."""
    extra = as_object(body.get("additionalModelRequestFields"))
    fields = {**extra, **{key: value for key, value in body.items() if value is not None}}
    request = _thinking(fields)
    effort = _effort(fields)
    if effort is None:
        return request
    enabled = effort != "none" if request.enabled is None else request.enabled
    return msgspec.structs.replace(request, effort=effort, enabled=enabled)


def _effort(fields: Mapping[str, Any]) -> Effort | None:
    thinking = either(either(fields, "generationConfig"), "thinkingConfig")
    named = (
        fields.get("reasoning_effort"),
        first(fields.get("reasoning"), "effort"),
        first(fields.get("output_config"), "effort"),
        first(fields.get("outputConfig"), "effort"),
        first(fields.get("reasoningConfig"), "maxReasoningEffort"),
        either(thinking, "thinkingLevel"),
        first(fields.get("generation_config"), "thinking_level"),
        fields.get("think"),
    )
    words = [word.lower() for word in named if isinstance(word, str)]
    return next((effort for word in words for effort in _EFFORTS if word == effort), None)


def _thinking(fields: Mapping[str, Any]) -> ReasoningRequest:
    """The reasoning but for its effort."""
    config = first(fields, "thinking", "reasoning_config", "reasoningConfig")
    if isinstance(config, Mapping):  # Anthropic, DeepSeek, Cohere, Bedrock
        # With `adaptive` the model decides (platform.claude.com/docs/en/build-with-claude/adaptive-thinking).
        enabled = {"enabled": True, "adaptive": True, "disabled": False}.get(text_of(config.get("type")))
        shown = {"summarized": True, "omitted": False}.get(text_of(config.get("display")))
        return ReasoningRequest(enabled, None, whole(first(config, "budget_tokens", "token_budget")), shown)
    thinking = either(either(fields, "generationConfig"), "thinkingConfig")
    if isinstance(thinking, Mapping):
        # ai.google.dev/gemini-api/docs/thinking: 0 turns it off, -1 leaves the budget to the model.
        budget = whole(either(thinking, "thinkingBudget"))
        enabled = None if budget is None else budget != 0
        bounded = budget if budget is not None and budget > 0 else None
        return ReasoningRequest(enabled, None, bounded, either(thinking, "includeThoughts") is True)
    reasoning = fields.get("reasoning")
    if isinstance(reasoning, Mapping):  # Responses, OpenRouter
        summary, budget = text_of(first(reasoning, "summary", "generate_summary")), whole(reasoning.get("max_tokens"))
        switch = reasoning.get("enabled")
        enabled = switch if isinstance(switch, bool) else True if budget else None
        shown = False if reasoning.get("exclude") is True else bool(summary) if "input" in fields else None
        return ReasoningRequest(enabled, None, budget, shown, summary)
    if isinstance(summaries := first(fields.get("generation_config"), "thinking_summaries"), str):
        return ReasoningRequest(visible=summaries != "none", summary=summaries)
    return _flags(fields)


def _flags(fields: Mapping[str, Any]) -> ReasoningRequest:
    """The reasoning by the switches of Ollama, Groq, Mistral and Qwen."""
    think = first(fields, "think", "enable_thinking")
    if think is None:
        think = first(fields.get("chat_template_kwargs"), "enable_thinking")
    if isinstance(think, bool):
        return ReasoningRequest(think, budget=whole(fields.get("thinking_budget")))
    if isinstance(think, str):
        return ReasoningRequest(True)
    if isinstance(shown := fields.get("include_reasoning"), bool):
        return ReasoningRequest(visible=shown)
    if isinstance(form := fields.get("reasoning_format"), str):
        return ReasoningRequest(visible=form != "hidden")
    return ReasoningRequest(True) if fields.get("prompt_mode") == "reasoning" else ReasoningRequest()


def _option(body: Mapping[str, Any], names: Mapping[str, None]) -> Any:
    """An option: at the top, or in the field that holds options."""
    if not names.keys().isdisjoint(body) and (found := first(body, *names)) is not None:
        return found
    if _HOLDERS.isdisjoint(body):
        return None
    for holder in OPTION_HOLDERS:
        options = body.get(holder)
        for name in names if isinstance(options, Mapping) else ():
            if (found := either(options, name)) is not None:
                return found
    return None
