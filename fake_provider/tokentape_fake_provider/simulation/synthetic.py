"""Generates synthetic text and scripts from Faker's words; the same seed gives the same text.

Each text has its own generator, so that it and other users of Faker or `random` do not affect each other.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Sequence
from functools import cache
from importlib import import_module
from math import floor
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


def synthetic_text(words: int = WORDS, *, seed: int | str = 0, locale: str = "en_US") -> str:
    """Text of this many words in sentences and paragraphs, in the locale's language.

    Raises `ScriptError` if there is no text in that language.
    """
    language = _language(text_locale(locale))
    draw = _of_thread.random
    draw.seed(f"{seed}")
    known, count, fraction, bits = language.words, float(len(language.words)), draw.random, draw.getrandbits
    parts: list[str] = []
    left = words
    while left > 0:
        # As `draw.randint(5, 14)` does it, in a fourth of the time.
        while (size := bits(4)) > 9:
            pass
        size = min(left, size + 5)
        if 0 < left - size < 3:
            size = left
        # As `draw.choices` does it, in less time where there are few.
        sentence = [known[floor(fraction() * count)] for _ in range(size)]
        sentence[0] = sentence[0].title()
        parts.append(language.connector.join(sentence) + language.end)
        left -= size
        if left > 0:
            parts.append("\n\n" if draw.random() < 0.15 else " ")
    # Sentences have no space between them where the script is written without spaces.
    return "".join(part for part in parts if part != " ") if language.end.endswith("。") else "".join(parts)


def synthetic_tokens(tokens: int, *, seed: int | str = 0, locale: str = "en_US") -> str:
    """Text of this many token-like pieces; it may stop in the middle of a sentence."""
    words = max(1, tokens)
    # A longer text does not begin like a shorter one of the same seed, so it is generated anew.
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


class _OfThread(threading.local):
    """A generator for each thread; to create one would seed it twice."""

    def __init__(self) -> None:
        self.random = random.Random(0)  # noqa: S311 - not for secrets


_of_thread: Final = _OfThread()


class _Language(NamedTuple):
    """The words of a language, what stands between two of them, and what ends a sentence."""

    words: Sequence[str]
    connector: str
    end: str


@cache
def _language(locale: str) -> _Language:
    # Importing Faker takes 0.4 s: do it only when text is generated.
    provider = import_module(f"faker.providers.lorem.{locale}").Provider
    return _Language(provider.word_list, provider.word_connector, provider.sentence_punctuation)
