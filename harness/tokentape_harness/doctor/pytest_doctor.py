"""pytest plugin of the doctor: each test runs again and again in this process, with fresh function-scoped fixtures.

Fixtures of a module, a class or the session live on, as they do from test to test.
"""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import Any

import pytest
from _pytest.outcomes import OutcomeException
from _pytest.runner import runtestprotocol

from tokentape_fake_provider.sessions.variation import varied
from tokentape_harness.doctor.change import Variation
from tokentape_harness.doctor.conductor import Conductor, Run
from tokentape_harness.doctor.diagnosis import diagnose
from tokentape_harness.doctor.job import Diagnosed, Job, Progress, Ran, job_of_environment, write_line

# A first run may take this long in s; a later one this many times as long as the first, but always some seconds.
_FIRST_S = 120.0
_LONGER = 20
_PATIENCE_S = 10.0


class Hung(OutcomeException):
    """A run took too long."""


def pytest_configure(config: pytest.Config) -> None:
    """Take over the tests, if the doctor started this pytest."""
    job = job_of_environment()
    if job is not None and not hasattr(config, "workerinput"):
        config.pluginmanager.register(_Doctor(job), "tokentape-doctor")


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_cmdline_main(config: pytest.Config) -> Generator[None, object, object]:
    """Run the tests in this process, and not in those of xdist."""
    if hasattr(config.option, "numprocesses"):
        config.option.numprocesses, config.option.dist, config.option.tx = 0, "no", []
    return (yield)


@pytest.hookimpl(optionalhook=True, tryfirst=True)
def pytest_timeout_set_timer() -> bool:
    """Let pytest-timeout set no timer: its time is for one run."""
    return True


@pytest.hookimpl(optionalhook=True, tryfirst=True)
def pytest_timeout_cancel_timer() -> bool:
    """There is none."""
    return True


class _Doctor:
    """Examines each test in place of running it."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._errors: list[tuple[str, str]] = []
        self._interruptible = False

    def pytest_collection_modifyitems(self, config: pytest.Config, items: list[pytest.Item]) -> None:
        """Keep the one test of a job that has one."""
        if self._job.only:
            others = [item for item in items if item.nodeid != self._job.only]
            items[:] = [item for item in items if item.nodeid == self._job.only]
            config.hook.pytest_deselected(items=others)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Keep the class and the message of an error."""
        report = yield
        if report.failed and call.excinfo is not None and not _is_garbage(call.excinfo.value):
            message = " ".join(str(call.excinfo.value).split("\n\n")[0].split())
            kind = "hung" if call.excinfo.errisinstance(Hung) else f"failed: {call.excinfo.typename}"
            self._errors.append((kind, message[:500]))
        return report

    @pytest.hookimpl(wrapper=True, trylast=True)
    def pytest_runtest_call(self) -> Generator[None, object, object]:
        """Note that the test itself is running, which may be interrupted, and not pytest."""
        self._interruptible = True
        try:
            return (yield)
        finally:
            self._interruptible = False

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item, nextitem: pytest.Item | None) -> bool:
        """Examine a test, and report its run without changes."""
        job = self._job
        if job.keys is not None:
            reports, run = self._run(item, job.changes, job.keys, _FIRST_S)
            write_line(job.results, Ran(run))
        else:
            reports, first_s = [], 0.0

            def once(changes: Variation, keys: Sequence[str]) -> Run:
                nonlocal first_s
                pauses_s = sum(change.ms for change in changes) / 1000.0
                patience_s = max(_PATIENCE_S, _LONGER * first_s) + 4 * pauses_s if reports else _FIRST_S
                found, run = self._run(item, changes, keys, patience_s)
                if not reports:
                    reports[:], first_s = found, run.seconds
                return run

            def note(number: int, what: str) -> None:
                write_line(job.results, Progress(item.nodeid, number, what))

            write_line(job.results, Diagnosed(diagnose(item.nodeid, once, job.limits, note)))
        item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
        for report in reports:
            item.ihook.pytest_runtest_logreport(report=report)
        item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
        item.session._setupstate.teardown_exact(nextitem)
        return True

    def _run(
        self, item: pytest.Item, changes: Variation, keys: Sequence[str], patience_s: float
    ) -> tuple[list[pytest.TestReport], Run]:
        self._errors.clear()
        conductor, began = Conductor(changes, keys), time.monotonic()
        # The next item is the parent: what the test itself set up is torn down, and what others share stays.
        parent: Any = item.parent
        with varied(conductor), _alarm(patience_s, lambda: self._interruptible):
            reports = runtestprotocol(item, log=False, nextitem=parent)
        outcome, detail = "passed", ""
        if self._errors:
            outcome, detail = self._errors[0]
        elif any(report.skipped for report in reports):
            outcome = "skipped"
        return reports, conductor.run(outcome, detail, time.monotonic() - began)


def _is_garbage(error: BaseException) -> bool:
    """Whether it is only about objects that were collected now, and that any earlier run left."""
    errors = error.exceptions if isinstance(error, BaseExceptionGroup) else (error,)
    return all(isinstance(one, pytest.PytestUnraisableExceptionWarning) for one in errors)


@contextmanager
def _alarm(seconds: float, interruptible: Callable[[], bool]) -> Iterator[None]:
    """Within it, raise `Hung` in the main thread after this time, as soon as it may; where the system has alarms."""
    if threading.current_thread() is not threading.main_thread() or not hasattr(signal, "setitimer"):
        yield
        return

    def ring(_number: int, _frame: FrameType | None) -> None:
        if interruptible():
            raise Hung(f"the run took more than {seconds:g} s")

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds, 1.0)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
