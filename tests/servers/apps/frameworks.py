"""The same stream in many ASGI and asyncio frameworks, each as its documentation has it, without a handler of errors.

python frameworks.py NAME PORT      one that has a server of its own; the ASGI ones are attributes of the module
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Iterator
from typing import Any

from openai_tokens import aevents, atokens, event, tokens

SSE = "text/event-stream"


def _fastapi() -> Any:
    """A StreamingResponse."""
    from fastapi import FastAPI
    from fastapi.responses import StreamingResponse

    app = FastAPI()
    app.add_api_route("/chat", lambda: StreamingResponse(aevents(), media_type=SSE), methods=["GET", "POST"])
    return app


def _sse_starlette() -> Any:
    """An EventSourceResponse."""
    from sse_starlette import EventSourceResponse
    from starlette.applications import Starlette
    from starlette.routing import Route

    async def events() -> AsyncIterator[dict[str, str]]:
        async for token in atokens():
            yield {"data": json.dumps({"text": token})}

    async def chat(_: Any) -> Any:
        return EventSourceResponse(events())

    return Starlette(routes=[Route("/chat", chat, methods=["GET", "POST"])])


def _pydantic_ai() -> Any:
    """What pydantic-ai streams: the text so far, a line of JSON each time."""
    from fastapi import FastAPI
    from fastapi.responses import StreamingResponse
    from pydantic_ai import Agent
    from pydantic_ai.models.openai import OpenAIChatModel

    agent = Agent(OpenAIChatModel("m"))

    async def lines() -> AsyncIterator[str]:
        async with agent.run_stream("Hello") as result:
            async for text in result.stream_text(debounce_by=None):
                yield json.dumps({"text": text}) + "\n"

    app = FastAPI()
    app.add_api_route(
        "/chat", lambda: StreamingResponse(lines(), media_type="application/x-ndjson"), methods=["GET", "POST"]
    )
    return app


def _litestar() -> Any:
    """A ServerSentEvent."""
    from litestar import Litestar, route
    from litestar.response import ServerSentEvent

    async def events() -> AsyncIterator[str]:
        async for token in atokens():
            yield json.dumps({"text": token})

    @route("/chat", http_method=["GET", "POST"], status_code=200)
    async def chat() -> ServerSentEvent:
        return ServerSentEvent(events())

    chat.fn.__annotations__["return"] = ServerSentEvent
    return Litestar([chat])


def _quart() -> Any:
    """An async generator as the response."""
    from quart import Quart, Response

    app = Quart("chat")

    @app.route("/chat", methods=["GET", "POST"])
    async def chat() -> Any:
        response = Response(aevents(), mimetype=SSE)
        response.timeout = None
        return response

    return app


def _channels() -> Any:
    """A consumer of Django Channels that answers each message of a WebSocket."""
    import django
    from channels.generic.websocket import AsyncWebsocketConsumer
    from channels.routing import ProtocolTypeRouter
    from django.conf import settings

    settings.configure(SECRET_KEY="any", ALLOWED_HOSTS=["*"])
    django.setup()

    class Chat(AsyncWebsocketConsumer):  # type: ignore[misc]
        async def receive(self, text_data: str = "", bytes_data: bytes = b"") -> None:
            async for token in atokens():
                await self.send(json.dumps({"text": token}))
            await self.close()

    return ProtocolTypeRouter({"websocket": Chat.as_asgi()})


ASGI = {
    "fastapi": _fastapi,
    "sse_starlette": _sse_starlette,
    "pydantic_ai": _pydantic_ai,
    "litestar": _litestar,
    "quart": _quart,
    "channels": _channels,
}


def __getattr__(name: str) -> Any:
    if name not in ASGI:
        raise AttributeError(name)
    return ASGI[name]()


def aiohttp(port: int) -> None:
    """A StreamResponse."""
    from aiohttp import web

    async def chat(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"content-type": SSE})
        await response.prepare(request)
        async for data in aevents():
            await response.write(data)
        return response

    app = web.Application()
    app.router.add_route("*", "/chat", chat)
    web.run_app(app, host="127.0.0.1", port=port, print=None)


def tornado(port: int) -> None:
    """A handler that flushes."""
    from tornado.web import Application, RequestHandler

    class Chat(RequestHandler):
        async def post(self) -> None:
            self.set_header("content-type", SSE)
            async for data in aevents():
                self.write(data)
                await self.flush()

    async def serve() -> None:
        Application([("/chat", Chat)]).listen(port, "127.0.0.1")
        await asyncio.Event().wait()

    asyncio.run(serve())


def gevent_flask(port: int) -> None:
    """Flask under gevent's server."""
    from gevent import monkey

    monkey.patch_all()
    from flask import Flask, Response
    from gevent.pywsgi import WSGIServer

    app = Flask("chat")

    def events() -> Iterator[bytes]:
        for token in tokens():
            yield event(token)

    app.add_url_rule("/chat", view_func=lambda: Response(events(), mimetype=SSE), methods=["GET", "POST"])
    WSGIServer(("127.0.0.1", port), app, log=None).serve_forever()


if __name__ == "__main__":
    {"aiohttp": aiohttp, "tornado": tornado, "gevent_flask": gevent_flask}[sys.argv[1]](int(sys.argv[2]))
