"""Web responses: frames, ASGI, Starlette, FastAPI, WSGI, Flask."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import socket
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import fastapi
import flask
import httpx2
import pytest
import uvicorn
import werkzeug.serving
from starlette.background import BackgroundTask

from tests.tokentape.stepped_server import SteppedServer
from tokentape import (
    AsyncStreamedChatMessageIterator,
    ChatMessage,
    ConfigurationError,
    RateLimitError,
    RequestTimeoutError,
    StreamedChatMessageIterator,
    TokenUsage,
    ToolCall,
)
from tokentape.providers import OpenAIChat
from tokentape.web import ASGIStream, StreamingChatResponse, response_headers, smooth, wsgi_stream
from tokentape.web.frames import Format, error_frame, message_frame
from tokentape_fake_provider import ControlledClock

CHUNKS = (
    ChatMessage(),
    ChatMessage("Hi\n\n\u2028"),
    ChatMessage("", tool_calls=(ToolCall("c1", "f", {"a": 1}, '{"a":1}'),)),
    ChatMessage("0", finish_reason="stop", usage=TokenUsage(3, 2, 5)),
    ChatMessage("other", index=1),
)

AS_TEXT = "Hi\n\n\u20280".encode()
AS_SSE = (
    'data: {"text":"Hi\\n\\n\u2028"}\n\n'
    'data: {"tool_calls":[{"id":"c1","name":"f","arguments":{"a":1},"valid":true}]}\n\n'
    'data: {"text":"0","finish_reason":"stop"}\n\n'
    'data: {"text":"other","index":1}\n\n'
    'event: done\ndata: {"finish_reason":"stop","usage":{"input":3,"output":2,"total":5}}\n\n'
).encode()
AS_NDJSON = (
    '{"type":"message","text":"Hi\\n\\n\u2028"}\n'
    '{"type":"message","tool_calls":[{"id":"c1","name":"f","arguments":{"a":1},"valid":true}]}\n'
    '{"type":"message","text":"0","finish_reason":"stop"}\n'
    '{"type":"message","text":"other","index":1}\n'
    '{"type":"done","finish_reason":"stop","usage":{"input":3,"output":2,"total":5}}\n'
).encode()
BODIES: list[tuple[Format, bytes]] = [("text", AS_TEXT), ("sse", AS_SSE), ("ndjson", AS_NDJSON)]
SECRET = "organization org-secret, key sk-secret"


def sync_stream(*chunks: ChatMessage, error: BaseException | None = None) -> StreamedChatMessageIterator:
    """A plain stream of these chunks, that then ends or fails."""

    def source() -> Iterator[ChatMessage]:
        yield from chunks or CHUNKS
        if error is not None:
            raise error

    return StreamedChatMessageIterator(source())


def async_stream(*chunks: ChatMessage, error: BaseException | None = None) -> AsyncStreamedChatMessageIterator:
    """An async stream of these chunks, that then ends or fails."""

    async def source() -> AsyncIterator[ChatMessage]:
        for chunk in chunks or CHUNKS:
            yield chunk
        if error is not None:
            raise error

    return AsyncStreamedChatMessageIterator(source())


STREAMS = [sync_stream, async_stream]


class Client:
    """An ASGI client in memory: collects what is sent, and disconnects on demand."""

    def __init__(self) -> None:
        self.sent: list[Any] = []
        self.leave = asyncio.Event()
        self.on_send: Callable[[bytes], None] = lambda body: None

    async def receive(self) -> Any:
        """The request's body, then the disconnect."""
        if not hasattr(self, "requested"):
            self.requested = True
            return {"type": "http.request", "body": b"", "more_body": False}
        await self.leave.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Any) -> None:
        """Take a message of the application."""
        self.sent.append(message)
        if message["type"] == "http.response.body":
            self.on_send(message["body"])

    @property
    def body(self) -> bytes:
        """All of the body so far."""
        return b"".join(self.frames)

    @property
    def frames(self) -> list[bytes]:
        """The messages of the body."""
        return [sent["body"] for sent in self.sent[1:]]

    @property
    def complete(self) -> bool:
        """Whether the body was ended."""
        return bool(self.sent) and not self.sent[-1].get("more_body", True)


