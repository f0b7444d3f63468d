"""Cells beside: pytest runs a part of the cells of sweeps in other processes.

A cell whose server stays silent takes as long as its client waits, and no processor; the others take a processor each.
The processes are forked before the first test, so that each has its own fixtures, environment and fake provider; like
workers of xdist, they send reports.
"""

from __future__ import annotations

import importlib
import json
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final, NoReturn, TypeAlias

import pytest

from tokentape_fake_provider.answers.warm_up import warm_up

Waits: TypeAlias = Callable[[pytest.Item], float | None]
"""How long the test waits for a silent server, in s; 0 if it does not, `None` if it must run in this process."""

PROCESSES: Final = 8
"""The number of processes for tests that wait."""
# Below this sum of seconds, and this number of tests for each processor, it is not worth the processes.
_WORTH_S: Final = 2.0
_WORTH_TESTS: Final = 20
_TASKS: Final = Path("/proc/self/task")


@contextmanager
def beside(session: pytest.Session, waits: Waits) -> Iterator[None]:
    """Within it, tests of the session run in other processes, where that is safe: those that wait, and the share of
    each other processor of those that don't.

    It is safe where processes can be forked (Linux, one thread so far), and without xdist or `--pdb`.
    """
    waiting, shares = _moved(session.items, waits)
    if not (waiting or shares) or not _can_fork(session.config):
        yield
        return
    session.items.sort(key=_order(session.items, waiting))
    if factory := getattr(session.config, "_tmp_path_factory", None):
        factory.getbasetemp()  # each process would empty the folder of --basetemp
    _load_provider()
    ahead = _Ahead(session, waiting, shares)
    session.config.pluginmanager.register(ahead)
    try:
        yield
    finally:
        session.config.pluginmanager.unregister(ahead)
        ahead.close()


def _load_provider() -> None:
    """Load what each process needs for its fake provider, once for all of them."""
    importlib.import_module("tokentape_fake_provider.hosting.server")
    warm_up(simulated=False)


def _moved(items: Sequence[pytest.Item], waits: Waits) -> tuple[dict[pytest.Item, float], list[list[pytest.Item]]]:
    """The tests that wait with their seconds, and those that don't for each processor but the one of this process."""
    found = {item: seconds for item in items if (seconds := waits(item)) is not None}
    waiting = {item: seconds for item, seconds in found.items() if seconds}
    if sum(waiting.values()) < _WORTH_S or len(waiting) < 2:
        waiting = {}
    busy = [item for item, seconds in found.items() if not seconds]
    count = min(_processors(), len(busy) // _WORTH_TESTS)
    return waiting, [busy[number::count] for number in range(1, count)]


def _processors() -> int:
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else 1


def _can_fork(config: pytest.Config) -> bool:
    if hasattr(config, "workerinput") or config.getoption("usepdb", False):
        return False
    return sys.platform == "linux" and threading.active_count() == 1 == len(list(_TASKS.iterdir()))


def _order(items: Sequence[pytest.Item], waiting: Mapping[pytest.Item, float]) -> Callable[[pytest.Item], Any]:
    """A key that puts what waits behind the other cells of its test, whose processor time it overlaps."""
    last = {_test(item): number for number, item in enumerate(items)}
    places = {item: number for number, item in enumerate(items)}
    return lambda item: (last[_test(item)], 1, places[item]) if item in waiting else (places[item], 0, 0)


def _test(item: pytest.Item) -> str:
    return item.nodeid.partition("[")[0]


class _Ahead:
    """A plugin of the run: the first cell of a test starts those that others run; their reports come in their turn."""

    def __init__(
        self, session: pytest.Session, waiting: Mapping[pytest.Item, float], busy: Sequence[Sequence[pytest.Item]]
    ) -> None:
        self._config = session.config
        self._shares: dict[str, list[list[int]]] = {}
        self._owner: dict[pytest.Item, tuple[int, _Process]] = {}
        self._processes: list[_Process] = []
        silent = list(waiting)
        count = min(PROCESSES, len(silent))
        groups = [silent[number::count] for number in range(count)] + [list(share) for share in busy]
        items = [item for group in groups for item in group]
        numbers = {item: number for number, item in enumerate(items)}
        # Those that wait start one after the other, so that the clients don't all need the processors at once.
        steps = max(waiting.values(), default=0.0) / max(count, 1)
        for place, group in enumerate(groups):
            process = _Process(session.config, items, place * steps if place < count else 0.0, self._processes)
            self._processes.append(process)
            for item in group:
                self._shares.setdefault(_test(item), [[] for _ in groups])[place].append(numbers[item])
                self._owner[item] = numbers[item], process

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item, nextitem: pytest.Item | None) -> bool | None:
        """Report what another process found. A test that failed there outside of its call runs here again."""
        for process, share in zip(self._processes, self._shares.pop(_test(item), ()), strict=False):
            process.start(share)
        number, owner = self._owner.get(item, (0, None))
        found = [] if owner is None else owner.reports(number)
        reports = [self._config.hook.pytest_report_from_serializable(config=self._config, data=data) for data in found]
        if not {"setup", "call", "teardown"} <= {report.when for report in reports if _holds(report)}:
            return None
        item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
        for report in reports:
            item.ihook.pytest_runtest_logreport(report=report)
        item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
        item.session._setupstate.teardown_exact(nextitem)
        return True

    def close(self) -> None:
        """End the processes."""
        for process in self._processes:
            process.end()


