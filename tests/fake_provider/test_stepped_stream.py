"""Stepped playback: a stream goes no further than its test lets it, over real sockets."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from typing import Any

import anthropic
import httpx2
import msgspec
import openai
import pytest

from tests.fake_provider.asks import ask_of
from tokentape_fake_provider.app import create_app
from tokentape_fake_provider.config import AppConfig
from tokentape_fake_provider.encoding.encode import encode
from tokentape_fake_provider.errors import StepError, StepTimeoutError, StreamOverError
from tokentape_fake_provider.hosting.server import FakeProviderServer
from tokentape_fake_provider.playback.journal import Entry
from tokentape_fake_provider.playback.player import play, step_control
from tokentape_fake_provider.playback.stepped_stream import StepControl, SteppedStream
from tokentape_fake_provider.playback.text_search import find_frame
from tokentape_fake_provider.script.model import Script, Text, ToolCall
from tokentape_fake_provider.sessions.session import Session
from tokentape_fake_provider.tape import End, Frame, Tape
from tokentape_fake_provider.timing import Instant, Recorded, Stepped
from tokentape_fake_provider.timing.clock import ControlledClock
from tokentape_fake_provider.wires import WIRES

REQUEST = {"model": "m", "stream": True, "messages": [{"role": "user", "content": "x"}]}
SSE = (("content-type", "text/event-stream"),)


def tape(*pieces: bytes, end: End = "complete") -> Tape:
    """A tape of one frame for each of these."""
    return Tape(tuple(Frame(0, data) for data in pieces), 200, SSE, end=end)


def an_entry() -> Entry:
    """A journal entry of no request in particular."""
    return Entry(session="s", time=0, method="", path="", query="", raw_headers=(), raw_body=b"", wire=None)


@pytest.fixture
def stepped(session: Session) -> Session:
    """A session whose streams are stepped."""
    session.configure(timing=Stepped())
    return session


@pytest.fixture
def url(server: FakeProviderServer, stepped: Session) -> str:
    """Where its chat completions are."""
    return f"{server.base_url('openai_chat', stepped.id)}/chat/completions"


@pytest.fixture
def response(url: str, http: httpx2.Client, stepped: Session) -> Iterator[httpx2.Response]:
    """An open response of four frames, whose headers are there."""
    stepped.push(tape(b"one,", b"two,", b"three,", b"four"))
    with http.stream("POST", url, json=REQUEST) as opened:
        yield opened


@pytest.fixture
def stream(response: httpx2.Response, stepped: Session) -> SteppedStream:
    """The same at its other end."""
    return stepped.streams.next()


def test_each_step_lets_one_frame_go(response: httpx2.Response, stream: SteppedStream) -> None:
    """Headers leave at once, then a frame for each step and nothing more; the last step is the end."""
    chunks = response.iter_raw()
    seen = []
    for sent, data in enumerate((b"one,", b"two,", b"three,", b"four"), 1):
        assert stream.left == 6 - sent
        assert stream.step() == data
        assert (stream.sent, stream.entry.frames_sent, stream.held, stream.over) == (sent, sent, True, False)
        seen.append(next(chunks))
    assert seen == [b"one,", b"two,", b"three,", b"four"]
    assert stream.entry.outcome == "pending"
    assert stream.step() == b""
    assert (stream.over, stream.held, stream.left, stream.entry.outcome) == (True, False, 0, "complete")
    assert list(chunks) == []


def test_a_held_frame_is_not_sent(response: httpx2.Response, stream: SteppedStream) -> None:
    """A client that waits for a frame that is held gets nothing."""
    stream.step()
    chunks = response.iter_raw()
    assert next(chunks) == b"one,"
    connection: socket.socket = response.extensions["network_stream"].get_extra_info("socket")
    connection.setblocking(False)
    with pytest.raises(BlockingIOError):
        connection.recv(1)
    connection.setblocking(True)
    stream.step()
    assert next(chunks) == b"two,"
    stream.finish()


def test_several_steps_at_once(response: httpx2.Response, stream: SteppedStream) -> None:
    """`step(n)` is back when all n frames have left, and `finish` when the response is over."""
    assert stream.step(3) == b"one,two,three,"
    assert stream.sent == 3
    assert stream.finish() == b"four"
    assert stream.entry.outcome == "complete"
    assert response.read() == b"one,two,three,four"


def test_lateness_counts_from_the_step(stream: SteppedStream) -> None:
    """A frame is due when it was let go, so that what a test held back is not late."""
    stream.step()
    stream.finish()
    frames = stream.entry.frames
    assert len(frames) == 4
    assert all(0 < frame.at <= frame.left for frame in frames)


def test_release_and_hold(response: httpx2.Response, stream: SteppedStream) -> None:
    """A released stream goes to its end by itself."""
    stream.step()
    stream.hold()
    assert stream.held
    stream.release()
    assert response.read() == b"one,two,three,four"
    assert stream.finish() == b""
    stream.release()
    stream.hold()
    assert stream.over


def test_headers_wait_where_asked(session: Session, url: str, http: httpx2.Client) -> None:
    """With `stepped:headers` the first step lets the headers go, and nothing else."""
    session.configure(timing=Stepped(headers=True))
    session.push(tape(b"one"))
    with ThreadPoolExecutor(1) as pool:
        sending = pool.submit(http.send, http.build_request("POST", url, json=REQUEST), stream=True)
        stream = session.streams.next()
        assert (stream.left, stream.entry.started, sending.done()) == (3, None, False)
        assert stream.step() == b""
        with closing(sending.result()) as response:
            assert (stream.left, stream.sent, response.status_code) == (2, 0, 200)
            assert stream.finish() == b"one"
            assert response.read() == b"one"


@pytest.mark.parametrize("end", ["dropped", "timeout"])
def test_a_cut_is_a_step_of_its_own(end: End, stepped: Session, url: str, http: httpx2.Client) -> None:
    """A tape that broke off breaks off when the test says so, after its last frame was read."""
    stepped.push(tape(b"one", b"two", end=end))
    with http.stream("POST", url, json=REQUEST) as response:
        stream = stepped.streams.next()
        chunks = response.iter_raw()
        stream.step()
        assert next(chunks) == b"one"
        stream.step()
        assert next(chunks) == b"two"
        assert stream.left == 1
        assert not stream.over
        stream.step()
        assert stream.entry.outcome == "dropped"
        with pytest.raises(httpx2.RemoteProtocolError, match="incomplete chunked read"):
            next(chunks)


def test_a_whole_reply_is_one_frame_with_its_end(stepped: Session, server: FakeProviderServer) -> None:
    """What is not streamed is one frame; its length is known, so that its end is no step."""
    stepped.push("Hello", "again")
    with (
        openai.OpenAI(base_url=server.base_url("openai_chat", stepped.id), api_key="k") as client,
        ThreadPoolExecutor(1) as pool,
    ):
        for expected in ("Hello", "again"):  # on the same connection
            asking = pool.submit(client.chat.completions.create, model="m", messages=[{"role": "user", "content": "x"}])
            stream = stepped.streams.next()
            assert stream.left == 1
            assert expected.encode() in stream.step()
            assert stream.over
            assert asking.result().choices[0].message.content == expected


def test_an_error_is_one_frame(stepped: Session, server: FakeProviderServer, url: str, http: httpx2.Client) -> None:
    """What the server itself refuses is not stepped, what a script refuses is."""
    assert http.get(f"{server.base_url('openai_chat', stepped.id)}/models").status_code == 200
    assert http.post(url, content=b"no JSON").status_code == 400
    assert list(stepped.streams.open) == []


def test_sdks_read_step_by_step(stepped: Session, server: FakeProviderServer) -> None:
    """The official SDKs have each delta after its step."""
    words = ("The ", "sea ", "is ", "deep.")
    stepped.push(*[Script.of(Text("".join(words), pieces=words))] * 2)
    with openai.OpenAI(base_url=server.base_url("openai_chat", stepped.id), api_key="k") as client:
        chunks = client.chat.completions.create(**REQUEST)
        stream = stepped.streams.next()
        stream.step()
        assert next(chunks).choices[0].delta.role == "assistant"
        for word in words:
            stream.step()
            assert next(chunks).choices[0].delta.content == word
        stream.finish()
        assert [chunk.choices[0].finish_reason for chunk in chunks] == ["stop"]
    messages: Any = REQUEST["messages"]
    with anthropic.Anthropic(base_url=server.base_url("anthropic_messages", stepped.id), api_key="k") as claude:
        events = claude.messages.create(model="c", max_tokens=9, messages=messages, stream=True)
        stream = stepped.streams.next()
        for word in words:
            stream.step_until(word)
            event = next(event for event in events if event.type == "content_block_delta")
            assert event.delta == anthropic.types.TextDelta(text=word, type="text_delta")
        stream.finish()
        assert list(events)[-1].type == "message_stop"


def test_async_twins(stepped: Session, server: FakeProviderServer) -> None:
    """Under `async` the same is awaited, in the event loop of the client."""

    async def run() -> list[str | None]:
        async with openai.AsyncOpenAI(base_url=server.base_url("openai_chat", stepped.id), api_key="k") as client:
            stepped.push("The sea is deep.")
            chunks = await client.chat.completions.create(**REQUEST)
            stream = await stepped.streams.anext()
            await stream.astep()
            seen = [(await anext(chunks)).choices[0].delta.content]
            assert b"deep" in await stream.astep_until("is deep")
            await stream.ahold()
            seen += [(await anext(chunks)).choices[0].delta.content for _ in range(stream.sent - 1)]
            assert "".join(filter(None, seen)) == "The sea is deep"
            await stream.afinish()
            assert stream.over
            seen += [chunk.choices[0].delta.content async for chunk in chunks]
            with pytest.raises(StreamOverError):
                await stream.astep()
            with pytest.raises(StepTimeoutError, match="no stream to take"):
                await stepped.streams.anext(timeout=0)
            return seen

    assert "".join(filter(None, asyncio.run(run()))) == "The sea is deep."


def test_streams_come_in_the_order_of_their_requests(
    stepped: Session, server: FakeProviderServer, url: str, http: httpx2.Client
) -> None:
    """Each stream is taken once, in request order, by who waits longest; they are stepped apart."""
    with ThreadPoolExecutor(2) as pool:
        waiting = pool.submit(stepped.streams.next)
        stepped.push(tape(b"first"), tape(b"second"), tape(b"third"))
        with http.stream("POST", url, json=REQUEST) as first:
            assert waiting.result().entry.number == 0
            with http.stream("POST", url, json=REQUEST) as second, http.stream("POST", url, json=REQUEST) as third:
                streams = [stepped.streams.next(), stepped.streams.next()]
                assert [stream.entry.number for stream in streams] == [1, 2]
                streams[1].finish()
                assert third.read() == b"third"
                assert [stream.entry.number for stream in stepped.streams.open] == [0, 1]
                streams[0].finish()
                assert second.read() == b"second"
            waiting.result().finish()
            assert first.read() == b"first"
    with pytest.raises(StepTimeoutError, match=r"no stream to take within 0 s \(0 open, all taken\)") as late:
        stepped.streams.next(timeout=0)
    assert late.value.__context__ is None


def test_a_client_that_left(response: httpx2.Response, stream: SteppedStream, stepped: Session) -> None:
    """A step of a stream whose client left says so, and so does one that waits meanwhile."""
    stream.step()
    response.close()
    stepped.journal.wait()
    with pytest.raises(StreamOverError, match="the stream is over: the client left") as caught:
        stream.step()
    assert caught.value.outcome == "client_left"
    assert (stream.over, stream.sent) == (True, 1)
    assert repr(stream) == ("<SteppedStream 0 of POST /v1/chat/completions: 1 of 4 frames sent, over: client_left>")


def test_a_client_that_does_not_read(stepped: Session, url: str, http: httpx2.Client) -> None:
    """A frame that the socket does not take is not sent: its step times out, and its neighbour waits in vain."""
    stepped.push(tape(b"x" * 50_000_000, b"y"))
    with http.stream("POST", url, json=REQUEST):
        stream = stepped.streams.next()
        stream.step()
        with pytest.raises(StepTimeoutError, match="the client does not read"):
            stream.step(timeout=0.05)
    with pytest.raises(StreamOverError, match="the client left"):
        stream.finish()


def test_steps_that_cannot_be(stream: SteppedStream) -> None:
    """A step that can't be done is refused, says why, and moves nothing."""
    for wrong, problem in [
        (lambda: stream.step(0), r"step\(0\): step 1 or more"),
        (lambda: stream.step(6), r"step\(6\): 5 steps are left \(0 of 4 frames sent\); finish\(\) sends them all"),
        (
            lambda: stream.step_until("five"),
            r"step_until\('five'\): no unsent frame has that text \(0 of 4 frames sent\)",
        ),
    ]:
        with pytest.raises(StepError, match=problem):
            wrong()
    assert stream.sent == 0
    stream.finish()
    with pytest.raises(StreamOverError, match="the stream is over: all was sent"):
        stream.step()