def run_asgi(app: Any) -> Client:
    """Run an application to its end."""

    async def main() -> Client:
        client = Client()
        await app({"type": "http"}, client.receive, client.send)
        return client

    return asyncio.run(main())


@pytest.mark.parametrize(("format", "body"), BODIES)
@pytest.mark.parametrize("make", STREAMS)
def test_asgi_sends_each_message_as_a_frame(make: Any, format: Format, body: bytes) -> None:  # noqa: A002
    """Each message becomes one frame, empty ones none; the last frame has usage and finish reason."""
    client = run_asgi(ASGIStream(make(), format=format))
    assert client.body == body
    assert client.complete
    assert all(client.frames[:-1])
    headers = dict(client.sent[0]["headers"])
    assert headers[b"x-accel-buffering"] == b"no"
    assert headers[b"cache-control"] == b"no-cache"
    assert headers[b"surrogate-control"] == b"no-store"
    assert b"content-length" not in headers


@pytest.mark.parametrize(("format", "body"), BODIES)
def test_wsgi_sends_each_message_as_a_frame(format: Format, body: bytes) -> None:  # noqa: A002
    """The same frames, as an iterable."""
    frames = wsgi_stream(sync_stream(), format=format)
    assert b"".join(frames) == body
    assert frames.headers["x-accel-buffering"] == "no"
    frames.close()


def test_headers_can_be_overridden_and_taken_out() -> None:
    """Names are compared whatever their case; None removes one."""
    assert response_headers("sse", {"Cache-Control": "no-store", "X-Accel-Buffering": None, "X-Mine": "1"}) == {
        "content-type": "text/event-stream; charset=utf-8",
        "cache-control": "no-store",
        "surrogate-control": "no-store",
        "x-mine": "1",
    }


def test_bad_arguments_are_named() -> None:
    """An unknown format, a heartbeat in plain text or one of no length is refused at once."""
    with pytest.raises(ConfigurationError, match="'text', 'sse', 'ndjson' or 'ui-message-stream'"):
        ASGIStream(async_stream(), format="xml")  # type: ignore[arg-type]
    with pytest.raises(ConfigurationError, match="can't contain a heartbeat"):
        wsgi_stream(sync_stream(), heartbeat=1)
    with pytest.raises(ConfigurationError, match="more than 0"):
        ASGIStream(async_stream(), format="sse", heartbeat=0)


@pytest.mark.parametrize(
    "create",
    [
        lambda stream: ASGIStream(stream, format="sse"),
        lambda stream: StreamingChatResponse(stream),
        lambda stream: wsgi_stream(stream, heartbeat=5, format="ndjson"),
        lambda stream: wsgi_stream(stream),
        lambda stream: smooth(stream),
    ],
)
def test_what_is_no_stream_is_refused_at_once(create: Callable[[Any], Any]) -> None:
    """Such as a call that nobody awaited, a function that nobody called, or a text: not a response with an error."""
    with pytest.raises(ConfigurationError, match=r"the coroutine sleep\(\): await it first"):
        create(asyncio.sleep(0))
    for wrong, name in (
        (async_stream, "function"),
        ("text", "str"),
        (None, "NoneType"),
        ({}, "dict"),
        (CHUNKS[0], "Cha"),
    ):
        with pytest.raises(ConfigurationError, match=f"the stream is of the type {name}.* must be an iterator of"):
            create(wrong)


def test_wsgi_reads_no_async_stream() -> None:
    """The error names the alternatives."""
    with pytest.raises(ConfigurationError, match=r"use the provider's chat\(\) rather than achat"):
        wsgi_stream(async_stream())


