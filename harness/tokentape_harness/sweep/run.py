"""Run: a client runs in every cell of a plan, one after the other; those that wait may run beside the others."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeAlias

from tokentape_fake_provider.hosting.provider import Provider
from tokentape_harness.errors import SweepError
from tokentape_harness.sweep.matrix import Matrix
from tokentape_harness.sweep.outcome import CellResult, error_name, judge
from tokentape_harness.sweep.plan import Cell, Plan
from tokentape_harness.sweep.session_setup import set_up_session, settled
from tokentape_harness.sweep.subject import Subject
from tokentape_harness.testing.fake_provider import FakeProvider

Client: TypeAlias = Callable[[FakeProvider], Any]
"""Sends one request, reads to the end, and returns the response as any value that can be compared."""


class ClientError(Exception):
    """A client in another process raised an error of this class."""

    def __init__(self, error_class: str, message: str = "") -> None:
        super().__init__(message)
        self.error_class = error_class


class ClientHungError(Exception):
    """A client in another process did not end within its time."""


def run_sweep(
    client: Client,
    subject: Subject,
    plan: Plan,
    provider: Provider,
    *,
    name: str = "",
    clock: str = "automatic",
    times: int | None = 1,
    patience_s: float | None = None,
    parallel: int = 0,
    on_cell: Callable[[CellResult], None] = lambda _: None,
) -> Matrix:
    """Run the client in each cell, each in a session of its own. The plan's first cell has no fault.

    With `parallel` the cells in which the server stays silent run in this number of threads, beside the others. Raises
    `SweepError` if the client fails in the first cell.
    """

    def run(cell: Cell, complete: Any) -> tuple[Any, CellResult]:
        session = provider.create_session(clock=clock)
        session_provider = FakeProvider(provider, session)
        set_up_session(session, subject, cell, times=times, patience_s=patience_s)
        try:
            complete, result = _run_cell(client, session_provider, cell, complete)
        finally:
            provider.delete_session(session.id)
        on_cell(result)
        return complete, result

    complete, result = run(plan.cells[0], None)
    results = {0: result}
    others = list(enumerate(plan.cells))[1:]
    with ThreadPoolExecutor(parallel or 1) as pool:
        waiting: dict[int, Future[tuple[Any, CellResult]]] = {}
        try:
            if parallel:
                waiting = {number: pool.submit(run, cell, complete) for number, cell in others if cell.endless}
            results |= {number: run(cell, complete)[1] for number, cell in others if number not in waiting}
            results |= {number: future.result()[1] for number, future in waiting.items()}
        finally:
            pool.shutdown(cancel_futures=True)
    found = tuple(results[number] for number in sorted(results))
    return Matrix(name, subject.label, found, plan.frames, plan.possible, plan.seed)


def _run_cell(client: Client, provider: FakeProvider, cell: Cell, complete: Any) -> tuple[Any, CellResult]:
    """The complete response, and the outcome of the cell."""
    try:
        answer = client(provider)
    except ClientHungError as error:
        if cell.fault is None:
            raise SweepError(f"without any fault the client did not end: {error}") from error
        return complete, CellResult(cell.id, cell.row, "hung", cell.place, "", str(error))
    except Exception as error:
        kind = error.error_class if isinstance(error, ClientError) else error_name(error)
        if cell.fault is None:
            detail = f": {error}" if str(error) else ""
            raise SweepError(f"without any fault the client raised {kind}{detail}") from error
        return complete, judge(cell, settled(provider), error=error, error_class=kind)
    entries = settled(provider)
    if cell.fault is None:
        if not entries:
            raise SweepError(f"the client sent no request to the fake provider at {provider.url}")
        complete = answer
    return complete, judge(cell, entries, same=answer == complete)
