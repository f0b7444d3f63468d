"""The server: start and stop, limits, unknown paths, models, health."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
import warnings
from contextlib import closing
from typing import Any

import anthropic
import httpx2
import openai
import pytest
import requests

import tokentape_fake_provider
from tokentape_fake_provider.errors import FakeProviderError, PortInUseError, ServerStateError, UnsafeHostError
from tokentape_fake_provider.hosting.server import FakeProviderServer
from tokentape_fake_provider.http.loopback import is_local_authority, is_loopback
from tokentape_fake_provider.sessions.recording import Recording
from tokentape_fake_provider.sessions.session import Session
from tokentape_fake_provider.tape import Frame, Tape
from tokentape_fake_provider.timing import Recorded, parse_timing
from tokentape_fake_provider.timing.clock import ControlledClock

REQUEST: dict[str, Any] = {"model": "m", "messages": [{"role": "user", "content": "x"}]}


def test_start_and_stop_again_and_again() -> None:
    """A server starts, stops and starts on the same port; stopping twice is fine."""
    server = FakeProviderServer()
    with pytest.raises(ServerStateError, match="start it first"):
        _ = server.url
    server.start()
    with pytest.raises(ServerStateError, match="runs already"):
        server.start()
    url = server.url
    server.stop()
    server.stop()
    with server, httpx2.Client() as client:
        assert server.url == url
        assert client.get(f"{url}/health").json() == {"status": "ok"}
    with pytest.raises(httpx2.ConnectError), httpx2.Client() as client:
        client.get(f"{url}/health")


def test_port_in_use_is_one_line() -> None:
    """A port that is taken is named, with what to do."""
    with FakeProviderServer() as server, pytest.raises(PortInUseError) as caught:
        FakeProviderServer(port=server.port).start()
    assert str(caught.value) == (
        f"port {server.port} on 127.0.0.1 is in use: stop the program that listens there, "
        "or use another port (0 finds a free one)"
    )


def test_host_that_is_no_host() -> None:
    """A host that can't be bound to is a clear error."""
    with pytest.raises(FakeProviderError, match=r"can't listen on 203\.0\.113\.1:0"):
        FakeProviderServer("203.0.113.1", allow_remote=True).start()


def test_stays_on_this_machine_unless_told_otherwise() -> None:
    """A host that others can reach must be allowed by name, and then has no control API without a token."""
    with pytest.raises(UnsafeHostError, match="allow it on purpose"):
        FakeProviderServer("0.0.0.0")
    assert not FakeProviderServer("0.0.0.0", allow_remote=True).control
    assert FakeProviderServer("0.0.0.0", allow_remote=True, token="t").control


@pytest.mark.parametrize(
    ("authority", "local"),
    [
        ("127.0.0.1:80", True),
        ("LOCALHOST:80", True),
        ("[::1]:80", True),
        ("127.1.2.3", True),
        ("evil.example:80", False),
        ("192.168.0.1", False),
        ("", False),
        ("localhost.evil.example", False),
    ],
)
def test_local_authority(authority: str, local: bool) -> None:
    """Only loopback names and addresses are this machine."""
    assert is_local_authority(authority) is local
    assert not is_loopback("0.0.0.0")


def test_stop_breaks_off_open_streams() -> None:
    """Stopping with a stream open is prompt: its client sees it break off, the journal says why."""
    clock = ControlledClock()
    threads = set(threading.enumerate())
    with FakeProviderServer(clock=clock) as server:
        server.default.configure(timing=Recorded())
        event = b'data: {"choices":[{"index":0,"delta":{"content":"x"}}]}\n\n'
        server.default.push(Tape((Frame(0, event), Frame(1e9, event)), 200, (("content-type", "text/event-stream"),)))
        with openai.OpenAI(base_url=server.base_url("openai_chat"), api_key="k") as client:
            chunks = client.chat.completions.create(**REQUEST, stream=True)
            next(chunks)
            clock.wait_for_deadline()
            server.stop()
            with pytest.raises(openai.APIConnectionError):
                next(chunks)
    assert server.default.journal.entries[0].outcome == "server_stopped"
    assert "tokentape-fake-provider" not in {thread.name for thread in set(threading.enumerate()) - threads}


def test_no_warning_and_no_log_of_a_normal_run(caplog: pytest.LogCaptureFixture) -> None:
    """Starting, answering, breaking off and stopping neither warn nor log."""
    with warnings.catch_warnings(), caplog.at_level("WARNING"):
        warnings.simplefilter("error")
        with FakeProviderServer() as server, httpx2.Client() as client:
            server.default.push(Tape((Frame(0, b"x"),), 200, end="dropped"))
            with pytest.raises(httpx2.RemoteProtocolError):
                client.post(f"{server.url}/v1/chat/completions", json=REQUEST)
            client.get(f"{server.url}/nowhere")
    assert caplog.records == []


