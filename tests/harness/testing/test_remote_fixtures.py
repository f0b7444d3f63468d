"""The fixtures with TOKENTAPE_URL: the same tests, whose sessions are on another server."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx2
import msgspec
import pytest

from tests.projects import HEAVY, off
from tokentape_fake_provider.hosting.server import FakeProviderServer
from tokentape_harness.errors import UsageError
from tokentape_harness.testing.recordings import load_recordings
from tokentape_harness.testing.remote import RemoteProvider

TESTS = """
import httpx2
import pytest
from tokentape_fake_provider import Error, Frame, Script, Tape, ToolCall
from tokentape_harness.errors import UsageError


def ask(provider, content="hi", **body):
    body = {"model": "m", "messages": [{"role": "user", "content": content}], **body}
    return httpx2.post(f"{provider.url}/v1/chat/completions", json=body, timeout=30)


def text(provider, content="hi"):
    return ask(provider, content).json()["choices"][0]["message"]["content"]


def test_scripts_rules_and_faults(fake_provider):
    fake_provider.script("one", faults="http_error@status=503,times=1")
    fake_provider.script(ToolCall.of("f", {"a": 1}))
    fake_provider.script(Tape((Frame(0, b"raw"),), 418))
    fake_provider.rule("sunny", contains="weather", times=1)
    assert [ask(fake_provider).status_code, text(fake_provider)] == [503, "one"]
    assert ask(fake_provider).json()["choices"][0]["finish_reason"] == "tool_calls"
    assert (ask(fake_provider).status_code, text(fake_provider, "weather")) == (418, "sunny")
    fake_provider.fault("http_error", status=429, times=1)
    assert ask(fake_provider).status_code == 429
    fake_provider.assert_all_played()
    fake_provider.client.assert_retried(2, respecting_retry_after=False)
    requests = fake_provider.journal.wait()
    assert [request.status for request in requests] == [503, 200, 200, 418, 200, 429]
    assert [request.answered_by for request in requests[1:5]] == ["queue", "queue", "queue", "rule"]
    assert requests[1].body["model"] == "m"
    assert requests[1].frames


@pytest.mark.fake_provider(strict=True, seed=5)
def test_settings(fake_provider):
    assert ask(fake_provider).status_code == 409
    fake_provider.strict(False)
    assert ask(fake_provider).status_code == 200
    fake_provider.script("never requested")
    with pytest.raises(AssertionError, match="never requested"):
        fake_provider.assert_all_played()


def test_a_cassette(fake_provider):
    assert fake_provider.cassette("mine.yaml") == 1
    with pytest.raises(AssertionError, match="mine.yaml, interaction 0"):
        fake_provider.assert_all_played()
    assert text(fake_provider, "recorded?") == "recorded!"
    fake_provider.assert_all_played()


@pytest.mark.fake_provider(timing="stepped")
def test_steps(fake_provider):
    from concurrent.futures import ThreadPoolExecutor

    fake_provider.script("one two")
    with ThreadPoolExecutor(1) as pool:
        asking = pool.submit(lambda: ask(fake_provider, stream=True).text)
        stream = fake_provider.next_stream()
        assert b"chat.completion.chunk" in stream.step()
        assert (stream.sent, stream.over) == (1, False)
        assert b"two" in stream.step_until("two")
        stream.finish()
        assert "[DONE]" in asking.result(10)
    assert fake_provider.journal.wait()[0].outcome == "complete"


def test_env(fake_provider_env):
    import openai

    with openai.OpenAI() as client:
        fake_provider_env.script("Hello")
        answer = client.chat.completions.create(model="m", messages=[{"role": "user", "content": "hi"}])
    assert answer.choices[0].message.content == "Hello"
"""

NOT_REMOTE = """
import pytest
from tokentape_harness import call
from tokentape_harness.errors import UsageError


@pytest.mark.parametrize("use", [
    lambda provider: provider.transport(),
    lambda provider: provider.async_transport(),
    lambda provider: provider.conversation("a"),
    lambda provider: provider.cassette("mine.yaml", wire="anthropic_messages"),
    lambda provider: provider.session.recordings,
    lambda provider: provider.session.clear(),
])
def test_what_is_refused(fake_provider, use):
    with pytest.raises(UsageError, match="needs the server in this process, and TOKENTAPE_URL names another: unset it"):
        use(fake_provider)
