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

    @contextmanager
    def running(self, provider: str) -> Iterator[str]:
        """The URL at which the provider's stream comes out. `provider` is the base URL of its session.

        Raises `UnavailableError`, `ServerError`.
        """
        with ExitStack() as stack:
            upstream = f"{provider}/v1/chat/completions"
            if self.behind is not None:
                upstream = stack.enter_context(self.behind.running(provider))
            site = stack.enter_context(running(self.configure, provider if self.behind is None else upstream))
            yield f"http://127.0.0.1:{site.port}{self.path or urlsplit(upstream).path}"
