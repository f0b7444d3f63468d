"""One application with resumable responses on each web stack, each called in process through its own entry point."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from typing import Any, Protocol

from tokentape import AsyncStreamedChatMessageIterator, ChatMessage, StreamedChatMessageIterator
from tokentape.web import ResumableResponses


class Answer:
    """What a reader received."""

    def __init__(self, status: int, headers: dict[str, str], body: Iterator[bytes]) -> None:
        self.status = status
        self.headers = headers
        self.body = body

    def rest(self) -> bytes:
        """All that is left of the body."""
        with contextlib.closing(self.body):  # type: ignore[type-var]
            return b"".join(self.body)

    def cut(self) -> bytes:
        """What comes first, after which the reader disconnects."""
        with contextlib.closing(self.body):  # type: ignore[type-var]
            return next(self.body)


class Stack(Protocol):
    """A web stack with an application that answers `GET /ID`."""

    def get(self, id: str, *last_event_ids: str | None, query: str = "", method: str = "GET") -> Answer:  # noqa: A002
        """The answer to one request with these headers, whose body is read as far as the caller wants."""


class _Loop:
    """An event loop that runs while a synchronous caller waits."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()

    def run(self, coroutine: Any) -> Any:
        """The result of a coroutine."""
        return self.loop.run_until_complete(coroutine)

    def close(self) -> None:
        """Close it."""
        self.loop.close()


class ASGI(_Loop):
    """A plain ASGI application, called as a server calls it."""

    def __init__(self, responses: ResumableResponses) -> None:
        super().__init__()
        self.app = self.application(responses)

    def application(self, responses: ResumableResponses) -> Any:
        """The application."""

        async def app(scope: Any, receive: Any, send: Any) -> None:
            await responses.asgi(scope["path"][1:])(scope, receive, send)

        return app

    def get(self, id: str, *last_event_ids: str | None, query: str = "", method: str = "GET") -> Answer:  # noqa: A002
        """The answer to one request."""
        headers = [(b"host", b"testserver")]
        headers += [(b"last-event-id", cursor.encode()) for cursor in last_event_ids if cursor is not None]
        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": method,
            "scheme": "http",
            "path": f"/{id}",
            "raw_path": f"/{id}".encode(),
            "root_path": "",
            "query_string": query.encode(),
            "headers": headers,
            "server": ("testserver", 80),
            "client": ("127.0.0.1", 1),
        }
        sent: asyncio.Queue[Any] = asyncio.Queue()
        left = asyncio.Event()
        requested = False

        async def receive() -> Any:
            nonlocal requested
            if not requested:
                requested = True
                return {"type": "http.request", "body": b"", "more_body": False}
            await left.wait()
            return {"type": "http.disconnect"}

        async def start() -> Any:
            task = asyncio.ensure_future(self.app(scope, receive, sent.put))
            return task, await sent.get()

        async def leave() -> None:
            left.set()
            await task

        task, head = self.run(start())

        def body() -> Iterator[bytes]:
            try:
                while True:
                    message = self.run(sent.get())
                    if message.get("body"):
                        yield message["body"]
                    if not message.get("more_body"):
                        return
            finally:
                self.run(leave())

        return Answer(head["status"], {name.decode(): value.decode() for name, value in head["headers"]}, body())


class FastAPI(ASGI):
    """An application of FastAPI."""

    def application(self, responses: ResumableResponses) -> Any:
        """The application."""
        import fastapi

        app = fastapi.FastAPI()

        @app.api_route("/{id}", methods=["GET", "HEAD"])
        async def rejoin(id: str) -> Any:  # noqa: A002
            return responses.starlette(id)

        return app