def test_step_until_looks_ahead(stream: SteppedStream) -> None:
    """What left already is not found again, and moves nothing."""
    stream.step_until("two")
    with pytest.raises(StepError, match=r"step_until\('one'\): no unsent frame has that text \(2 of 4 frames sent\)"):
        stream.step_until("one")
    assert stream.step_until("three") == b"three,"
    assert stream.sent == 3


@pytest.mark.parametrize("fault", ["stall@frame=2", "slow_headers@for=ever"])
def test_a_stall_for_ever_has_no_end_to_wait_for(
    fault: str, stepped: Session, server: FakeProviderServer, url: str
) -> None:
    """`finish` of a stream that stands still is back when its frames have left; it is over when the client leaves."""
    stepped.configure(faults=(fault,))
    stepped.push(tape(b"one,", b"two,", b"three"))
    frames = 0 if "headers" in fault else 2
    address = httpx2.URL(server.url)
    assert address.port is not None
    body = msgspec.json.encode(REQUEST)
    with socket.create_connection((address.host, address.port)) as client:
        head = f"POST {httpx2.URL(url).path} HTTP/1.1\r\nhost: localhost\r\ncontent-length: {len(body)}\r\n\r\n"
        client.sendall(head.encode() + body)
        stream = stepped.streams.next()
        assert (stream.left, len(stream.frames)) == (frames, frames)
        assert stream.finish(timeout=5) == b"".join(stream.frames)
        assert (stream.sent, stream.left, stream.held, stream.over) == (frames, 0, False, False)
        with pytest.raises(StepError, match="0 steps are left"):
            stream.step()
    assert stepped.journal.wait()[0].outcome == "client_left"
    assert stream.over


