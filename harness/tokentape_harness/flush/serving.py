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

# What an app that runs already is configured with: that of `tokentape serve`.
KNOWN_PORT: Final = 8089
_LOOK_S: Final = 0.05
# Between two readers that are tried while the app starts.
_AGAIN_S: Final = 0.25
# How long the first reader is given to get its answer, which nobody looks at.
_ANSWER_S: Final = 2.0
# A reader that fails so will fail again, however long the app has had to start.
_BUG: Final = re.compile(r"\b(NameError|TypeError|AttributeError|ImportError|ModuleNotFoundError|SyntaxError)\b")
# Ends a group of processes once its standard input closes, which it does however this process ends.
_GUARD: Final = "read _; kill -TERM -- -$0; sleep 2; kill -KILL -- -$0"


@contextmanager
def serving(command: Sequence[str], bench: Bench, seconds: float) -> Iterator[None]:
    """Run a command, if there is one, from when it serves the target of `bench`: it gets the SDKs' variables.

    A URL is served when it accepts connections, and a reader when it brings the app to ask the provider; `seconds` is
    how long that may take. The command is killed in the end, whatever becomes of this process. Raises `FlushError`.
    """
    if not command:
        yield
        return
    process = start_command(CommandTarget(tuple(command)), subprocess.DEVNULL, sdk_environment(bench.provider.url))
    lines = LastLines(process)
    guard = _guard(process)

    def check_alive() -> None:
        if process.poll() is not None:
            raise FlushError(f"the command ended with exit code {process.returncode}{lines.said()}")

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
        if guard is not None:
            guard.kill()
            guard.communicate()
        lines.close()


def _guard(process: subprocess.Popen[bytes]) -> subprocess.Popen[bytes] | None:
    """A process that outlives this one and then ends the command; `None` where there are no groups of processes."""
    if os.name != "posix":
        return None
    return subprocess.Popen(  # noqa: S603 - of numbers only
        ("/bin/sh", "-c", _GUARD, str(process.pid)),
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


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
    """Have the reader ask, again and again while the app starts. What it then shows is not judged here."""
    provider, until = bench.provider, time.monotonic() + seconds
    before = provider.journal.forgotten + len(provider.requests)

    def asked() -> bool:
        return provider.journal.forgotten + len(provider.requests) > before

    how = "it did not end"
    while True:
        with (
            bench.answering(rule_of(MarkerTokens("q", 1, ())), Instant()),
            bench.reading(MarkerTokens("q", 1, ())) as run,
        ):
            far = run.output
            while not far.wait(lambda far: far.end is not None, _LOOK_S) and not asked():
                check_alive()
                if time.monotonic() > until:
                    break
            if asked():
                far.wait(lambda far: far.end is not None, _ANSWER_S)
            ending = far.end
        if asked() or (ending is not None and ending.kind == "clean" and far.body):
            return
        check_alive()
        if ending is not None:
            how = ending.note or "it ended without output"
        if time.monotonic() > until or _BUG.search(how):
            raise FlushError(f"{bench.target} got no answer within {seconds:g} s of the command's start: {how}")
        time.sleep(_AGAIN_S)
