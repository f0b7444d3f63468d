"""Client assertions: what a client did, judged by the journal's entries.

A failed one raises `AssertionError`, which lists the requests. Times are in ms.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import suppress
from typing import Any, Final, NamedTuple

from tokentape_fake_provider.event_loops.futures import running_loop
from tokentape_fake_provider.playback.journal import Entry, Journal
from tokentape_fake_provider.verdict.attempts import Repeat, repeats_of
from tokentape_fake_provider.verdict.finding import Kind, Verdict
from tokentape_fake_provider.verdict.judge import judge
from tokentape_fake_provider.verdict.observed import ObservedRequest
from tokentape_fake_provider.verdict.settings import VerdictSettings
from tokentape_harness.testing.verdicts.text import verdict_lines

# A client that waits as long as a header requires may wake a little early by its own clock.
_EARLY_MS: Final = 2.0
_SHOWN: Final = 12

TIMEOUT_S: Final = 10.0
"""The longest time that an assertion waits for a request to end."""


class Retry(NamedTuple):
    """A retry: the failed request, the same request again, and the time between them."""

    failed: Entry
    again: Entry
    waited_ms: float


class ClientBehaviour:
    """Assertions about the client that sent these requests, or the requests of a journal so far.

    The server notices a little later that a client has closed its connection. So each assertion waits, at most
    `timeout` s, until the requests that it judges have ended. It blocks its thread: a coroutine must first `await` the
    journal's `wait_async`.
    """

    def __init__(
        self,
        requests: Journal | Sequence[Entry],
        settings: VerdictSettings | None = None,
        now_ms: Callable[[], float] | None = None,
    ) -> None:
        self._requests = requests
        self._settings = settings or VerdictSettings()
        self._now_ms = now_ms

    @property
    def entries(self) -> Sequence[Entry]:
        """The requests so far."""
        return self._requests.entries if isinstance(self._requests, Journal) else self._requests

    @property
    def retries(self) -> Sequence[Retry]:
        """Each request that was sent again after it had failed, in order."""
        return [Retry(one.before.entry, one.again.entry, one.waited_ms) for one in self._repeats() if one.before.failed]

    @property
    def duplicates(self) -> Sequence[tuple[Entry, Entry]]:
        """Each request that was sent again although it had not failed, after the first one."""
        return [(one.before.entry, one.again.entry) for one in self._repeats() if not one.before.failed]

    def verdict(
        self,
        *,
        accepted: bool | None = None,
        cancelled_at: float | None = None,
        allow: Collection[Kind] | None = None,
        timeout: float = TIMEOUT_S,
        **settings: Any,
    ) -> Verdict:
        """Judge how resilient the client is, once it has sent all that it sends; docs/verdict.md lists the findings.

        `accepted` reports whether the app took its result as complete (`False`: it reported an error), and
        `cancelled_at`, a unix time in s, when the test cancelled it; a journal can't show them. `allow` has kinds of
        findings to leave out. The other settings are those of `VerdictSettings`. Raises `msgspec.ValidationError`.
        """
        self._wait(lambda: all(entry.outcome != "pending" for entry in self.entries), timeout)
        if allow is not None:
            settings["allow"] = allow
        now_ms = None if self._now_ms is None else self._now_ms()
        limits = self._settings.changed(**settings)
        return judge(self.entries, limits, accepted=accepted, cancelled_at=cancelled_at, now_ms=now_ms)

    def assert_resilient(
        self,
        *,
        accepted: bool | None = None,
        cancelled_at: float | None = None,
        allow: Collection[Kind] | None = None,
        timeout: float = TIMEOUT_S,
        **settings: Any,
    ) -> None:
        """The verdict has no findings; the parameters are those of `verdict`."""
        verdict = self.verdict(accepted=accepted, cancelled_at=cancelled_at, allow=allow, timeout=timeout, **settings)
        if not verdict.ok:
            self._fail("\n".join(verdict_lines(verdict)))

    def assert_retried(
        self, times: int | None = None, *, respecting_retry_after: bool = True, timeout: float = TIMEOUT_S
    ) -> None:
        """The client retried after a failure: `times` times, or at least once.

        With `respecting_retry_after` it waited each time as long as the failed response required, by the session's
        clock or the machine's, whichever went further.
        """
        self._wait_for_pairs(timeout)
        retries = self.retries
        if times is None and not retries:
            self._fail("it never retried after a failure")
        if times is not None and len(retries) != times:
            self._fail(f"retries after a failure: {len(retries)}, not {times}")
        for failed, again, waited in retries if respecting_retry_after else ():
            required = failed.retry_after
            if required is not None and waited + _EARLY_MS < required * 1000:
                self._fail(
                    f"request {again.number} came {waited:.0f} ms after request {failed.number} was refused with a "
                    f"retry-after of {required * 1000:g} ms"
                )

    def assert_not_retried(self, *, timeout: float = TIMEOUT_S) -> None:
        """The client sent no failed request again."""
        self._wait_for_pairs(timeout)
        if retries := self.retries:
            numbers = ", ".join(str(retry.again.number) for retry in retries)
            self._fail(f"it retried after a failure: request {numbers}")

    def assert_no_duplicates(self, *, timeout: float = TIMEOUT_S) -> None:
        """The client sent no request again that had not failed, and would be paid for twice."""
        self._wait_for_pairs(timeout)
        if duplicates := self.duplicates:
            first, second = duplicates[0]
            self._fail(
                f"request {second.number} repeats request {first.number}, which had not failed "
                f"({_state(first, second)})"
            )

    def assert_left(
        self, *, after_frames: int, within_frames: int = 1, number: int = -1, timeout: float = TIMEOUT_S
    ) -> None:
        """The client closed its connection after this number of frames: at most `within_frames` more were sent.

        `number` is the index of the request, by default the last.
        """
        entry = self._left(number, timeout)
        late = entry.frames_sent - after_frames
        if late > within_frames:
            self._fail(
                f"request {entry.number}: {late} frames were sent after the client had received {after_frames}, and "
                f"not at most {within_frames}, before its connection was closed"
            )

    def assert_timed_out(
        self, *, at_least_ms: float, at_most_ms: float, number: int = -1, timeout: float = TIMEOUT_S
    ) -> None:
        """The client closed its connection when nothing had arrived for a time within these limits."""
        entry = self._left(number, timeout)
        idle = idle_ms(entry)
        if not at_least_ms <= idle <= at_most_ms:
            self._fail(
                f"it closed request {entry.number} after {idle:.0f} ms without data, and not after "
                f"{at_least_ms:g} to {at_most_ms:g} ms"
            )

    def assert_held_back(self, *, most_bytes: int, number: int = -1) -> None:
        """The client does not read, which has stopped the server after at most `most_bytes` bytes.

        This judges a request that has not ended, and does not wait.
        """
        entry = self._entry(number)
        if entry.outcome == "complete" or entry.frames_sent >= entry.frames_planned:
            self._fail(f"it read the whole response to request {entry.number}")
        if entry.bytes_sent > most_bytes:
            self._fail(
                f"request {entry.number}: {entry.bytes_sent} bytes were sent to a client that does not read, and not "
                f"at most {most_bytes}"
            )

    def _repeats(self) -> list[Repeat]:
        """Each request that was sent before, after the one that it repeats."""
        return repeats_of([ObservedRequest(entry) for entry in self.entries])

    def _left(self, number: int, timeout: float) -> Entry:
        """The request of this number, whose connection the client has closed."""
        entry = self._entry(number)
        if not self._wait(lambda: entry.outcome != "pending", timeout):
            problem = f"it did not close request {entry.number} within {timeout:g} s: it has not ended"
            if running_loop() is not None:
                problem += "; this wait blocked the event loop: first await the journal's wait_async()"
            self._fail(problem)
        if entry.outcome != "client_left":
            self._fail(f"it did not close request {entry.number}, which ended {entry.outcome}")
        return entry

    def _wait_for_pairs(self, timeout: float) -> None:
        """Wait until each request that was sent again has ended: until then it is unknown whether it failed."""
        self._wait(lambda: all(one.before.entry.outcome != "pending" for one in self._repeats()), timeout)

    def _wait(self, until: Callable[[], bool], timeout: float) -> bool:
        if isinstance(self._requests, Journal):
            with suppress(TimeoutError):
                self._requests.wait(lambda _: until(), timeout)
        return until()

    def _entry(self, number: int) -> Entry:
        if not -len(self.entries) <= number < len(self.entries):
            self._fail(f"there is no request {number}")
        return self.entries[number]

    def _fail(self, problem: str) -> None:
        raise AssertionError("\n".join((f"the client: {problem}", *self._lines())))

    def _lines(self) -> Iterator[str]:
        if not self.entries:
            yield "  no requests"
        for entry in self.entries[:_SHOWN]:
            yield f"  {describe(entry, self.entries[0].arrived)}"
        if len(self.entries) > _SHOWN:
            yield f"  and {len(self.entries) - _SHOWN} more"


def idle_ms(entry: Entry) -> float:
    """How long before the end of the response its last frame was sent."""
    last = entry.left[-1] if entry.left else entry.started or 0.0
    return (entry.ended or last) - last


def describe(entry: Entry, since: float = 0.0) -> str:
    """A request in one line, with its arrival in ms after `since`, a time of the session's clock."""
    parts = [
        f"request {entry.number} at {entry.arrived - since:.0f} ms: {entry.method} {entry.path}",
        f"{entry.status}",
    ]
    if entry.retry_after is not None:
        parts.append(f"retry after {entry.retry_after:g} s")
    if entry.faults:
        parts.append(f"faults {' '.join(entry.faults)}")
    parts.append(f"{entry.outcome}, {entry.frames_sent} of {entry.frames_planned} frames")
    if entry.outcome == "client_left" and entry.note:
        parts.append(entry.note)
    return ", ".join(parts)


def _state(first: Entry, second: Entry) -> str:
    if first.ended is None or second.arrived < first.arrived + first.ended:
        return "its response had not ended"
    return f"its response: {first.status}, {first.outcome}"
