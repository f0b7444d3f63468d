"""What a person changes in a stream while it is sent: cuts, stalls, faults, speed; and what stays untouched."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Any

import httpx2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tokentape_fake_provider import Script
from tokentape_fake_provider.errors import FaultNotApplicableError, StepError, StreamOverError
from tokentape_fake_provider.fault_injection.apply import apply_fault, apply_late_fault
from tokentape_fake_provider.faults import FAULTS, parse_fault
from tokentape_fake_provider.hosting import InProcessProvider
from tokentape_fake_provider.hosting.server import FakeProviderServer
from tokentape_fake_provider.playback import connection
from tokentape_fake_provider.playback.by_hand import continued, ended
from tokentape_fake_provider.sessions.session import Session
from tokentape_fake_provider.tape import Frame, Tape
from tokentape_fake_provider.timing import Recorded
from tokentape_fake_provider.timing.clock import ControlledClock
from tokentape_fake_provider.wires import WIRES

REQUEST = {"model": "m", "stream": True, "messages": [{"role": "user", "content": "x"}]}
SSE = (("content-type", "text/event-stream"),)
FRAMES = tuple(Frame(at, b"data: %d\n\n" % at) for at in (10, 20, 30, 40, 50))
WHOLE = b"".join(frame.data for frame in FRAMES)


@pytest.fixture
def clock() -> ControlledClock:
    """The server's clock."""
    return ControlledClock()


@pytest.fixture
def timed(clock: ControlledClock) -> Iterator[FakeProviderServer]:
    """A server that the clock drives, with one response of five frames."""
    with FakeProviderServer(clock=clock) as server:
        server.default.configure(timing=Recorded())
        server.default.push(Tape(FRAMES, 200, SSE))
        yield server


class Client:
    """Reads a response in a thread, until it ends or breaks."""

    def __init__(self, url: str, request: dict[str, Any] = REQUEST) -> None:
        self.received = b""
        self.status = 0
        self.broke = ""
        self._thread = ThreadPoolExecutor(1)
        self._done = self._thread.submit(self._read, url, request)

    def _read(self, url: str, request: dict[str, Any]) -> None:
        try:
            with httpx2.stream("POST", url, json=request, timeout=30) as response:
                self.status = response.status_code
                for data in response.iter_raw():
                    self.received += data
        except httpx2.TransportError as error:
            self.broke = type(error).__name__

    def finish(self) -> Client:
        """Wait until the response has ended."""
        self._done.result(30)
        self._thread.shutdown()
        return self


def chat(server: FakeProviderServer, session: Session | None = None) -> str:
    """Where the session's chat completions are."""
    return f"{server.base_url('openai_chat', None if session is None else session.id)}/chat/completions"


@pytest.mark.parametrize("held", [True, False])
@pytest.mark.parametrize(
    ("how", "broke", "outcome", "fault"),
    [
        ("close", "RemoteProtocolError", "dropped", "fin@frame=2"),
        ("reset", "ReadError", "reset", "rst@frame=2"),
        ("end", "", "complete", "clean_end@frame=2"),
    ],
)
def test_a_stream_is_cut_here(
    how: Any,
    broke: str,
    outcome: str,
    fault: str,
    held: bool,
    timed: FakeProviderServer,
    clock: ControlledClock,
) -> None:
    """A cut ends the response now, also while it is held: what was sent is complete, and nothing follows."""
    client = Client(chat(timed))
    stream = timed.default.streams.next()
    clock.advance(ms=20)
    if held:
        stream.hold()
    stream.cut(how)
    assert stream.over
    client.finish()
    assert client.received == WHOLE[: len(FRAMES[0].data) * 2]
    assert client.broke == broke
    entry = timed.default.journal.wait()[0]
    assert (entry.outcome, entry.faults, entry.note) == (outcome, (fault,), f"by hand: {fault}")
    assert entry.frames_planned == entry.frames_sent == 2
    with pytest.raises(StreamOverError):
        stream.cut()


def test_a_stream_is_cut_before_its_headers(session: Session, server: FakeProviderServer) -> None:
    """Where not even the headers were sent, a cut leaves the client without a response."""
    session.configure(timing="stepped:headers")
    session.push("x")
    client = Client(chat(server, session))
    session.streams.next().cut()
    assert client.finish().status == 0
    assert session.journal.wait()[0].faults == ("fin@before_headers",)


