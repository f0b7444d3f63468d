"""Gemini's explicit caching: contents that requests refer to by name (ai.google.dev/api/caching)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from tokentape_fake_provider.errors import BadRequestError
from tokentape_fake_provider.script.ids import make_id
from tokentape_fake_provider.script.tokenizer import count_tokens
from tokentape_fake_provider.sessions.prompt_cache import CachedContent, PromptCache
from tokentape_fake_provider.wires import wire_named
from tokentape_fake_provider.wires.reading.fields import either

_HOUR: Final = 3600.0
_LAST_TIME: Final = 253_402_300_799  # of protocol buffers
_FIELDS: Final = ("systemInstruction", "tools", "toolConfig")
_LETTERS: Final = "abcdefghijklmnopqrstuvwxyz0123456789"


def with_cached_content(cache: PromptCache, body: Mapping[str, Any], now: float) -> Mapping[str, Any]:
    """The request body that begins with the content it names; `now` is in s of the session's clock.

    Raises `BadRequestError` (403) for a name that is unknown or whose lifetime is over.
    """
    held = _held(cache, str(body["cachedContent"]), now).body
    contents = [*(held.get("contents") or ()), *(body.get("contents") or ())]
    return {**body, **{name: held[name] for name in _FIELDS if name in held}, "contents": contents}


def check_beside_content(body: Mapping[str, Any]) -> None:
    """Raise `BadRequestError` if a request that names a content sets what only the content may have."""
    if body.get("cachedContent") is not None and any(either(body, name) for name in _FIELDS):
        raise BadRequestError(
            "CachedContent can not be used with GenerateContent request setting system_instruction, tools or "
            "tool_config.\n\nProposed fix: move those values to CachedContent from GenerateContent request."
        )


def create_content(cache: PromptCache, body: Mapping[str, Any], seed: str, created: int, now: float) -> dict[str, Any]:
    """Keep a content. Raises `BadRequestError` for one without a model, or with a lifetime that is not a duration."""
    model = body.get("model")
    if not isinstance(model, str) or not model:
        raise BadRequestError("CreateCachedContentRequest.cached_content.model: Model is required", param="model")
    whole = {"contents": [{"parts": [{"text": ""}]}], **body}
    text = wire_named("gemini").read("/v1beta/models/m:generateContent", whole, created=0, seed="").text
    name = "cachedContents/" + make_id(seed, "cached content", 36, _LETTERS)
    content = CachedContent(name, body, count_tokens(text), created, created, now, _lifetime(body, created))
    cache.hold(content)
    return _shown(content)


def list_contents(cache: PromptCache, now: float) -> dict[str, Any]:
    """All contents that live."""
    return {"cachedContents": [_shown(content) for content in cache.contents(now)]}


def change_content(
    cache: PromptCache, method: str, name: str, body: Mapping[str, Any], updated: int, now: float
) -> dict[str, Any] | None:
    """Show, change or delete a content; `None` for another method. Raises as `with_cached_content`."""
    content = _held(cache, name, now)
    match method:
        case "GET":
            return _shown(content)
        case "PATCH":
            lifetime = _lifetime(body, updated)
            content = CachedContent(name, content.body, content.tokens, content.created, updated, now, lifetime)
            cache.hold(content)
            return _shown(content)
        case "DELETE":
            cache.drop(name)
            return {}
    return None


def _held(cache: PromptCache, name: str, now: float) -> CachedContent:
    content = cache.content("cachedContents/" + name.rpartition("cachedContents/")[2], now)  # Vertex: projects/...
    if content is None:
        raise BadRequestError("CachedContent not found (or permission denied)", status=403)
    return content


def _lifetime(body: Mapping[str, Any], updated: int) -> float:
    """In s, from the unix time `updated`; an hour by default."""
    ttl, end = body.get("ttl"), body.get("expireTime")
    lifetime = _HOUR
    if ttl is not None:
        if not isinstance(ttl, str) or not re.fullmatch(r"[0-9]+(\.[0-9]+)?s", ttl):
            raise BadRequestError(
                f"Invalid value at 'cached_content.ttl': {ttl!r} is not a duration in seconds (300s)."
            )
        lifetime = float(ttl[:-1])
    elif end is not None:
        try:
            lifetime = datetime.fromisoformat(end).timestamp() - updated
        except (TypeError, ValueError):
            raise BadRequestError(f"Invalid value at 'cached_content.expire_time': {end!r} is not a time.") from None
    if not 0 <= lifetime <= _LAST_TIME - updated:
        raise BadRequestError("CachedContent.expire_time: it must be in the future, and before the year 10000.")
    return lifetime


def _shown(content: CachedContent) -> dict[str, Any]:
    shown = {
        "name": content.name,
        "model": content.body.get("model"),
        "displayName": content.body.get("displayName"),
        "createTime": _time(content.created),
        "updateTime": _time(content.updated),
        "expireTime": _time(content.updated + content.lifetime),
        "usageMetadata": {"totalTokenCount": content.tokens},
    }
    return {name: value for name, value in shown.items() if value is not None}


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
