"""Serving: a command that serves the app under test."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Final
from urllib.parse import urlsplit

from tokentape_fake_provider.timing import Instant
from tokentape_harness.errors import FlushError
from tokentape_harness.flush.bench import Bench, rule_of
from tokentape_harness.flush.marker_tokens import MarkerTokens
from tokentape_harness.flush.reading.command import LastLines, end_command, start_command
from tokentape_harness.flush.targets import CommandTarget, HttpTarget, WebSocketTarget
from tokentape_harness.testing.sdk_environment import sdk_environment

# The port of `tokentape serve`, for which an app that runs already is configured.
KNOWN_PORT: Final = 8089
_LOOK_S: Final = 0.05
# The time between two attempts to read while the app starts.
_AGAIN_S: Final = 0.25
# How long the first reader may take to get its answer, which is not judged.
_ANSWER_S: Final = 2.0
# Errors of a reader that do not go away while the app starts.
_BUG: Final = re.compile(r"\b(NameError|TypeError|AttributeError|ImportError|ModuleNotFoundError|SyntaxError)\b")
# Ends the group of processes that its standard input names once that closes, also because this process was killed.
_GUARD: Final = "read group || exit; read _; kill -s TERM -- -$group; sleep 2; kill -s KILL -- -$group"


@contextmanager
def serving(command: Sequence[str], bench: Bench, seconds: float) -> Iterator[None]:
    """Run a command, if there is one, with the SDKs' variables, and wait until it serves the target of `bench`.

    A URL is served once it accepts connections; an app that a reader reads, once it has sent a request to the provider.
    `seconds` is how long that may take. The command is ended also if this process is killed. Raises `FlushError`.
    """
    if not command:
        yield
        return
    guard = _guard()  # before the command, which it is to outlive
    try:
        process = start_command(CommandTarget(tuple(command)), subprocess.DEVNULL, sdk_environment(bench.provider.url))
    except FlushError:
        _end_guard(guard)
        raise
    if guard is not None and guard.stdin is not None:
        guard.stdin.write(b"%d\n" % process.pid)
    lines = LastLines(process)

    def check_alive() -> None:
        if process.poll() is not None:
            raise FlushError(f"the command ended with exit code {process.returncode}{lines.last()}")

    try:
        match bench.target:
            case HttpTarget(url=url) | WebSocketTarget(url=url):
                _wait_for_port(url, check_alive, seconds)
            case _:
                _wait_for_reader(bench, check_alive, seconds)
        try:
            yield
        except FlushError as error:
            if process.poll() is None:
                raise
            raise FlushError(f"{error}; the command has ended with exit code {process.returncode}") from None
    finally:
        end_command(process)
        _end_guard(guard)
        lines.close()


def _guard() -> subprocess.Popen[bytes] | None:
    """A process that ends the command after this one has ended; `None` on systems without process groups."""
    if os.name != "posix":
        return None
    return subprocess.Popen(  # noqa: S603 - always the same
        ("/bin/sh", "-c", _GUARD),
        bufsize=0,
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def _end_guard(guard: subprocess.Popen[bytes] | None) -> None:
    if guard is not None:
        guard.kill()
        guard.communicate()


def _wait_for_port(url: str, check_alive: Callable[[], None], seconds: float) -> None:
    parts = urlsplit(url)
    address = (parts.hostname or "", parts.port or (443 if parts.scheme in ("https", "wss") else 80))
    until = time.monotonic() + seconds
    while True:
        check_alive()
        try:
            socket.create_connection(address, timeout=1.0).close()
        except OSError:
            if time.monotonic() > until:
                raise FlushError(f"nothing listens on {address[0]}:{address[1]} within {seconds:g} s") from None
            time.sleep(_LOOK_S)
        else:
            return


def _wait_for_reader(bench: Bench, check_alive: Callable[[], None], seconds: float) -> None:
    """Run the reader again and again until the app has started; its output is not judged here."""
    provider, until = bench.provider, time.monotonic() + seconds
    before = provider.journal.forgotten + len(provider.requests)

    def requested() -> bool:
        return provider.journal.forgotten + len(provider.requests) > before

    how = "it did not end"
    while True:
        with (
            bench.answering(rule_of(MarkerTokens("q", 1, ())), Instant()),
            bench.reading(MarkerTokens("q", 1, ())) as run,
        ):
            output = run.output
            while not output.wait(lambda output: output.end is not None, _LOOK_S) and not requested():
                check_alive()
                if time.monotonic() > until:
                    break
            if requested():
                output.wait(lambda output: output.end is not None, _ANSWER_S)
            end = output.end
        if requested() or (end is not None and end.kind == "clean" and output.body):
            return
        check_alive()
        if end is not None:
            how = end.note or "it ended without output"
        if time.monotonic() > until or _BUG.search(how):
            raise FlushError(f"{bench.target} got no answer within {seconds:g} s after the command's start: {how}")
        time.sleep(_AGAIN_S)
