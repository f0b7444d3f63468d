"""The log of serve: requests that have ended, written by a thread that a slow terminal may stop."""

from __future__ import annotations

import os
import queue
import sys
import threading
from collections.abc import Callable, Iterable
from functools import cache, lru_cache, partial
from typing import TYPE_CHECKING, Final

from tokentape_fake_provider.playback.journal import Entry
from tokentape_harness.cli.request_line import json_line, request_line

if TYPE_CHECKING:
    from tokentape_harness.redaction import RedactionRules

# A shorter token is a word or a part of one.
_SHORTEST_SECRET: Final = 4
# The most requests that wait to be written.
_WAITING: Final = 2_000
# Waking this thread for each request would take as long as to format the line.
_PAUSE_S: Final = 0.05
_CLOSE_S: Final = 1.0


class RequestLog:
    """Called with each request that has ended; never waits for the file descriptor that it writes to.

    `line` formats an entry. Requests that find too many others waiting are only counted; `not_shown` is the line with
    their number. Nothing more is written once writing failed. The thread starts with the first request, so that
    workers can be forked before. `close` writes what waits, for a limited time.
    """

    def __init__(self, descriptor: int, line: Callable[[Entry], str], not_shown: str = '{{"not_shown": {}}}') -> None:
        self._descriptor = descriptor
        self._line = line
        self._not_shown = not_shown
        self._waiting: queue.SimpleQueue[Entry | None] = queue.SimpleQueue()
        self._dropped = 0
        self._closing = threading.Event()
        self._thread: threading.Thread | None = None

    def __call__(self, entry: Entry) -> None:
        """Log a request; in the thread of the server's event loop."""
        if self._waiting.qsize() >= _WAITING:
            self._dropped += 1
            return
        self._waiting.put(entry)
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="tokentape-request-log", daemon=True)
            self._thread.start()

    def __enter__(self) -> RequestLog:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Write what waits."""
        if self._thread is not None:
            self._closing.set()
            self._waiting.put(None)
            self._thread.join(_CLOSE_S)

    def _run(self) -> None:
        try:
            while (entry := self._waiting.get()) is not None:
                lines = [self._line(entry)]
                while not self._waiting.empty() and len(lines) < _WAITING:
                    entry = self._waiting.get()
                    if entry is None:
                        self._waiting.put(None)
                        break
                    lines.append(self._line(entry))
                if self._dropped:
                    lines.append(self._not_shown.format(self._dropped))
                    self._dropped = 0
                self._write("".join(f"{line}\n" for line in lines).encode("utf-8", "backslashreplace"))
                self._closing.wait(_PAUSE_S)
        except OSError:
            # The terminal is gone. Whoever asks is still served, and what waits is not kept.
            while self._waiting.get() is not None:
                pass

    def _write(self, data: bytes) -> None:
        """Write without the lock of `sys.stdout`, which a blocked write would hold at the exit of the interpreter."""
        while data:
            data = data[os.write(self._descriptor, data) :]


def request_log(*, json_lines: bool, secrets: Iterable[str] = ()) -> RequestLog:
    """The log on stdout, in colours if that is a terminal and NO_COLOR is not set; `secrets` are in no line."""
    sys.stdout.flush()
    descriptor = sys.stdout.fileno()
    redact = without_secrets([secret for secret in secrets if len(secret) >= _SHORTEST_SECRET])
    if json_lines:
        return RequestLog(descriptor, partial(json_line, redact=redact))
    colours = os.isatty(descriptor) and not os.environ.get("NO_COLOR")
    line = partial(request_line, colours=colours, redact=redact)
    return RequestLog(descriptor, line, "          ({} requests are not shown: the terminal was too slow)")


def without_secrets(secrets: Iterable[str]) -> Callable[[str], str]:
    """A function that removes these secrets, and those that are known by name or form, from a text."""

    @cache
    def rules() -> RedactionRules:
        from tokentape_harness.redaction import DEFAULT_RULES

        return DEFAULT_RULES.adding(secrets=secrets)

    @lru_cache(maxsize=512)  # paths and models repeat
    def redacted(text: str) -> str:
        from tokentape_harness.redaction import redact_text

        return redact_text(text, rules())

    return redacted
