"""Recordings that are killed: a process that forks one for each line of its input, ready to record at once.

`python -m bench.victims` takes `Order`s as lines of JSON. It answers each with `{"pid": ...}` when the victim is
there, and with `{"status": ...}` when it is gone; a victim that was not killed reports `{"calls": ...}` before.
"""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any, Literal

import httpx2
import msgspec

from tokentape_harness import read_cassette, use_cassette
from tokentape_harness.recording import persister as store
from tokentape_harness.recording.proxy import RecordingProxy, upstreams_of

Kind = Literal["in process", "proxy"]
_QUESTIONS = 2
_SYSTEM = {"posix", "io", "_io"}


class Order(msgspec.Struct):
    """Record into `folder` from the provider at `url`, asking what names `number`.

    With `rounds` it ends by itself after so many. With `counted` steps are counted: into and out of every function,
    or into and out of the system while a file is written. With `kill_at` it kills itself at that step.
    """

    kind: Kind
    folder: str
    url: str
    number: int
    rounds: int | None = None
    counted: Literal["saving", "all"] | None = None
    kill_at: int | None = None


class Calls:
    """Counts the steps into and out of functions, and kills the process at one of them."""

    def __init__(self, kill_at: int | None) -> None:
        self.count = 0
        self._kill_at = kill_at

    def watch_all(self) -> None:
        """Begin, in this thread and in those that are started from now on."""
        threading.setprofile(self._hear)
        sys.setprofile(self._hear)

    def watch_saving(self) -> None:
        """Count while a cassette's file is written."""
        write = vars(store)["write_atomically"]

        def watched(path: Path, data: bytes) -> None:
            sys.setprofile(self._hear_system)
            try:
                write(path, data)
            finally:
                sys.setprofile(None)

        vars(store)["write_atomically"] = watched

    def _hear_system(self, frame: FrameType, event: str, called: Any) -> None:
        if event.startswith("c_") and {called.__module__, type(called.__self__).__module__} & _SYSTEM:
            self._hear(frame, event, called)

    def _hear(self, _frame: FrameType, _event: str, _called: Any) -> None:
        if self.count == self._kill_at:
            os.kill(os.getpid(), signal.SIGKILL)
        self.count += 1


def record(order: Order) -> None:
    """Record until the rounds are over, or for ever."""
    rounds = itertools.count() if order.rounds is None else range(order.rounds)
    match order.kind:
        case "in process":
            for number in rounds:
                path = Path(order.folder) / f"cassette-{number % 3}.yaml"
                with use_cassette(path, record_mode="new_episodes"), httpx2.Client() as client:
                    _ask(client, f"{order.url}/v1", f"{order.number}, {number}")
        case "proxy":
            upstreams = upstreams_of([f"openai={order.url}/v1"], {})
            with RecordingProxy(upstreams, Path(order.folder)) as proxy, httpx2.Client() as client:
                for number in rounds:
                    _ask(client, f"{proxy.url}/openai/v1", f"{order.number}, {number}")


def _ask(client: httpx2.Client, base_url: str, text: str) -> None:
    for question in range(_QUESTIONS):
        messages = [{"role": "user", "content": f"Question {text}, {question}?"}]
        body = {"model": "m", "stream": True, "messages": messages}
        with client.stream("POST", f"{base_url}/chat/completions", json=body) as response:
            for _ in response.iter_bytes():
                pass


def _victim(order: Order) -> None:
    calls = Calls(order.kill_at)
    match order.counted:
        case "saving":
            calls.watch_saving()
        case "all":
            calls.watch_all()
        case None:
            pass
    record(order)
    sys.setprofile(None)
    _report({"calls": calls.count})


def _warm_up() -> None:
    """Import what is imported when it is first needed, so that victims record from the first moment on."""
    answer = httpx2.Response(200, text="data: [DONE]\n\n")
    client = httpx2.Client(transport=httpx2.MockTransport(lambda _: answer))
    with tempfile.TemporaryDirectory() as folder, client, use_cassette(Path(folder, "warm.yaml")):
        client.post("http://provider.test/v1/chat/completions", json={"stream": True})
    with tempfile.TemporaryDirectory() as folder, RecordingProxy(upstreams_of([], {}), Path(folder)):
        pass
    assert threading.active_count() == 1, "a process with threads can't be forked safely"


def _report(facts: dict[str, int]) -> None:
    os.write(1, msgspec.json.encode(facts) + b"\n")


def main() -> None:
    """Fork a victim for each order."""
    _warm_up()
    for line in sys.stdin.buffer:
        order = msgspec.json.decode(line, type=Order)
        process = os.fork()
        if not process:
            code = 1
            try:
                _victim(order)
                code = 0
            finally:
                os._exit(code)
        _report({"pid": process})
        _report({"status": os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])})


class Victims:
    """The process that forks them."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process

    def run(self, order: Order, kill: Callable[[int], None] = lambda _: None) -> dict[str, int]:
        """Run one, and let `kill` do what it likes to its process id; what it reported, and its exit status."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(msgspec.json.encode(order) + b"\n")
        self._process.stdin.flush()
        facts: dict[str, int] = {}
        while "status" not in facts:
            line = self._process.stdout.readline()
            if not line:
                raise RuntimeError("the process that forks victims has ended")
            news = msgspec.json.decode(line, type=dict[str, int])
            facts |= news
            if "pid" in news:
                kill(news["pid"])
        return facts


@contextmanager
def victims() -> Iterator[Victims]:
    """Start the process that forks them."""
    command = [sys.executable, "-m", "bench.victims"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        try:
            yield Victims(process)
        finally:
            process.kill()


def left_in(folder: Path) -> tuple[dict[str, int], int]:
    """How many interactions each cassette has, and how many temporary files there are.

    Raises `CassetteError` for a cassette that can't be read, `ValueError` for one with half an interaction in it or
    for any other file.
    """
    interactions, temporary = {}, 0
    for path in sorted(folder.iterdir()):
        if path.suffix == ".yaml" and not path.name.startswith("."):
            cassette = read_cassette(path)
            for one in cassette:
                stream = one.response.stream
                if stream is None or stream.end != "complete" or not one.response.body.endswith(b"data: [DONE]\n\n"):
                    raise ValueError(f"{path}: not whole: {stream}")
            interactions[path.name] = len(cassette)
        elif path.suffix == ".tmp" and path.name.startswith("."):
            temporary += 1
        else:
            raise ValueError(f"{path}: what is this?")
    return interactions, temporary


if __name__ == "__main__":
    main()
