"""What a caller may pass as messages and tools, and as options."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias, get_args

import msgspec

from tokentape.errors import ConfigurationError
from tokentape.message import ChatMessage, ProviderPart, Role
from tokentape.providers.tool import Tool

Message: TypeAlias = ChatMessage | Mapping[str, Any]
"""A message, or the provider's own object for one, which is passed through."""
Messages: TypeAlias = str | Message | Iterable[Message]
Tools: TypeAlias = Iterable[Tool | Mapping[str, Any]]

_ROLES = frozenset(get_args(Role))


def message_list(messages: Messages) -> list[Message]:
    """The messages as a list; a `str` is one message of the user. Raises ConfigurationError."""
    if isinstance(messages, str):
        return [ChatMessage.user(messages)]
    if isinstance(messages, ChatMessage | Mapping):
        return [messages]
    listed = list(messages)
    if not listed:
        raise ConfigurationError("there are no messages to send: pass at least one")
    for position, message in enumerate(listed):
        if not isinstance(message, ChatMessage | Mapping):
            raise ConfigurationError(
                f"message {position} is a {type(message).__name__}: pass ChatMessage.user('...') or a dict"
            )
    return listed


def as_input(messages: Iterable[Message]) -> tuple[ChatMessage, ...]:
    """The messages as the event reports them; of a provider's own object, its role and text."""
    return tuple(message if isinstance(message, ChatMessage) else _own(message) for message in messages)


def provider_part(part: ProviderPart) -> dict[str, Any]:
    """A provider's own content block, as it goes back."""
    return {"type": part.kind, **part.data}


def encode_body(body: Mapping[str, Any]) -> bytes:
    """The request body as JSON. Raises ConfigurationError."""
    try:
        return msgspec.json.encode(body, enc_hook=_plain)
    except (TypeError, ValueError) as error:
        raise ConfigurationError(f"the request can't be written as JSON: {error}") from error


def _own(message: Mapping[str, Any]) -> ChatMessage:
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
