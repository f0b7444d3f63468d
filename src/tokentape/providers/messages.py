"""The messages, tools and options that a caller may pass, and their parts that requests of all providers share."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeAlias, assert_never, get_args

import msgspec

from tokentape.errors import ConfigurationError
from tokentape.message import ChatMessage, Part, ProviderPart, Role, TextPart, ToolCall
from tokentape.providers.tool import Tool

Message: TypeAlias = ChatMessage | Mapping[str, Any]
"""A message, or an object in the provider's format, which is passed through."""
Messages: TypeAlias = str | Message | Iterable[Message]
Tools: TypeAlias = Iterable[Tool | Mapping[str, Any]]

_ROLES = frozenset(get_args(Role))


def message_list(messages: Messages) -> list[Message]:
    """Return the messages as a list; a `str` is one message of the user. Raises ConfigurationError."""
    if isinstance(messages, str):
        return [ChatMessage.user(messages)]
    if isinstance(messages, ChatMessage | Mapping):
        return [messages]
    result = list(messages)
    if not result:
        raise ConfigurationError("there are no messages to send: pass at least one")
    for position, message in enumerate(result):
        if not isinstance(message, ChatMessage | Mapping):
            raise ConfigurationError(
                f"message {position} is a {type(message).__name__}: pass ChatMessage.user('...') or a dict"
            )
    return result


def as_input(messages: Iterable[Message]) -> tuple[ChatMessage, ...]:
    """Return the messages as the event reports them: of an object in the provider's format, its role and text."""
    return tuple(message if isinstance(message, ChatMessage) else _from_mapping(message) for message in messages)


def provider_part(part: ProviderPart) -> dict[str, Any]:
    """Return a provider-specific content block in the form in which it is sent back."""
    return {"type": part.kind, **part.data}


def turns(
    messages: Iterable[Message],
    turn: Callable[[ChatMessage], dict[str, Any]],
    result: Callable[[ChatMessage], dict[str, Any]],
    *,
    holder: str = "content",
) -> list[Mapping[str, Any]]:
    """Return messages for a request body that has the system messages in a separate field.

    The results of parallel tool calls are joined in one message of the user, in its field `holder`.
    """
    body: list[Mapping[str, Any]] = []
    results: list[dict[str, Any]] | None = None
    for message in messages:
        if not isinstance(message, ChatMessage):
            results = None
            body.append(message)
            continue
        match message.role:
            case "system" | "developer":
                pass
            case "tool":
                if results is None:
                    results = []
                    body.append({"role": "user", holder: results})
                results.append(result(message))
            case "user" | "assistant":
                results = None
                body.append(turn(message))
            case never:
                assert_never(never)
    return body


def all_parts(message: ChatMessage) -> list[Part]:
    """Return the message's parts in their order, followed by text and tool calls that are in no part."""
    parts = list(message.parts)
    if message.text and not any(isinstance(part, TextPart) for part in parts):
        parts.append(TextPart(message.text))
    in_parts = {part.id for part in parts if isinstance(part, ToolCall)}
    return [*parts, *(call for call in message.tool_calls if call.id not in in_parts)]


def content_parts(text: str, parts: Sequence[Part], text_type: str) -> str | list[dict[str, Any]]:
    """Return the text, or with provider-specific parts the list of content parts, in order."""
    if not any(isinstance(part, ProviderPart) for part in parts):
        return text
    content: list[dict[str, Any]] = []
    if text and not any(isinstance(part, TextPart) for part in parts):
        content.append({"type": text_type, "text": text})
    for part in parts:
        if isinstance(part, TextPart):
            content.append({"type": text_type, "text": part.text})
        elif isinstance(part, ProviderPart):
            content.append(provider_part(part))
    return content


def answered_call(message: ChatMessage) -> str:
    """Return the id of the call that a tool message answers. Raises ConfigurationError if it has none."""
    if not message.tool_call_id:
        raise ConfigurationError("a tool message needs the tool_call_id of the call it answers")
    return message.tool_call_id


def encode_body(body: Mapping[str, Any]) -> bytes:
    """Return the request body as JSON. Raises ConfigurationError."""
    try:
        return msgspec.json.encode(body, enc_hook=_plain)
    except (TypeError, ValueError) as error:
        raise ConfigurationError(f"the request can't be written as JSON: {error}") from error


def _from_mapping(message: Mapping[str, Any]) -> ChatMessage:
    content, role = message.get("content"), message.get("role")
    if isinstance(content, list):
        content = "".join(part.get("text") or "" for part in content if isinstance(part, Mapping))
    return ChatMessage(
        content if isinstance(content, str) else "",
        role if role in _ROLES else "user",  # type: ignore[arg-type]  # it is one of them
        metadata=message,
    )


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return dict(value)
    dump = getattr(value, "model_dump", None)
    if dump is not None:
        return dump(mode="json", exclude_none=True)
    raise TypeError(f"{type(value).__name__} is not a JSON value")