def test_a_step_that_was_not_in_time_is_taken_back(http: httpx2.Client) -> None:
    """After a step that timed out nothing leaves, even when its time has come."""
    clock = ControlledClock()
    with FakeProviderServer(clock=clock) as server:
        server.default.configure(timing=Recorded())
        server.default.push(Tape(tuple(Frame(at, b"%d," % at) for at in (10, 20, 30)), 200, SSE))
        with http.stream("POST", f"{server.base_url('openai_chat')}/chat/completions", json=REQUEST):
            stream = server.default.streams.next()
            stream.hold()
            with pytest.raises(StepTimeoutError):
                stream.step(timeout=0.05)
            clock.advance(1)
            assert stream.sent == 0
            assert stream.step(2) == b"10,20,"
            stream.finish()


def test_a_timed_stream_is_held(http: httpx2.Client) -> None:
    """Any timed stream can be held: it waits for its time and for its step, and both are noted."""
    clock = ControlledClock()
    with FakeProviderServer(clock=clock) as server:
        server.default.configure(timing=Recorded())
        server.default.push(Tape(tuple(Frame(at, b"%d," % at) for at in (10, 20, 30, 40)), 200, SSE))
        with http.stream("POST", f"{server.base_url('openai_chat')}/chat/completions", json=REQUEST) as response:
            stream = server.default.streams.next()
            chunks = response.iter_raw()
            assert not stream.held
            assert clock.wait_for_deadline() == 10
            clock.jump(ms=10)
            assert next(chunks) == b"10,"
            stream.hold()
            assert clock.wait_for_deadline() == 20
            with pytest.raises(StepTimeoutError, match="its time has not come, or the client does not read"):
                stream.step(timeout=0)
            clock.jump(ms=15)
            assert stream.step() == b"20,"
            assert next(chunks) == b"20,"
            stream.hold()
            stream.release()
            assert clock.wait_for_deadline() == 30
            clock.jump(ms=25)
            assert next(chunks) == b"30,40,"
            assert stream.finish() == b""
        assert [(frame.at, frame.left) for frame in stream.entry.frames] == [(10, 10), (25, 25), (30, 50), (40, 50)]