def test_a_stream_stalls_for_a_time(timed: FakeProviderServer, clock: ControlledClock) -> None:
    """A stall delays all that follows by its time, and loses nothing."""
    client = Client(chat(timed))
    stream = timed.default.streams.next()
    clock.advance(ms=20)
    stream.stall(1000)
    clock.advance(ms=1000)
    assert stream.sent == 2
    clock.advance(ms=10)
    assert stream.sent == 3
    clock.advance(ms=100)
    assert client.finish().received == WHOLE
    entry = timed.default.journal.wait()[0]
    assert [frame.left for frame in entry.frames] == [10, 20, 1030, 1040, 1050]
    assert entry.faults == ("stall@frame=2,for=1000ms",)
    assert entry.outcome == "complete"


def test_a_stream_stalls_until_it_is_cut(timed: FakeProviderServer, clock: ControlledClock) -> None:
    """Without a time, nothing more is sent, however long the client waits; it can still be cut."""
    client = Client(chat(timed))
    stream = timed.default.streams.next()
    clock.advance(ms=20)
    stream.stall()
    clock.advance(1000)
    assert (stream.sent, stream.over, stream.held) == (2, False, False)
    stream.cut()
    assert client.finish().received == WHOLE[: len(FRAMES[0].data) * 2]
    assert timed.default.journal.wait()[0].faults == ("stall@frame=2", "fin@frame=2")


def test_a_client_leaves_a_stalled_stream(timed: FakeProviderServer, http: httpx2.Client) -> None:
    """A client that leaves a stream that stalls by hand is noticed."""
    with http.stream("POST", chat(timed), json=REQUEST):
        timed.default.streams.next().stall()
    assert timed.default.journal.wait()[0].outcome == "client_left"


def test_speed_is_that_of_its_own_timing(timed: FakeProviderServer, clock: ControlledClock) -> None:
    """Half speed doubles the distances from now on, and is not multiplied with the one before; 1 is as it was."""
    client = Client(chat(timed))
    stream = timed.default.streams.next()
    clock.advance(ms=10)
    stream.speed(0.5)
    clock.advance(ms=20)
    assert (stream.sent, stream.state.speed, stream.state.timed) == (2, 0.5, True)
    stream.speed(2)
    clock.advance(ms=5)
    assert stream.sent == 3
    stream.speed(1)
    clock.advance(ms=20)
    assert client.finish().received == WHOLE
    entry = timed.default.journal.wait()[0]
    assert [frame.left for frame in entry.frames] == [10, 30, 35, 45, 55]
    assert entry.faults == ()
    assert entry.note == "; ".join(f"by hand: speed {by} from frame {at} on" for by, at in ((0.5, 1), (2, 2), (1, 3)))


def test_what_was_held_keeps_its_distances_or_catches_up(timed: FakeProviderServer, clock: ControlledClock) -> None:
    """Released without catching up, a stream goes on in its own pace; with it, what is overdue leaves at once."""
    timed.default.push(Tape(FRAMES, 200, SSE))
    left = []
    for catch_up in (False, True):
        client = Client(chat(timed))
        stream = timed.default.streams.next()
        clock.advance(ms=10)
        stream.hold()
        clock.advance(ms=1000)
        stream.release(catch_up=catch_up)
        while stream.sent < (len(FRAMES) if catch_up else 2):
            pass  # the release, which does not wait, has not reached the server's loop yet
        clock.advance(ms=100)
        assert client.finish().received == WHOLE
        left.append([frame.left for frame in timed.default.journal.wait()[-1].frames])
    assert left == [[10, 1010, 1020, 1030, 1040], [10, 1010, 1010, 1010, 1010]]


@pytest.mark.parametrize(
    ("fault", "rest"),
    [
        ("malformed_json@event=4", b"data: 30\n\ndata: 40\n\ndata: 50\n\n"),
        ("duplicate@event=3", b"data: 30\n\ndata: 40\n\ndata: 40\n\ndata: 50\n\n"),
        ("lose@frame=4", b"data: 30\n\ndata: 40\n\n"),
        ("lose@frame=-1", b"data: 30\n\ndata: 40\n\n"),
        ("wrong_order", b"data: 40\n\ndata: 30\n\ndata: 50\n\n"),
        ("comments@text=x", b": x\n\ndata: 30\n\n: x\n\ndata: 40\n\n: x\n\ndata: 50\n\n"),
        ("clean_end@event=3", b"data: 30\n\n"),
        ("half_event@event=2", b"data: 3"),
        ("split@inside=crlf", b"data: 30\r\n\r\ndata: 40\r\n\r\ndata: 50\r\n\r\n"),
        ("tiny_chunks@size=3", b"data: 30\n\ndata: 40\n\ndata: 50\n\n"),
        ("in_band_error@event=3,message=no", None),
    ],
)
def test_a_fault_damages_what_is_not_sent(fault: str, rest: bytes | None, timed: FakeProviderServer) -> None:
    """A fault that is injected late touches only frames that are not sent yet; places count from the beginning."""
    timed.default.configure(timing="stepped")
    client = Client(chat(timed))
    stream = timed.default.streams.next()
    sent = stream.step(2)
    if fault.startswith("malformed"):
        with pytest.raises(FaultNotApplicableError, match="event 4 is not a JSON object"):
            stream.inject(fault)
    else:
        stream.inject(fault)
        assert timed.default.journal.entries[0].faults == (fault,)
    after = stream.finish()
    client.finish()
    assert client.received == sent + after
    assert sent == WHOLE[: len(sent)]
    if rest is None:
        assert after.startswith(b"data: 30\n\n")
        assert b'"no"' in after
        assert b"40" not in after
    else:
        assert after == rest


