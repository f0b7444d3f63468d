"""Mangler: an ASGI app in front of the fake provider that changes its answers, by the name in the path."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, ClassVar, TypeVar

from tests.conformance.mutants import mutant
from tokentape_conformance.provider.target import Target
from tokentape_fake_provider.app import App, create_app
from tokentape_fake_provider.config import AppConfig
from tokentape_fake_provider.hosting.server_thread import ServerThread
from tokentape_fake_provider.playback.connection import Message, Receive, Send

UNKNOWN_MODEL = {"unknown_model": "the fake provider answers for every model"}
FunctionT = TypeVar("FunctionT", bound=Callable[[Any], object])


class Answer:
    """A whole answer, to be changed in place; `cut` breaks the connection off after it."""

    def __init__(self, path: str, request: bytes) -> None:
        self.path = path
        self.request = request
        self.request_headers: dict[bytes, bytes] = {}
        self.status = 200
        self.headers: list[tuple[bytes, bytes]] = []
        self.body = b""
        self.cut = False

    def header(self, name: bytes) -> bytes:
        """A header's value."""
        return next((value for known, value in self.headers if known.lower() == name), b"")

    def set_header(self, name: bytes, value: bytes | None) -> None:
        """Replace a header, or take it away."""
        self.headers = [(known, old) for known, old in self.headers if known.lower() != name]
        if value is not None:
            self.headers.append((name, value))

    @property
    def streams(self) -> bool:
        """Whether it is a stream."""
        kind = self.header(b"content-type")
        return any(name in kind for name in (b"event-stream", b"ndjson", b"eventstream"))

    @property
    def events(self) -> list[bytes]:
        """SSE events, or NDJSON's lines, each with its end."""
        end = b"\n\n" if b"event-stream" in self.header(b"content-type") else b"\n"
        return [part + end for part in self.body.split(end) if part]

    @events.setter
    def events(self, events: Sequence[bytes]) -> None:
        self.body = b"".join(events)

    def edit(self, change: Callable[[dict[str, Any]], object]) -> None:
        """Change each JSON object of a stream in place; one for which `change` gives False is left out."""
        edited = []
        for event in self.events:
            lines = event.split(b"\n")
            kept = True
            for at, line in enumerate(lines):
                text = line.removeprefix(b"data: ")
                if text.startswith(b"{"):
                    document = json.loads(text)
                    kept = change(document) is not False
                    lines[at] = line[: len(line) - len(text)] + json.dumps(document, ensure_ascii=False).encode()
            if kept:
                edited.append(b"\n".join(lines))
        self.events = edited

    def edit_whole(self, change: Callable[[dict[str, Any]], object]) -> None:
        """Change the JSON object of an answer that is no stream."""
        if not self.streams:
            document = json.loads(self.body)
            change(document)
            self.body = json.dumps(document).encode()


class Mangler:
    """Passes requests below /m/NAME on, and mangles their answers as that mutant does."""

    mangles: ClassVar[dict[str, Callable[[Any], object]]] = {}

    def __init__(self, app: App) -> None:
        self._app = app

    @property
    def stopping(self) -> bool:
        """Whether the server stops."""
        return self._app.stopping

    @stopping.setter
    def stopping(self, stopping: bool) -> None:
        self._app.stopping = stopping

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """ASGI 3."""
        _, _, name, rest = scope["path"].split("/", 3)
        below = {**scope, "path": f"/{rest}", "raw_path": f"/{rest}".encode()}
        mangle = self.mangles.get(name)
        if mangle is None or rest.startswith("_tokentape"):
            await self._app(below, receive, send)
            return
        answer, request = Answer(f"/{rest}", b""), bytearray()

        async def decode_response() -> Message:
            message = await receive()
            request.extend(message.get("body", b""))
            return message

        async def keep(message: Message) -> None:
            if message["type"] == "http.response.start":
                answer.status, answer.headers = message["status"], list(message["headers"])
            else:
                answer.body += message.get("body", b"")

        await self._app(below, decode_response, keep)
        answer.request = bytes(request)
        answer.request_headers = dict(scope["headers"])
        mangle(answer)
        if not answer.cut:
            answer.set_header(b"content-length", None if answer.streams else b"%d" % len(answer.body))
        await send({"type": "http.response.start", "status": answer.status, "headers": answer.headers})
        await send({"type": "http.response.body", "body": answer.body, "more_body": answer.cut})
        if answer.cut:
            raise ConnectionAbortedError


class Site:
    """Where they are served."""

    server: ClassVar[ServerThread | None] = None

    @classmethod
    def target(cls, name: str, wire: str, lacks: dict[str, str]) -> Target:
        """A mutant as a target."""
        assert cls.server is not None
        return Target(f"{cls.server.url}/m/{name}", [wire], lacks=lacks)


@contextmanager
def serving() -> Iterator[None]:
    """Serve them all."""
    Site.server = ServerThread("127.0.0.1", 0, "mutants")
    Site.server.start(Mangler(create_app(AppConfig())))
    try:
        yield
    finally:
        Site.server.stop()
        Site.server = None


def broken(*cases: str, wire: str = "openai_chat", lacks: bool = True) -> Callable[[FunctionT], FunctionT]:
    """Register a function that mangles an answer; its docstring is the fault."""

    def register(mangle: FunctionT) -> FunctionT:
        name = mangle.__name__

        def make() -> Target:
            return Site.target(name, wire, UNKNOWN_MODEL if lacks else {})

        make.__name__, make.__doc__ = name, mangle.__doc__
        Mangler.mangles[name] = mangle
        mutant("provider", *cases, wire=wire)(make)
        return mangle

    return register
