"""Two thousand streams in virtual and stepped time, of scripts and recordings, in every wire format: none sleeps.

`python -m bench virtual_time` times them. The fast suite has some of the scripts, `make test-slow` the others.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import anthropic
import httpx2
import openai
import pytest

from tests.fake_provider.asks import BODIES, BODY, PATHS, QUERIES
from tokentape import StreamedChatMessageIterator, TokentapeError, TruncatedStreamError, stream_bytes, stream_response
from tokentape_fake_provider.hosting import InProcessProvider
from tokentape_fake_provider.playback.stepped_stream import SteppedStream
from tokentape_fake_provider.script.model import Script, Text
from tokentape_fake_provider.sessions.recording import Recording
from tokentape_fake_provider.sessions.session import Session
from tokentape_fake_provider.tape import Tape
from tokentape_fake_provider.timing import Recorded, Stepped, Synthetic
from tokentape_fake_provider.wires import WIRES
from tokentape_harness.testing.recordings import load_recordings

CASSETTES = Path(__file__).parents[1] / "cassettes"
FILES = sorted(path.relative_to(CASSETTES).as_posix() for path in CASSETTES.rglob("*.yaml"))
MESSAGES: Any = BODY["messages"]
LETTERS = 'abc xyz ,.\n"\\{}é日🙂'


def seeds(count: int) -> list[Any]:
    """This many seeds, of which all but a few are for the slow suite."""
    return [*range(3), *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(3, count))]


class Run(NamedTuple):
    """A session in process, with clients of its provider."""

    session: Session
    url: str
    http: httpx2.Client
    provider: InProcessProvider

    def now(self) -> float:
        """The session's time in ms."""
        assert self.session.clock is not None
        return self.session.clock.now()

    def post(self, wire: str) -> httpx2.Response:
        """Ask for a stream in this wire format."""
        url = f"{self.url}{PATHS[wire]}"
        request = self.http.build_request("POST", url, json=BODIES.get(wire, BODY), params=QUERIES.get(wire))
        return self.http.send(request, stream=True)


@pytest.fixture(scope="module", autouse=True)
def no_sleep() -> Iterator[None]:
    """Nobody sleeps here, neither a test nor an SDK."""

    def asleep(seconds: float, *_: object) -> Any:
        raise AssertionError(f"asleep for {seconds} s")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(time, "sleep", asleep)
        patch.setattr(asyncio, "sleep", asleep)
        yield


@pytest.fixture(scope="module")
def provider() -> Iterator[InProcessProvider]:
    """A provider in this process."""
    with InProcessProvider() as provider:
        yield provider


@pytest.fixture(scope="module")
def http(provider: InProcessProvider) -> Iterator[httpx2.Client]:
    """A client without a socket."""
    with httpx2.Client(transport=provider.transport(), timeout=None) as client:  # time is virtual, timeouts too
        yield client


@pytest.fixture
def run(provider: InProcessProvider, http: httpx2.Client) -> Iterator[Run]:
    """A session whose clock moves on by itself."""
    session = provider.create_session(clock="automatic")
    yield Run(session, f"{provider.url}/s/{session.id}", http, provider)
    provider.delete_session(session.id)


def pieces_of(seed: int) -> tuple[str, ...]:
    """Random deltas of a text, which no delta is empty in."""
    draw = random.Random(seed)
    return tuple("".join(draw.choice(LETTERS) for _ in range(draw.randint(1, 8))) for _ in range(draw.randint(1, 12)))


def script_of(pieces: tuple[str, ...]) -> Script:
    """A script that says these."""
    return Script.of(Text("".join(pieces), pieces=pieces))


def timing_of(seed: int) -> Synthetic:
    """Random timing of half a minute or so."""
    draw = random.Random(seed)
    return Synthetic(ttft_ms=draw.uniform(100, 5000), tps=draw.uniform(0.2, 5), jitter=draw.random(), seed=seed)


def check_times(session: Session, arrivals: list[tuple[float, str]]) -> None:
    """Each text came when a frame was due, and no frame left late."""
    (entry,) = session.journal.entries
    assert entry.outcome == "complete"
    assert entry.frames_sent == entry.frames_planned
    assert all(frame.left == frame.at for frame in entry.frames)
    due = {frame.at for frame in entry.frames}
    assert {at for at, _ in arrivals} <= due
    assert [at for at, _ in arrivals] == sorted(at for at, _ in arrivals)


