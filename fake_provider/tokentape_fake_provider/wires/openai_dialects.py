"""Dresses: what other providers do to `openai_chat`, as changes to the chunks that OpenAI would send.

Fields, ids and places of usage are those of streams recorded in 2025 and 2026:

- `azure`: a chunk with the prompt's filter results first, `content_filter_results` in each choice, sorted keys.
- `groq`: tool calls whole, `reasoning`, `x_groq` in the first and last chunk, usage beside the last choice.
- `mistral`: tool calls whole, usage beside the last choice, thinking parts, an error that is not wrapped.
- `openrouter`: comments first, `provider`, `native_finish_reason`, `reasoning_details`, usage with cost.
- `deepseek`: usage beside the last choice, its prompt told apart by what was in the cache.
- `xai`: tool calls whole; reasoning tokens stand beside the completion tokens.

A refusal is text for those that have no place for it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Literal, TypeAlias, get_args

import msgspec

from tokentape_fake_provider.errors import UnknownDressError
from tokentape_fake_provider.wires.dialect import Dress
from tokentape_fake_provider.wires.dialects import azure, deepseek, groq, mistral, openrouter, xai
from tokentape_fake_provider.wires.wire import Ask

DressName: TypeAlias = Literal["openai", "azure", "groq", "mistral", "openrouter", "deepseek", "xai"]

MISTRAL_MODEL = re.compile(r"(open-)?(mistral|mixtral|codestral|devstral|magistral|ministral|pixtral|voxtral)\b")


def dress_name(name: str) -> DressName:
    """The name, if there is such a dress. Raises `UnknownDressError` that lists the known ones."""
    known: tuple[DressName, ...] = get_args(DressName)
    for candidate in known:
        if candidate == name:
            return candidate
    raise UnknownDressError(f"no dress {name!r}: the known ones are {', '.join(known)}")


def dress_named(name: str) -> Dress | None:
    """The dress of this name; `None` for OpenAI's own. Raises `UnknownDressError`."""
    return DRESSES.get(dress_name(name))


def dress_of(path: str, model: str) -> DressName:
    """The dress that a path says, or a model of Mistral's own names."""
    if path.startswith("/openai/deployments/"):
        return "azure"
    if path.startswith("/api/v1/"):
        return "openrouter"
    if path.startswith("/openai/v1/"):
        return "groq"
    return "mistral" if MISTRAL_MODEL.match(model) else "openai"


def dressed_for(ask: Ask, chosen: DressName | None, headers: Sequence[tuple[bytes, bytes]]) -> Ask:
    """The ask in the dress that was chosen; else Azure's key tells its own v1 path from Groq's."""
    if chosen is not None:
        return msgspec.structs.replace(ask, dress=chosen)
    if ask.path.startswith("/openai/v1/") and any(name == b"api-key" for name, _ in headers):
        return msgspec.structs.replace(ask, dress="azure")
    return ask


DRESSES: Mapping[str, Dress] = {
    module.DRESS.name: module.DRESS for module in (azure, groq, mistral, openrouter, deepseek, xai)
}