@pytest.mark.parametrize(
    ("fault", "why"),
    [
        ("fin@frame=1", "frame 1 was sent already: the first that was not is frame 2"),
        ("rst@byte=3", "byte 3 was sent already"),
        ("stall@event=1", "event 1 was sent already"),
        ("duplicate@event=1", "event 1 was sent already"),
        ("http_error@status=500", "the headers were sent already"),
        ("overload", "the headers were sent already"),
        ("slow_headers", "the headers were sent already"),
        ("gzip", "the headers were sent already"),
        ("content_type", "the headers were sent already"),
        ("fin@before_headers", "the headers were sent already"),
        ("empty_stream", "it changes what was sent already"),
        ("fin@frame=9", "there is no frame 9: the response has 5"),
        ("quota@requests=1", "a quota counts in a session"),
    ],
)
def test_a_fault_of_what_is_sent_is_refused(fault: str, why: str, timed: FakeProviderServer) -> None:
    """A fault that would change what was sent is refused with the reason, and the response stays as it is."""
    timed.default.configure(timing="stepped")
    client = Client(chat(timed))
    stream = timed.default.streams.next()
    stream.step(2)
    with pytest.raises(FaultNotApplicableError) as raised:
        stream.inject(fault)
    assert why in str(raised.value)
    stream.finish()
    assert client.finish().received == WHOLE
    entry = timed.default.journal.wait()[0]
    assert (entry.faults, entry.note, entry.outcome) == ((), "", "complete")


def test_a_fault_keeps_the_length_that_was_promised(server: FakeProviderServer, session: Session) -> None:
    """A body whose length is in the headers takes no fault that changes the length, but one that cuts it."""
    session.configure(timing="stepped")
    session.push("Hello")
    client = Client(chat(server, session), REQUEST | {"stream": False})
    stream = session.streams.next()
    with pytest.raises(FaultNotApplicableError, match="promise"):
        stream.inject("giant_event@size=10")
    stream.inject("fin@byte=9")
    stream.finish()
    assert len(client.finish().received) == 9
    assert client.broke == "RemoteProtocolError"


def test_before_the_headers_every_fault_is_possible(server: FakeProviderServer, session: Session) -> None:
    """While the headers wait, even another status can be injected."""
    session.configure(timing="stepped:headers")
    session.push("Hello")
    client = Client(chat(server, session))
    stream = session.streams.next()
    stream.inject("http_error@status=529,retry_after=2")
    stream.finish()
    assert client.finish().status == 529
    entry = session.journal.wait()[0]
    assert (entry.status, entry.retry_after) == (529, 2.0)


def test_an_inserted_error_has_the_ids_of_its_response(server: FakeProviderServer) -> None:
    """An error event that is injected late is the one that the fault from the start would send."""
    bodies = []
    for late in (True, False):
        session = server.create_session(timing="stepped")
        session.push(Script.of("one two three", faults=() if late else ("in_band_error@event=3",)))
        client = Client(f"{server.base_url('anthropic_messages', session.id)}/v1/messages", REQUEST | {"max_tokens": 9})
        stream = session.streams.next()
        stream.step(2)
        if late:
            stream.inject("in_band_error@event=3")
        stream.finish()
        bodies.append(client.finish().received.partition(b"event: error")[2])
        server.delete_session(session.id)
    assert bodies[0] == bodies[1] != b""


def test_an_untouched_stream_keeps_its_bytes(server: FakeProviderServer) -> None:
    """Held, stepped, slowed down, sped up and released, a stream has the bytes of one that nobody touched."""
    received = []
    for touched in (False, True):
        session = server.create_session(timing="synthetic:ttft=1ms,tps=10000", seed=3, hold=touched)
        session.push(Script.of("one two three four"))
        client = Client(chat(server, session))
        if touched:
            stream = session.streams.next()
            assert stream.held
            stream.step(2)
            stream.speed(0.5)
            stream.hold()
            stream.speed(1000)
            stream.release(catch_up=False)
        received.append(_without_ids(client.finish().received))
        server.delete_session(session.id)
    assert received[0] == received[1]


