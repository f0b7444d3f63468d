"""What a set-up is: something that stands between a provider and the reader of its stream."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit

from tests.servers.programs import Program, Python
from tests.servers.ready_readers import written
from tests.servers.site import APPS, ROOT, Site, running
from tokentape_harness.flush import AppRequest, CommandTarget, HttpTarget, ReaderTarget, WebSocketTarget

_REQUEST = b'{"model":"gpt-4o-mini","stream":true,"messages":[{"role":"user","content":"Hello"}]}'


@dataclass(frozen=True)
class Setup:
    """A server in front of a provider, or in front of another one that is (`behind`).

    `path` is where it is asked; without one it passes all paths on. `scheme` is `ws` for a WebSocket. With a `reader`
    it is read by the code of that name in docs/readers.md, in the environment of its program.
    """

    name: str
    program: Program
    configure: Callable[[Site], Sequence[str]]
    path: str = ""
    behind: Setup | None = None
    scheme: str = "http"
    reader: str = ""

    def asked(self, provider: str) -> str:
        """The path at which it is asked for the answer of a provider's session with this base URL."""
        if self.path:
            return self.path
        return self.behind.asked(provider) if self.behind else f"{urlsplit(provider).path}/v1/chat/completions"

    def target(self, address: str, provider: str) -> HttpTarget | WebSocketTarget | ReaderTarget:
        """What a flush check asks, if it listens there."""
        if self.reader:
            read, client = written(self.reader)
            return ReaderTarget(CommandTarget((self.program.path(), read, client), (("APP_URL", address),)))
        if self.scheme == "ws":
            return WebSocketTarget(address.replace("http", "ws", 1) + self.path, AppRequest(body=b"Hello"))
        request = AppRequest(body=_REQUEST, headers=(("authorization", "Bearer any"),))
        return HttpTarget(address + self.asked(provider), request)

    @contextmanager
    def running(self, provider: str) -> Iterator[str]:
        """Where it listens, in front of a provider's session. Raises `UnavailableError`, `ServerError`."""
        with ExitStack() as stack:
            upstream = stack.enter_context(self.behind.running(provider)) if self.behind else provider
            site = stack.enter_context(running(self.configure, upstream))
            yield f"http://127.0.0.1:{site.port}"


@dataclass(frozen=True)
class Command:
    """A program of `apps/` that prints the answer into a pipe, run by Python with these options."""

    name: str
    program: Python
    options: tuple[str, ...]
    script: tuple[str, ...]

    def target(self, _address: str, _provider: str) -> CommandTarget:
        """What a flush check runs. Raises `UnavailableError`."""
        name, *arguments = self.script
        command = (self.program.path(), *self.options, str(APPS / name), *arguments)
        return CommandTarget(command, (("PYTHONPATH", f"{ROOT / 'src'}{os.pathsep}{APPS}"), ("PYTHONUNBUFFERED", "")))

    @contextmanager
    def running(self, _provider: str) -> Iterator[str]:
        """There is nothing to start before."""
        self.program.path()
        yield ""
