"""Groups a script's tokens into deltas, if the script does not set the pieces itself."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping

import msgspec

from tokentape_fake_provider.script.model import Choice, Item, Script, streamed_text
from tokentape_fake_provider.script.tokenizer import split_tokens
from tokentape_fake_provider.timing.distribution import size_sampler


def group_tokens(script: Script, sizes: Mapping[int, float], *, seed: str) -> Script:
    """Split a script's items into pieces with token counts from `sizes`, drawn by weight; existing pieces are kept."""
    size = size_sampler(sizes, random.Random(f"{seed}:cuts"))  # noqa: S311 - not for secrets
    choices = tuple(_group_choice(choice, size) for choice in script.choices)
    return msgspec.structs.replace(script, choices=choices)


def _group_choice(choice: Choice, size: Callable[[], int]) -> Choice:
    return msgspec.structs.replace(choice, items=tuple(_group(item, size) for item in choice.items))


def _group(item: Item, size: Callable[[], int]) -> Item:
    text = streamed_text(item)
    if item.pieces or not text:
        return item
    tokens, pieces, start = split_tokens(text), list[str](), 0
    while start < len(tokens):
        end = start + size()
        pieces.append("".join(tokens[start:end]))
        start = end
    return msgspec.structs.replace(item, pieces=tuple(pieces))
