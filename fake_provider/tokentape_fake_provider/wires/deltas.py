"""How an item of a script is cut into deltas: the same way for every wire format."""

from __future__ import annotations

import heapq
import json
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate, cycle, pairwise, repeat, takewhile, zip_longest
from operator import itemgetter
from typing import Final, Protocol, TypeVar

import msgspec

from tokentape_fake_provider.errors import ScriptError
from tokentape_fake_provider.script.model import Item, ServerTool, streamed_text
from tokentape_fake_provider.script.recently_used import RecentlyUsed
from tokentape_fake_provider.script.tokenizer import count_tokens, split_tokens


class Delta(msgspec.Struct, frozen=True, gc=False):
    """A part of an item's text (of a tool call: its arguments), the tokens in it and its time, if fixed."""

    text: str
    tokens: int
    at: float | None = None


class Columns(msgspec.Struct, frozen=True):
    """The deltas of an item as columns: those after `texts` are as long or longer."""

    texts: Sequence[str]
    tokens: Iterable[int]
    at: Iterable[float | None]

    @property
    def encoded(self) -> list[bytes]:
        """The texts as JSON."""
        return _encode_lines(self.texts).split(b"\n")[:-1]


class Timed(Protocol):
    """A part of a stream that may have a time."""

    @property
    def at(self) -> float | None:
        """In ms since the request."""


T = TypeVar("T", bound=Timed)

ONE_TOKEN: Sequence[int] = (1,)
_encode_lines = msgspec.json.Encoder().encode_lines


def split_item(item: Item, sizes: Sequence[int] = ONE_TOKEN) -> Iterator[Delta]:
    """The deltas of an item: its own `pieces`, else `sizes` tokens each in turn, over and over.

    Raises `ScriptError` if the pieces don't join to the text, or the times aren't one for each piece.
    """
    columns = columns_of(item, sizes)
    return map(Delta, columns.texts, columns.tokens, columns.at)


def columns_of(item: Item, sizes: Sequence[int] = ONE_TOKEN) -> Columns:
    """The deltas of `split_item` as columns, which cost less where there are many. Raises what that raises."""
    text = streamed_text(item)
    if item.pieces:
        return _given(item, text)
    if item.at:
        raise ScriptError(f"{_name(item)}: `at` has {len(item.at)} times but there are no `pieces` to time")
    tokens = split_tokens(text)
    return Columns(tokens, repeat(1), repeat(None)) if sizes is ONE_TOKEN else _joined(tokens, sizes)


def input_deltas(tool: ServerTool, field: str, sizes: Sequence[int] = ONE_TOKEN) -> Iterator[Delta]:
    """The deltas of a server tool's input as the value of this field in a JSON object; as it is without a field."""
    deltas = list(split_item(tool, sizes))
    if not field:
        yield from deltas
        return
    head, end = json.dumps({field: ""})[:-2], '"}'
    if not deltas:
        yield Delta(head + end, 1)
    for number, delta in enumerate(deltas):
        text = json.dumps(delta.text, ensure_ascii=False)[1:-1]
        whole = (head if number == 0 else "") + text + (end if number + 1 == len(deltas) else "")
        yield Delta(whole, delta.tokens, delta.at)


def take_turns(choices: Sequence[Iterable[T]]) -> list[T]:
    """The parts of several choices in one stream: by their times where the script fixes them, else in turn."""
    parts = [list(choice) for choice in choices]
    if len(parts) == 1:
        return parts[0]
    if not any(piece.at is not None for choice in parts for piece in choice):
        return [piece for turn in zip_longest(*parts) for piece in turn if piece is not None]
    return [piece for _, piece in heapq.merge(*map(_timed, parts), key=itemgetter(0))]


def _timed(pieces: list[T]) -> Iterator[tuple[float, T]]:
    """Each piece with when it leaves: protocol goes with what came before it, the first of it with what follows."""
    now = next((piece.at for piece in pieces if piece.at is not None), 0.0)
    for piece in pieces:
        now = now if piece.at is None else max(now, piece.at)
        yield now, piece


def _given(item: Item, text: str) -> Columns:
    if "".join(item.pieces) != text:
        joined = "".join(item.pieces)
        raise ScriptError(f"{_name(item)}: the pieces join to {joined[:40]!r}, not to its text {text[:40]!r}")
    if item.at and len(item.at) != len(item.pieces):
        raise ScriptError(f"{_name(item)}: {len(item.pieces)} pieces but {len(item.at)} times in `at`")
    return Columns(item.pieces, _piece_tokens(item.pieces), item.at or repeat(None))


def _piece_tokens(pieces: tuple[str, ...]) -> tuple[int, ...]:
    """The number of tokens in each piece, counted once for a script that is sent many times."""
    found = _counted.get(pieces)
    return _counted.put(pieces, tuple(map(count_tokens, pieces)), len(pieces)) if found is None else found


# In pieces: about 10 MB.
_counted: Final[RecentlyUsed[tuple[str, ...], tuple[int, ...]]] = RecentlyUsed(100_000)


def _joined(tokens: list[str], sizes: Sequence[int]) -> Columns:
    ends = accumulate(cycle(sizes), initial=0)
    bounds = [*takewhile(len(tokens).__gt__, ends), len(tokens)]
    texts = ["".join(tokens[start:end]) for start, end in pairwise(bounds)]
    return Columns(texts, [end - start for start, end in pairwise(bounds)], repeat(None))


def _name(item: Item) -> str:
    return f"script item {type(item).__name__}"
