"""Run: a client meets every cell of a plan, one after the other."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

from tokentape_fake_provider.hosting.provider import Provider
from tokentape_harness.errors import SweepError
from tokentape_harness.sweep.matrix import Matrix
from tokentape_harness.sweep.outcome import CellResult, error_name, judge
from tokentape_harness.sweep.plan import Cell, Plan
from tokentape_harness.sweep.session_setup import set_stage, settled
from tokentape_harness.sweep.subject import Subject
from tokentape_harness.testing.fake_provider import FakeProvider

Client: TypeAlias = Callable[[FakeProvider], Any]
"""Asks once, reads to the end, and returns the answer: any value that can be compared."""


class ClientError(Exception):
    """A client in another process raised an error of this class."""

    def __init__(self, error_class: str, message: str = "") -> None:
        super().__init__(message)
        self.error_class = error_class


class ClientHungError(Exception):
    """A client in another process did not come to an end by itself."""


def run_sweep(
    client: Client,
    subject: Subject,
    plan: Plan,
    provider: Provider,
    *,
    name: str = "",
    clock: str = "automatic",
    match: bool = False,
    times: int | None = 1,
    patience_s: float | None = None,
    on_cell: Callable[[CellResult], None] = lambda _: None,
) -> Matrix:
    """What the client does in each cell, each in a session of its own. The plan's first cell has no fault.

    Raises `SweepError` if the client fails without one.
    """

    def results() -> Iterator[CellResult]:
        whole: Any = None
        for cell in plan.cells:
            session = provider.create_session(clock=clock)
            made = FakeProvider(provider, session)
            set_stage(session, subject, cell, match=match, times=times, patience_s=patience_s)
            try:
                whole, result = _meet(client, made, cell, whole)
            finally:
                provider.delete_session(session.id)
            on_cell(result)
            yield result

    return Matrix(name, subject.label, tuple(results()), plan.frames, plan.possible, plan.seed)


def _meet(client: Client, provider: FakeProvider, cell: Cell, whole: Any) -> tuple[Any, CellResult]:
    """The whole answer, and what the client did."""
    try:
        answer = client(provider)
    except ClientHungError as error:
        if cell.fault is None:
            raise SweepError(f"without any fault the client did not come to an end: {error}") from error
        return whole, CellResult(cell.id, cell.row, "hung", cell.place, "", str(error))
    except Exception as error:
        kind = error.error_class if isinstance(error, ClientError) else error_name(error)
        if cell.fault is None:
            said = f": {error}" if str(error) else ""
            raise SweepError(f"without any fault the client raised {kind}{said}") from error
        return whole, judge(cell, settled(provider), error=error, error_class=kind)
    entries = settled(provider)
    if cell.fault is None:
        if not entries:
            raise SweepError(f"the client asked nothing of the fake provider at {provider.url}")
        whole = answer
    return whole, judge(cell, entries, same=answer == whole)
