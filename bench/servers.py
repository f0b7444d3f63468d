"""The servers that are compared, each in a process of its own: `python -m bench.servers NAME`.

A server prints its port when it is up, and at the end of its input a line of JSON with what it measured.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import re
import socket
import sys
import threading
import time
from collections.abc import AsyncIterator
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import StreamingResponse
from starlette.routing import Route

from bench.bodies import stream_body
from tokentape_fake_provider import FakeProviderServer, Frame, Recording, Rule, Script, Tape
from tokentape_fake_provider.answers.warm_up import warm_up
from tokentape_fake_provider.hosting.gc_tuning import settle

EVENTS = 1000
TOKENS_PER_SECOND = 50
PACED_EVENTS = 200
PATH = "/v1/chat/completions"
# Requests below it get a short answer.
SHORT_PREFIX = "/short"
SHORT_EVENTS = 10
REQUEST_BODY = b'{"model":"gpt-4o-mini","stream":true,"messages":[{"role":"user","content":"Hi"}]}'
# Asks for events that are so large that a client's and the server's buffers are soon full.
LARGE_REQUEST_BODY = REQUEST_BODY.replace(b"Hi", b"Large")
LARGE_EVENT = 65_536
SHAPES = {"short": 10, "long": 200}
"""The lengths of answers, in tokens."""
HEADERS = (("content-type", "text/event-stream; charset=utf-8"),)


def events(count: int) -> list[bytes]:
    """The events of a response."""
    return [event + b"\n\n" for event in stream_body("openai_chat", count).split(b"\n\n") if event]


def fake_provider(*, paced: bool) -> None:
    """Ours, replaying one recording again and again."""
    gap = 1000 / TOKENS_PER_SECOND if paced else 0.0
    played = events(PACED_EVENTS if paced else EVENTS)
    large = [b"data: " + b" " * (LARGE_EVENT - 8) + b"\n\n"] * PACED_EVENTS
    recordings = []
    for number, (body, sent) in enumerate(((REQUEST_BODY, played), (LARGE_REQUEST_BODY, large))):
        tape = Tape(tuple(Frame(index * gap, event) for index, event in enumerate(sent)), headers=HEADERS)
        recordings.append(Recording(tape, PATH, json.loads(body), "POST", "openai_chat", "bench", number))
    with FakeProviderServer() as server:
        if paced:
            from tokentape_fake_provider import Recorded

            server.default.configure(timing=Recorded(), repeat=True)
        else:
            server.default.configure(repeat=True)
        server.default.add_recordings(recordings)
        settle()
        print(server.port, flush=True)
        sys.stdin.read()
        entries = [entry for entry in server.default.journal.entries if entry.source == recordings[0].label]
        lateness = [frame.lateness for entry in entries for frame in entry.frames]
        print(json.dumps(lateness if paced else []))


def starlette_streaming() -> None:
    """A hand-written StreamingResponse: what most people's mock server is."""
    sent = events(EVENTS)

    async def answer(request: Request) -> StreamingResponse:
        await request.body()

        async def stream() -> AsyncIterator[bytes]:
            for event in sent:
                yield event

        return StreamingResponse(stream(), media_type="text/event-stream")

    _serve(Starlette(routes=[Route(PATH, answer, methods=["POST"])]), [])


def naive_paced() -> None:
    """A StreamingResponse that sleeps between tokens, as mock servers do."""
    sent = events(PACED_EVENTS)
    gap = 1 / TOKENS_PER_SECOND
    lateness: list[float] = []

    async def answer(request: Request) -> StreamingResponse:
        await request.body()

        async def stream() -> AsyncIterator[bytes]:
            began = time.perf_counter()
            for number, event in enumerate(sent):
                lateness.append((time.perf_counter() - began - number * gap) * 1000)
                yield event
                # From the last wake-up, not from the write: what a careful author would do without a schedule.
                await asyncio.sleep(max(0.0, began + (number + 1) * gap - time.perf_counter()))

        return StreamingResponse(stream(), media_type="text/event-stream")

    _serve(Starlette(routes=[Route(PATH, answer, methods=["POST"])]), lateness)


