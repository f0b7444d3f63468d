"""The server on h11 and asyncio's own loop: what it runs on where httptools and uvloop are absent."""

from __future__ import annotations

from typing import Any

import httpx2
import pytest
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from tokentape_fake_provider.hosting import server_thread as server_module
from tokentape_fake_provider.hosting.server import FakeProviderServer
from tokentape_fake_provider.tape import Frame, Tape
from tokentape_fake_provider.timing import Recorded
from tokentape_fake_provider.timing.clock import ControlledClock

REQUEST = {"model": "m", "stream": True, "messages": [{"role": "user", "content": "x"}]}


@pytest.fixture(autouse=True)
def plain(monkeypatch: pytest.MonkeyPatch) -> None:
    """Servers of this module run on h11 and asyncio."""
    config = server_module._uvicorn_config

    def plain_config(*arguments: Any) -> uvicorn.Config:
        settings = config(*arguments)
        settings.http, settings.loop = H11Protocol, "asyncio"
        return settings

    monkeypatch.setattr(server_module, "_uvicorn_config", plain_config)


@pytest.mark.parametrize("instant", [True, False])
@pytest.mark.parametrize("end", ["complete", "dropped"])
def test_plays_and_breaks_off(instant: bool, end: Any, http: httpx2.Client) -> None:
    """Instant and paced tapes arrive whole, and end or break off as they did."""
    with FakeProviderServer(clock=ControlledClock(automatic=True)) as server:
        if not instant:
            server.default.configure(timing=Recorded())
        server.default.push(Tape((Frame(5, b"a" * 1000), Frame(9, b"b" * 1000)), 200, end=end))
        got: list[bytes] = []
        with http.stream("POST", f"{server.url}/v1/chat/completions", json=REQUEST) as response:
            if end == "dropped":
                with pytest.raises(httpx2.RemoteProtocolError):
                    got.extend(response.iter_raw())
            else:
                got.extend(response.iter_raw())
        (entry,) = server.default.journal.wait()
    assert b"".join(got) == b"a" * 1000 + b"b" * 1000
    assert entry.outcome == end
    assert [frame.left for frame in entry.frames] == ([0, 0] if instant else [5, 9])


def test_client_that_leaves_is_noted(http: httpx2.Client) -> None:
    """A client that closes in mid-stream is noted."""
    clock = ControlledClock()
    with FakeProviderServer(clock=clock) as server:
        server.default.configure(timing=Recorded())
        server.default.push(Tape((Frame(0, b"a"), Frame(1e9, b"b")), 200))
        with http.stream("POST", f"{server.url}/v1/chat/completions", json=REQUEST) as response:
            assert next(response.iter_raw()) == b"a"
            clock.wait_for_deadline()
        (entry,) = server.default.journal.wait()
    assert (entry.outcome, entry.frames_sent) == ("client_left", 1)


def test_request_of_50_mb_is_refused(http: httpx2.Client) -> None:
    """A body that is too large gets its error."""
    with FakeProviderServer() as server:
        response = http.post(f"{server.url}/v1/chat/completions", content=b"x" * 50_000_000)
    assert response.status_code == 413