def test_an_instant_stream_cannot_be_held(session: Session, server: FakeProviderServer, http: httpx2.Client) -> None:
    """What leaves in one write is nobody's to step."""
    session.push("x")
    http.post(f"{server.base_url('openai_chat', session.id)}/chat/completions", json=REQUEST)
    with pytest.raises(StepTimeoutError, match="has the session a timing other than instant"):
        session.streams.next(timeout=0)


def test_deleting_a_session_lets_its_streams_go(server: FakeProviderServer, http: httpx2.Client) -> None:
    """Held streams of a session that ends go to their end, so that nobody hangs."""
    session = server.create_session(timing=Stepped())
    session.push(tape(b"one", b"two"))
    with http.stream(
        "POST", f"{server.base_url('openai_chat', session.id)}/chat/completions", json=REQUEST
    ) as response:
        stream = session.streams.next()
        server.delete_session(session.id)
        assert response.read() == b"onetwo"
    assert stream.finish() == b""


def test_a_server_that_stops_breaks_held_streams_off(http: httpx2.Client) -> None:
    """A held stream does not keep its server from stopping, and says what happened."""
    with FakeProviderServer() as server:
        server.default.configure(timing=Stepped())
        server.default.push(tape(b"one"))
        with http.stream("POST", f"{server.base_url('openai_chat')}/chat/completions", json=REQUEST):
            stream = server.default.streams.next()
            server.stop()
            with pytest.raises(StreamOverError, match="the stream is over: the server stopped"):
                stream.step()
    assert stream.entry.outcome == "server_stopped"


