"""A reader that does not read: it stops its own stream, and no other."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager

import httpx2
import pytest

from tokentape_fake_provider.hosting.server import FakeProviderServer
from tokentape_fake_provider.playback.journal import Entry
from tokentape_fake_provider.sessions.session import Session
from tokentape_fake_provider.tape import Frame, Tape
from tokentape_fake_provider.timing import Recorded
from tokentape_fake_provider.timing.clock import ControlledClock

REQUEST = {"model": "m", "stream": True, "messages": [{"role": "user", "content": "x"}]}
SSE = (("content-type", "text/event-stream"),)

FRAME = b"data: " + b"x" * 16_376 + b"\n\n"
FRAMES = 4000
# What the sockets' buffers of both ends take at most (Linux lets a sender's grow to some MB), and what one write has.
MOST_BYTES = 16_000_000


def large(*, apart: float) -> Tape:
    """65 MB in frames that are this many ms apart."""
    return Tape(tuple(Frame(number * apart, FRAME) for number in range(FRAMES)), 200, SSE, end_at=FRAMES)


@contextmanager
def reader(server: FakeProviderServer, session: Session) -> Iterator[socket.socket]:
    """A client with a small buffer that has asked, and reads nothing by itself."""
    body = b'{"model":"m","stream":true,"messages":[{"role":"user","content":"x"}]}'
    with closing(socket.socket()) as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16_384)
        client.connect((server.host, server.port))
        head = f"POST /s/{session.id}/v1/chat/completions HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n"
        client.sendall(f"{head}content-length: {len(body)}\r\n\r\n".encode() + body)
        yield client


def settled(entry: Entry, other: Callable[[], None]) -> int:
    """How many frames left when no more do, however often the server does something else."""
    sent = -1
    while sent != entry.frames_sent:
        sent = entry.frames_sent
        for _ in range(10):
            other()
    return sent


def read_all(client: socket.socket) -> int:
    """How many bytes come until the server closes."""
    count = 0
    while received := client.recv(1_048_576):
        count += len(received)
    return count


@pytest.mark.parametrize("all_due", [False, True], ids=["frame by frame", "all due at once"])
def test_a_reader_that_does_not_read_stops_the_writer(all_due: bool, http: httpx2.Client) -> None:
    """No more leaves than the sockets' buffers take, whatever is due; once it reads, all of it comes."""
    clock = ControlledClock(automatic=not all_due)
    with FakeProviderServer(clock=clock) as server:
        held, free = server.create_session(timing=Recorded()), server.create_session()
        held.push(large(apart=1))

        def ask() -> None:
            assert b"[DONE]" in http.post(f"{server.url}/s/{free.id}/v1/chat/completions", json=REQUEST).content

        with reader(server, held) as client:
            (entry,) = held.journal.wait(lambda entries: bool(entries))
            if all_due:
                clock.wait_for_deadline()
                clock.jump(ms=FRAMES)
            stopped = settled(entry, ask)
            assert 0 < stopped * len(FRAME) < MOST_BYTES
            assert entry.outcome == "pending"
            assert read_all(client) > FRAMES * len(FRAME)
            clock.jump(ms=1)
        held.journal.wait()
        assert (entry.outcome, entry.frames_sent) == ("complete", FRAMES)


def test_a_reader_that_does_not_read_delays_no_other(http: httpx2.Client) -> None:
    """Beside a stream that nobody reads, others get each frame when it is due, to the microsecond of their clock."""
    clock, others, count = ControlledClock(), 5, 40
    with FakeProviderServer(clock=clock) as server, ExitStack() as stack:
        held, free = server.create_session(timing=Recorded()), server.create_session(timing=Recorded())
        held.push(large(apart=0))
        for number in range(others):
            free.push(
                Tape(tuple(Frame(20.0 * (1 + n), b"data: %d.%d\n\n" % (number, n)) for n in range(count)), 200, SSE)
            )
        stack.enter_context(reader(server, held))
        (stuck,) = held.journal.wait(lambda entries: bool(entries))
        streams = []
        for _ in range(others):
            url = f"{server.url}/s/{free.id}/v1/chat/completions"
            response = stack.enter_context(http.stream("POST", url, json=REQUEST))
            streams.append(response.iter_raw())
        for n in range(count):
            for _ in range(others):
                assert clock.wait_for_deadline() == 20.0 * (1 + n)
            clock.jump(ms=20)
            assert [next(chunks) for chunks in streams] == [
                b"data: %d.%d\n\n" % (number, n) for number in range(others)
            ]
        entries = free.journal.wait()
        assert [entry.outcome for entry in entries] == ["complete"] * others
        assert {frame.lateness for entry in entries for frame in entry.frames} == {0.0}
        assert stuck.outcome == "pending"
        assert stuck.frames_sent * len(FRAME) < MOST_BYTES
