"""The dialects of `openai_chat` of other providers, as changes to the chunks that OpenAI would send.

Fields, ids and places of usage are those of streams recorded in 2025 and 2026:

- `azure`: a chunk with the prompt's filter results first, `content_filter_results` in each choice, sorted keys.
- `groq`: tool calls whole, `reasoning`, `x_groq` in the first and last chunk, usage beside the last choice.
- `mistral`: tool calls whole, usage beside the last choice, thinking parts, an error that is not wrapped.
- `openrouter`: comments first, `provider`, `native_finish_reason`, `reasoning_details`, usage with cost.
- `deepseek`: usage beside the last choice, its prompt divided into cached and uncached tokens.
- `xai`: tool calls whole; reasoning tokens stand beside the completion tokens.

A refusal is text for those that have no field for it. Log probabilities are those of OpenAI, with reasoning for
DeepSeek, and without for Groq and Mistral, which have none; audio is Azure's alone.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import cache, lru_cache
from typing import Literal, TypeAlias, get_args

import msgspec

from tokentape_fake_provider.errors import UnknownDialectError
from tokentape_fake_provider.wires.dialect import Dialect
from tokentape_fake_provider.wires.dialects import azure, deepseek, groq, mistral, openrouter, xai
from tokentape_fake_provider.wires.wire import ProviderRequest

DialectName: TypeAlias = Literal["openai", "azure", "groq", "mistral", "openrouter", "deepseek", "xai"]

_NAMES: tuple[DialectName, ...] = get_args(DialectName)
MISTRAL_MODEL = re.compile(r"(open-)?(mistral|mixtral|codestral|devstral|magistral|ministral|pixtral|voxtral)\b")


def dialect_name(name: str) -> DialectName:
    """The name, if there is such a dialect. Raises `UnknownDialectError` that lists the known ones."""
    for candidate in _NAMES:
        if candidate == name:
            return candidate
    raise UnknownDialectError(f"no dialect {name!r}: the known ones are {', '.join(_NAMES)}")


@cache
def dialect_named(name: str) -> Dialect | None:
    """The dialect of this name; `None` for OpenAI's own. Raises `UnknownDialectError`."""
    return DIALECTS.get(dialect_name(name))


@lru_cache(maxsize=1024)
def default_dialect(path: str, model: str) -> DialectName:
    """The dialect by the path, or by the name of a model of Mistral's own."""
    if path.startswith("/openai/deployments/"):
        return "azure"
    if path.startswith("/api/v1/"):
        return "openrouter"
    if path.startswith("/openai/v1/"):
        return "groq"
    return "mistral" if MISTRAL_MODEL.match(model) else "openai"


def with_dialect(
    request: ProviderRequest, chosen: DialectName | None, headers: Sequence[tuple[bytes, bytes]]
) -> ProviderRequest:
    """The request in the chosen dialect; without one, Azure's key distinguishes its v1 path from Groq's."""
    if chosen is not None:
        return msgspec.structs.replace(request, dialect=chosen)
    if request.path.startswith("/openai/v1/") and any(name == b"api-key" for name, _ in headers):
        return msgspec.structs.replace(request, dialect="azure")
    return request


DIALECTS: Mapping[str, Dialect] = {
    module.DIALECT.name: module.DIALECT for module in (azure, groq, mistral, openrouter, deepseek, xai)
}
