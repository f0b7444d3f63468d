"""Scripts that take long to encode, while other requests are answered."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx2
import pytest

from tokentape_fake_provider.answers import encoded_answer
from tokentape_fake_provider.answers.answer import HttpRequest
from tokentape_fake_provider.answers.resolver import plan_answer
from tokentape_fake_provider.app import LONG_SCRIPT
from tokentape_fake_provider.hosting.server import FakeProviderServer
from tokentape_fake_provider.script.model import Script
from tokentape_fake_provider.script.tokenizer import count_tokens, split_tokens
from tokentape_fake_provider.sessions.session import Session
from tokentape_fake_provider.sessions.settings import SessionSettings
from tokentape_fake_provider.simulation.settings import Simulation
from tokentape_fake_provider.wires import wire_named

REQUEST: dict[str, Any] = {"model": "m", "messages": [{"role": "user", "content": "x"}]}
LONG = "long text " * LONG_SCRIPT


class Encoding:
    """An encoder that waits to go on, and notes in which threads it ran."""

    def __init__(self) -> None:
        self.begun, self.go_on = threading.Event(), threading.Event()
        self.threads: list[str] = []
        self._encode = encoded_answer.encode

    def __call__(self, *given: Any, **named: Any) -> Any:
        """Encode a script."""
        self.threads.append(threading.current_thread().name)
        if len(self.threads) == 1:
            self.begun.set()
            assert self.go_on.wait(60)
        return self._encode(*given, **named)


@pytest.fixture
def encoding(monkeypatch: pytest.MonkeyPatch) -> Iterator[Encoding]:
    """The encoder of this module's servers."""
    encoding = Encoding()
    monkeypatch.setattr(encoded_answer, "encode", encoding)
    yield encoding
    encoding.go_on.set()


def ask(server: FakeProviderServer) -> httpx2.Response:
    """One request."""
    return httpx2.post(f"{server.url}/v1/chat/completions", json=REQUEST, timeout=60)


def test_others_are_answered_meanwhile(encoding: Encoding) -> None:
    """Health, the control API and other requests are answered while a long script is encoded, and the queue's order
    holds."""
    with FakeProviderServer() as server, ThreadPoolExecutor() as pool:
        server.default.push(LONG, "short")
        long = pool.submit(ask, server)
        assert encoding.begun.wait(60)
        assert httpx2.get(f"{server.url}/health").json() == {"status": "ok"}
        assert httpx2.get(f"{server.url}/_tokentape/sessions/default").json()["queued"] == 1
        assert ask(server).json()["choices"][0]["message"]["content"] == "short"
        encoding.go_on.set()
        assert long.result().json()["choices"][0]["message"]["content"] == LONG
    assert encoding.threads == ["tokentape-encode", "tokentape-fake-provider"]


def test_a_server_stops_while_it_encodes(encoding: Encoding, caplog: pytest.LogCaptureFixture) -> None:
    """A long script does not keep the server from stopping, nor is anything logged."""
    with FakeProviderServer() as server, ThreadPoolExecutor() as pool:
        server.default.push(LONG)
        long = pool.submit(ask, server)
        assert encoding.begun.wait(60)
        server.stop()
        assert isinstance(long.exception(), httpx2.TransportError)
    assert [entry.outcome for entry in server.default.journal.entries] == ["server_stopped"]
    assert caplog.records == []


def test_a_client_that_leaves_meanwhile(encoding: Encoding) -> None:
    """A client that does not wait for it is noted."""
    with FakeProviderServer() as server:
        server.default.push(LONG)
        with pytest.raises(httpx2.ReadTimeout):
            httpx2.post(f"{server.url}/v1/chat/completions", json=REQUEST, timeout=httpx2.Timeout(30, read=0.05))
        (entry,) = server.default.journal.wait(lambda entries: bool(entries))
    assert entry.outcome == "client_left"


def test_tokens_of_a_long_text() -> None:
    """A long text is cut as a short one is."""
    text = "Zwölf Boxkämpfer, 12345 👩‍👩‍👧 don't   stop.\n\n"
    assert split_tokens(text * 2000) == split_tokens(text) * 2000
    assert count_tokens(text * 2000) == 2000 * count_tokens(text)


def test_the_simulated_model_is_no_exception() -> None:
    """A text of its own that will be long is generated and encoded in a thread, too; the plan is made at once."""
    session = Session(settings=SessionSettings(simulation=Simulation(words=LONG_SCRIPT)))
    http = HttpRequest("POST", "/v1/chat/completions", REQUEST, wire_named("openai_chat"))
    assert plan_answer(session, http).size > LONG_SCRIPT
    session.configure(simulation={"words": 60})
    assert plan_answer(session, http).size < LONG_SCRIPT


@pytest.mark.parametrize("queued", [True, False])
def test_a_long_prompt_is_counted_in_a_thread(queued: bool) -> None:
    """The tokens of a long prompt hold up nobody either, whatever answers."""
    session = Session()
    if queued:
        session.push(Script.of("Hi."))
    body = {**REQUEST, "messages": [{"role": "user", "content": LONG}]}
    http = HttpRequest("POST", "/v1/chat/completions", body, wire_named("openai_chat"))
    assert plan_answer(session, http).size > LONG_SCRIPT
