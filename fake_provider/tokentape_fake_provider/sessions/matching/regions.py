"""Regions: whose words each text of a request is, in every wire format.

Only what programs write may be volatile: the messages of the system and the developer, descriptions of tools, results
of tools, metadata. What the user and the model wrote is never changed. Agents also put such text into messages of the
user; it counts as the system's where a message or part is nothing but blocks such as `<environment_context>`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from enum import Enum
from typing import Any, Final, TypeAlias

from tokentape_fake_provider.wires.reading.tools import TOOL_FIELDS
from tokentape_fake_provider.wires.reading.turns import MESSAGE_FIELDS, ROLES, SYSTEM_FIELDS, is_result


class Region(Enum):
    """Whose words a value is."""

    SYSTEM = "system"
    RESULT = "result"
    ID = "id"
    WORDS = "words"  # the user's and the model's, and every option of the request


Change: TypeAlias = Callable[[Any, Region, str], Any]
"""The new value of a string or number, from its region and the nearest name in its path."""

_METADATA: Final = frozenset(("conversation_id", "labels", "requestMetadata", "session_id", "trace", "user_prompt_id"))
_OF_MESSAGE: Final = "internal_chat_message_metadata_passthrough"  # what Codex notes of when and why it sends one
_IDS: Final = frozenset(("id", "call_id", "tool_call_id", "tool_use_id", "toolUseId", "item_id", "approval_request_id"))
# The request inside another one (Gemini's Code Assist) and in messages of a WebSocket (Realtime, Gemini Live).
_REQUESTS: Final = ("request", "session", "response", "setup")
_RESULTS: Final = ("functionResponse", "function_response", "toolResult")
_STRUCTURE: Final = frozenset(("type", "role", "name", "status"))
# The names of the blocks in which agents write what they know of their surroundings.
_BLOCK: Final = (
    r"(?:system[-_]reminder|system|env|environment|environment[-_]context|environment[-_]details|context"
    r"|session[-_]context|user[-_]instructions|instructions|INSTRUCTIONS|permissions instructions|permissions"
    r"|collaboration[-_]mode|workspace|workspace[-_]info|system[-_]info|hook[-_]context|skills[-_]instructions"
    r"|turn[-_]aborted|user[-_]info|git[-_]status|project[-_]layout|additional[-_]data|open[-_]and[-_]recently[-_]viewed[-_]files)"
)
_CONTEXT: Final = re.compile(rf"(?:\s*#[^\n]*\n+)?\s*(?:<({_BLOCK})(?: [^>]*)?>(?:(?!</\1>).)*</\1>\s*)+", re.DOTALL)
_OPENINGS: Final = (
    "This is the Gemini CLI. We are setting up the context for our chat.",
    "This is the Qwen Code. We are setting up the context for our chat.",
)


def is_context(text: str) -> bool:
    """Whether a text of the user's role is what an agent wrote of its surroundings, and nothing else."""
    if "<" not in text:
        return text.startswith(_OPENINGS)
    return text.startswith(_OPENINGS) or _CONTEXT.fullmatch(text) is not None


def mapped(body: Any, change: Change) -> Any:
    """A request's body with every string and number changed, by its region."""
    if not isinstance(body, dict):
        return body
    return {key: _field(key, value, change) for key, value in body.items()}


def _field(key: str, value: Any, change: Change) -> Any:
    if key in SYSTEM_FIELDS:
        return _all(value, Region.SYSTEM, key, change)
    if key in MESSAGE_FIELDS:
        items = value if isinstance(value, list) else [value]
        new = [_message(item, change) for item in items]
        return new if isinstance(value, list) else new[0]
    if key in TOOL_FIELDS or key == "mcp_servers":
        return _described(value, change)
    if key in _METADATA:
        return _all(value, Region.SYSTEM, key, change)
    if key in _REQUESTS and isinstance(value, dict):
        return mapped(value, change)
    return _all(value, Region.WORDS, key, change)


def _message(item: Any, change: Change) -> Any:
    if not isinstance(item, dict):
        return change(item, Region.WORDS, "") if isinstance(item, str) else _all(item, Region.WORDS, "", change)
    if _OF_MESSAGE in item:
        rest = {key: value for key, value in item.items() if key != _OF_MESSAGE}
        return {**_message(rest, change), _OF_MESSAGE: _all(item[_OF_MESSAGE], Region.RESULT, _OF_MESSAGE, change)}
    role_name, kind = item.get("role"), item.get("type")
    role = ROLES.get(role_name) if isinstance(role_name, str) else None
    if role == "system":
        return _named(item, Region.SYSTEM, change)
    if (role == "tool" and "parts" not in item) or (role is None and is_result(kind)):
        return _named(item, Region.RESULT, change)
    user = role == "user" or (role is None and kind in ("message", "user_input", None))
    return {
        key: _parts(value, key, user, change) if key in ("content", "parts", "message") else _member(key, value, change)
        for key, value in item.items()
    }


def _member(key: str, value: Any, change: Change) -> Any:
    """A member of a message or part of the user or the model."""
    if key in _IDS and isinstance(value, str):
        return change(value, Region.ID, key)
    if key == "tool_calls" and isinstance(value, list):
        return [_part(call, False, change) for call in value]
    return _all(value, Region.WORDS, key, change)


def _parts(value: Any, key: str, user: bool, change: Change) -> Any:
    if isinstance(value, list):
        return [_part(part, user, change) for part in value]
    if isinstance(value, dict):
        return _part(value, user, change)
    return _text(value, key, user, change)


def _text(value: Any, key: str, user: bool, change: Change) -> Any:
    if isinstance(value, str):
        return change(value, Region.SYSTEM if user and is_context(value) else Region.WORDS, key)
    return _all(value, Region.WORDS, key, change)


def _part(part: Any, user: bool, change: Change) -> Any:
    if not isinstance(part, dict):
        return _text(part, "", user, change)
    if part.get("type") == "tool_result" or is_result(part.get("type")):
        return _named(part, Region.RESULT, change)
    return {
        key: _named(value, Region.RESULT, change)
        if key in _RESULTS
        else _text(value, key, user, change)
        if key == "text"
        else {inner: _member(inner, item, change) for inner, item in value.items()}
        if key in ("functionCall", "toolUse", "function_call") and isinstance(value, dict)
        else _member(key, value, change)
        for key, value in part.items()
    }


def _named(value: Any, region: Region, change: Change) -> Any:
    """A message of the system or a tool: all its text, but not the names that give it its form."""
    if not isinstance(value, dict):
        return _all(value, region, "", change)
    return {
        key: change(item, Region.ID, key)
        if key in _IDS and isinstance(item, str)
        else item
        if key in _STRUCTURE and isinstance(item, str)
        else _all(item, region, key, change)
        for key, item in value.items()
    }


def _described(value: Any, change: Change) -> Any:
    """Tools: their descriptions are the system's words."""
    if isinstance(value, dict):
        return {
            key: change(item, Region.SYSTEM, key)
            if key == "description" and isinstance(item, str)
            else _described(item, change)
            for key, item in value.items()
        }
    if isinstance(value, list):
        return [_described(item, change) for item in value]
    return change(value, Region.WORDS, "") if isinstance(value, str) else value


def _all(value: Any, region: Region, key: str, change: Change) -> Any:
    if isinstance(value, dict):
        return {name: _all(item, region, name, change) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_all(item, region, key, change) for item in value]
    if isinstance(value, str) or (isinstance(value, int | float) and not isinstance(value, bool)):
        return change(value, region, key)
    return value
