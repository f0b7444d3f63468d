"""What OpenAI's chat completions refuse, and what the dialects refuse otherwise.

Messages as in community.openai.com's and GitHub's many quotes of them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, Final

from tokentape_fake_provider.errors import BadRequestError
from tokentape_fake_provider.wires.endpoints.embedding_models import is_embedding_model
from tokentape_fake_provider.wires.openai_http import expect, missing
from tokentape_fake_provider.wires.prompt import Prompt
from tokentape_fake_provider.wires.reading.fields import as_object, objects, text_of
from tokentape_fake_provider.wires.reading.turns import is_text_alone
from tokentape_fake_provider.wires.validation.openai_values import (
    CHOICES,
    EFFORTS,
    MOST_TOOLS,
    VERBOSITIES,
    check_decimal,
    check_integer,
    check_length,
    check_name,
    check_output_limit,
    check_stop,
    check_tool_list,
    check_tools_for,
    check_word,
    unsupported,
)
from tokentape_fake_provider.wires.wire import ProviderRequest

# Other providers' models at a path that names no dialect; their servers take more than OpenAI's.
_OTHER_MODELS: Final = re.compile(r"(?i).*/|grok|deepseek|llama|qwen|gemini|gemma|command|claude|kimi|glm|mi[sx]tral")
# Mistral, xAI and OpenRouter do not ask for it.
_WANT_THE_WORD: Final = ("groq", "deepseek")
# Fields that are checked where the request is read, or not at all, and the messages.
_CHECKED_AS_READ: Final = frozenset(("model", "messages", "stream", "stream_options", "n", "user", "store"))

PARTS: Final[Mapping[str, Sequence[str]]] = {
    "user": ("text", "image_url", "input_audio", "refusal", "audio", "file"),
    "assistant": ("text", "refusal"),
    "system": ("text",),
    "developer": ("text",),
    "tool": ("text",),
}
_MISTRAL_ID: Final = re.compile(r"[a-zA-Z0-9]{9}")


def is_openais(request: ProviderRequest) -> bool:
    """Whether the request is for OpenAI itself or Azure, by its dialect and its model."""
    return request.dialect in ("openai", "azure", "") and not _is_other(request.model)


@lru_cache(maxsize=1024)
def _is_other(model: str) -> bool:
    return _OTHER_MODELS.match(model) is not None


def check_openai_chat(request: ProviderRequest, prompt: Prompt) -> None:
    """Raise `BadRequestError` for what the provider refuses."""
    body, dialect = request.body, request.dialect
    own = is_openais(request)
    if own and is_embedding_model(request.model):
        raise BadRequestError(
            "This is not a chat model and thus not supported in the v1/chat/completions endpoint. Did you mean to use "
            "v1/completions?",
            status=404,
            param="model",
        )
    if not body.keys() <= _CHECKED_AS_READ:
        _check_options(body, request, prompt, own=own)
    messages = objects(body.get("messages"))
    if dialect == "mistral":
        _check_mistral_order(messages)
    elif not all(map(is_text_alone, messages)):
        for index, message in enumerate(messages if own else ()):
            _check_content(f"messages[{index}]", message)
        _check_calls(messages)
    _check_output(body, prompt, own=own, word=own or dialect in _WANT_THE_WORD)


def _check_options(body: Mapping[str, Any], request: ProviderRequest, prompt: Prompt, *, own: bool) -> None:
    dialect = request.dialect
    check_decimal(body, "temperature", 0, 1.5 if dialect == "mistral" else 2)
    check_decimal(body, "top_p", 0, 1)
    for name in ("presence_penalty", "frequency_penalty"):
        check_decimal(body, name, -2, 2)
    if own or dialect == "groq":
        check_stop(body)
    _check_limits(body, request.model, own=own)
    _check_log_probabilities(body)
    _check_tools(body, own=own)
    _check_choice(body, prompt, own=own)
    if own:
        check_integer(body, "seed", None)
        if body.get("metadata") is not None:
            expect("metadata", body["metadata"], dict, "an object")
        check_word(body, "reasoning_effort", EFFORTS)
        check_word(body, "verbosity", VERBOSITIES)


def _check_limits(body: Mapping[str, Any], model: str, *, own: bool) -> None:
    both = ("max_tokens", "max_completion_tokens")
    if own and body.get(both[0]) is not None and body.get(both[1]) is not None:
        raise BadRequestError(
            "Setting 'max_tokens' and 'max_completion_tokens' at the same time is not supported.",
            code="invalid_parameter_combination",
        )
    for name in both:
        check_output_limit(body, name, model)


def _check_log_probabilities(body: Mapping[str, Any]) -> None:
    check_integer(body, "top_logprobs", 0, 20)
    if body.get("top_logprobs") is not None and body.get("logprobs") is not True:
        raise BadRequestError(
            "The 'top_logprobs' parameter is only allowed when 'logprobs' is enabled.", param="top_logprobs"
        )


def _check_tools(body: Mapping[str, Any], *, own: bool) -> None:
    tools = body.get("tools")
    if tools or own:
        check_tool_list(tools, ("function", "custom") if own else (), own=own)
    for index, tool in enumerate(tools or ()):
        kind = tool["type"]
        if kind in ("function", "custom"):
            inner = tool.get(kind)
            if inner is None:
                raise missing(f"tools[{index}].{kind}")
            expect(f"tools[{index}].{kind}", inner, dict, "an object")
            check_name(f"tools[{index}].{kind}.name", inner.get("name"), own=own)
    functions = body.get("functions")
    if functions is not None:
        expect("functions", functions, list, "an array of objects")
        check_length("functions", functions, 1, 128)
        for index, function in enumerate(functions):
            expect(f"functions[{index}]", function, dict, "an object")
            check_name(f"functions[{index}].name", function.get("name"), own=own)
    elif body.get("function_call") is not None:
        raise BadRequestError(
            "Invalid value for 'function_call': 'function_call' is only allowed when 'functions' are specified.",
            param="function_call",
        )
    if own:
        check_tools_for(body)


def _check_choice(body: Mapping[str, Any], prompt: Prompt, *, own: bool) -> None:
    choice = body.get("tool_choice")
    if isinstance(choice, str) and choice not in (*CHOICES, *(() if own else ("any",))):
        raise unsupported("tool_choice", choice, CHOICES)
    offered = {tool.name for tool in prompt.tools}
    unknown = next((name for name in prompt.tool_choice.names if name not in offered), None)
    if unknown is not None:
        param = "tool_choice" if choice is not None else "function_call"
        raise BadRequestError(
            f"Invalid value for '{param}': no function named {unknown!r} was specified in the "
            f"'{'tools' if param == 'tool_choice' else 'functions'}' parameter.",
            param=param,
        )


def _check_content(param: str, message: Mapping[str, Any]) -> None:
    role, content = text_of(message.get("role")), message.get("content")
    if (
        content is None
        and role != "function"
        and all(message.get(name) is None for name in ("tool_calls", "function_call", "audio", "refusal"))
    ):
        raise BadRequestError(
            "Invalid value for 'content': expected a string, got null.",
            param=f"messages.[{param[9:-1]}].content",
        )
    if isinstance(calls := message.get("tool_calls"), list):
        check_length(f"{param}.tool_calls", calls, 1, MOST_TOOLS)
    for index, part in enumerate(content if isinstance(content, list) else ()):
        where = f"{param}.content[{index}]"
        if isinstance(part, str):
            continue
        expect(where, part, dict, "an object")
        if part.get("type") is None:
            raise missing(f"{where}.type")
        if role in PARTS and part["type"] not in PARTS[role]:
            raise unsupported(f"{where}.type", part["type"], PARTS[role])
        if part["type"] == "image_url":
            expect(f"{where}.image_url", part.get("image_url"), dict, "an object")


def _check_calls(messages: Sequence[Mapping[str, Any]]) -> None:
    """Each call has a result right behind it, and each result a call right before it."""
    open_ids: list[str] = []
    for index, message in enumerate(messages):
        if message.get("role") == "tool":
            call = text_of(message.get("tool_call_id"))
            if not call:
                raise missing(f"messages[{index}].tool_call_id")
            if index == 0 or not _follows_calls(messages, index):
                raise BadRequestError(
                    "Invalid parameter: messages with role 'tool' must be a response to a preceeding message with "
                    "'tool_calls'.",
                    param=f"messages.[{index}].role",
                )
            if call not in _ids_before(messages, index):
                raise BadRequestError(
                    f"Invalid parameter: 'tool_call_id' of '{call}' not found in 'tool_calls' of previous message.",
                    param=f"messages.[{index}].tool_call_id",
                )
            open_ids = [known for known in open_ids if known != call]
            continue
        _refuse_open(open_ids)
        open_ids = _ids_of(message)
    _refuse_open(open_ids)


def _ids_of(message: Mapping[str, Any]) -> list[str]:
    return [text_of(call.get("id")) for call in objects(message.get("tool_calls"))]


def _ids_before(messages: Sequence[Mapping[str, Any]], index: int) -> list[str]:
    while index and messages[index].get("role") == "tool":
        index -= 1
    return _ids_of(messages[index])


def _follows_calls(messages: Sequence[Mapping[str, Any]], index: int) -> bool:
    return bool(_ids_before(messages, index))


def _refuse_open(ids: Sequence[str]) -> None:
    if ids:
        raise BadRequestError(
            "An assistant message with 'tool_calls' must be followed by tool messages responding to each "
            f"'tool_call_id'. The following tool_call_ids did not have response messages: {', '.join(ids)}",
            param="messages",
        )


def _check_mistral_order(messages: Sequence[Mapping[str, Any]]) -> None:
    """Mistral counts calls and results, and wants its own kind of ids."""
    awaited = 0
    for message in (*messages, {}):
        if message.get("role") == "tool":
            awaited -= 1
            if awaited < 0:
                raise _order("Not the same number of function calls and responses")
            continue
        if awaited:
            raise _order("Not the same number of function calls and responses")
        for call in objects(message.get("tool_calls")):
            if not _MISTRAL_ID.fullmatch(text_of(call.get("id"))):
                raise BadRequestError(
                    f"Tool call id was {call.get('id')} but must be a-z, A-Z, 0-9, with a length of 9.",
                    type="invalid_function_call",
                    code="3280",
                )
            awaited += 1
    last = messages[-1] if messages else {}
    if last.get("role") == "assistant" and last.get("prefix") is not True:
        raise _order("Expected last role User or Tool (or Assistant with prefix True) for serving but got assistant")


def _order(message: str) -> BadRequestError:
    return BadRequestError(message, type="invalid_request_message_order", code="3230")


def _check_output(body: Mapping[str, Any], prompt: Prompt, *, own: bool, word: bool) -> None:
    form = body.get("response_format")
    if form is None:
        return
    expect("response_format", form, dict, "an object")
    kind = form.get("type")
    if kind is None:
        raise missing("response_format.type")
    if kind == "json_object" and word and not has_the_word(prompt):
        raise BadRequestError(
            "'messages' must contain the word 'json' in some form, to use 'response_format' of type 'json_object'.",
            param="messages",
        )
    if kind == "json_schema":
        inner = form.get("json_schema")
        if inner is None:
            raise missing("response_format.json_schema")
        if own:
            check_name("response_format.json_schema.name", as_object(inner).get("name"))
    elif own and kind not in ("text", "json_object"):
        raise unsupported("response_format.type", kind, ("json_object", "json_schema", "text"))


def has_the_word(prompt: Prompt) -> bool:
    """Whether a message has the word json in any case."""
    return any("json" in message.text.lower() for message in prompt.messages)