@pytest.mark.parametrize("format", ["text", "sse", "ndjson", "ui-message-stream"])
def test_what_is_no_message_ends_the_stream_with_an_error(format: Format, caplog: pytest.LogCaptureFixture) -> None:  # noqa: A002
    """Such as a chunk of a provider's SDK: the log has the remedy, the reader the error's class."""
    caplog.set_level("WARNING", logger="tokentape.web")  # an app of conformance, imported by a test, has another
    frames: list[bytes] = []
    with contextlib.suppress(ConfigurationError):
        frames += wsgi_stream([{"choices": []}], format=format)
    assert "item of the type dict; it must be a ChatMessage: pass the stream of a provider's own SDK" in caplog.text
    assert format == "text" or b"ConfigurationError" in b"".join(frames)


@pytest.mark.parametrize("make", STREAMS)
def test_the_log_has_the_place_of_an_error(make: Any, caplog: pytest.LogCaptureFixture) -> None:
    """An app's own error can be found, though its message, which may repeat a secret, is not logged."""
    caplog.set_level("WARNING", logger="tokentape.web")
    run_asgi(ASGIStream(make(error=ValueError(SECRET)), format="sse"))
    assert re.search(r"broke off: ValueError at .*test_web\.py:\d+, in source", caplog.text)
    assert "secret" not in caplog.text


def test_a_lone_surrogate_does_not_break_the_stream() -> None:
    """Half a character that a provider sent is replaced, in each format."""
    for format, _ in BODIES:  # noqa: A001
        assert b"?" in message_frame(ChatMessage("\ud83d"), format)


FAILURE = RateLimitError(SECRET, status=429, retry_after=2.0)


@pytest.mark.parametrize("error", [FAILURE, ValueError(SECRET)])
@pytest.mark.parametrize("format", ["sse", "ndjson"])
@pytest.mark.parametrize("make", STREAMS)
def test_a_failed_stream_ends_with_an_error_frame(make: Any, format: Format, error: Exception) -> None:  # noqa: A002
    """The error frame has the error's class but not the provider's message; there is no `done`."""
    client = run_asgi(ASGIStream(make(ChatMessage("Hel"), error=error), format=format))
    last = client.frames[-2]
    assert last == error_frame(error, format)
    reported = json.loads(last.split(b"data: ")[-1])["error"]
    assert reported["message"] == "the stream broke off before it was complete"
    if error is FAILURE:
        assert (reported["type"], reported["status"], reported["retry_after"]) == ("RateLimitError", 429, 2.0)
    else:
        assert reported["type"] == "InternalError"
    assert b"secret" not in client.body
    assert b"done" not in client.body
    if make is sync_stream:
        wsgi = b"".join(wsgi_stream(make(ChatMessage("Hel"), error=error), format=format))
        assert wsgi == client.body


@pytest.mark.parametrize("heartbeat", [None, 0.01])
@pytest.mark.parametrize("error", [asyncio.CancelledError(), BaseExceptionGroup("", [asyncio.CancelledError()])])
@pytest.mark.parametrize("make", [*STREAMS, lambda **options: smooth(async_stream(**options), max_delay=0.01)])
def test_a_source_that_is_cancelled_has_failed(make: Any, error: BaseException, heartbeat: float | None) -> None:
    """A cancellation that is not the reader's own ends the stream with an error, not with heartbeats for ever."""
    client = run_asgi(ASGIStream(make(error=error), format="sse", heartbeat=heartbeat))
    assert client.complete
    assert client.frames[-2].startswith(b"event: error\n")


@pytest.mark.parametrize("make", STREAMS)
def test_failed_plain_text_is_cut_off(make: Any) -> None:
    """Plain text contains the error, and the response does not end like a complete one."""
    client = Client.__new__(Client)

    async def main() -> None:
        client.__init__()  # type: ignore[misc]
        app = ASGIStream(make(ChatMessage("Hel"), error=FAILURE))
        await app({"type": "http"}, client.receive, client.send)

    with pytest.raises(RateLimitError):
        asyncio.run(main())
    assert client.body == b"Hel\n\n[the stream broke off before it was complete: RateLimitError]\n"
    assert not client.complete


