"""Execution: run one case, or all of a plan, in one process or in several."""

from __future__ import annotations

import contextlib
import multiprocessing
import signal
import threading
import time
import traceback
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from types import FrameType
from typing import Any

import msgspec

from tokentape_conformance.case_registry import Case, include
from tokentape_conformance.result import Finding, PlannedCase, Result, Status
from tokentape_conformance.suite import Suite, suite_named
from tokentape_conformance.trial import SkippedError, Trial
from tokentape_harness.errors import PromiseBrokenError
from tokentape_harness.redaction import redact_text

TIMEOUT_S = 30.0
_MOST_FRAMES = 200
_BATCHES = 8
"""Batches per worker: small enough to spread evenly, large enough that starting one costs little."""


class Job(msgspec.Struct, frozen=True):
    """What a worker process needs to run cases: plain values only."""

    suite: str
    target: str
    options: Mapping[str, str] = {}
    includes: tuple[str, ...] = ()
    seed: int = 0
    timeout: float = TIMEOUT_S


def run_case(suite: Suite, target: Any, planned: PlannedCase, *, seed: int = 0, timeout: float = TIMEOUT_S) -> Result:
    """Run one case on one wire format; never raises because of the target. `timeout` is in s."""
    case, started = planned.case, time.perf_counter()
    lacks = [reason for need in sorted(case.needs) if (reason := suite.lack(target, need, planned.wire)) is not None]
    if lacks:
        return _result(planned, "skipped", reason="; ".join(lacks))
    findings: list[Finding] = []
    reasons: list[str] = []
    trials = 0
    for trial in suite.trials(target, case, planned.wire, seed):
        trials += 1
        try:
            _run_trial(trial, case, timeout)
        except SkippedError as skipped:
            reasons.append(str(skipped))
        except Exception as error:
            findings.append(_finding(trial, error))
    seconds = time.perf_counter() - started
    if findings:
        return _result(planned, "failed", seconds=seconds, findings=tuple(findings))
    if len(reasons) == trials:
        return _result(planned, "skipped", seconds=seconds, reason="; ".join(dict.fromkeys(reasons)) or "no trial")
    return _result(planned, "passed", seconds=seconds)


def run_in_process(
    suite: Suite, target: Any, plan: Sequence[PlannedCase], *, seed: int, timeout: float
) -> Iterator[Result]:
    """Run a plan in this process, case by case."""
    for planned in plan:
        yield run_case(suite, target, planned, seed=seed, timeout=timeout)


def run_in_processes(job: Job, plan: Sequence[PlannedCase], workers: int) -> Iterator[Result]:
    """Run a plan in worker processes; results come as they are ready. A case that kills its process fails alone."""
    size = max(1, -(-len(plan) // (workers * _BATCHES)))
    batches = [plan[start : start + size] for start in range(0, len(plan), size)]
    orphans: list[PlannedCase] = []
    others = set(multiprocessing.active_children())
    with _pool(job, workers) as pool:
        with _sigint_ignored():
            futures = {pool.submit(_work, [(p.case.id, p.wire) for p in batch]): batch for batch in batches}
        try:
            for future in as_completed(futures):
                try:
                    yield from future.result()
                except BrokenProcessPool:
                    orphans += futures[future]
        except BaseException:
            # The pool's own shutdown(wait=False, cancel_futures=True) sometimes waits for ever (3.11).
            for worker in set(multiprocessing.active_children()) - others:
                worker.terminate()
            raise
    yield from _one_by_one(job, orphans)


def _one_by_one(job: Job, plan: list[PlannedCase]) -> Iterator[Result]:
    """A worker died: run its cases one at a time to find the one that killed it."""
    while plan:
        with _pool(job, 1) as pool:
            while plan:
                planned = plan.pop(0)
                try:
                    with _sigint_ignored():
                        future = pool.submit(_work, [(planned.case.id, planned.wire)])
                    yield from future.result()
                except BrokenProcessPool:
                    died = Finding("the process", expected="lives until the case is over", seen="it died")
                    yield _result(planned, "failed", findings=(died,))
                    break


def _pool(job: Job, workers: int) -> ProcessPoolExecutor:
    context = multiprocessing.get_context("spawn")
    return ProcessPoolExecutor(workers, mp_context=context, initializer=_start_worker, initargs=(job,))


@contextlib.contextmanager
def _sigint_ignored() -> Iterator[None]:
    """Processes that start in this block ignore Ctrl-C: the main process ends the run and reports it."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


class _Worker:
    """A worker process's own suite and target."""

    job: Job
    suite: Suite
    target: Any
    cases: Mapping[str, Case]


def _start_worker(job: Job) -> None:
    include(job.includes)
    _Worker.job, _Worker.suite = job, suite_named(job.suite)
    _Worker.target = _Worker.suite.load(job.target, job.options)
    _Worker.cases = {case.id: case for case in _Worker.suite.cases()}


def _work(ids: list[tuple[str, str]]) -> list[Result]:
    job = _Worker.job
    plan = [PlannedCase(_Worker.cases[case], wire) for case, wire in ids]
    return list(run_in_process(_Worker.suite, _Worker.target, plan, seed=job.seed, timeout=job.timeout))


def _run_trial(trial: Trial, case: Case, timeout: float) -> None:
    try:
        with _limited(timeout):
            trial.run(case.function)
    finally:
        trial.close()


class _TookTooLongError(BaseException):
    """Not an `Exception`, so that no target takes it for one of its own."""


@contextlib.contextmanager
def _limited(seconds: float) -> Iterator[None]:
    """Interrupt the block after this time, where signals can: in the main thread, and not on Windows."""
    if threading.current_thread() is not threading.main_thread() or not hasattr(signal, "setitimer"):
        yield
        return

    def interrupt(_signal: int, _frame: FrameType | None) -> None:
        raise _TookTooLongError

    before = signal.signal(signal.SIGALRM, interrupt)
    remaining, _ = signal.setitimer(signal.ITIMER_REAL, seconds)  # of another timer: pytest-timeout's
    try:
        yield
    except _TookTooLongError:
        raise PromiseBrokenError("the case", expected=f"ends within {seconds:g} s", seen="it did not end") from None
    finally:
        signal.setitimer(signal.ITIMER_REAL, remaining)
        signal.signal(signal.SIGALRM, before)


def _finding(trial: Trial, error: Exception) -> Finding:
    """What is reported of a failure, without secrets: reports are published."""
    frames = tuple(trial.frames[:_MOST_FRAMES])
    if isinstance(error, PromiseBrokenError):
        what, expected, seen, trace = error.what, error.expected, error.seen, ""
    else:
        what, expected, seen = "the target", "raises nothing here", f"{type(error).__name__}: {error}"
        trace = "".join(traceback.format_exception(error, limit=-6))
    request, expected, seen, trace = map(redact_text, (trial.request, expected, seen, trace))
    return Finding(what, expected, seen, trial.label, request, frames, trace)


def _result(
    planned: PlannedCase, status: Status, *, seconds: float = 0.0, reason: str = "", findings: tuple[Finding, ...] = ()
) -> Result:
    case = planned.case
    return Result(case.id, planned.wire, case.promise, case.source, status, seconds, reason, findings, case.remedy)