@pytest.mark.parametrize("wire", ["openai_chat", pytest.param("anthropic_messages", marks=pytest.mark.slow)])
def test_request_of_50_mb_is_refused_in_one_line(wire: str, server: FakeProviderServer, session: Session) -> None:
    """A body over the limit gets the provider's 413 with what to do, and the SDK reads it, without retries."""
    content = "x" * 50_000_000
    messages: Any = [{"role": "user", "content": content}]
    base_url = server.base_url(wire, session.id)
    if wire == "openai_chat":
        with openai.OpenAI(base_url=base_url, api_key="k") as client, pytest.raises(openai.APIStatusError) as caught:
            client.chat.completions.create(model="m", messages=messages)
        status, message = caught.value.status_code, caught.value.message
    else:
        claude = anthropic.Anthropic(base_url=base_url, api_key="k")
        with claude, pytest.raises(anthropic.APIStatusError) as refused:
            claude.messages.create(model="m", max_tokens=9, messages=messages)
        status, message = refused.value.status_code, refused.value.message
    assert status == 413
    assert "The request body is larger than this server's limit of 10 MB: send less, or start" in message
    (entry,) = session.journal.wait()
    assert entry.raw_body == b""


def test_body_without_length_is_limited_too() -> None:
    """A chunked body is counted as it comes."""
    with FakeProviderServer(max_body=1000) as server:
        parts = (b"x" * 100 for _ in range(11))
        response = requests.post(f"{server.url}/v1/messages", data=parts, timeout=30)
        assert response.status_code == 413
        assert "limit of 0.001 MB" in response.json()["error"]["message"]


def test_client_that_asks_first_is_refused_before_it_sends(server: FakeProviderServer) -> None:
    """With `Expect: 100-continue` a body that is too large is refused without being sent."""
    head = (
        b"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ncontent-length: 50000000\r\n"
        b"expect: 100-continue\r\nconnection: close\r\n\r\n"
    )
    with closing(socket.create_connection(("127.0.0.1", server.port))) as client:
        client.sendall(head)
        got = b""
        while part := client.recv(65536):
            got += part
    assert got.startswith(b"HTTP/1.1 413 ")
    assert b"100 Continue" not in got


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "advice"),
    [
        ("POST", "/v1/chat/completions", b"{nope", 400, "The request body is not a JSON object (JSON is malformed: "),
        ("POST", "/v1/chat/completions", b"", 400, "(it is empty): send one, as application/json."),
        ("POST", "/v1/chat/completions", b"[1]", 400, "(it is an array)"),
        ("POST", "/v1/chat/completions", b'"\xff"', 400, "The request body is not a JSON object ("),
        (
            "POST",
            "/v1/chat/completions",
            b"[" * 100_000,
            400,
            "The request body is not a JSON object (maximum recursion",
        ),
        ("POST", "/v1/messages", b"{nope", 400, "The request body is not a JSON object ("),
        ("GET", "/v1/messages", b"", 405, "GET /v1/messages: send a POST request here."),
        ("DELETE", "/v1/messages", b"", 405, "DELETE /v1/messages: send a POST request here."),
        ("POST", "/v1/nope", b"{}", 404, "Nothing is at POST /v1/nope. The nearest paths are "),
        (
            "POST",
            "/v1/v1/messages",
            b"{}",
            404,
            "Nothing is at POST /v1/v1/messages. The nearest paths are /v1/messages, ",
        ),
        (
            "POST",
            "/x",
            b"{}",
            404,
            "Nothing is at POST /x. The wire formats are at /v1/chat/completions, /v1/responses,",
        ),
        ("GET", "/v2", b"", 404, "Nothing is at GET /v2."),
    ],
)
def test_bad_request_is_told_what_to_do(
    method: str, path: str, body: bytes, status: int, advice: str, server: FakeProviderServer, http: httpx2.Client
) -> None:
    """What can't be answered gets a one-line JSON error, at the right status."""
    response = http.request(method, f"{server.url}{path}", content=body)
    assert response.status_code == status
    error = response.json()["error"]
    assert advice in error["message"]
    assert "\n" not in error["message"]
    assert response.headers.get("allow") == ("POST" if status == 405 else None)
    assert (response.json().get("type") == "error") == (path == "/v1/messages")


