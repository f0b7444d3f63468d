"""Apps that chat, well and badly, each around the official SDK or the library's client."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator, Iterator
from typing import Any

import openai
from flask import Flask
from flask import Response as FlaskResponse
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.responses import StreamingResponse
from starlette.routing import Route

from tokentape import ChatMessage
from tokentape.providers import OpenAIChat
from tokentape.web import StreamingChatResponse, wsgi_stream

QUESTION: Any = [{"role": "user", "content": "Tell me about the sea."}]


def tokens() -> Iterator[str]:
    """What the openai SDK streams, token by token."""
    with openai.OpenAI(max_retries=0) as client:
        for chunk in client.chat.completions.create(model="gpt-4o-mini", messages=QUESTION, stream=True):
            if chunk.choices and chunk.choices[0].delta.content:
                yield chunk.choices[0].delta.content


async def async_tokens() -> AsyncIterator[str]:
    """The same with the async client."""
    async with openai.AsyncOpenAI(max_retries=0) as client:
        stream = await client.chat.completions.create(model="gpt-4o-mini", messages=QUESTION, stream=True)
        async for chunk in stream:
            if chunk.choices and chunk.choices[0].delta.content:
                yield chunk.choices[0].delta.content


def collected() -> list[str]:
    """All tokens, once there are all."""
    return list(tokens())


def unstreamed() -> str:
    """The whole answer, requested without streaming."""
    with openai.OpenAI(max_retries=0) as client:
        answer = client.chat.completions.create(model="gpt-4o-mini", messages=QUESTION)
        return answer.choices[0].message.content or ""


def by_three() -> Iterator[str]:
    """Three tokens at a time."""
    kept: list[str] = []
    for token in tokens():
        kept.append(token)
        if len(kept) == 3:
            yield "".join(kept)
            kept.clear()
    yield "".join(kept)


def one_behind() -> Iterator[str]:
    """Each token when the next one is there."""
    last = None
    for token in tokens():
        if last is not None:
            yield last
        last = token
    yield last or ""


def in_blocks(size: int) -> Iterator[bytes]:
    """The provider's bytes in blocks, as a careless proxy passes them on."""
    with openai.OpenAI(max_retries=0) as client:
        create = client.chat.completions.with_streaming_response.create
        with create(model="gpt-4o-mini", messages=QUESTION, stream=True) as response:
            yield from response.iter_bytes(size)


def swallowing() -> Iterator[str]:
    """Tokens, and no error if they break off."""
    try:
        yield from tokens()
    except openai.APIError:
        return


def apologising() -> Iterator[str]:
    """Tokens, and an error at the end if they break off."""
    try:
        yield from tokens()
    except openai.APIError:
        yield "\nSorry, something went wrong. Please try again."


def requesting_again() -> Iterator[str]:
    """Tokens, and all of them once more if they break off."""
    try:
        yield from tokens()
    except openai.APIError:
        yield "\n--- again ---\n"
        yield from tokens()


async def _chat(_request: Any) -> StreamingChatResponse:
    response = await OpenAIChat("gpt-4o-mini").achat([ChatMessage.user("Hello")], stream=True)
    return StreamingChatResponse(response, format="sse")


async def _plain(_request: Any) -> StreamingResponse:
    return StreamingResponse(async_tokens(), media_type="text/plain")


class Reads:
    """A middleware that reads the whole body; with `declare` it sets its Content-Length."""

    def __init__(self, app: Any, declare: bool = False) -> None:
        self.app = app
        self.declare = declare

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        kept: list[dict[str, Any]] = []

        async def keep(message: dict[str, Any]) -> None:
            kept.append(message)

        await self.app(scope, receive, keep)
        if self.declare:
            size = sum(len(message.get("body", b"")) for message in kept)
            kept[0]["headers"] = [*kept[0]["headers"], (b"content-length", str(size).encode())]
        for message in kept:
            await send(message)


class HeadFirst(Reads):
    """A middleware that sends the head at once, and the body when it is whole."""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        kept = bytearray()

        async def keep(message: dict[str, Any]) -> None:
            if message["type"] == "http.response.start":
                await send(message)
                return
            kept.extend(message.get("body", b""))
            if not message.get("more_body"):
                await send({"type": "http.response.body", "body": bytes(kept)})

        await self.app(scope, receive, keep)


class Compresses(Reads):
    """A middleware that compresses without flushing, if the request accepts compression."""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        import zlib

        headers = dict(scope.get("headers", ()))
        if scope["type"] != "http" or b"gzip" not in headers.get(b"accept-encoding", b""):
            await self.app(scope, receive, send)
            return
        compressor = zlib.compressobj(wbits=31)

        async def compress(message: dict[str, Any]) -> None:
            if message["type"] == "http.response.start":
                await send({**message, "headers": [*message["headers"], (b"content-encoding", b"gzip")]})
                return
            body = compressor.compress(message.get("body", b""))
            if not message.get("more_body"):
                body += compressor.flush()
            await send({**message, "body": body})

        await self.app(scope, receive, compress)


class Timer(Reads):
    """A middleware that passes on what has come every so often."""

    seconds = 0.2

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        kept: list[bytes] = []
        over = asyncio.Event()

        async def keep(message: dict[str, Any]) -> None:
            if message["type"] == "http.response.start":
                await send(message)
                return
            kept.append(message.get("body", b""))
            if not message.get("more_body"):
                over.set()

        async def ring() -> None:
            while not over.is_set():
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(over.wait(), self.seconds)
                body = b"".join(kept)
                kept.clear()
                await send({"type": "http.response.body", "body": body, "more_body": True})
            await send({"type": "http.response.body", "body": b"".join(kept)})

        ringing = asyncio.ensure_future(ring())
        try:
            await self.app(scope, receive, keep)
        except BaseException:
            ringing.cancel()
            raise
        await ringing


class OneAtATime(Reads):
    """A middleware that lets in one request at a time."""

    def __init__(self, app: Any) -> None:
        super().__init__(app)
        self.lock = asyncio.Lock()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        async with self.lock:
            await self.app(scope, receive, send)


def starlette_app(*middleware: Any) -> Starlette:
    """An app that streams with our response at `/chat`, and with Starlette's own at `/plain`."""
    return Starlette(
        routes=[Route("/chat", _chat, methods=["GET", "POST"]), Route("/plain", _plain)],
        middleware=[Middleware(each) for each in middleware],
    )


def flask_app() -> Flask:
    """The same with Flask, and at `/late` what joins the whole answer."""
    app = Flask("chat")

    @app.get("/chat")
    def chat() -> FlaskResponse:
        body = wsgi_stream(OpenAIChat("gpt-4o-mini").chat([ChatMessage.user("Hello")], stream=True), format="ndjson")
        return FlaskResponse(body, headers=body.headers)

    @app.get("/plain")
    def plain() -> FlaskResponse:
        return FlaskResponse(tokens(), mimetype="text/plain")

    @app.get("/late")
    def late() -> str:
        return "".join(tokens())

    return app


LOCK = threading.Lock()


def locked() -> Iterator[str]:
    """Tokens, for one reader at a time."""
    with LOCK:
        yield from tokens()


GZIP = GZipMiddleware
