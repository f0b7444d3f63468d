"""Exchange: one request over a socket, and the bytes of its response with their times."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx2
import msgspec

from tokentape_conformance.provider.http_request import HttpRequest
from tokentape_conformance.trial import TimedFrame


class Exchange(msgspec.Struct, frozen=True):
    """A response as received. `error` describes how it failed; it is empty if the response is complete by HTTP."""

    request: HttpRequest
    status: int
    headers: tuple[tuple[str, str], ...]
    frames: tuple[TimedFrame, ...]
    error: str = ""
    left: bool = False
    """Whether the client left before the end."""
    connection: int = 0
    """The client's port: two requests on one connection have the same."""

    @property
    def unanswered(self) -> bool:
        """Whether the connection was closed before any response."""
        return not self.status and "without sending a response" in self.error

    @property
    def body(self) -> bytes:
        """The body as far as it was received."""
        return b"".join(frame.data for frame in self.frames)

    def header(self, name: str) -> str:
        """A header's value, empty if there is none."""
        return next((value for known, value in self.headers if known.lower() == name), "")

    @property
    def document(self) -> Any:
        """The body as JSON; None if it is not."""
        try:
            return json.loads(self.body)
        except ValueError:
            return None


@contextlib.contextmanager
def client_for(base_url: str, timeout: float) -> Iterator[httpx2.Client]:
    """A client with its own connection; `timeout` is for each read, in s."""
    with httpx2.Client(base_url=base_url, timeout=timeout, trust_env=False) as client:
        yield client


def exchange(
    client: httpx2.Client,
    request: HttpRequest,
    auth: dict[str, str],
    *,
    leave_after: int | None = None,
    on_read: Callable[[], object] = bool,
) -> Exchange:
    """Send a request and read its response, or leave after `leave_after` reads; `on_read` is called at each."""
    started = time.perf_counter()
    frames: list[TimedFrame] = []
    url = str(client.base_url).rstrip("/") + request.path
    try:
        with client.stream(request.method, url, content=request.body, headers={**request.headers, **auth}) as response:
            head = response.status_code, tuple(response.headers.multi_items())
            port = _port(response)
            try:
                for data in response.iter_raw():
                    frames.append(TimedFrame(data, 1000 * (time.perf_counter() - started)))
                    on_read()
                    if len(frames) == leave_after:
                        return Exchange(request, *head, tuple(frames), left=True, connection=port)
            except httpx2.HTTPError as error:
                return Exchange(request, *head, tuple(frames), f"{type(error).__name__}: {error}")
            return Exchange(request, *head, tuple(frames), connection=port)
    except httpx2.HTTPError as error:
        return Exchange(request, 0, (), (), f"{type(error).__name__}: {error}")


def _port(response: httpx2.Response) -> int:
    stream = response.extensions.get("network_stream")
    address = None if stream is None else stream.get_extra_info("client_addr")
    return int(address[1]) if address else 0