def _without_ids(data: bytes) -> list[bytes]:
    return [part.partition(b'"choices"')[2] for part in data.split(b"\n\n")]


@pytest.mark.parametrize("timing", ["instant", "synthetic:ttft=0ms,tps=1000", "recorded", "stepped"])
@pytest.mark.parametrize("tape", [False, True])
def test_new_streams_are_held(timing: str, tape: bool, session: Session, server: FakeProviderServer) -> None:
    """With `hold` each new stream waits whatever its timing, and released it is the same response."""
    session.configure(timing=timing, hold=True)
    session.push(Tape(FRAMES, 200, SSE) if tape else Script.of("one two"))
    client = Client(chat(server, session))
    stream = session.streams.next()
    assert (stream.held, stream.sent) == (True, 0)
    stream.release(catch_up=False)
    assert client.finish().received == b"".join(stream.frames)
    session.configure(hold=False)
    assert session.journal.wait()[0].outcome == "complete"


def test_without_hold_an_instant_response_stays_instant(session: Session, server: FakeProviderServer) -> None:
    """The setting is off by default and can be switched off again."""
    session.configure(hold=True)
    session.configure(hold=False)
    session.push("x")
    assert Client(chat(server, session)).finish().status == 200
    assert session.journal.wait()[0].instant


def test_what_makes_no_sense_is_refused(timed: FakeProviderServer) -> None:
    """An unknown way to cut, a speed that is none and a negative stall are errors, and change nothing."""
    timed.default.configure(timing="stepped")
    client = Client(chat(timed))
    stream = timed.default.streams.next()
    with pytest.raises(StepError, match="use close, reset, end"):
        stream.cut("off")  # type: ignore[arg-type]
    for factor in (0.0, -1.0, float("nan"), float("inf")):
        with pytest.raises(StepError, match="use more than 0"):
            stream.speed(factor)
    with pytest.raises(Exception, match="for is"):
        stream.stall(-1)
    stream.finish()
    assert client.finish().received == WHOLE


