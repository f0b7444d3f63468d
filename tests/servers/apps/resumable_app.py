"""Resumable responses as plain WSGI and ASGI applications, and in Flask: POST starts, GET reads, DELETE stops."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import flask

from tokentape import AsyncStreamedChatMessageIterator, ChatMessage, StreamedChatMessageIterator
from tokentape.web import ResumableResponses

responses = ResumableResponses(when_unread=0.5, heartbeat=0.2)
flask_app = flask.Flask("flask_app")


def closed(id: str) -> None:  # noqa: A002
    """Note in the server's folder that the provider's stream was closed."""
    Path(f"closed-{id}").write_text("")


def numbers(id: str) -> Iterable[int]:  # noqa: A002
    """40 numbers for the id `short`, and without end for others."""
    return range(40) if id == "short" else count()


def words(id: str) -> StreamedChatMessageIterator:  # noqa: A002
    """A word each 20 ms."""

    def source() -> Iterator[ChatMessage]:
        for number in numbers(id):
            yield ChatMessage(f"word{number} ")
            time.sleep(0.02)

    return StreamedChatMessageIterator(source(), close=lambda: closed(id))


def awords(id: str) -> AsyncStreamedChatMessageIterator:  # noqa: A002
    """The same for an event loop."""

    async def source() -> AsyncIterator[ChatMessage]:
        for number in numbers(id):
            yield ChatMessage(f"word{number} ")
            await asyncio.sleep(0.02)

    async def close() -> None:
        closed(id)

    return AsyncStreamedChatMessageIterator(source(), close=close)


def wsgi(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    """A plain WSGI application."""
    id = environ["PATH_INFO"][1:]  # noqa: A001
    if environ["REQUEST_METHOD"] == "DELETE":
        responses.stop(id)
        start_response("204 No Content", [])
        return []
    if environ["REQUEST_METHOD"] == "POST":
        responses.start(id, lambda: words(id))
    return responses.wsgi(id)(environ, start_response)


@flask_app.route("/<id>", methods=["POST", "GET", "DELETE"])
def view(id: str) -> Any:  # noqa: A002
    """The same with Flask."""
    if flask.request.method == "DELETE":
        responses.stop(id)
        return "", 204
    if flask.request.method == "POST":
        responses.start(id, lambda: words(id))
    return responses.wsgi(id)


async def asgi(scope: Any, receive: Any, send: Any) -> None:
    """A plain ASGI application, without a lifespan."""
    if scope["type"] != "http":
        raise NotImplementedError(scope["type"])
    id = scope["path"][1:]  # noqa: A001
    if scope["method"] == "DELETE":
        await responses.astop(id)
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body", "body": b""})
        return
    if scope["method"] == "POST":
        await responses.astart(id, lambda: awords(id))
    await responses.asgi(id)(scope, receive, send)