def _holds(report: pytest.TestReport) -> bool:
    return report.when == "call" or report.passed


class _Process:
    """A forked process that runs tests by their numbers, and answers with their reports."""

    def __init__(
        self, config: pytest.Config, items: Sequence[pytest.Item], delay_s: float, others: Sequence[_Process]
    ) -> None:
        here, there = socket.socketpair()
        self._pid = os.fork()
        if not self._pid:
            with suppress(BaseException):
                here.close()
                for other in others:
                    other.close()
                _serve(config, items, delay_s, there)
            _exit()
        there.close()
        self._connection, self._lines = here, here.makefile("rb")
        self._found: dict[int, list[dict[str, Any]]] = {}

    def start(self, numbers: Sequence[int]) -> None:
        """Let it run these tests, after those that it was given before."""
        with suppress(OSError):
            self._connection.sendall(json.dumps(numbers).encode() + b"\n")

    def reports(self, number: int) -> list[dict[str, Any]]:
        """Wait for the reports of a test; none if the process has ended."""
        while number not in self._found and (line := self._lines.readline()):
            done, reports = json.loads(line)
            self._found[done] = reports
        return self._found.pop(number, [])

    def close(self) -> None:
        """Close the connection to it."""
        self._lines.close()
        self._connection.close()

    def end(self) -> None:
        """End it, also while it runs a test."""
        self.close()
        os.kill(self._pid, signal.SIGTERM)
        os.waitpid(self._pid, 0)


def _serve(config: pytest.Config, items: Sequence[pytest.Item], delay_s: float, connection: socket.socket) -> None:
    """Run tests in this process, until the connection ends."""
    plugins = config.pluginmanager
    plugins.unregister(name="terminalreporter")
    capture: Any = plugins.get_plugin("capturemanager")
    if capture is not None:
        # The files of the first process have one position for both.
        capture.stop_global_capturing()
        capture.start_global_capturing()
    reports: list[dict[str, Any]] = []
    plugins.register(_Reports(config, reports))
    with connection.makefile("rwb") as lines:
        for line in lines:
            numbers = json.loads(line)
            time.sleep(delay_s)
            for number, following in zip(numbers, [*numbers[1:], None], strict=True):
                item, nextitem = items[number], None if following is None else items[following]
                reports.clear()
                item.ihook.pytest_runtest_protocol(item=item, nextitem=nextitem)
                lines.write(json.dumps([number, reports]).encode() + b"\n")
                lines.flush()


class _Reports:
    """A plugin that keeps the reports of a process."""

    def __init__(self, config: pytest.Config, reports: list[dict[str, Any]]) -> None:
        self._config, self._reports = config, reports

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Keep a report."""
        self._reports.append(self._config.hook.pytest_report_to_serializable(config=self._config, report=report))


def _exit() -> NoReturn:
    """End at once: what the first process does at its exit is not for this one."""
    os._exit(0)
