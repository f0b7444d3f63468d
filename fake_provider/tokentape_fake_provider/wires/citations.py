"""Where citations stand in a text, and a text as runs of which each has its citations as a whole."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

from msgspec.structs import replace

from tokentape_fake_provider.script.model import Citation, Item, Text
from tokentape_fake_provider.wires.deltas import split_item


class PlacedCitation(NamedTuple):
    """A citation, and the characters that rest on it: where they begin, where they end, and what they are."""

    citation: Citation
    start: int
    end: int
    text: str


def citations_of(text: Text, offset: int = 0) -> Iterator[PlacedCitation]:
    """The citations of a text that begins at `offset`."""
    for citation in text.citations:
        end = len(text.text) if citation.end is None else citation.end
        yield PlacedCitation(citation, offset + citation.start, offset + end, text.text[citation.start : end])


def placed_citations(items: Iterable[Item]) -> Iterator[PlacedCitation]:
    """The citations of all texts, which are one text together."""
    offset = 0
    for item in items:
        if isinstance(item, Text):
            if item.citations:
                yield from citations_of(item, offset)
            offset += len(item.text)


def cited_runs(text: Text, sizes: Sequence[int]) -> list[Text]:
    """The text in runs that begin and end where its citations do; the citations of each are those of all of it.

    Their pieces are those of the text, or of `sizes` tokens, divided there.
    """
    if not text.citations:
        return [text]
    placed = list(citations_of(text))
    edges = sorted({0, len(text.text), *(place for cited in placed for place in (cited.start, cited.end))})
    pieces: list[list[str]] = [[] for _ in edges[1:]]
    times: list[list[float]] = [[] for _ in edges[1:]]
    run = position = 0
    for delta in split_item(text, sizes):
        rest = delta.text
        while rest:
            part, rest = rest[: edges[run + 1] - position], rest[edges[run + 1] - position :]
            pieces[run].append(part)
            times[run] += [] if delta.at is None else [delta.at]
            position += len(part)
            run += position == edges[run + 1] and run + 2 < len(edges)
    return [
        Text(
            text.text[start:end],
            tuple(pieces[number]),
            tuple(times[number]),
            tuple(
                replace(cited.citation, start=0, end=None)
                for cited in placed
                if cited.start <= start and end <= cited.end
            ),
        )
        for number, (start, end) in enumerate(pairwise(edges))
    ]
