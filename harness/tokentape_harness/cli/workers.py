"""Workers: several processes that answer on one port, forked from one that has loaded everything."""

from __future__ import annotations

import contextlib
import gc
import mmap
import os
import select
import signal
import socket
import sys
import time
from collections.abc import Callable
from typing import Final

from tokentape_fake_provider.config import Worker
from tokentape_fake_provider.errors import PortInUseError
from tokentape_fake_provider.metrics.numbers import shared_region
from tokentape_harness.cli.messages import print_error
from tokentape_harness.errors import UsageError

Work = Callable[[Worker, Callable[[], None]], None]
"""What a worker does: it calls the function once it answers, and returns at SIGTERM."""

_READY_S: Final = 60.0
# Waiting for a worker to die would not end at a signal to this process (PEP 475).
_POLL_S: Final = 0.2
_AGAIN_S: Final = 2.0
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
            raise PortInUseError(
                f"can't listen on {host}:{port}: {error.strerror}; use another port (0 finds a free one)"
            ) from None
        found: int = probe.getsockname()[1]
        return found


def run_workers(count: int, work: Work, ready: Callable[[], None]) -> None:
    """Run `count` workers until SIGINT or SIGTERM; call `ready` once all of them answer.

    A worker that dies is replaced. Call it without other threads: workers are forks. Raises `UsageError` if a worker
    does not begin to answer.
    """
    gc.collect()
    gc.freeze()  # what is loaded stays one copy in memory
    numbers: dict[int, int] = {}
    answering = mmap.mmap(-1, count)  # a byte for each worker, in memory that all of them share
    regions = [shared_region() for _ in range(count)]
    workers = [Worker(number, count, lambda: answering[:], regions) for number in range(count)]
    stopped: list[int] = []
    previous = {number: signal.signal(number, lambda received, _: stopped.append(received)) for number in _HANDLED}
    try:
        signals = [_start(worker, work, numbers, answering) for worker in workers]
        for answers in signals:
            _wait_until_ready(answers)
        ready()
        again = dict.fromkeys(range(count), 0.0)
        while not stopped:
            time.sleep(_POLL_S)
            number, now = _dead(numbers, answering), time.monotonic()
            if number is not None:
                # One that ends at once, as without its store, is not started over and over.
                again[number] = now + (_AGAIN_S if now < again[number] + _AGAIN_S else 0.0)
            for number in again.keys() - set(numbers.values()):
                if again[number] <= now and not stopped:
                    os.close(_start(workers[number], work, numbers, answering))
    finally:
        for process in numbers:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGTERM)
        for process in numbers:
            with contextlib.suppress(ChildProcessError):
                os.waitpid(process, 0)
        for signal_number, handler in previous.items():
            signal.signal(signal_number, handler)


def _start(worker: Worker, work: Work, numbers: dict[int, int], answering: mmap.mmap) -> int:
    """Fork a worker; return a file descriptor that has a byte once it answers."""
    reading, writing = os.pipe()
    sys.stdout.flush()
    # A signal that comes before the worker has its own handlers would end in the copies of this process' handlers.
    signal.pthread_sigmask(signal.SIG_BLOCK, _HANDLED)
    process = os.fork()
    if process:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _HANDLED)
        os.close(writing)
        numbers[process] = worker.number
        return reading
    code = 1

    def answers() -> None:
        answering[worker.number] = 1
        with contextlib.suppress(BrokenPipeError):  # nobody waits for a worker that replaces another
            os.write(writing, b"1")

    try:
        os.close(reading)
        for handled in _HANDLED:
            signal.signal(handled, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _HANDLED)
        work(worker, answers)
        code = 0
    except BaseException as error:
        print_error(f"worker {worker.number}: {type(error).__name__}: {error}")
    finally:
        os._exit(code)


def _wait_until_ready(reading: int) -> None:
    try:
        readable, _, _ = select.select([reading], [], [], _READY_S)
        if not readable or not os.read(reading, 1):
            raise UsageError(f"a worker did not begin to answer within {_READY_S:g} s: see the messages before this")
    finally:
        os.close(reading)


def _dead(numbers: dict[int, int], answering: mmap.mmap) -> int | None:
    """Note and return the number of a worker that has ended; `None` if all live, or none is left."""
    try:
        process, status = os.waitpid(-1, os.WNOHANG)
    except ChildProcessError:
        return None
    number = numbers.pop(process, None)
    if number is not None:
        answering[number] = 0
        code = os.waitstatus_to_exitcode(status)
        how = f"signal {-code}" if code < 0 else f"exit code {code}"
        print_error(f"worker {number} (process {process}) ended with {how}: it is replaced")
    return number