def test_failed_plain_text_is_cut_off_in_wsgi_too() -> None:
    """The server sees the exception after the words."""
    frames = wsgi_stream(sync_stream(ChatMessage("Hel"), error=FAILURE))
    assert next(frames) == b"Hel"
    assert next(frames).endswith(b"RateLimitError]\n")
    with pytest.raises(RateLimitError):
        next(frames)


@pytest.mark.parametrize("format", ["text", "sse"])
def test_asgi_closes_an_async_stream_when_the_reader_leaves(format: Format) -> None:  # noqa: A002
    """A disconnect cancels the wait for the next message and closes the source, once."""
    closed: list[str] = []

    async def main() -> None:
        client = Client()

        async def source() -> AsyncIterator[ChatMessage]:
            try:
                yield ChatMessage("a")
                client.leave.set()
                await asyncio.Event().wait()
            finally:
                closed.append("source")

        stream = AsyncStreamedChatMessageIterator(source())
        heartbeat = 1.0 if format == "sse" else None
        app = ASGIStream(stream, format=format, heartbeat=heartbeat, clock=ControlledClock())
        await app({"type": "http"}, client.receive, client.send)
        assert (stream.status, client.complete) == ("cancelled", False)

    asyncio.run(main())
    assert closed == ["source"]


def test_asgi_closes_a_plain_stream_when_the_reader_leaves() -> None:
    """The thread that waits for the provider is woken, and the provider sees its client leave."""

    async def main(server: SteppedServer, provider: OpenAIChat) -> None:
        client = Client()
        client.on_send = lambda body: client.leave.set()
        stream = provider.chat("Hi", stream=True)
        server.step()
        await ASGIStream(stream)({"type": "http"}, client.receive, client.send)
        assert client.body == b"a"
        assert stream.normalized.status == "cancelled"
        assert await asyncio.to_thread(server.left.wait, 10)

    body = [b'data: {"choices":[{"index":0,"delta":{"content":"a"}}]}\n\n', b"data: [DONE]\n\n"]
    with SteppedServer(body) as server, OpenAIChat("m", api_key="k", base_url=server.url) as provider:
        asyncio.run(main(server, provider))


def test_a_send_that_fails_means_that_the_reader_left() -> None:
    """ASGI 2.4 servers raise OSError; the stream is closed and nothing is raised."""

    async def main() -> None:
        stream = async_stream()
        client = Client()

        async def send(message: Any) -> None:
            if message.get("body"):
                raise OSError("gone")

        await ASGIStream(stream)({"type": "http"}, client.receive, send)
        assert stream.status == "cancelled"

    asyncio.run(main())


@pytest.mark.parametrize("make", [async_stream, sync_stream], ids=["async", "plain"])
def test_a_response_that_does_not_begin_closes_its_stream(make: Any) -> None:
    """A reader who leaves before the head of the response ends the stream as well."""

    async def main() -> None:
        stream = make()

        async def send(message: Any) -> None:
            raise OSError("gone")

        await ASGIStream(stream)({"type": "http"}, Client().receive, send)
        assert stream.status == "cancelled"

    asyncio.run(main())


def test_a_cancelled_response_closes_its_stream() -> None:
    """A server that shuts down cancels the task: the stream is closed before it ends."""

    async def main() -> None:
        waiting = asyncio.Event()

        async def source() -> AsyncIterator[ChatMessage]:
            yield ChatMessage("a")
            waiting.set()
            await asyncio.Event().wait()

        stream = AsyncStreamedChatMessageIterator(source())
        client = Client()
        task = asyncio.ensure_future(ASGIStream(stream)({"type": "http"}, client.receive, client.send))
        await waiting.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert stream.status == "cancelled"

    asyncio.run(main())