def test_waiting_in_the_servers_own_loop_is_refused() -> None:
    """A step in the event loop that plays would wait for itself: that is an error rather than a hang."""
    config = AppConfig()
    config.sessions.default.configure(timing=Stepped())
    app = create_app(config)

    async def run() -> None:
        requests = [{"type": "http.request", "body": msgspec.json.encode(REQUEST)}]

        async def receive() -> Any:
            return requests.pop() if requests else await asyncio.Future()

        async def send(message: Any) -> None:
            del message

        scope = {"type": "http", "method": "POST", "path": "/v1/chat/completions", "query_string": b"", "headers": []}
        playing = asyncio.ensure_future(app(scope, receive, send))
        stream = await config.sessions.default.streams.anext()
        with pytest.raises(StepError, match="await the method whose name begins with a"):
            stream.step()
        playing.cancel()
        await asyncio.gather(playing, return_exceptions=True)

    asyncio.run(run())


@pytest.mark.parametrize("wire", WIRES.values(), ids=lambda wire: wire.name)
def test_step_until_finds_what_frames_say(wire: Any) -> None:
    """Text is found in each wire format, however its deltas split it, at the frame that completes it."""
    pieces = ('"Gr', "ü", "ße\n", " from", " afar", ' and "Gr', 'üße"')
    ask = ask_of(wire.name)
    frames = [frame.data for frame in encode(Script.of(Text("".join(pieces), pieces=pieces)), ask, Instant()).frames]
    first = find_frame('"Gr', frames, 0)
    assert first is not None
    assert find_frame('"Grüße\n', frames, 0) == first + 2
    assert find_frame("Grüße\n from", frames, first + 1) == first + 3
    if wire.name != "openai_responses":  # it says all again at the end
        assert find_frame("Grüße\n", frames, first + 3) is None
    assert find_frame("Grüße", frames, first + 3) == first + 6
    assert find_frame("", frames, 0) is None
    assert find_frame("never", frames, 0) is None


