"""What Gemini's generateContent refuses (ai.google.dev/api/generate-content).

Messages as quoted in issues of google-gemini, googleapis/python-genai, langchain-google and others.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from tokentape_fake_provider.errors import BadRequestError
from tokentape_fake_provider.wires.endpoints.embedding_models import is_embedding_model
from tokentape_fake_provider.wires.google_errors import not_supported
from tokentape_fake_provider.wires.prompt import Prompt
from tokentape_fake_provider.wires.reading.fields import (
    as_object,
    either,
    objects,
    snake_case,
    strings,
    text_of,
    whole,
)
from tokentape_fake_provider.wires.wire import ProviderRequest

_NAME: Final = re.compile(r"[a-zA-Z_][a-zA-Z0-9_.:-]{0,127}")
_REQUEST: Final = "GenerateContentRequest"
_ROLES: Final = ("user", "model", "function", "tool", "")
_PARTS: Final = (
    "text",
    "inlineData",
    "fileData",
    "functionCall",
    "functionResponse",
    "executableCode",
    "codeExecutionResult",
    "toolCall",
    "toolResponse",
)
_BESIDE: Final = frozenset(
    ("thought", "thoughtSignature", "videoMetadata", "partMetadata", "mediaResolution", "mediaProcessing")
)
_MOST_STOPS: Final = 5
_MODES: Final = ("auto", "any", "none", "validated", "mode_unspecified", "")

# ai.google.dev/gemini-api/docs/thinking: the budgets of the models that take one; 0 turns thinking off, -1 is dynamic.
_BUDGETS: Final[Mapping[str, tuple[int, int, bool]]] = {
    "gemini-2.5-pro": (128, 32_768, False),
    "gemini-2.5-flash-lite": (512, 24_576, True),
    "gemini-2.5-flash": (0, 24_576, True),
}


def check_gemini(request: ProviderRequest, prompt: Prompt) -> None:  # noqa: ARG001 - the body says it all
    """Raise `BadRequestError` for what the provider refuses."""
    body = request.body
    if is_embedding_model(request.model):
        raise not_supported(request.model, "generateContent")
    config = as_object(either(body, "generationConfig"))
    check_sampling(config, f"{_REQUEST}.generation_config")
    _check_log_probabilities(config)
    _check_output(config)
    _check_budget(config, request.model)
    _check_tools(body)
    contents = objects(body.get("contents"))
    for index, content in enumerate(contents):
        _check_content(index, content)
    _check_calls(contents)


def refuse(field: str, problem: str) -> BadRequestError:
    """The error for a field, as Google's servers list them."""
    return BadRequestError(f"* {field}: {problem}\n")


def check_sampling(config: Mapping[str, Any], where: str) -> None:
    """The ranges of numbers, and the number of stop sequences."""
    for name, low, high in (
        ("temperature", 0.0, 2.0),
        ("topP", 0.0, 1.0),
        ("presencePenalty", -2.0, 2.0),
        ("frequencyPenalty", -2.0, 2.0),
    ):
        value, snake = either(config, name), snake_case(name)
        if isinstance(value, bool) or not isinstance(value, int | float | None):
            raise BadRequestError(f"Invalid value at 'generation_config.{snake}' (TYPE_FLOAT), {value!r}")
        if value is not None and not low <= value <= high:
            raise refuse(f"{where}.{snake}", f"{snake} must be in the range [{low}, {high}].")
    tokens = whole(either(config, "maxOutputTokens"))
    if tokens is not None and tokens < 1:
        raise refuse(f"{where}.max_output_tokens", "max_output_tokens must be positive.")
    stops = either(config, "stopSequences")
    if isinstance(stops, list):
        if len(stops) > _MOST_STOPS:
            raise refuse(f"{where}.stop_sequences", f"the number of stop sequences must be at most {_MOST_STOPS}.")
        if "" in stops:
            raise refuse(f"{where}.stop_sequences", "stop_sequences must not contain an empty string.")


def _check_log_probabilities(config: Mapping[str, Any]) -> None:
    number, field = whole(config.get("logprobs")), f"{_REQUEST}.generation_config.logprobs"
    if number is None:
        return
    if either(config, "responseLogprobs") is not True:
        raise refuse(field, "logprobs is only allowed if response_logprobs is true.")
    if not 0 <= number <= 20:
        raise refuse(field, "logprobs must be in the range [0, 20].")


def _check_output(config: Mapping[str, Any]) -> None:
    kind = either(config, "responseMimeType")
    given = either(config, "responseSchema") is not None or either(config, "responseJsonSchema") is not None
    allowed = ("text/plain", "application/json", "application/xml", "application/yaml", "text/x.enum")
    if kind is not None and kind not in allowed:
        raise refuse(
            f"{_REQUEST}.generation_config.response_mime_type",
            f"allowed mimetypes are {', '.join(map(repr, allowed))}.",
        )
    if given and kind in (None, "text/plain"):
        raise refuse(
            f"{_REQUEST}.generation_config.response_schema",
            "only allowed when response_mime_type is application/json or text/x.enum.",
        )