def test_head_has_no_body(server: FakeProviderServer, http: httpx2.Client) -> None:
    """HEAD on a POST path is refused without a body."""
    response = http.head(f"{server.url}/v1/messages")
    assert (response.status_code, response.content) == (405, b"")


def test_models_in_both_shapes(server: FakeProviderServer, session: Session) -> None:
    """Both SDKs list the models of the recordings and the server's own, and can ask for any by name."""
    session.add_recordings([Recording(Tape(), "/v1/messages", {"model": "claude-x"}, wire="anthropic_messages")])
    with openai.OpenAI(base_url=server.base_url("openai_chat", session.id), api_key="k") as client:
        assert [model.id for model in client.models.list()] == ["claude-x", "tokentape"]
        assert client.models.retrieve("a/b").id == "a/b"
    with anthropic.Anthropic(base_url=server.base_url("anthropic_messages", session.id), api_key="k") as claude:
        assert [model.id for model in claude.models.list()] == ["claude-x", "tokentape"]
        assert claude.models.retrieve("claude-y").display_name == "claude-y"
    assert {entry.answered_by for entry in session.journal.wait()} == {"models"}


@pytest.mark.parametrize(
    ("wire", "path", "model"),
    [
        ("gemini", "/v1beta/models/gemini-x:streamGenerateContent", "gemini-x"),
        ("gemini", "/v1/projects/p/locations/l/publishers/google/models/gemini-x:generateContent", "gemini-x"),
        ("bedrock_converse", "/model/us.amazon.nova-lite-v1:0/converse", "us.amazon.nova-lite-v1:0"),
        (
            "bedrock_invoke",
            "/model/arn:aws:bedrock:x:1:inference-profile/y/invoke",
            "arn:aws:bedrock:x:1:inference-profile/y",
        ),
        ("openai_chat", "/openai/deployments/mine/chat/completions", "mine"),
        ("openai_chat", "/v1/chat/completions", None),
        (None, "/v1/embeddings", None),
    ],
)
def test_a_recordings_model_may_be_in_its_path(wire: str | None, path: str, model: str | None) -> None:
    """Several formats name the model there; what a body names comes first."""
    assert Recording(Tape(), path, {}, wire=wire).model == model
    assert Recording(Tape(), path, {"model": "m"}, wire=wire).model == "m"


def test_python_sessions_are_the_http_sessions(server: FakeProviderServer) -> None:
    """Sessions created in Python have the server's settings, and their own changes."""
    created = server.create_session("mine", strict=True)
    assert server.session("mine") is created
    assert created.settings.strict
    assert server.base_url("openai_chat", "mine") == f"{server.url}/s/mine/v1"
    assert server.base_url("anthropic_messages") == server.url
    server.delete_session("mine")
    with pytest.raises(FakeProviderError, match="no session 'mine': create it first"):
        server.session("mine")


def test_names_are_there_and_cheap() -> None:
    """Every public name can be imported, and a script costs neither uvicorn nor faker."""
    for name in tokentape_fake_provider.__all__:
        assert getattr(tokentape_fake_provider, name) is not None
    code = (
        "import sys; from tokentape_fake_provider import Script, Tape, Synthetic; "
        "print(sorted({'uvicorn', 'starlette', 'faker', 'yaml'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("timing", ["instant", "recorded"])
def test_a_client_of_http_1_0_gets_a_body_that_ends_with_its_connection(timing: str) -> None:
    """RFC 9112 forbids chunks to HTTP/1.0, which proxies like nginx speak to what is behind them."""
    tape = Tape(tuple(Frame(float(at), b"data: %d\n\n" % at) for at in range(3)), headers=(("x-mine", "1"),))
    clock = ControlledClock(automatic=True)
    with FakeProviderServer(clock=clock) as server, socket.create_connection(("127.0.0.1", server.port)) as client:
        server.default.configure(timing=parse_timing(timing))
        server.default.push(tape)
        body = b'{"model":"m","messages":[{"role":"user","content":"x"}],"stream":true}'
        head = f"POST /v1/chat/completions HTTP/1.0\r\nhost: 127.0.0.1\r\ncontent-length: {len(body)}\r\n\r\n"
        client.sendall(head.encode() + body)
        received = b""
        while part := client.recv(65536):
            received += part
        assert server.default.journal.wait()[0].outcome == "complete"
    head_received, _, body_received = received.partition(b"\r\n\r\n")
    assert body_received == b"data: 0\n\ndata: 1\n\ndata: 2\n\n"
    assert b"transfer-encoding" not in head_received
    assert b"connection: close" in head_received