def test_a_cut_reaches_a_client_that_does_not_read(
    session: Session, server: FakeProviderServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also a stream that waits for its client to read can be cut."""
    monkeypatch.setattr(connection, "_FLUSH_S", 0.05)
    session.configure(timing="stepped")
    session.push(Tape(tuple(Frame(0, b"x" * 200_000) for _ in range(200)), 200, SSE))
    with httpx2.stream("POST", chat(server, session), json=REQUEST, timeout=30) as response:
        stream = session.streams.next()
        stream.release()
        stream.speed(1)  # after the release
        stream.cut("reset", timeout=20)
        with pytest.raises(httpx2.TransportError):
            response.read()
    assert stream.over


def test_over_http(session: Session, server: FakeProviderServer, http: httpx2.Client) -> None:
    """The control API has the same: each answers with the stream, a refusal with its reason."""
    control = f"{server.url}/_tokentape/sessions/{session.id}"
    assert http.patch(f"{control}/settings", json={"hold": True}).json()["hold"] is True
    session.push(Tape(FRAMES, 200, SSE))
    client = Client(chat(server, session))
    taken = http.post(f"{control}/streams/next").json()
    assert (taken["held"], taken["speed"], taken["timed"]) == (True, 1.0, False)
    assert http.post(f"{control}/streams/0/step", json={"count": 2}).json()["sent"] == 2
    assert http.post(f"{control}/streams/0/speed", json={"factor": 2}).json()["speed"] == 2
    refused = http.post(f"{control}/streams/0/fault", json={"fault": "fin@frame=1"})
    assert (refused.status_code, "frame 1 was sent already" in refused.json()["error"]["what"]) == (409, True)
    assert http.post(f"{control}/streams/0/fault", json={"fault": "nonsense"}).status_code == 400
    fault = {"fault": "lose", "frame": 3}
    assert http.post(f"{control}/streams/0/fault", json={"fault": fault}).json()["frames"] == 4
    assert http.post(f"{control}/streams/0/stall", json={"for_ms": 1}).json()["frames"] == 4
    assert http.post(f"{control}/streams/0/cut", json={"how": "sideways"}).status_code == 400
    assert http.post(f"{control}/streams/0/release", json={"catch_up": False}).status_code == 200
    assert client.finish().received == WHOLE.replace(b"data: 40\n\n", b"")
    session.push(Tape(FRAMES, 200, SSE))
    client = Client(chat(server, session))
    http.post(f"{control}/streams/next")
    state = http.post(f"{control}/streams/1/cut").json()
    assert (state["over"], state["outcome"]) == (True, "dropped")
    assert client.finish().received == b""


@pytest.mark.parametrize("how", ["close", "reset"])
def test_a_cut_in_process(how: Any) -> None:
    """Without a socket a cut raises the client's own exception, after what was sent; a stall runs into its timeout."""
    with InProcessProvider() as provider, httpx2.Client(transport=provider.transport(), timeout=60) as client:
        session = provider.create_session(timing="stepped", clock="automatic")
        url = f"{provider.base_url('openai_chat', session.id)}/chat/completions"
        for stalls in (False, True):
            session.push(Tape(FRAMES, 200, SSE))
            with client.stream("POST", url, json=REQUEST) as response:
                stream, parts = session.streams.next(), response.iter_raw()
                stream.step()
                assert next(parts) == FRAMES[0].data
                if stalls:
                    stream.stall()
                else:
                    stream.cut(how)
                with pytest.raises(httpx2.ReadTimeout if stalls else httpx2.TransportError):
                    next(parts)


WIRE_TAPES = ("openai_chat", "anthropic_messages", "gemini", "ollama", "bedrock_converse", "openai_responses")


def a_tape(wire: str) -> Tape:
    """A generated stream of this wire format, at a path of its own."""
    from tokentape_fake_provider.encoding.encode import encode
    from tokentape_fake_provider.timing import Instant
    from tokentape_fake_provider.wires.wire import ProviderRequest

    request = ProviderRequest(wire=wire, model="m", stream=True, include_usage=True, seed="s")
    return encode(Script.of("one two three four"), request, Instant())


@settings(max_examples=150, deadline=None)
@given(
    wire=st.sampled_from(WIRE_TAPES),
    name=st.sampled_from([name for name in FAULTS if name != "quota"]),
    sent=st.integers(0, 12),
)
def test_no_fault_changes_what_was_sent(wire: str, name: str, sent: int) -> None:
    """Whatever the fault and wherever the stream is: the frames that were sent stay, or the fault is refused."""
    tape = a_tape(wire)
    sent = min(sent, len(tape.frames))
    try:
        damaged = apply_late_fault(parse_fault(name), tape, sent, WIRES[wire])
    except FaultNotApplicableError:
        return
    assert damaged.frames[:sent] == tape.frames[:sent]
    assert (damaged.status, damaged.headers, damaged.head) == (tape.status, tape.headers, True)


@pytest.mark.parametrize("name", [name for name in FAULTS if name != "quota"])
@pytest.mark.parametrize("wire", WIRE_TAPES)
def test_before_the_headers_a_late_fault_is_the_fault(wire: str, name: str) -> None:
    """While nothing was sent, a fault by hand does what the same fault of a script does."""
    tape, fault = a_tape(wire), parse_fault(name)
    results = []
    for apply in (
        lambda: apply_fault(fault, tape, WIRES[wire]),
        lambda: apply_late_fault(fault, tape, None, WIRES[wire]),
    ):
        try:
            results.append(apply())
        except FaultNotApplicableError as error:
            results.append(str(error))
    assert results[0] == results[1]


@given(
    gaps=st.lists(st.floats(0, 1000), min_size=1, max_size=8),
    sent=st.integers(0, 8),
    now=st.floats(0, 5000),
    after=st.floats(0, 1000),
    factor=st.floats(0.1, 10),
)
def test_times_that_are_moved_stay_in_order(
    gaps: list[float], sent: int, now: float, after: float, factor: float
) -> None:
    """Frames that were sent keep their times; the others are not before now, in order, in their own proportions."""
    at, frames = 0.0, []
    for gap in gaps:
        at += gap
        frames.append(Frame(at, b"x"))
    tape = Tape(tuple(frames), end_at=at)
    sent = min(sent, len(frames))
    moved = continued(tape, sent, now, after=after, factor=factor)
    assert moved.frames[:sent] == tape.frames[:sent]
    times = [frame.at for frame in moved.frames[sent:]]
    assert times == sorted(times)
    assert all(time >= now + after for time in times)
    if frames[sent:] and frames[sent].at <= now:
        for (one, two), (new_one, new_two) in zip(
            pairwise(frame.at for frame in frames[sent:]), pairwise(times), strict=True
        ):
            assert new_two - new_one == pytest.approx((two - one) / factor, abs=1e-6)
    assert ended(tape, sent, "dropped", now).frames == tape.frames[:sent]