def _check_budget(config: Mapping[str, Any], model: str) -> None:
    thinking = either(config, "thinkingConfig")
    budget = whole(either(thinking, "thinkingBudget"))
    if budget is None:
        return
    if either(thinking, "thinkingLevel") is not None:
        raise BadRequestError("You can only set only one of thinking budget and thinking level.")
    found = next((limits for name, limits in _BUDGETS.items() if model.startswith(name)), None)
    if found is None or budget == -1:
        return
    low, high, can_be_off = found
    if budget == 0 and not can_be_off:
        raise BadRequestError("Budget 0 is invalid. This model only works in thinking mode.")
    if budget != 0 and not low <= budget <= high:
        raise BadRequestError(
            f"The thinking budget {budget} is invalid. Please choose a value between {low} and {high}."
        )


def _check_tools(body: Mapping[str, Any]) -> None:
    names: set[str] = set()
    for index, tool in enumerate(objects(body.get("tools"))):
        for number, function in enumerate(objects(either(tool, "functionDeclarations"))):
            name = function.get("name")
            if not isinstance(name, str) or not _NAME.fullmatch(name):
                raise refuse(
                    f"{_REQUEST}.tools[{index}].function_declarations[{number}].name",
                    "Invalid function name. Must start with a letter or an underscore. Must be alphameric (a-z, A-Z, "
                    "0-9), underscores (_), dots (.), colons (:), or dashes (-), with a maximum length of 128.",
                )
            if name in names:
                raise BadRequestError(f"Duplicate function declaration found: {name}")
            names.add(name)
    calling = either(either(body, "toolConfig"), "functionCallingConfig")
    if not isinstance(calling, Mapping) or not calling:
        return
    where = f"{_REQUEST}.tool_config.function_calling_config"
    mode, allowed = text_of(calling.get("mode")).lower(), strings(either(calling, "allowedFunctionNames"))
    if mode not in _MODES:
        raise BadRequestError(
            f"Invalid value at 'tool_config.function_calling_config.mode' (type.googleapis.com/google.ai."
            f'generativelanguage.v1beta.FunctionCallingConfig.Mode), "{calling.get("mode")}"'
        )
    if not names and (mode in ("any", "validated") or allowed):
        raise BadRequestError("Function calling config is set without function_declarations.")
    if allowed and mode not in ("any", "validated"):
        raise refuse(
            f"{where}.allowed_function_names",
            "allowed_function_names should only be set when the function calling mode is ANY or VALIDATED.",
        )
    if unknown := [name for name in allowed if name not in names]:
        raise refuse(
            f"{where}.allowed_function_names",
            f"{unknown[0]} is not among the function_declarations.",
        )


def _check_content(index: int, content: Mapping[str, Any]) -> None:
    if text_of(content.get("role")) not in _ROLES:
        raise BadRequestError("Please use a valid role: user, model.")
    parts = objects(content.get("parts"))
    if not parts:
        raise refuse(f"{_REQUEST}.contents[{index}].parts", "contents.parts must not be empty.")
    for number, part in enumerate(parts):
        where = f"contents[{index}].parts[{number}]"
        known = [name for name in _PARTS if either(part, name) is not None]
        unknown = [name for name in part if _camel(name) not in (*_PARTS, *_BESIDE)]
        if unknown:
            raise BadRequestError(
                f"Invalid JSON payload received. Unknown name \"{unknown[0]}\" at '{where}': Cannot find field."
            )
        if not known and not _BESIDE & {_camel(name) for name in part}:
            raise refuse(f"{_REQUEST}.{where}.data", "required oneof field 'data' must have one initialized field")
        if len(known) > 1:
            raise BadRequestError(
                f"Invalid value at '{where}' (oneof), oneof field 'data' is already set. Cannot set '{known[1]}'"
            )


def _camel(name: str) -> str:
    return re.sub(r"_([a-z])", lambda found: found[1].upper(), name)


def _count(content: Mapping[str, Any], name: str) -> int:
    return sum(either(part, name) is not None for part in objects(content.get("parts")))


def _check_calls(contents: Sequence[Mapping[str, Any]]) -> None:
    """Results come right behind their calls, as many as there are calls; only the last calls may be open."""
    open_calls = 0
    for content in contents:
        results = _count(content, "functionResponse")
        # What a stream sent in chunks comes back as several contents of the model.
        goes_on = content.get("role") == "model" and not results
        if results > open_calls or (open_calls and not results and not goes_on):
            raise _unequal()
        open_calls -= results
        open_calls += _count(content, "functionCall")
    if open_calls:
        raise _unequal()


def _unequal() -> BadRequestError:
    return BadRequestError(
        "Please ensure that the number of function response parts is equal to the number of function call parts of "
        "the function call turn, and that the function response turn comes immediately after it."
    )
