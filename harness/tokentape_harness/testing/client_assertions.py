"""Client behaviour: what a client did, read from the journal, as assertions.

Journal entries in, `AssertionError` out, which lists the requests that it is about. Times are in ms.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from typing import Final, NamedTuple

from tokentape_fake_provider.event_loops.futures import running_loop
from tokentape_fake_provider.faults import parse_fault
from tokentape_fake_provider.playback.journal import Entry, Journal

# A client that waits for the ms that a header says may wake a little early by its own clock.
_EARLY_MS: Final = 2.0
_SHOWN: Final = 12

TIMEOUT_S: Final = 10.0
"""How long an assertion waits, at most, for a request to be over."""


class Retry(NamedTuple):
    """A request that was made again: what failed before it, and how long after that it came."""

    failed: Entry
    again: Entry
    waited_ms: float


class ClientBehaviour:
    """What the client of these requests did: those of a journal at any time, or just these.

    A client has closed its connection a little before the server knows. So each assertion waits until the requests that
    it judges are over, at most `timeout` s; it blocks its thread, so that coroutines first `await` the journal's
    `wait_async`.
    """

    def __init__(self, requests: Journal | Sequence[Entry]) -> None:
        self._requests = requests

    @property
    def entries(self) -> Sequence[Entry]:
        """The requests so far."""
        return self._requests.entries if isinstance(self._requests, Journal) else self._requests

    @property
    def retries(self) -> Sequence[Retry]:
        """Each request that was made again after it had failed, in order."""
        return [Retry(before, entry, _waited(before, entry)) for before, entry in self._pairs() if _failed(before)]

    @property
    def duplicates(self) -> Sequence[tuple[Entry, Entry]]:
        """Each request that was made twice though it had not failed, with what came first."""
        return [(before, entry) for before, entry in self._pairs() if not _failed(before)]

    def assert_retried(
        self, times: int | None = None, *, respecting_retry_after: bool = True, timeout: float = TIMEOUT_S
    ) -> None:
        """The client asked again after a failure: so many times, or at least once.

        With `respecting_retry_after` never before the time that the failed response named, by the session's clock or
        the machine's, whichever went further.
        """
        self._wait_for_pairs(timeout)
        retries = self.retries
        if times is None and not retries:
            self._fail("it never asked again after a failure")
        if times is not None and len(retries) != times:
            self._fail(f"requests that it made again after a failure: {len(retries)}, and not {times}")
        for failed, again, waited in retries if respecting_retry_after else ():
            asked = failed.retry_after
            if asked is not None and waited + _EARLY_MS < asked * 1000:
                self._fail(
                    f"request {again.number} came {waited:.0f} ms after request {failed.number} was refused, which "
                    f"said to wait {asked * 1000:g} ms"
                )

    def assert_not_retried(self, *, timeout: float = TIMEOUT_S) -> None:
        """The client made no request again that had failed."""
        self._wait_for_pairs(timeout)
        if retries := self.retries:
            numbers = ", ".join(str(retry.again.number) for retry in retries)
            self._fail(f"it asked again after a failure: request {numbers}")

    def assert_no_duplicates(self, *, timeout: float = TIMEOUT_S) -> None:
        """The client made no request twice that had not failed: each would be paid for twice."""
        self._wait_for_pairs(timeout)
        if duplicates := self.duplicates:
            first, second = duplicates[0]
            self._fail(
                f"request {second.number} is request {first.number} once more, which had not failed "
                f"({_state(first, second)})"
            )

    def assert_left(
        self, *, after_frames: int, within_frames: int = 1, number: int = -1, timeout: float = TIMEOUT_S
    ) -> None:
        """The client closed its connection when it had got so many frames: at most `within_frames` left after them.

        `number` is which of the requests, the last one if not given.
        """
        entry = self._left(number, timeout)
        late = entry.frames_sent - after_frames
        if late > within_frames:
            self._fail(
                f"request {entry.number}: {late} frames left after the client had got {after_frames}, and not at most "
                f"{within_frames}, before its connection was closed"
            )

    def assert_timed_out(
        self, *, at_least_ms: float, at_most_ms: float, number: int = -1, timeout: float = TIMEOUT_S
    ) -> None:
        """The client closed its connection after nothing had come for that long."""
        entry = self._left(number, timeout)
        idle = idle_ms(entry)
        if not at_least_ms <= idle <= at_most_ms:
            self._fail(
                f"request {entry.number} was left after {idle:.0f} ms in which nothing came, and not after "
                f"{at_least_ms:g} to {at_most_ms:g} ms"
            )

    def assert_held_back(self, *, most_bytes: int, number: int = -1) -> None:
        """The client did not read, and that stopped the server, with at most so many bytes on their way.

        That is so while the request is under way: this waits for nothing.
        """
        entry = self._entry(number)
        if entry.outcome == "complete" or entry.frames_sent >= entry.frames_planned:
            self._fail(f"request {entry.number} was sent to its end: the client took all of it")
        if entry.bytes_sent > most_bytes:
            self._fail(
                f"request {entry.number}: {entry.bytes_sent} bytes left for a client that does not read, and not at "
                f"most {most_bytes}"
            )

    def _pairs(self) -> Iterator[tuple[Entry, Entry]]:
        """Each request that was made before, with the last one that was the same."""
        seen: dict[tuple[str, str, bytes], Entry] = {}
        for entry in self.entries:
            key = (entry.method, entry.path, entry.raw_body)
            if key in seen:
                yield seen[key], entry
            seen[key] = entry

    def _left(self, number: int, timeout: float) -> Entry:
        """The request of this number, which the client left."""
        entry = self._entry(number)
        if not self._wait(lambda: entry.outcome != "pending", timeout):
            told = f"request {entry.number} was not left by the client within {timeout:g} s: it is still under way"
            if running_loop() is not None:
                told += "; this event loop stood still meanwhile: first await the journal's wait_async()"
            self._fail(told)
        if entry.outcome != "client_left":
            self._fail(f"request {entry.number} was not left by the client: it ended {entry.outcome}")
        return entry

    def _wait_for_pairs(self, timeout: float) -> None:
        """Wait until each request that was made again is over: only then it is known whether it had failed."""
        self._wait(lambda: all(before.outcome != "pending" for before, _ in self._pairs()), timeout)

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
    """For how long nothing had left when the response ended."""
    last = entry.left[-1] if entry.left else entry.started or 0.0
    return (entry.ended or last) - last


def describe(entry: Entry, since: float = 0.0) -> str:
    """A request in one line; it says when it arrived since a time in ms of the session's clock."""
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


def _failed(entry: Entry) -> bool:
    """Whether a client had reason to ask again."""
    return (
        (entry.status or 0) >= 400
        or entry.outcome in ("dropped", "reset", "server_stopped")
        # Some clients close as soon as they have the terminal event.
        or (entry.outcome == "client_left" and entry.frames_sent < entry.frames_planned)
        or any(parse_fault(fault).breaks for fault in entry.faults)
    )


def _waited(before: Entry, after: Entry) -> float:
    """How long the client waited since it was answered."""
    answered = before.started if before.started is not None else before.ended or 0.0
    return max(after.arrived - before.arrived, (after.time - before.time) * 1000) - answered


def _state(first: Entry, second: Entry) -> str:
    if first.ended is None or second.arrived < first.arrived + first.ended:
        return "it was still being answered"
    return f"it was answered {first.status}, {first.outcome}"
