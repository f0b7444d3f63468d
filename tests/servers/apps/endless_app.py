"""A resumable response that ends only with its server: an application of FastAPI, and one of Flask."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import fastapi
import flask

from tokentape import AsyncStreamedChatMessageIterator, ChatMessage, StreamedChatMessageIterator
from tokentape.web import ResumableResponses

responses = ResumableResponses(heartbeat=None)
asgi = fastapi.FastAPI(lifespan=responses.lifespan)
wsgi = flask.Flask("wsgi")
PROCESSES = f"{os.getpid()} {os.getppid()}"
if os.environ.get("ON_SIGNAL"):
    responses.close_on_signal()


def closed() -> None:
    """Note in the server's folder that the provider's stream was closed."""
    Path("closed").write_text("")


async def awords() -> AsyncIterator[ChatMessage]:
    """Words without end."""
    try:
        yield ChatMessage("x")
        await asyncio.sleep(600)
    finally:
        closed()


class Words:
    """Words without end, for a thread; closing it ends the wait."""

    def __init__(self) -> None:
        self.closed = False

    def __iter__(self) -> Iterator[ChatMessage]:
        yield ChatMessage("x")
        while not self.closed:
            time.sleep(0.01)

    def close(self) -> None:
        """End it."""
        self.closed = True
        closed()


@asgi.get("/chat")
async def chat() -> fastapi.Response:
    """Start it, and send it."""
    await responses.astart("a", lambda: AsyncStreamedChatMessageIterator(awords()))
    return responses.starlette("a")


@asgi.get("/processes")
async def processes() -> fastapi.Response:
    """The ids of this process and of its parent."""
    return fastapi.Response(PROCESSES)


@wsgi.get("/chat")
def plain_chat() -> flask.Response:
    """Start it, and send it."""
    words = Words()
    responses.start("a", StreamedChatMessageIterator(words))
    return responses.wsgi("a")  # type: ignore[return-value]


@wsgi.get("/processes")
def plain_processes() -> str:
    """The ids of this process and of its parent."""
    return PROCESSES