@pytest.mark.parametrize("format", ["sse", "ndjson"])
@pytest.mark.parametrize("plain", [True, False])
def test_asgi_heartbeats_in_silence(plain: bool, format: Format) -> None:  # noqa: A002
    """After a number of seconds without a message a heartbeat frame is sent; then the stream continues."""
    clock = ControlledClock()

    async def main() -> Client:
        go_on, go_on_plain = asyncio.Event(), threading.Event()
        tasks: set[object] = set()

        async def source() -> AsyncIterator[ChatMessage]:
            tasks.add(asyncio.current_task())
            await go_on.wait()
            yield ChatMessage("a")
            tasks.add(asyncio.current_task())

        def plain_source() -> Iterator[ChatMessage]:
            tasks.add(threading.current_thread())
            go_on_plain.wait(10)
            yield ChatMessage("a")
            tasks.add(threading.current_thread())

        stream: Any = (
            StreamedChatMessageIterator(plain_source()) if plain else AsyncStreamedChatMessageIterator(source())
        )
        client = Client()
        app = ASGIStream(stream, format=format, heartbeat=15, clock=clock)
        answering = asyncio.ensure_future(app({"type": "http"}, client.receive, client.send))
        await asyncio.to_thread(clock.wait_for_deadline)
        await clock.aadvance(14.999)
        assert client.frames == []
        await clock.aadvance(0.001)
        assert len(client.frames) == 1
        await clock.aadvance(30)
        assert len(client.frames) == 3
        go_on.set()
        go_on_plain.set()
        await answering
        assert len(tasks) == 1
        return client

    frames = asyncio.run(main()).frames
    beat = b": heartbeat\n\n" if format == "sse" else b'{"type":"heartbeat"}\n'
    assert frames[:3] == [beat] * 3
    assert frames[3] in (b'data: {"text":"a"}\n\n', b'{"type":"message","text":"a"}\n')
    assert clock.now() == 45_000
    assert clock.next_deadline is None


@pytest.mark.parametrize("format", ["text", "sse"])
@pytest.mark.parametrize("heartbeat", [None, 15, 25])
def test_asgi_stream_that_is_idle(format: Format, heartbeat: float | None) -> None:  # noqa: A002
    """A stream without a message for longer than its timeout fails and is closed, despite heartbeats."""
    if format == "text":
        heartbeat = None
    clock = ControlledClock()
    closed: list[bool] = []

    async def main() -> Client:
        async def source() -> AsyncIterator[ChatMessage]:
            try:
                yield ChatMessage("a")
                await asyncio.Event().wait()
            finally:
                closed.append(True)

        client = Client()
        stream = AsyncStreamedChatMessageIterator(source())
        app = ASGIStream(stream, format=format, heartbeat=heartbeat, idle_timeout=60, clock=clock)
        answering = asyncio.ensure_future(app({"type": "http"}, client.receive, client.send))
        for _ in range(2):  # for the first message, and for the next
            await asyncio.to_thread(clock.wait_for_deadline)
        await clock.aadvance(59.999)
        assert not closed
        await clock.aadvance(0.001)
        if format == "text":
            with pytest.raises(RequestTimeoutError, match="sent nothing for 60 s"):
                await answering
        else:
            await answering
        return client

    client = asyncio.run(main())
    assert closed == [True]
    if format == "sse":
        assert client.frames.count(b": heartbeat\n\n") == {None: 0, 15: 3, 25: 2}[heartbeat]
        assert json.loads(client.frames[-2].split(b"data: ")[-1])["error"]["type"] == "RequestTimeoutError"


