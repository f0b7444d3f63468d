"""Synthetic text and scripts: Faker's sentences, the same for the same seed.

Each text has a generator of its own, so that nothing else that uses Faker or `random` changes it or is
changed by it.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import TYPE_CHECKING

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
from tokentape_fake_provider.wires.wire import Ask

if TYPE_CHECKING:
    from faker import Faker

WORDS = 60
# A ZWJ sequence, a skin tone, a flag, a keycap and plain ones: what a careless reader cuts in two.
EMOJI = ("👩‍👩‍👧", "👍🏽", "🇯🇵", "3️⃣", "🎉", "🚀", "❤️", "😀")


def synthetic_text(words: int = WORDS, *, seed: int | str = 0, locale: str = "en_US", emoji: bool = False) -> str:
    """Text of this many words in sentences and paragraphs, in the locale's language.

    With `emoji` some are put in after sentences, at least one; they don't count as words. Raises
    `ScriptError` if there is no text in that language.
    """
    made = _faker(locale, seed)
    draw = random.Random(f"{seed}")  # noqa: S311 - not for secrets
    parts: list[str] = []
    left = words
    while left > 0:
        size = min(left, draw.randint(5, 14))
        if 0 < left - size < 3:
            size = left
        parts.append(made.sentence(nb_words=size, variable_nb_words=False))
        left -= size
        if emoji and (left <= 0 or draw.random() < 0.3):
            parts += (" ", draw.choice(EMOJI))
        if left > 0:
            parts.append("\n\n" if draw.random() < 0.15 else " ")
    return _spaced(parts)


def synthetic_tokens(tokens: int, *, seed: int | str = 0, locale: str = "en_US", emoji: bool = False) -> str:
    """Text of this many token-like pieces; it may stop in the middle of a sentence."""
    words = max(1, tokens)
    # A longer text of one seed does not begin as a shorter one does, so that it is made anew.
    while len(pieces := split_tokens(synthetic_text(words, seed=seed, locale=locale, emoji=emoji))) < tokens:
        words *= 2
    return "".join(pieces[:tokens])


def synthetic_script(
    ask: Ask | None = None,
    *,
    seed: int | str = 0,
    locale: str = "en_US",
    words: int = WORDS,
    text: str | None = None,
    reasoning: int = 0,
    tool_calls: Sequence[ToolCall] = (),
    emoji: bool = False,
    finish_reason: FinishReason | None = None,
    usage: Usage | None = None,
) -> Script:
    """A script of `reasoning` words of reasoning, then text (`text`, else `words` words), then tool calls.

    It has as many choices as were asked for, each with a text of its own unless `text` is given. Raises
    `ScriptError` if there is no text in that language.
    """
    choices = []
    for index in range(ask.choices if ask is not None else 1):
        items: list[Item] = []
        if reasoning > 0:
            thought = synthetic_text(reasoning, seed=f"{seed} reasoning {index}", locale=locale, emoji=emoji)
            items.append(Reasoning(thought))
        said = text
        if said is None:
            said = synthetic_text(words, seed=f"{seed} text {index}", locale=locale, emoji=emoji)
        if said:
            items.append(Text(said))
        choices.append(Choice((*items, *tool_calls), finish_reason))
    return Script(tuple(choices), usage or Usage())


def _faker(locale: str, seed: int | str) -> Faker:
    # Faker takes 0.4 s to import: only those who make text up pay for it.
    from faker import Faker

    made = Faker(text_locale(locale), providers=["faker.providers.lorem"])
    made.seed_instance(seed)
    return made


def _spaced(parts: list[str]) -> str:
    """Joined, without the space between sentences where the script is written without spaces."""
    spaceless = any(part.endswith("。") for part in parts)
    return "".join(part for part in parts if not (spaceless and part == " "))
