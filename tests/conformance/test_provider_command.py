"""`tokentape conformance provider`: our own server, servers that can't be scripted, and its output."""

from __future__ import annotations

import json
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import msgspec
import pytest

from tests.conformance.commands import Run, forget_included, runner
from tests.conformance.mutants import outcome
from tests.conformance.provider_mutants.mangler import Answer, Mangler, Site, serving
from tokentape_conformance.plan import plan
from tokentape_conformance.provider.exchange import Exchange
from tokentape_conformance.provider.grammars import GRAMMARS
from tokentape_conformance.provider.scenario import Scenario
from tokentape_conformance.provider.suite import SUITE
from tokentape_conformance.provider.target import CAPABILITIES, Target, below
from tokentape_conformance.run import Run as Runner
from tokentape_conformance.trial import TimedFrame
from tokentape_fake_provider.app import App, create_app
from tokentape_fake_provider.config import AppConfig
from tokentape_fake_provider.hosting.server import FakeProviderServer
from tokentape_fake_provider.hosting.server_thread import ServerThread
from tokentape_fake_provider.playback.connection import Message, Receive, Send

pytestmark = pytest.mark.slow

LACKS = "unknown_model=the fake provider answers for every model"


@pytest.fixture
def run(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run the command in this process; cases that are included are gone afterwards."""
    forget_included(SUITE, monkeypatch)
    return runner("provider", capfd)


@pytest.fixture(scope="module")
def server() -> Iterator[FakeProviderServer]:
    """A fake provider of its own, as `tokentape serve` starts it."""
    with FakeProviderServer() as started:
        yield started


@pytest.fixture
def mute() -> Iterator[FakeProviderServer]:
    """A server whose control API is guarded: it can't be scripted."""
    with FakeProviderServer(token="secret") as started:
        yield started


@pytest.mark.parametrize("wire", GRAMMARS)
def test_our_own_server_keeps_every_promise(run: Run, server: FakeProviderServer, wire: str, tmp_path: Path) -> None:
    """Every case passes on every wire format, and only what is declared is skipped."""
    report = tmp_path / "report.json"
    ran = run(server.url, "--wire", wire, "--lacks", LACKS, "--json", report)
    document = json.loads(report.read_text())
    assert (ran.code, document["counts"].get("failed", 0), document["counts"].get("skipped")) == (0, 0, 1), ran.out
    assert document["counts"]["passed"] > 40


@pytest.mark.parametrize("wire", ["openai_chat", "anthropic_messages", "ollama"])
def test_a_server_that_cannot_be_scripted(run: Run, mute: FakeProviderServer, wire: str) -> None:
    """Cases that need a script are skipped with the reason, and those that allow any answer pass."""
    lacks = ["finish_length", "tool_calls", "unknown_model", "incremental"]
    ran = run(mute.url, "--wire", wire, *(part for name in lacks for part in ("--lacks", f"{name}=made-up text")))
    assert ran.code == 0, ran.out
    assert "scripted: the server's responses can't be scripted" in ran.out
    assert "failed" not in ran.out.splitlines()[-1]


class BusyTarget(Target):
    """A server on a busy machine: `reads` are the numbers of reads of its responses; the last number stays."""

    reads: ClassVar[list[int]] = []

    def new_response(self, wire: str, scenario: Scenario, **options: Any) -> Exchange:
        """The response, cut into other reads."""
        answer = super().new_response(wire, scenario, **options)
        number = self.reads.pop(0) if len(self.reads) > 1 else self.reads[0]
        size = -(-len(answer.body) // number)
        pieces = [answer.body[at : at + size] for at in range(0, len(answer.body), size)]
        return msgspec.structs.replace(answer, frames=tuple(TimedFrame(piece, 0.0) for piece in pieces))


@pytest.mark.parametrize(("reads", "status"), [([1, 1, 2, 1, 3], "passed"), ([3], "passed"), ([2], "failed")])
def test_pieces_on_a_busy_machine(
    mute: FakeProviderServer, monkeypatch: pytest.MonkeyPatch, reads: list[int], status: str
) -> None:
    """A reader that comes late finds some responses whole; of a server that holds all back, each."""
    monkeypatch.setattr(BusyTarget, "reads", reads)
    found = outcome("provider", BusyTarget(mute.url), "provider/http/increments", "openai_chat")
    assert (found.status, BusyTarget.reads) == (status, reads[-1:])


def test_the_wire_formats_that_it_answers_in(mute: FakeProviderServer) -> None:
    """Without --wire they are found: those at whose paths there is anything."""
    assert Target(mute.url).wires == list(GRAMMARS)


def test_a_server_of_one_wire_format(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that has one path has one wire format."""

    def one_path(answer: Answer) -> None:
        answer.status = 400 if answer.path == "/v1/messages" else 404

    monkeypatch.setitem(Mangler.mangles, "one-path", one_path)
    monkeypatch.setattr("tokentape_conformance.provider.target.wires_of", lambda *_: None)
    with serving():
        assert Site.server is not None
        assert Target(f"{Site.server.url}/m/one-path").wires == ["anthropic_messages"]


@pytest.mark.parametrize(
    ("url", "path", "expected"),
    [
        ("http://h", "/v1/chat/completions", "/v1/chat/completions"),
        ("http://h/v1", "/v1/chat/completions", "/v1/chat/completions"),
        ("http://h/api/v1/", "/v1/messages", "/api/v1/messages"),
        ("http://h/s/t1", "/v1/messages", "/s/t1/v1/messages"),
        ("http://h/v1beta", "/v1beta/models/m:generateContent", "/v1beta/models/m:generateContent"),
        ("http://h/v1", "/v1beta/interactions", "/v1/v1beta/interactions"),
    ],
)
def test_paths_below_a_base_url(url: str, path: str, expected: str) -> None:
    """The path at the end of a base URL, as SDKs take it, is not repeated."""
    assert below(url, path) == expected


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["here"], "give the URL of a server"),
        (["{url}", "--lacks", "tools=no"], "--lacks tools: the known capabilities are not_streamed, usage"),
        (["{url}", "--lacks", "morse.usage=no"], "--lacks morse.usage: the known"),
        (["{url}", "--lacks", "usage"], "--lacks usage: give the reason, usage=REASON"),
        (["{url}", "--key-env", "NO_SUCH_KEY"], "--key-env NO_SUCH_KEY: this variable is not set"),
        (["{url}", "--wire", "morse"], "--wire morse: the known ones are openai_chat"),
        (["{url}", "--case", "usage/nothing"], "no case of the suite provider matches"),
    ],
)
def test_wrong_usage(run: Run, server: FakeProviderServer, arguments: list[str], message: str) -> None:
    """Each mistake is one line of error, with exit code 2."""
    ran = run(*(argument.format(url=server.url) for argument in arguments))
    assert ran.code == 2
    assert message in ran.err
    assert "Traceback" not in ran.err


def test_a_server_that_is_not_there(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error is that nothing answers."""
    monkeypatch.setattr("tokentape_conformance.provider.target._START_S", 0.0)
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        ran = run(f"http://127.0.0.1:{bound.getsockname()[1]}")
    assert ran.code == 2
    assert "it does not answer" in ran.err


def test_what_a_failure_shows(run: Run) -> None:
    """The promise, its source, the request, the frames with their times, what was expected and seen."""
    Mangler.mangles["two-finishes"] = lambda answer: setattr(
        answer, "events", [part for event in answer.events for part in [event] * (1 + (b'"finish_reason":"' in event))]
    )
    with serving():
        assert Site.server is not None
        ran = run(f"{Site.server.url}/m/two-finishes", "--wire", "openai_chat", "--case", "stream/order")
    assert ran.code == 1
    lines = [line.strip() for line in ran.out.splitlines()]
    assert lines[0] == "FAILED provider/stream/order[openai_chat]"
    assert lines[1] == "promise   Events come in an allowed order."
    assert any(line.startswith("request   POST /m/two-finishes/s/") and '"stream": true' in line for line in lines)
    assert any(line.startswith("frame   0") and "chat.completion.chunk" in line for line in lines)
    assert "what      choice 0, finished, event 9 (text)" in lines
    assert "expected  nothing more" in lines
    assert "seen      finish" in lines


def test_the_key_is_sent_and_never_reported(run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The server gets the key of --key-env; no report has it."""
    key = "sk-proj-abcdefghijklmnopqrstuvwxyz0123456789"
    seen: list[bytes] = []
    monkeypatch.setenv("THE_KEY", key)

    def keep(answer: Answer) -> None:
        seen.append(answer.request_headers[b"authorization"])
        answer.status = 500

    Mangler.mangles["keeps-keys"] = keep
    report = tmp_path / "report.json"
    with serving():
        assert Site.server is not None
        url = f"{Site.server.url}/m/keeps-keys"
        ran = run(url, "--wire", "openai_chat", "--case", "http", "--key-env", "THE_KEY", "--json", report)
    assert set(seen) == {f"Bearer {key}".encode()}
    assert ran.code == 1
    assert key not in ran.out + ran.err + report.read_text()


def test_an_sdk_that_is_not_installed(
    run: Run, server: FakeProviderServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Its cases are skipped with that reason."""
    monkeypatch.setitem(sys.modules, "ollama", None)
    report = tmp_path / "report.json"
    ran = run(server.url, "--wire", "ollama", "--case", "sdk", "--case", "http/status", "--json", report)
    results = {result["case"]: result for result in json.loads(report.read_text())["results"]}
    assert ran.code == 0
    assert results["provider/sdk/text"]["status"] == "skipped"
    assert "ollama is not installed" in results["provider/sdk/text"]["reason"]


class Gateway:
    """An app that passes requests on to the session `gw`, and has no control API of its own."""

    stopping = False

    def __init__(self, app: App) -> None:
        self._app = app

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """ASGI 3."""
        path = "/nothing" if scope["path"].startswith("/_tokentape") else f"/s/gw{scope['path']}"
        await self._app({**scope, "path": path, "raw_path": path.encode()}, receive, send)


def test_what_is_behind_a_gateway_is_scripted(run: Run, tmp_path: Path) -> None:
    """With --control the cases that need a script run through a gateway, too."""
    app = create_app(AppConfig())
    behind, gateway = ServerThread("127.0.0.1", 0, "behind"), ServerThread("127.0.0.1", 0, "gateway")
    behind.start(app)
    gateway.start(Gateway(app))
    report = tmp_path / "report.json"
    arguments = ("--wire", "openai_chat", "--lacks", LACKS, "--json", report)
    try:
        alone = run(gateway.url, *arguments, "--case", "finish/content-filter")
        ran = run(gateway.url, *arguments, "--control", f"{behind.url}/s/gw")
        wrong = run(gateway.url, *arguments, "--control", gateway.url)
    finally:
        gateway.stop()
        behind.stop()
    assert (alone.code, "scripted: the server's responses can't" in alone.out) == (1, True)
    document = json.loads(report.read_text())
    assert (ran.code, document["counts"]["skipped"]) == (0, 1), ran.out
    assert (wrong.code, f"--control {gateway.url}: no usable control API of a fake provider" in wrong.err) == (2, True)


def test_a_capability_of_one_wire_format(server: FakeProviderServer) -> None:
    """`ollama.usage` is lacking in that wire format only."""
    target = Target(server.url, lacks={"ollama.usage": "no counts here"})
    assert target.lack("usage", "ollama") == "usage: no counts here"
    assert target.lack("usage", "openai_chat") is None


def test_every_capability_is_needed(server: FakeProviderServer) -> None:
    """What cases need is known, and what may be lacking some case needs."""
    needed = set().union(*(case.needs for case in SUITE.cases()))
    assert needed <= set(CAPABILITIES)
    assert set(CAPABILITIES) - needed == set()
    assert len(plan(SUITE, Target(server.url))) > 500


def test_a_baseline_of_other_wire_formats(run: Run, server: FakeProviderServer, tmp_path: Path) -> None:
    """Its entries for wire formats that do not run now are no mistake."""
    baseline = tmp_path / "known.toml"
    baseline.write_text('[[deviation]]\ncase = "provider/usage/total[gemini]"\nreason = "it adds otherwise"\n')
    ran = run(server.url, "--wire", "ollama", "--case", "usage/total", "--baseline", baseline)
    assert (ran.code, "1 passed" in ran.out) == (0, True)


def test_a_case_of_ones_own(run: Run, server: FakeProviderServer, tmp_path: Path) -> None:
    """It is one short file, and runs on every wire format."""
    file = tmp_path / "no_shouting.py"
    file.write_text(
        "from tokentape_conformance.provider import ProviderTrial, case\n\n\n"
        '@case("provider/own/no-shouting", "Nobody shouts.", source="our house style")\n'
        "def no_shouting(trial: ProviderTrial) -> None:\n"
        '    trial.expect("capitals", trial.stream().content.text.isupper(), False)\n'
    )
    ran = run(server.url, "--include", file, "--case", "own")
    assert ran.code == 0
    assert "10 passed" in ran.out


def test_the_runner_of_pytest_takes_its_options(server: FakeProviderServer) -> None:
    """The options of the command are strings, as worker processes and pytest give them."""
    from tokentape_conformance.execution import Job

    options = {"wires": "ollama", "model": "m", "lacks": f"{LACKS}; reasoning=none"}
    run = Runner(Job("provider", server.url, options), wires=["ollama"], jobs=1)
    assert {planned.wire for planned in run.planned} == {"ollama"}
    assert run.target.lacks["reasoning"] == "none"