@pytest.mark.parametrize("idle_timeout", [None, 40])
def test_wsgi_heartbeats_in_silence(idle_timeout: float | None) -> None:
    """The stream is read in a thread, so that its silence can be filled, and ends; close() ends both."""
    clock = ControlledClock()
    go_on = threading.Event()

    def source() -> Iterator[ChatMessage]:
        go_on.wait(10)
        yield ChatMessage("a")

    stream = StreamedChatMessageIterator(source())
    frames = wsgi_stream(stream, format="sse", heartbeat=15, idle_timeout=idle_timeout, clock=clock)
    body = []
    with ThreadPoolExecutor(1) as pool:
        for _ in range(2):
            reading = pool.submit(next, frames)
            clock.wait_for_deadline()
            clock.advance(14.999)
            assert not reading.done()
            clock.advance(0.001)
            body.append(reading.result(10))
        reading = pool.submit(next, frames)
        clock.wait_for_deadline()
        if idle_timeout is None:
            go_on.set()
        else:
            clock.advance(10)
        body.append(reading.result(10))
    go_on.set()
    frames.close()
    assert body[:2] == [b": heartbeat\n\n", b": heartbeat\n\n"]
    assert body[2].startswith(b"event: error\n" if idle_timeout else b'data: {"text":"a"}')


@pytest.mark.parametrize("heartbeat", [None, 5.0])
def test_wsgi_close_closes_the_stream(heartbeat: float | None) -> None:
    """The server calls close() when the reader leaves; a second one does nothing."""
    closed: list[bool] = []
    stream = StreamedChatMessageIterator(iter(CHUNKS[1:]), close=lambda: closed.append(True))
    frames = wsgi_stream(stream, format="sse", heartbeat=heartbeat)
    assert next(frames)
    frames.close()
    frames.close()
    assert (closed, stream.status) == ([True], "cancelled")


def test_what_is_read_in_a_thread_is_closed_when_the_thread_is_done() -> None:
    """A generator can't be closed while it runs: close() waits for it, and closes it then."""
    go_on = threading.Event()
    closed: list[bool] = []

    def source() -> Iterator[ChatMessage]:
        try:
            yield ChatMessage("a")
            go_on.wait(10)
            yield ChatMessage("b")
        finally:
            closed.append(True)

    class Source:
        generator = source()

        def __iter__(self) -> Iterator[ChatMessage]:
            return self.generator

        def close(self) -> None:
            go_on.set()

    clock = ControlledClock()
    frames = wsgi_stream(Source(), format="sse", heartbeat=5, clock=clock)
    with ThreadPoolExecutor(1) as pool:
        assert next(frames) == b'data: {"text":"a"}\n\n'
        reading = pool.submit(next, frames)
        while clock.next_deadline is None:
            clock.wait_for_deadline()
        clock.advance(5)
        assert reading.result(10) == b": heartbeat\n\n"
    assert not closed
    frames.close()
    assert closed == [True]


@contextlib.contextmanager
def served(app: Any) -> Iterator[str]:
    """An ASGI application on uvicorn, in a thread."""
    listener = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(app, log_config=None, lifespan="off", timeout_graceful_shutdown=5)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(10)
        listener.close()


OPENAI_BODY = [
    b'data: {"choices":[{"index":0,"delta":{"content":"a"}}]}\n\n',
    b'data: {"choices":[{"index":0,"delta":{"content":"b"},"finish_reason":"stop"}]}\n\n',
    b"data: [DONE]\n\n",
]


def fastapi_app(provider: OpenAIChat) -> fastapi.FastAPI:
    """An application as in the documentation: an async and a plain route."""
    app = fastapi.FastAPI()

    @app.post("/async")
    async def achat(prompt: str) -> Any:
        return StreamingChatResponse(await provider.achat(prompt, stream=True), format="sse")

    @app.post("/plain")
    def chat(prompt: str) -> Any:
        return StreamingChatResponse(provider.chat(prompt, stream=True))

    return app


