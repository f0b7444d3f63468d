"""What a set-up is: something that stands between a provider and the reader of its stream."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit

from tests.servers.programs import Program
from tests.servers.site import Site, running


@dataclass(frozen=True)
class Setup:
    """A server in front of a provider, or in front of another one that is (`behind`).

    `path` is where it is asked; without one it passes all paths on.
    """

    name: str
    program: Program
    configure: Callable[[Site], Sequence[str]]
    path: str = ""
    behind: Setup | None = None

    def asked(self, provider: str) -> str:
        """The path at which it is asked for the answer of a provider's session with this base URL."""
        if self.path:
            return self.path
        return self.behind.asked(provider) if self.behind else f"{urlsplit(provider).path}/v1/chat/completions"

    @contextmanager
    def running(self, provider: str) -> Iterator[str]:
        """Where it listens, in front of a provider's session. Raises `UnavailableError`, `ServerError`."""
        with ExitStack() as stack:
            upstream = stack.enter_context(self.behind.running(provider)) if self.behind else provider
            site = stack.enter_context(running(self.configure, upstream))
            yield f"http://127.0.0.1:{site.port}"