@pytest.mark.parametrize("seed", seeds(30))
@pytest.mark.parametrize("wire", WIRES)
def test_scripts_in_virtual_time(wire: str, seed: int, run: Run) -> None:
    """Our iterator has each delta at its own virtual time, and all of them."""
    pieces = pieces_of(seed)
    run.session.configure(timing=timing_of(seed))
    run.session.push(script_of(pieces))
    stream = stream_response(run.post(wire), wire)
    arrivals = [(run.now(), message.text) for message in stream if message.text]
    assert "".join(text for _, text in arrivals) == stream.get_chat_output().text == "".join(pieces)
    assert stream.status == "complete"
    check_times(run.session, arrivals)
    assert run.now() >= 100


@pytest.mark.parametrize("seed", seeds(20))
@pytest.mark.parametrize("wire", WIRES)
def test_scripts_step_by_step(wire: str, seed: int, run: Run) -> None:
    """Our iterator has what was stepped, and nothing more; then the rest."""
    pieces = pieces_of(seed)
    run.session.configure(timing=Stepped())
    run.session.push(script_of(pieces))
    stream: StreamedChatMessageIterator = stream_response(run.post(wire), wire)
    stepped = run.session.streams.next()
    messages = iter(stream)
    draw = random.Random(seed)
    text = ""
    for _ in range(3):
        if stepped.left < 2:
            break
        stepped.step(draw.randint(1, stepped.left - 1))
        expected = sent_text(stepped, wire)
        while len(text) < len(expected):
            text += next(messages).text
        assert text == expected
        assert stream.status == ("streaming" if text else "pending")
        assert stepped.entry.outcome == "pending"
    stepped.finish()
    text += "".join(message.text for message in messages)
    assert text == "".join(pieces)
    assert (stream.status, stepped.entry.outcome) == ("complete", "complete")
    assert run.now() == 0


def sent_text(stepped: SteppedStream, wire: str) -> str:
    """The text in the frames that left."""
    stream = stream_bytes(b"".join(stepped.frames[: stepped.sent]), wire)
    try:
        return "".join(message.text for message in stream)
    except TokentapeError:
        return stream.get_chat_output().text


@pytest.mark.parametrize("seed", seeds(15))
@pytest.mark.parametrize("wire", WIRES)
def test_scripts_that_are_cut(wire: str, seed: int, run: Run) -> None:
    """Our iterator raises at a cut in virtual time, wherever it is, and keeps what came before."""
    pieces = pieces_of(seed)
    run.session.configure(timing=timing_of(seed))
    run.session.push(script_of(pieces))
    run.post(wire).read()
    frames = run.session.journal.entries[0].frames
    cut = random.Random(seed).randint(0, len(frames) - 2)
    run.session.configure(faults=(f"fin@frame={cut}",))
    run.session.push(script_of(pieces))
    stream = stream_response(run.post(wire), wire)
    began = run.now()
    texts: list[str] = []
    with pytest.raises(TokentapeError) as caught:
        texts.extend(message.text for message in stream)
    text = "".join(texts)
    assert isinstance(caught.value, TruncatedStreamError) or caught.value.__cause__ is not None
    assert stream.status == "failed"
    assert "".join(pieces).startswith(text)
    assert stream.get_chat_output().text == text
    entry = run.session.journal.entries[1]
    assert (entry.outcome, entry.frames_sent) == ("dropped", cut)
    assert run.now() >= began


@pytest.mark.parametrize("seed", seeds(12))
@pytest.mark.parametrize("wire", WIRES)
def test_readers_that_leave(wire: str, seed: int, run: Run) -> None:
    """Leaving our iterator's loop in mid-stream reaches the provider at that virtual time."""
    pieces = ("first", *pieces_of(seed))
    run.session.configure(timing=timing_of(seed))
    run.session.push(script_of(pieces))
    stream = stream_response(run.post(wire), wire)
    for message in stream:
        if message.text:
            break
    (entry,) = run.session.journal.entries
    assert stream.status == "cancelled"
    assert (entry.outcome, entry.ended) == ("client_left", run.now())
    assert entry.frames_sent < entry.frames_planned


@pytest.mark.parametrize("seed", seeds(30))
def test_openai_sdk(seed: int, run: Run) -> None:
    """The openai SDK has each delta at its own virtual time."""
    pieces = pieces_of(seed)
    run.session.configure(timing=timing_of(seed))
    run.session.push(script_of(pieces))
    client = openai.OpenAI(base_url=f"{run.url}/v1", api_key="k", http_client=run.http)
    chunks = client.chat.completions.create(model="m", messages=MESSAGES, stream=True)
    arrivals = [(run.now(), text) for chunk in chunks if (text := chunk.choices[0].delta.content)]
    assert tuple(text for _, text in arrivals) == pieces
    check_times(run.session, arrivals)