class WSGI:
    """A plain WSGI application, called as a server calls it."""

    def __init__(self, responses: ResumableResponses) -> None:
        self.app = self.application(responses)

    def application(self, responses: ResumableResponses) -> Any:
        """The application."""
        return lambda environ, start_response: responses.wsgi(environ["PATH_INFO"][1:])(environ, start_response)

    def get(self, id: str, *last_event_ids: str | None, query: str = "", method: str = "GET") -> Answer:  # noqa: A002
        """The answer to one request."""
        from wsgiref.util import setup_testing_defaults

        environ: dict[str, Any] = {"PATH_INFO": f"/{id}", "QUERY_STRING": query, "REQUEST_METHOD": method}
        if cursors := [cursor for cursor in last_event_ids if cursor is not None]:
            environ["HTTP_LAST_EVENT_ID"] = ",".join(cursors)  # as servers join headers of one name
        setup_testing_defaults(environ)
        head: list[Any] = []
        iterable = self.app(environ, lambda status, headers, exc_info=None: head.extend((status, headers)))

        def body() -> Iterator[bytes]:
            try:
                yield from iterable
            finally:
                if hasattr(iterable, "close"):
                    iterable.close()

        return Answer(int(head[0][:3]), {name.lower(): value for name, value in head[1]}, body())

    def close(self) -> None:
        """Nothing is to be closed."""


class Flask(WSGI):
    """An application of Flask."""

    def application(self, responses: ResumableResponses) -> Any:
        """The application."""
        import flask

        app = flask.Flask("example")
        app.add_url_rule("/<id>", "rejoin", lambda id: responses.wsgi(id))  # noqa: A006
        return app


class _Urls:
    """A module of URLs for Django."""

    def __init__(self, *patterns: Any) -> None:
        self.urlpatterns = patterns


def _configure_django() -> None:
    from django.conf import settings

    if not settings.configured:
        settings.configure()
    if not hasattr(settings, "ROOT_URLCONF"):
        settings.ROOT_URLCONF = ()  # each request has its own


class DjangoWSGI(WSGI):
    """An application of Django under WSGI."""

    def application(self, responses: ResumableResponses) -> Any:
        """The application."""
        _configure_django()
        from django.core.handlers.wsgi import WSGIHandler
        from django.urls import path

        urls = _Urls(path("<str:id>", lambda request, id: responses.django(request, id)))  # noqa: A006
        return _with_urls(WSGIHandler, urls)


class DjangoASGI(ASGI):
    """An application of Django under ASGI, with an async view."""

    def application(self, responses: ResumableResponses) -> Any:
        """The application."""
        _configure_django()
        from django.core.handlers.asgi import ASGIHandler
        from django.urls import path

        async def rejoin(request: Any, id: str) -> Any:  # noqa: A002
            return await responses.adjango(request, id)

        return _with_urls(ASGIHandler, _Urls(path("<str:id>", rejoin)))


class DjangoASGIPlainView(ASGI):
    """An application of Django under ASGI, with a plain view."""

    def application(self, responses: ResumableResponses) -> Any:
        """The application."""
        _configure_django()
        from django.core.handlers.asgi import ASGIHandler
        from django.urls import path

        urls = _Urls(path("<str:id>", lambda request, id: responses.django(request, id)))  # noqa: A006
        return _with_urls(ASGIHandler, urls)


def _with_urls(handler: Any, urls: Any) -> Any:
    """A handler of Django whose requests find these views, whatever other tests have configured."""

    class Handler(handler):  # type: ignore[misc]
        def create_request(self, *args: Any) -> Any:
            request, error = super().create_request(*args)
            if request is not None:
                request.urlconf = urls
            return request, error

        def get_response(self, request: Any) -> Any:
            request.urlconf = urls
            return super().get_response(request)

    return Handler()


STACKS = {
    "asgi": ASGI,
    "fastapi": FastAPI,
    "wsgi": WSGI,
    "flask": Flask,
    "django-wsgi": DjangoWSGI,
    "django-asgi": DjangoASGI,
    "django-asgi-plain-view": DjangoASGIPlainView,
}


def texts(count: int) -> list[ChatMessage]:
    """Messages of a stream."""
    return [ChatMessage(f"word{number} ") for number in range(count)]


def plain_stream(messages: list[ChatMessage]) -> StreamedChatMessageIterator:
    """A plain stream."""
    return StreamedChatMessageIterator(iter(messages))


def async_stream(messages: list[ChatMessage]) -> AsyncStreamedChatMessageIterator:
    """An async stream."""

    async def source() -> AsyncIterator[ChatMessage]:
        for message in messages:
            yield message

    return AsyncStreamedChatMessageIterator(source())
