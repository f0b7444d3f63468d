"""pytest plugin of the doctor: each test runs again and again in this process, with fresh function-scoped fixtures.

Fixtures of a module, a class or the session live on, as they do from test to test. An isolated run has a process that
is forked after the collection, in which all of its fixtures are fresh.
"""

from __future__ import annotations

import os
import signal
import tempfile
import threading
import time
import warnings
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import msgspec
import pytest
from _pytest.outcomes import OutcomeException
from _pytest.runner import runtestprotocol

from tokentape_fake_provider.hosting.server import FakeProviderServer
from tokentape_fake_provider.sessions.variation import varied
from tokentape_harness.doctor.change import Variation
from tokentape_harness.doctor.conductor import Conductor, Run
from tokentape_harness.doctor.diagnosis import diagnose
from tokentape_harness.doctor.job import Diagnosed, Job, Progress, job_of_environment, write_line

# A first run may take as long as its limit; a later one this many times as long as it took, but always some seconds.
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
    """Let pytest-timeout cancel no timer: it has set none."""
    return True


class _Doctor:
    """Examines each test in place of running it."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._errors: list[tuple[str, str]] = []
        self._interruptible = False

    def pytest_collection_modifyitems(self, config: pytest.Config, items: list[pytest.Item]) -> None:
        """Keep the tests of a job that names some."""
        if self._job.only:
            others = [item for item in items if item.nodeid not in self._job.only]
            items[:] = [item for item in items if item.nodeid in self._job.only]
            config.hook.pytest_deselected(items=others)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Keep the class and the message of an error."""
        report = yield
        if report.failed and call.excinfo is None:
            self._errors.append(("failed", report.longreprtext[:500]))
        elif report.failed and call.excinfo is not None and not _is_garbage(call.excinfo.value):
            message = " ".join(str(call.excinfo.value).split("\n\n")[0].split())
            kind = "hung" if call.excinfo.errisinstance(Hung) else f"failed: {call.excinfo.typename}"
            self._errors.append((kind, message[:500]))
        return report

    @pytest.hookimpl(wrapper=True, trylast=True)
    def pytest_runtest_setup(self) -> Generator[None, object, object]:
        """Note that fixtures are set up, which may be interrupted."""
        return (yield from self._interrupted())

    @pytest.hookimpl(wrapper=True, trylast=True)
    def pytest_runtest_call(self) -> Generator[None, object, object]:
        """Note that the test itself is running, which may be interrupted, and not pytest."""
        return (yield from self._interrupted())

    def _interrupted(self) -> Generator[None, object, object]:
        self._interruptible = True
        try:
            return (yield)
        finally:
            self._interruptible = False

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item, nextitem: pytest.Item | None) -> bool:
        """Examine a test, and report its run without changes."""
        job, first_s, shown = self._job, 0.0, list[pytest.TestReport]()
        if job.isolated:
            with FakeProviderServer(port=0):
                pass  # what it imports, each process has from the start

        def once(changes: Variation, keys: Sequence[str]) -> Run:
            nonlocal first_s
            pauses_s = sum(change.ms for change in changes) / 1000.0
            longest_s = _LONGER * first_s + 4 * pauses_s if first_s else job.limits.timeout
            patience_s = max(_PATIENCE_S, longest_s)
            if job.isolated:
                run = self._forked(item, changes, keys, patience_s)
            else:
                reports, run = self._run(item, changes, keys, patience_s)
                shown[:] = shown or reports
            first_s = first_s or run.seconds
            return run

        def note(number: int, what: str) -> None:
            write_line(job.results, Progress(item.nodeid, number, what))

        diagnosis = diagnose(item.nodeid, once, job.limits, note)
        write_line(job.results, Diagnosed(diagnosis))
        if diagnosis.interrupted:
            raise KeyboardInterrupt
        item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
        for report in shown:
            item.ihook.pytest_runtest_logreport(report=report)
        item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
        item.session._setupstate.teardown_exact(nextitem)
        return True

    def _forked(self, item: pytest.Item, changes: Variation, keys: Sequence[str], patience_s: float) -> Run:
        """A run in a process of its own, which has what this one has imported."""
        with tempfile.NamedTemporaryFile(prefix="tokentape-doctor-") as file:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", DeprecationWarning)  # about threads, which the child does not need
                child = os.fork()
            if not child:
                try:
                    Path(file.name).write_bytes(msgspec.json.encode(self._run(item, changes, keys, patience_s)[1]))
                finally:
                    os._exit(0)
            code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
            text = file.read()
        return msgspec.json.decode(text, type=Run) if text else Run("failed: the process ended", f"exit code {code}")

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
