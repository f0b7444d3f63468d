"""Workers: several processes that answer on one port, forked from one that has loaded everything."""

from __future__ import annotations

import contextlib
import gc
import mmap
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Sequence
from typing import Final

from tokentape_fake_provider.config import ANSWERS, SUSPENDED, Worker
from tokentape_fake_provider.errors import listen_error
from tokentape_fake_provider.playback.metrics.numbers import shared_region
from tokentape_harness.cli.messages import print_error
from tokentape_harness.errors import UsageError

Work = Callable[[Worker, Callable[[], None]], None]
"""What a worker does: it calls the function once it answers, and returns at SIGTERM."""

_READY_S: Final = 60.0
# Waiting for a worker to die would not end at a signal to this process (PEP 475).
_POLL_S: Final = 0.2
_START_POLL_S: Final = 0.01
_AGAIN_S: Final = 2.0
_END_S: Final = 15.0
_HANDLED: Final = (signal.SIGINT, signal.SIGTERM)


def free_port(host: str, port: int) -> int:
    """The port, or a free one for 0. Raises `PortInUseError`, also if others would share it, and `UsageError`."""
    if not hasattr(os, "fork") or not hasattr(socket, "SO_REUSEPORT"):
        raise UsageError("--workers needs fork() and SO_REUSEPORT, which this system does not have")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise listen_error(error, host, port) from None
        found: int = probe.getsockname()[1]
        return found


def interrupt_at_eof(descriptor: int) -> None:
    """Send SIGTERM to this process when this file ends, as a pipe does with the last process that could write to it."""

    def read() -> None:
        with contextlib.suppress(OSError):  # it is closed, or its terminal is gone
            while os.read(descriptor, 65_536):
                pass
        signal.raise_signal(signal.SIGTERM)

    threading.Thread(target=read, daemon=True).start()


def run_workers(count: int, work: Work, ready: Callable[[], None]) -> None:
    """Run `count` workers until SIGINT or SIGTERM; call `ready` once all of them answer.

    A worker that dies is replaced. All end with this process, even if it is killed; a second signal kills them. Call
    it without other threads: workers are forks. Raises `UsageError` if a worker does not begin to answer.
    """
    gc.collect()
    gc.freeze()  # what is loaded stays one copy in memory
    stopped: list[int] = []
    previous = {number: signal.signal(number, lambda received, _: stopped.append(received)) for number in _HANDLED}
    workers = _Workers(count, work)
    try:
        workers.start_all(stopped)
        if not stopped:
            ready()
        again = dict.fromkeys(range(count), 0.0)
        while not stopped:
            for number in again.keys() - workers.running:
                if again[number] <= (now := time.monotonic()):
                    # One that ends at once, as without its store, is not started over and over.
                    again[number] = now + _AGAIN_S
                    workers.start(number)
            time.sleep(_POLL_S)
            if not stopped:  # else they may end by the same signal, as at a terminal's Ctrl-C
                workers.reap()
    finally:
        workers.end(stopped)
        for signal_number, handler in previous.items():
            signal.signal(signal_number, handler)


class _Workers:
    """The processes of the workers."""

    def __init__(self, count: int, work: Work) -> None:
        self._work = work
        self._answering = mmap.mmap(-1, count)  # a byte for each worker, in memory that all of them share
        regions = [shared_region() for _ in range(count)]
        self._workers = [Worker(number, count, lambda: self._answering[:], regions) for number in range(count)]
        self._numbers: dict[int, int] = {}
        # Nobody writes to it: a worker's end of it ends with this process.
        self._life, self._own_life = os.pipe()

    @property
    def running(self) -> set[int]:
        """The numbers of those that run."""
        return set(self._numbers.values())

    def start_all(self, stopped: Sequence[int]) -> None:
        """Start all of them; return when they answer, or at a signal. Raises `UsageError`."""
        if not all(self.start(worker.number) for worker in self._workers):
            raise UsageError(f"--workers {len(self._workers)} are more processes than the system allows")
        deadline = time.monotonic() + _READY_S
        while not stopped and not all(self._answering[:]):
            if self.reap(", before it answered"):
                raise UsageError("a worker did not begin to answer: see the messages before this")
            if time.monotonic() > deadline:
                raise UsageError(f"a worker did not begin to answer within {_READY_S:g} s")
            time.sleep(_START_POLL_S)

    def start(self, number: int) -> bool:
        """Fork a worker; return whether the system allowed it."""
        worker = self._workers[number]
        sys.stdout.flush()
        # A signal that comes before the worker has its own handlers would end in the copies of this process' handlers.
        signal.pthread_sigmask(signal.SIG_BLOCK, _HANDLED)
        try:
            process = os.fork()
        except OSError as error:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, _HANDLED)
            print_error(f"worker {number} can't start: {error.strerror}")
            return False
        if process:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, _HANDLED)
            self._numbers[process] = number
            self._workers[number] = worker._replace(life=worker.life + 1)
            return True
        code = 1
        try:
            os.close(self._own_life)
            for handled in _HANDLED:
                signal.signal(handled, signal.SIG_DFL)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, _HANDLED)
            interrupt_at_eof(self._life)
            self._work(worker, lambda: self._answering.__setitem__(number, ANSWERS))
            code = 0
        except BaseException as error:
            print_error(f"worker {number}: {type(error).__name__}: {error}")
        finally:
            os._exit(code)

    def reap(self, consequence: str = ": it is replaced") -> bool:
        """Report the workers that have ended; return whether there are any. Note which were stopped, or continue."""
        ended = False
        for process, number in list(self._numbers.items()):
            found, status = os.waitpid(process, os.WNOHANG | os.WUNTRACED | os.WCONTINUED)
            if found and (os.WIFSTOPPED(status) or os.WIFCONTINUED(status)):
                if self._answering[number]:
                    self._answering[number] = SUSPENDED if os.WIFSTOPPED(status) else ANSWERS
            elif found:
                ended = True
                del self._numbers[process]
                self._answering[number] = 0
                code = os.waitstatus_to_exitcode(status)
                how = f"signal {-code}" if code < 0 else f"exit code {code}"
                print_error(f"worker {number} (process {process}) ended with {how}{consequence}")
        return ended

    def end(self, signals: Sequence[int]) -> None:
        """End all of them by SIGTERM; at another signal to this process, or after 15 s, by SIGKILL."""
        received, deadline = len(signals), time.monotonic() + _END_S
        self._send(signal.SIGTERM)
        while self._numbers:
            for process in list(self._numbers):
                if os.waitpid(process, os.WNOHANG)[0]:
                    del self._numbers[process]
            if len(signals) > received or time.monotonic() > deadline:
                self._send(signal.SIGKILL)
            time.sleep(_START_POLL_S)
        os.close(self._life)
        os.close(self._own_life)

    def _send(self, number: signal.Signals) -> None:
        for process in self._numbers:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, number)