@pytest.mark.parametrize(
    ("path", "frames"),
    [
        ("/async", [b'data: {"text":"a"}\n\n', b'data: {"text":"b","finish_reason":"stop"}\n\n']),
        ("/plain", [b"a", b"b"]),
    ],
)
def test_fastapi_streams_each_message_as_it_comes(path: str, frames: list[bytes]) -> None:
    """Through a real server: the reader has each token before the provider sends the next."""
    with (
        SteppedServer(OPENAI_BODY) as upstream,
        OpenAIChat("m", api_key="k", base_url=upstream.url) as provider,
        served(fastapi_app(provider)) as url,
        httpx2.Client() as http,
        http.stream("POST", f"{url}{path}?prompt=Hi") as response,
    ):
        assert response.headers["x-accel-buffering"] == "no"
        body = response.iter_bytes()
        for frame in frames:
            upstream.step()
            assert next(body) == frame
        upstream.all()
        assert b"".join(body).startswith(b"event: done" if path == "/async" else b"")


@pytest.mark.parametrize("path", ["/async", "/plain"])
def test_a_reader_that_leaves_fastapi_closes_the_upstream(path: str) -> None:
    """Through a real server: the browser goes, the provider's connection is closed."""
    with (
        SteppedServer(OPENAI_BODY) as upstream,
        OpenAIChat("m", api_key="k", base_url=upstream.url) as provider,
        served(fastapi_app(provider)) as url,
        httpx2.Client() as http,
    ):
        with http.stream("POST", f"{url}{path}?prompt=Hi") as response:
            upstream.step()
            assert next(response.iter_bytes())
        assert upstream.left.wait(10)


def test_a_background_task_runs_after_the_stream() -> None:
    """Starlette's own background tasks work, and cookies are kept."""
    done: list[str] = []
    response = StreamingChatResponse(async_stream(), background=BackgroundTask(done.append, "ran"))
    response.set_cookie("a", "1")
    response.set_cookie("b", "2")
    client = run_asgi(response)
    assert client.body == AS_TEXT
    assert done == ["ran"]
    assert [name for name, _ in client.sent[0]["headers"]].count(b"set-cookie") == 2


@contextlib.contextmanager
def served_wsgi(app: Any) -> Iterator[str]:
    """A WSGI application on Werkzeug's server, in a thread."""
    server = werkzeug.serving.make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.port}"
    finally:
        server.shutdown()
        thread.join(10)
        server.server_close()


def flask_app(provider: OpenAIChat, **options: Any) -> flask.Flask:
    """An application as in the documentation."""
    app = flask.Flask("example")

    @app.post("/chat")
    def chat() -> flask.Response:
        body = wsgi_stream(provider.chat("Hi", stream=True), **options)
        return flask.Response(body, headers=body.headers)

    return app


def test_flask_streams_each_message_as_it_comes() -> None:
    """Through a real server, as plain text. WSGI sends the headers with the first frame (PEP 3333)."""
    with (
        SteppedServer(OPENAI_BODY) as upstream,
        OpenAIChat("m", api_key="k", base_url=upstream.url) as provider,
        served_wsgi(flask_app(provider)) as url,
        httpx2.Client() as http,
    ):
        upstream.step()
        with http.stream("POST", f"{url}/chat") as response:
            assert response.headers["content-type"] == "text/plain; charset=utf-8"
            assert response.headers["cache-control"] == "no-cache"
            body = response.iter_bytes()
            assert next(body) == b"a"
            upstream.step()
            assert next(body) == b"b"
            upstream.all()
            assert list(body) == []


def test_flask_closes_the_upstream_when_the_response_is_closed() -> None:
    """Werkzeug closes the body of a response, and that closes the provider's connection."""
    with (
        SteppedServer(OPENAI_BODY) as upstream,
        OpenAIChat("m", api_key="k", base_url=upstream.url) as provider,
    ):
        upstream.step()
        response = flask_app(provider).test_client().post("/chat", buffered=False)
        assert next(response.iter_encoded()) == b"a"
        response.close()
        assert upstream.left.wait(10)