def test_step_until_finds_bytes_and_arguments() -> None:
    """What no delta says is looked for in the bytes; arguments of tool calls are text too."""
    wire = WIRES["openai_chat"]
    script = Script.of("Hi", ToolCall.of("depth", {"of": "the sea"}))
    frames = [frame.data for frame in encode(script, ask_of(wire.name), Instant()).frames]
    assert find_frame("[DONE]", frames, 0) == len(frames) - 1
    assert find_frame('{"of":"the sea"}', frames, 0) is not None
    assert find_frame("finish_reason", frames, 1) == 1


@pytest.mark.parametrize("size", [1, 2, 7])
def test_step_until_minds_no_chunk_boundaries(size: int) -> None:
    """A recorded chunk may end anywhere: text is there with the chunk that completes its event."""
    body = b'data: {"delta": "ab"}\n\ndata: {"delta": "cd"}\n\n'
    frames = [body[at : at + size] for at in range(0, len(body), size)]
    found = find_frame("bc", frames, 0)
    assert found is not None
    assert b"".join(frames[: found + 1]).startswith(body[:-1])
    assert find_frame("ab", frames, 0) == (body.index(b"\n\n") + 1) // size


def test_the_last_unit_has_left_when_the_response_is_over() -> None:
    """Also where the last frame is the end: a wait for it ends when the outcome is known, and not before."""
    control, last, frame = StepControl(3), Future[None](), Future[None]()
    control.when_sent(2, frame)
    control.when_sent(3, last)
    control.note_sent(3)
    assert (frame.done(), last.done()) == (True, False)
    control.note_end("complete")
    assert last.result(0) is None


def test_hold_waits_for_what_is_on_its_way() -> None:
    """`hold` is back when what playback began to send has left, and lets nothing more go."""

    async def run() -> None:
        control = StepControl(5)
        control.taken, control.sent = 3, 2
        holding = asyncio.ensure_future(SteppedStream(an_entry(), [b"one", b"two", b"three"], control).ahold())
        for _ in range(5):
            await asyncio.sleep(0)
        assert (control.limit, holding.done()) == (3, False)
        control.note_sent(3)
        await holding

    asyncio.run(run())


class EndOfTurn:
    """A connection whose writes leave at the end of a turn of the event loop, as uvloop's do."""

    gone = closing = False

    def __init__(self) -> None:
        self.left = b""

    async def broke(self) -> bool:
        return False

    async def send(self, message: Any) -> None:
        """Take a part of the response."""

    def write(self, data: bytes) -> None:
        """Let it leave a little later."""
        asyncio.get_running_loop().call_soon(self._leave, data)

    def _leave(self, data: bytes) -> None:
        self.left += data

    async def wait_gone(self) -> None:
        """Nobody leaves."""
        await asyncio.Future()


def test_a_frame_has_left_when_the_socket_has_it() -> None:
    """A step is not over when its frame was written, but when that is out of the event loop's hands."""
    connection: Any = EndOfTurn()
    seen: list[bytes] = []

    async def run() -> None:
        frames = tape(b"one,", b"two")
        control = step_control(frames)
        for units in (2, 3):
            left: Future[None] = Future()
            left.add_done_callback(lambda _: seen.append(connection.left))
            control.when_sent(units, left)
        clock = ControlledClock()
        await play(msgspec.structs.replace(frames, apart=True), connection, clock, clock.now(), an_entry(), control)

    asyncio.run(run())
    assert seen == [b"one,", b"one,two"]
