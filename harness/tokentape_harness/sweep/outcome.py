"""Outcome: what a client did with a damaged response."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Final, Literal, TypeAlias, get_args

import msgspec

from tokentape_fake_provider.playback.journal import Entry
from tokentape_harness.errors import UsageError
from tokentape_harness.sweep.plan import Cell

Outcome: TypeAlias = Literal["complete", "retried", "raised", "silent", "altered", "hung", "unmet"]
OUTCOMES: Final[dict[Outcome, str]] = {
    "complete": "gave the whole answer",
    "retried": "asked again, and gave the whole answer",
    "raised": "raised an error",
    "silent": "took a stream that never said that it had ended for a whole one",
    "altered": "gave another answer than the recorded one, from a stream that said that it had ended",
    "hung": "waited until the server broke off",
    "unmet": "never met the fault: it did not ask for the response",
}
"""Each outcome, and what the client did."""
FAIL_ON: Final[tuple[Outcome, ...]] = ("silent", "hung")
assert set(OUTCOMES) == set(get_args(Outcome))


class CellResult(msgspec.Struct, frozen=True, omit_defaults=True):
    """What the client did in a cell.

    `error` is the class of what it raised, with its package; `retries` how often it asked again for the same.
    """

    cell: str
    row: str
    outcome: Outcome
    place: int | None = None
    error: str = ""
    message: str = ""
    retries: int = 0

    @property
    def said(self) -> str:
        """In words."""
        made = f"raised {self.error}" if self.outcome == "raised" else self.outcome
        if self.retries and self.outcome != "retried":
            made += f" after {self.retries} {'retry' if self.retries == 1 else 'retries'}"
        return made


def judge(
    cell: Cell,
    entries: Sequence[Entry],
    *,
    error: BaseException | None = None,
    error_class: str = "",
    message: str = "",
    same: bool | None = None,
) -> CellResult:
    """What the client did, by what the journal noted and how it ended.

    `error_class` or `error` is what it raised; else `same` tells whether its answer was the recorded one, `None` if
    nobody looked at it.
    """
    damaged = [entry for entry in entries if entry.faults]
    bodies = [(entry.path, entry.raw_body) for entry in entries]
    retries = sum(body in bodies[:number] for number, body in enumerate(bodies))
    last = damaged[-1] if damaged else None
    again = last is not None and (last.path, last.raw_body) in bodies[entries.index(last) + 1 :]
    raised = error_class or ("" if error is None else error_name(error))
    outcome: Outcome
    if cell.fault is not None and not damaged:
        outcome = "unmet"
    elif cell.endless and any(entry.outcome == "reset" for entry in damaged):
        outcome = "hung"
    elif raised:
        outcome = "raised"
    elif cell.truncated and not again:
        outcome = "silent"
    elif same is False:
        outcome = "altered"
    else:
        outcome = "retried" if again else "complete"
    if error is not None and not message:
        message = str(error)
    return CellResult(cell.id, cell.row, outcome, cell.place, raised, message[:300], retries)


def error_name(error: BaseException) -> str:
    """Its class, with the package that it comes from: `openai.APIConnectionError`."""
    package = type(error).__module__.partition(".")[0]
    return type(error).__name__ if package == "builtins" else f"{package}.{type(error).__name__}"


def checked_outcomes(given: str | Iterable[str]) -> Collection[Outcome]:
    """Outcomes by their names, in one string or several; `none` is none. Raises `UsageError`."""
    names = given.split(",") if isinstance(given, str) else list(given)
    found: list[Outcome] = []
    for name in filter(None, (name.strip() for name in names)):
        if name == "none" and len(names) == 1:
            return ()
        known = next((outcome for outcome in OUTCOMES if outcome == name), None)
        if known is None:
            raise UsageError(f"no outcome {name!r}: the known ones are {', '.join(OUTCOMES)}, or none")
        found.append(known)
    return tuple(found)