"""

CASSETTE = """
version: 1
interactions:
- request:
    method: POST
    uri: https://api.openai.com/v1/chat/completions
    headers: {content-type: [application/json]}
    body: '{"model": "m", "messages": [{"role": "user", "content": "recorded?"}]}'
  response:
    status: {code: 200, message: OK}
    headers: {content-type: [application/json]}
    body: {string: '{"choices": [{"message": {"content": "recorded!"}}]}'}
"""


@pytest.fixture
def server() -> Iterator[FakeProviderServer]:
    """A server of another run, with a token."""
    with FakeProviderServer(loader=load_recordings, token="its-token") as running:
        yield running


def run(folder: Path, tests: str, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> str:
    """What pytest prints of these tests in a process of their own."""
    (folder / "test_it.py").write_text(tests)
    (folder / "mine.yaml").write_text(CASSETTE)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    command = (sys.executable, "-m", "pytest", "-q", *off(*HEAVY, "cacheprovider"), "--tb=short", "test_it.py")
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    return done.stdout + done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("remote", [False, True])
def test_the_same_tests_pass(
    server: FakeProviderServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, remote: bool
) -> None:
    """One file of tests passes in its own process and over another server, whose sessions are deleted afterwards."""
    environment = {"TOKENTAPE_URL": server.url, "TOKENTAPE_TOKEN": "its-token"} if remote else {}
    shown = run(tmp_path, TESTS, environment, monkeypatch)
    assert "5 passed" in shown, shown
    assert [session.id for session in server.sessions] == ["default"]
    created = httpx2.post(f"{server.url}/_tokentape/sessions", headers={"authorization": "Bearer its-token"}).json()
    assert created["id"] == ("session-6" if remote else "session-1")


@pytest.mark.slow
def test_what_another_process_cannot_do(
    server: FakeProviderServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each feature that needs the server's objects says so, and what to do."""
    environment = {"TOKENTAPE_URL": f"{server.url}/", "TOKENTAPE_TOKEN": "its-token"}
    shown = run(tmp_path, NOT_REMOTE, environment, monkeypatch)
    assert re.search(r"\b6 passed", shown), shown


def test_no_server_is_there() -> None:
    """Nobody at the URL, a path of the provider's there, and a wrong token are named, each with what to do."""
    nobody = pytest.raises(UsageError, match=r"TOKENTAPE_URL: no fake provider answers at http://127.0.0.1:1")
    with RemoteProvider("http://127.0.0.1:1") as remote, nobody:
        remote.create_session()
    wrong = pytest.raises(UsageError, match="token is missing or wrong: set TOKENTAPE_TOKEN")
    with FakeProviderServer(token="its-token") as server, RemoteProvider(server.url, "wrong") as remote, wrong:
        remote.create_session()
    path = pytest.raises(UsageError, match=r"/v1 \(status 404\): .* name its address, such as http://127.0.0.1:8089,")
    with FakeProviderServer() as server, RemoteProvider(f"{server.url}/v1") as remote, path:
        remote.create_session()


def test_a_password_in_the_url_is_not_shown() -> None:
    """The error names the address without user and password."""
    with RemoteProvider("http://me:hunter22@127.0.0.1:1") as remote, pytest.raises(UsageError) as raised:
        remote.create_session()
    assert "127.0.0.1:1" in str(raised.value)
    assert "hunter22" not in str(raised.value)


def test_settings_are_checked_here() -> None:
    """A wrong setting is the same error as in this process, and changes nothing there."""
    with FakeProviderServer() as server, RemoteProvider(server.url) as remote:
        session = remote.create_session(strict=True, timing="synthetic:tps=50", faults=("fin@frame=5",))
        theirs = server.session(session.id).settings
        assert msgspec.json.encode(theirs) == msgspec.json.encode(session.settings)
        session.configure(clock="controlled")
        with pytest.raises(UsageError, match="clock of the session's own"):
            _ = session.clock
        with pytest.raises(ValueError, match="locale"):
            session.configure(locale="xx_XX")
        remote.delete_session(session.id)
        assert len(list(server.sessions)) == 1
