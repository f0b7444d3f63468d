"""Matrix: the outcome of each cell of a sweep."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, Final

import msgspec

from tokentape_harness.sweep.outcome import OUTCOMES, CellResult, Outcome

LETTERS: Final[Mapping[Outcome, str]] = {
    "complete": ".",
    "retried": "r",
    "raised": "E",
    "silent": "S",
    "altered": "~",
    "hung": "H",
    "unmet": "?",
}
_NAMED = 8


class Matrix(msgspec.Struct, frozen=True):
    """The results of a sweep of `client` over the `frames` frames of `recording`.

    `possible` is the number of cells without sampling.
    """

    client: str
    recording: str
    results: tuple[CellResult, ...]
    frames: int = 0
    possible: int = 0
    seed: int = 0

    @property
    def counts(self) -> Mapping[str, int]:
        """The number of cells with each outcome."""
        return Counter(result.outcome for result in self.results)

    def rows(self) -> Mapping[str, Sequence[CellResult]]:
        """The results of each fault, by place; without the cell that has no fault."""
        rows: dict[str, list[CellResult]] = {}
        for result in self.results:
            if result.cell != "none":
                rows.setdefault(result.row, []).append(result)
        return {row: sorted(found, key=lambda result: result.place or 0) for row, found in rows.items()}

    def failures(self, fail_on: Collection[Outcome]) -> Sequence[CellResult]:
        """The cells with these outcomes, and those whose fault the client never received, which show nothing."""
        return [result for result in self.results if result.outcome in fail_on or result.outcome == "unmet"]

    def to_builtins(self) -> dict[str, Any]:
        """The matrix as JSON values."""
        fields: dict[str, Any] = msgspec.to_builtins(self)
        return {**fields, "counts": dict(self.counts)}

    def lines(self) -> Iterable[str]:
        """The matrix as text: a letter for each cell, and a legend."""
        rows = self.rows()
        cells = sum(len(found) for found in rows.values())
        of = f" of {self.possible - 1} (seed {self.seed})" if self.possible > cells + 1 else ""
        yield f"{self.client}: {self.recording}, {self.frames} frames, {cells} cells{of}"
        names = max((len(row) for row in rows), default=0)
        for row, found in rows.items():
            letters = "".join(LETTERS[result.outcome] for result in found)
            yield f"{row:{names}}  {letters}  {_summary(found)}"
        used = [outcome for outcome in OUTCOMES if any(result.outcome == outcome for result in self.results)]
        yield ", ".join(f"{LETTERS[outcome]} {self.counts[outcome]} {outcome}" for outcome in used)

    def __str__(self) -> str:
        return "\n".join(self.lines())

    def explain(self, failures: Sequence[CellResult]) -> Iterable[str]:
        """A line for each outcome of these cells."""
        for outcome in OUTCOMES:
            cells = [result.cell for result in failures if result.outcome == outcome]
            if cells:
                more = f", and {len(cells) - _NAMED} more" if len(cells) > _NAMED else ""
                yield f"{len(cells)} {outcome} (it {OUTCOMES[outcome]}): {', '.join(cells[:_NAMED])}{more}"


def _summary(results: Sequence[CellResult]) -> str:
    """The count of each outcome, the most frequent first."""
    counts = Counter(result.text for result in results)
    if len(counts) == 1:
        return next(iter(counts))
    return ", ".join(f"{count} {text}" for text, count in counts.most_common())
