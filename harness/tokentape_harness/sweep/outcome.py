"""Outcome: how a client handled a damaged response."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Final, Literal, TypeAlias, get_args

import msgspec

from tokentape_fake_provider.playback.journal import Entry
from tokentape_fake_provider.verdict.attempts import repeats_of
from tokentape_fake_provider.verdict.observed import ObservedRequest
from tokentape_harness.errors import UsageError
from tokentape_harness.sweep.plan import Cell

Outcome: TypeAlias = Literal["complete", "retried", "raised", "silent", "altered", "hung", "unmet"]
OUTCOMES: Final[dict[Outcome, str]] = {
    "complete": "returned the complete response",
    "retried": "sent the request again, and returned the complete response",
    "raised": "raised an error",
    "silent": "accepted a stream without its terminal event as complete",
    "altered": "returned a response that differs from the recorded one, from a stream with its terminal event",
    "hung": "waited until the server closed the connection",
    "unmet": "never received the fault: it did not request the response",
}
"""Each outcome, and its meaning."""
FAIL_ON: Final[tuple[Outcome, ...]] = ("silent", "hung")
assert set(OUTCOMES) == set(get_args(Outcome))


class CellResult(msgspec.Struct, frozen=True, omit_defaults=True):
    """The outcome of a cell.

    `error` is the class of the exception, with its package; `retries` the number of repeated requests.
    """

    cell: str
    row: str
    outcome: Outcome
    place: int | None = None
    error: str = ""
    message: str = ""
    retries: int = 0

    @property
    def text(self) -> str:
        """The outcome in words."""
        text = f"raised {self.error}" if self.outcome == "raised" else self.outcome
        if self.retries and self.outcome != "retried":
            text += f" after {self.retries} {'retry' if self.retries == 1 else 'retries'}"
        return text


def judge(
    cell: Cell,
    entries: Sequence[Entry],
    *,
    error: BaseException | None = None,
    error_class: str = "",
    message: str = "",
    same: bool | None = None,
) -> CellResult:
    """Judge a client by the journal and its result.

    `error_class` or `error` is its exception; otherwise `same` is whether its response was the recorded one, `None` if
    they were not compared.
    """
    damaged = [entry for entry in entries if entry.faults]
    repeats = repeats_of([ObservedRequest(entry) for entry in entries])
    retries = len(repeats)
    again = any(repeat.before.entry is damaged[-1] for repeat in repeats) if damaged else False
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
    """The class of an error with its package: `openai.APIConnectionError`."""
    package = type(error).__module__.partition(".")[0]
    return type(error).__name__ if package == "builtins" else f"{package}.{type(error).__name__}"


def checked_outcomes(given: str | Iterable[str]) -> Collection[Outcome]:
    """Parse names of outcomes, in one string or several; `none` stands for an empty list. Raises `UsageError`."""
    names = given.split(",") if isinstance(given, str) else list(given)
    found: list[Outcome] = []
    for name in filter(None, (name.strip() for name in names)):
        if name == "none" and len(names) == 1:
            return ()
        known = next((outcome for outcome in OUTCOMES if outcome == name), None)
        if known is None:
            raise UsageError(f"unknown outcome {name!r}: use {', '.join(OUTCOMES)}, or none")
        found.append(known)
    return tuple(found)