def bare_asgi() -> None:
    """The least an ASGI app can do: the same body in one message."""
    body = b"".join(events(EVENTS))
    start = {"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/event-stream")]}
    message = {"type": "http.response.body", "body": body, "more_body": False}

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send(start)
        await send(message)

    _serve(app, [])


def eventwise_asgi() -> None:
    """A message for each event, of which a short answer has few; each answer has an id of its own."""
    start = {"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/event-stream")]}
    answers = {prefix: events(count) for prefix, count in (("", PACED_EVENTS), (SHORT_PREFIX, SHORT_EVENTS))}
    number = itertools.count()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        while (await receive())["more_body"]:
            pass
        await send(start)
        own = b'"id":"chatcmpl-%029d"' % next(number)
        for event in answers[scope["path"].removesuffix(PATH)]:
            event = re.sub(rb'"id":"[^"]*"', own, event)
            await send({"type": "http.response.body", "body": event, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    _serve(app, [])


def simulated_and_paced() -> None:
    """Ours, whose simulated model answers every request at the same pace."""
    with FakeProviderServer() as server:
        server.default.configure(timing=f"synthetic:ttft=100,tps={TOKENS_PER_SECOND}")
        warm_up()
        settle()
        print(server.port, flush=True)
        sys.stdin.read()
        print(json.dumps([frame.lateness for entry in server.default.journal.entries for frame in entry.frames]))


def answers() -> None:
    """Ours, with a session for each source of answers and each of their lengths: `/s/rule-long`."""
    with FakeProviderServer() as server:
        for shape, tokens in SHAPES.items():
            script = Script.of(text_of(tokens))
            server.create_session(f"rule-{shape}").add_rule(Rule((script,)))
            server.create_session(f"simulation-{shape}", simulation={"words": tokens})
            tape = Tape(tuple(Frame(float(at), event) for at, event in enumerate(events(tokens))), headers=HEADERS)
            body = json.loads(question(0))
            recording = Recording(tape, PATH, body, "POST", "openai_chat", "bench", 0)
            server.create_session(f"replay-{shape}", repeat=True).add_recordings([recording])
        settle()
        print(server.port, flush=True)
        sys.stdin.read()
        print("[]")


def bare_shapes() -> None:
    """The least an ASGI app can do, with the bodies of our replays: `/short`, `/long`."""
    start = {"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/event-stream")]}
    bodies = {f"/{shape}": b"".join(events(tokens)) for shape, tokens in SHAPES.items()}

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send(start)
        await send({"type": "http.response.body", "body": bodies[scope["path"]], "more_body": False})

    _serve(app, [])


def text_of(tokens: int) -> str:
    """A text of this many tokens, of 7 characters each."""
    return " ".join(["stream"] * tokens)


def question(number: int) -> bytes:
    """The body of a request, whose prompt depends on the number."""
    return REQUEST_BODY.replace(b"Hi", b"Question %d" % number)


def _serve(app: Any, lateness: list[float]) -> None:
    listener = socket.create_server(("127.0.0.1", 0), backlog=2048)
    settle()
    print(listener.getsockname()[1], flush=True)
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, lifespan="off", access_log=False))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    sys.stdin.read()
    server.should_exit = True
    thread.join()
    print(json.dumps(lateness))


SERVERS = {
    "fake provider": lambda: fake_provider(paced=False),
    "fake provider, paced": lambda: fake_provider(paced=True),
    "Starlette StreamingResponse": starlette_streaming,
    "Starlette, naive sleeps": naive_paced,
    "bare ASGI, one message": bare_asgi,
    "bare ASGI, a message an event": eventwise_asgi,
    "bare ASGI, short and long": bare_shapes,
    "fake provider, answers": answers,
    "fake provider, simulated and paced": simulated_and_paced,
}

if __name__ == "__main__":
    SERVERS[sys.argv[1]]()
