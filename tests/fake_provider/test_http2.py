"""HTTP/2 without TLS, on the same port, where tokentape[http2] is installed."""

from __future__ import annotations

import re
from typing import Any

import httpx2
import pytest

from tokentape_fake_provider.hosting.server import FakeProviderServer
from tokentape_fake_provider.sessions.session import Session
from tokentape_fake_provider.tape import Frame, Tape
from tokentape_fake_provider.timing import Recorded
from tokentape_fake_provider.timing.clock import ControlledClock

REQUEST: dict[str, Any] = {"model": "m", "stream": True, "messages": [{"role": "user", "content": "x" * 100_000}]}


def test_http2_and_http1_on_one_port(server: FakeProviderServer, session: Session) -> None:
    """The same request gets the same bytes by HTTP/2 and by HTTP/1.1, and the journal names the version."""
    url = f"{server.base_url('openai_chat', session.id)}/chat/completions"
    session.push("Hello", "Hello")
    with httpx2.Client(http1=False, http2=True) as client:
        second = client.post(url, json=REQUEST)
    first = httpx2.post(url, json=REQUEST)
    assert (second.http_version, first.http_version) == ("HTTP/2", "HTTP/1.1")
    texts = [re.findall('"content":"(.*?)"', answer.text) for answer in (first, second)]
    assert texts[0] == texts[1]
    assert "".join(texts[0]) == "Hello"
    assert [(entry.http_version, entry.outcome) for entry in session.journal.wait()] == [
        ("2", "complete"),
        ("1.1", "complete"),
    ]


def test_requests_at_once_on_one_connection(server: FakeProviderServer, session: Session) -> None:
    """A response that waits does not hold the other requests of its connection."""
    session.configure(timing="stepped")
    url = f"{server.base_url('openai_chat', session.id)}/chat/completions"
    with httpx2.Client(http1=False, http2=True) as client, client.stream("POST", url, json=REQUEST) as response:
        assert client.get(f"{server.url}/health").json() == {"status": "ok"}
        session.streams.next().release()
        assert response.read().endswith(b"data: [DONE]\n\n")


@pytest.mark.parametrize("fault", ["fin@frame=3", "rst@frame=3"])
def test_a_fault_breaks_the_connection_off(fault: str, server: FakeProviderServer, session: Session) -> None:
    """A stream that is cut by a fault is not ended cleanly."""
    session.push("Hello")
    session.configure(faults=(fault,))
    url = f"{server.base_url('openai_chat', session.id)}/chat/completions"
    with httpx2.Client(http1=False, http2=True) as client, pytest.raises(httpx2.TransportError):
        client.post(url, json=REQUEST)


def test_stop_breaks_off_open_streams() -> None:
    """Stopping with a stream open is prompt, and the client sees it break off."""
    clock = ControlledClock()
    with FakeProviderServer(clock=clock) as server:
        server.default.configure(timing=Recorded())
        server.default.push(Tape((Frame(0, b"a"), Frame(1e9, b"b")), 200))
        url = f"{server.url}/v1/chat/completions"
        with httpx2.Client(http1=False, http2=True) as client, client.stream("POST", url, json=REQUEST) as response:
            clock.wait_for_deadline()
            server.stop()
            with pytest.raises(httpx2.TransportError):
                response.read()
    assert server.default.journal.entries[0].outcome == "server_stopped"


def test_web_pages_are_refused_as_by_http1(server: FakeProviderServer) -> None:
    """The rules for web pages hold in HTTP/2."""
    with httpx2.Client(http1=False, http2=True, headers={"origin": "https://evil.example"}) as client:
        assert client.get(f"{server.url}/_tokentape/sessions").status_code == 403