@pytest.mark.parametrize("seed", seeds(30))
def test_anthropic_sdk(seed: int, run: Run) -> None:
    """The anthropic SDK has each delta after its step, and none before."""
    pieces = pieces_of(seed)
    run.session.configure(timing=Stepped())
    run.session.push(script_of(pieces))
    client = anthropic.Anthropic(base_url=run.url, api_key="k", http_client=run.http)
    events = client.messages.create(model="c", max_tokens=9, messages=MESSAGES, stream=True)
    stepped = run.session.streams.next()
    stepped.step_until("content_block_start")
    while next(events).type != "content_block_start":
        pass
    if b"ping" in stepped.frames[stepped.sent]:
        stepped.step()
    for piece in pieces:
        stepped.step()
        event = next(event for event in events if event.type == "content_block_delta")
        assert event.delta == anthropic.types.TextDelta(text=piece, type="text_delta")
    stepped.finish()
    assert [event.type for event in events][-1] == "message_stop"


@pytest.mark.parametrize("seed", seeds(30))
def test_two_async_streams(seed: int, provider: InProcessProvider, run: Run) -> None:
    """Two async streams in one event loop are read in the order of virtual time."""
    wires = random.Random(seed).sample(sorted(WIRES), 2)
    texts = {wire: pieces_of(seed + number) for number, wire in enumerate(wires)}
    arrivals: list[tuple[float, str, str]] = []

    async def read(client: httpx2.AsyncClient, wire: str) -> None:
        url = f"{run.url}{PATHS[wire]}"
        request = client.build_request("POST", url, json=BODIES.get(wire, BODY), params=QUERIES.get(wire))
        run.session.configure(timing=timing_of(seed * 100 + len(wire)))
        run.session.push(script_of(texts[wire]))
        async for message in stream_response(await client.send(request, stream=True), wire):
            if message.text:
                arrivals.append((run.now(), wire, message.text))

    async def both() -> None:
        async with httpx2.AsyncClient(transport=provider.async_transport(), timeout=None) as client:
            await asyncio.gather(*(read(client, wire) for wire in wires))

    asyncio.run(both())
    assert [at for at, _, _ in arrivals] == sorted(at for at, _, _ in arrivals)
    for wire in wires:
        assert "".join(text for _, name, text in arrivals if name == wire) == "".join(texts[wire])
    assert [entry.outcome for entry in run.session.journal.entries] == ["complete", "complete"]


@cache
def recordings(name: str) -> tuple[Recording, ...]:
    """The recordings of a cassette."""
    return tuple(load_recordings(CASSETTES / name))


def outcome_of(stream: StreamedChatMessageIterator, each: Callable[[], None]) -> tuple[str, str, str]:
    """What a stream says, how it ended, and which error it raised; `each` is called with each message."""
    error = ""
    try:
        for _ in stream:
            each()
    except TokentapeError as raised:
        error = type(raised).__name__
    return stream.get_chat_output().text, stream.status, error


@pytest.mark.parametrize("mode", ["virtual", "stepped"])
@pytest.mark.parametrize("name", FILES)
def test_recordings(name: str, mode: str, run: Run) -> None:
    """A recording from a real model server comes in its own time, or in steps, as its bytes say, broken off or not."""
    found = recordings(name)
    run.session.configure(timing=Recorded() if mode == "virtual" else Stepped())
    run.session.add_recordings(found)
    for number, recording in enumerate(found):
        tape: Tape = recording.tape
        request = run.http.build_request(recording.method, f"{run.url}{recording.path}", json=recording.body)
        began = run.now()
        if mode == "stepped":
            response = run.http.send(request, stream=True)
            stepped = run.session.streams.next()
            got = b""
            chunks = response.iter_raw()
            while stepped.left > 1:
                frame = stepped.step()
                if frame:
                    got += next(chunks)
            assert got == b"".join(stepped.frames[: stepped.sent])
            stepped.release()
            response.close()
        elif tape.status == 200 and b"data:" in tape.body:
            expected = outcome_of(stream_bytes(tape.body, recording.wire), lambda: None)
            times: list[float] = []
            stream = stream_response(run.http.send(request, stream=True), recording.wire)
            text, status, error = outcome_of(stream, lambda: times.append(run.now() - began))  # noqa: B023
            assert text == expected[0]
            if tape.end == "complete":
                assert (status, error) == expected[1:]
            else:
                assert status == "failed"
                assert error
            assert {round(at, 6) for at in times} <= {round(frame.at, 6) for frame in tape.frames}
        else:
            response = run.http.send(request)
            assert (response.status_code, response.content) == (tape.status, tape.body)
        assert len(run.session.journal.entries) == number + 1
