"""Generates synthetic text and scripts from Faker's words; the same seed gives the same text.

Words are chosen by a hash of the seed, as ids are: a generator of random numbers costs more to seed than a short text.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from hashlib import shake_128
from importlib import import_module
from struct import unpack_from
from typing import Final, NamedTuple

from tokentape_fake_provider.script.locales import text_locale
from tokentape_fake_provider.script.model import (
    Choice,
    FinishReason,
    Item,
    Reasoning,
    Script,
    Text,
    ToolCall,
    Usage,
)
from tokentape_fake_provider.script.tokenizer import split_tokens
from tokentape_fake_provider.wires.wire import ProviderRequest

WORDS = 60
_NEW_PARAGRAPH: Final = 38
"""Up to which of 256 numbers a paragraph ends with the sentence: 15 % of them."""


def synthetic_text(words: int = WORDS, *, seed: int | str = 0, locale: str = "en_US") -> str:
    """Text of this many words in sentences and paragraphs, in the locale's language.

    A longer text of the same seed begins like a shorter one, up to the last sentence of that. Raises `ScriptError` if
    there is no text in that language.
    """
    language = _language(locale)
    known, count = language.words, len(language.words)
    # The high bits of a number choose a word; the low ones of the first, the length of a sentence and what follows it.
    numbers = unpack_from(f"<{words}H", shake_128(f"{seed}".encode()).digest(2 * words))
    chosen = [known[number * count >> 16] for number in numbers]
    parts: list[str] = []
    start = 0
    while start < words:
        number = numbers[start] & 255
        end = start + 5 + number % 10
        if end + 3 > words:  # no sentence of a word or two follows
            end = words
        chosen[start] = chosen[start].title()
        parts.append(language.connector.join(chosen[start:end]) + language.end)
        if end < words:
            parts.append("\n\n" if number < _NEW_PARAGRAPH else language.space)
        start = end
    return "".join(parts)


def synthetic_tokens(tokens: int, *, seed: int | str = 0, locale: str = "en_US") -> str:
    """Text of this many token-like pieces; it may stop in the middle of a sentence."""
    words = max(1, tokens)
    while len(pieces := split_tokens(synthetic_text(words, seed=seed, locale=locale))) < tokens:
        words *= 2
    return "".join(pieces[:tokens])


def synthetic_script(
    request: ProviderRequest | None = None,
    *,
    seed: int | str = 0,
    locale: str = "en_US",
    words: int = WORDS,
    text: str | None = None,
    reasoning: int = 0,
    tool_calls: Sequence[ToolCall] = (),
    finish_reason: FinishReason | None = None,
    usage: Usage | None = None,
) -> Script:
    """A script of `reasoning` words of reasoning, then text (`text`, else `words` words), then tool calls.

    It has the requested number of choices, each with its own text unless `text` is given. Raises
    `ScriptError` if there is no text in that language.
    """
    choices = []
    for index in range(request.choices if request is not None else 1):
        items: list[Item] = []
        if reasoning > 0:
            thought = synthetic_text(reasoning, seed=f"{seed} reasoning {index}", locale=locale)
            items.append(Reasoning(thought))
        content = text
        if content is None:
            content = synthetic_text(words, seed=f"{seed} text {index}", locale=locale)
        if content:
            items.append(Text(content))
        choices.append(Choice((*items, *tool_calls), finish_reason))
    return Script(tuple(choices), usage or Usage())


class _Language(NamedTuple):
    """The words of a language, what stands between two of them, what ends a sentence, and what is before the next."""

    words: Sequence[str]
    connector: str
    end: str
    space: str


@lru_cache(256)
def _language(locale: str) -> _Language:
    # Importing Faker takes 0.4 s: do it only when text is generated.
    provider = import_module(f"faker.providers.lorem.{text_locale(locale)}").Provider
    end = provider.sentence_punctuation
    return _Language(provider.word_list, provider.word_connector, end, "" if end.endswith("。") else " ")
