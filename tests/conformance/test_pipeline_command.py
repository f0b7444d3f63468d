"""`tokentape conformance pipeline`: its cases, its options, and its errors for targets that can't be tested."""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conformance import leftovers
from tests.conformance.commands import Run, forget_included, runner
from tests.harness.flush.served import PORT_VARIABLE as SERVED_PORT
from tokentape_conformance.pipeline.options import CAPABILITIES
from tokentape_conformance.pipeline.suite import SUITE
from tokentape_fake_provider.hosting.server import FakeProviderServer

pytestmark = pytest.mark.slow

APPS = "tests.conformance.pipelines"
OURS = [
    *((f"{APPS}.starlette_app:app", f"/{path}") for path in ("ndjson", "plain")),
    (f"{APPS}.flask_app:app", "/heartbeat"),
    (f"{APPS}.django_app:asgi", "/plain"),
]
"""With those of `make conformance` each stack, and each form on the first: what makes its frames is the same on all."""


@pytest.fixture
def run(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Run]:
    """Run the command in this process, and restore the environment afterwards."""
    forget_included(SUITE, monkeypatch)
    with leftovers.cleared():
        yield runner("pipeline", capfd)


@pytest.mark.parametrize(("app", "path"), OURS, ids=[f"{app.rpartition('.')[2]}{path}" for app, path in OURS])
def test_our_own_responses_keep_every_promise(tmp_path: Path, app: str, path: str) -> None:
    """All cases pass, as a command of its own; only cases of a gateway and of readers that come back are skipped."""
    file = tmp_path / "report.json"
    command = [sys.executable, "-m", "tokentape_harness.cli", "conformance", "pipeline", app, "--path", path]
    ran = subprocess.run([*command, "--json", str(file), "--jobs", "1"], capture_output=True, text=True, check=False)
    report = json.loads(file.read_text())
    assert [result for result in report["results"] if result["status"] == "failed"] == []
    skipped = {result["case"] for result in report["results"] if result["status"] == "skipped"}
    assert skipped == {case.id for case in SUITE.cases() if case.area in ("relay", "rejoining")}
    assert ran.returncode == 0


def free_port() -> int:
    """A port that is free."""
    with contextlib.closing(socket.create_server(("127.0.0.1", 0))) as listener:
        return int(listener.getsockname()[1])


def test_a_command_that_serves_the_url(run: Run) -> None:
    """The app is started with the SDKs' variables, and gets its requests by HTTP."""
    port = free_port()
    command = [
        sys.executable,
        "-m",
        "uvicorn",
        f"{APPS}.starlette_app:app",
        "--port",
        str(port),
        "--log-level",
        "error",
    ]
    url = f"http://127.0.0.1:{port}/sse"
    ran = run(url, "--case", "order", "--case", "leaving", "--case", "tools", "--", *command)
    assert (ran.code, ran.err) == (0, "")
    assert "15 passed" in ran.out


def served(kind: str, port: int) -> list[object]:
    """The command that serves an app which does not answer by HTTP."""
    return ["--", sys.executable, "-m", "tests.harness.flush.served", kind, port]


READERS = ("order", "leaving", "readers", "flushing", "endings", "headers")


@pytest.mark.parametrize("reader", ["function", "command"])
def test_a_reader_beside_a_serving_command(reader: str) -> None:
    """A function or a command reads what is served: order, flushing, second readers, leaving and endings are judged."""
    port = free_port()
    read = f"{sys.executable} -m tests.harness.flush.served read"
    target = ["tests.harness.flush.served:call_async"] if reader == "function" else ["--reader", read]
    # A command takes its time to start, for each case.
    cases = READERS if reader == "function" else ("order/once", "leaving/half-way", "readers/not-mixed")
    ran = subprocess.run(
        [sys.executable, "-m", "tokentape_harness.cli", "conformance", "pipeline", *target]
        + [str(word) for case in cases for word in ("--case", case)]
        + list(map(str, served("lines", port))),
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(__file__).parents[2],
        env={**os.environ, SERVED_PORT: str(port)},
    )
    assert (ran.returncode, ran.stderr) == (0, ""), ran.stdout
    assert "http: a function or a command has no headers" in ran.stdout or reader == "command"
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port))


@pytest.mark.parametrize("path", ["close", "open"])
def test_a_websocket(run: Run, monkeypatch: pytest.MonkeyPatch, path: str) -> None:
    """A WebSocket gets the request as its first message, whether it closes after an answer or stays open."""
    port = free_port()
    monkeypatch.chdir(Path(__file__).parents[2])
    until = ("--until", '"done"') if path == "open" else ()
    cases = [word for case in READERS for word in ("--case", case)]
    ran = run(f"ws://127.0.0.1:{port}/{path}", "-d", "Hi", *until, *cases, *served("websocket", port))
    assert (ran.code, ran.err) == (0, ""), ran.out
    assert "http: the messages of a WebSocket have no headers" in ran.out


def test_what_can_not_be_read(run: Run) -> None:
    """A command beside an app, options of a request beside a reader, and no target at all are refused in a line."""
    app = f"{APPS}.starlette_app:app"
    assert "runs in this process: a command can serve a URL" in run(app, "--", "true").err
    assert "--data are for a URL or an app" in run("--reader", "cat", "-d", "x", "--", "true").err
    assert "--until requires the URL of a WebSocket" in run(app, "--until", "x").err
    assert "nothing to check" in run("--case", "order").err


def test_a_gateway(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """It gets requests in the provider's own format, and must forward all fields."""
    # The fake provider behind itself: a gateway that forwards its own requests.
    port = free_port()
    code = (
        "import os, httpx2, uvicorn\n"
        "from starlette.applications import Starlette\n"
        "from starlette.responses import StreamingResponse\n"
        "from starlette.routing import Route\n"
        "async def relay(request):\n"
        "    client = httpx2.AsyncClient(base_url=os.environ['ANTHROPIC_BASE_URL'])\n"
        "    forwarded = client.build_request('POST', request.url.path, content=await request.body(),\n"
        "        headers={'content-type': 'application/json'})\n"
        "    got = await client.send(forwarded, stream=True)\n"
        "    return StreamingResponse(got.aiter_raw(), got.status_code, dict(got.headers))\n"
        "app = Starlette(routes=[Route('/{path:path}', relay, methods=['POST'])])\n"
        f"uvicorn.run(app, port={port}, log_level='error')\n"
    )
    wires = ("--wire", "openai_chat", "--wire", "anthropic_messages")
    cases = ("--case", "relay", "--case", "order/once", "--case", "tools")
    ran = run(f"http://127.0.0.1:{port}", "--through", *wires, *cases, "--", sys.executable, "-c", code)
    assert ran.code == 0
    assert "10 passed, 8 skipped" in ran.out
    assert "tools: a gateway runs no tools" in ran.out


def test_what_is_declared_is_skipped_with_its_reason(run: Run, tmp_path: Path) -> None:
    """By option or by file; an unknown name and a missing reason are refused."""
    declared = tmp_path / "lacks.toml"
    declared.write_text('[lacks]\nheaders = "x"\n')
    app = f"{APPS}.starlette_app:app"
    assert "lacks 'headers', which is not one of text, bare_text" in run(app, "--declare", declared).err
    declared.write_text('[lacks]\nbare_text = "it says hello first"\n')
    only = ("--path", "/text", "--case", "order/nothing-around", "--case", "headers/not-buffered")
    ran = run(app, *only, "--declare", declared, "--lacks", "proxy_headers=no proxy is near")
    assert "bare_text: it says hello first" in ran.out
    assert "proxy_headers: no proxy is near" in ran.out
    assert ran.code == 1  # nothing was run
    assert "lacks text without a reason" in run(app, "--lacks", "text").err


OWN_CASE = """\
from tokentape_conformance import PipelineTrial, case


@case("pipeline/own/polite", "No answer begins with a sigh.", source="our house style", needs=["text"])
def polite(trial: PipelineTrial) -> None:
    trial.expect("the text that came out", trial.received_text("Sigh. ", "Hello"), "Hello")
"""


def test_a_case_of_ones_own(run: Run, tmp_path: Path) -> None:
    """One file of a few lines; a failure shows the output and its times."""
    (tmp_path / "own.py").write_text(OWN_CASE)
    ran = run(f"{APPS}.starlette_app:app", "--path", "/text", "--include", tmp_path / "own.py", "--case", "own")
    assert ran.code == 1
    assert "promise   No answer begins with a sigh." in ran.out
    assert "request   GET /text of an ASGI app" in ran.out
    assert " ms " in ran.out
    assert "expected  'Hello'\n  seen      'Sigh. Hello'" in ran.out


def test_every_capability_is_needed() -> None:
    """What can be declared is what some case needs, and the other way round."""
    assert set().union(*(case.needs for case in SUITE.cases())) == set(CAPABILITIES)


def answers(scope: Any, receive: Any, send: Any) -> Any:
    """An app that sends no request to a provider."""

    async def answer() -> None:
        if scope["type"] == "http":
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": b"hello"})

    return answer()


nothing = None


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (["nonsense"], "give a URL or module:app"),
        (["no_such_module:app"], "No module named 'no_such_module'"),
        ([f"{__name__}:missing"], "has no missing"),
        ([f"{__name__}:nothing"], "not an app or a function"),
        ([f"{__name__}:answers", "--through"], "give a gateway's URL"),
        ([f"{__name__}:answers", "--", "true"], "runs in this process: a command can serve a URL"),
        ([f"{__name__}:answers"], "sent no request to the fake provider"),
        ([f"{APPS}.starlette_app:app", "--path", "/nowhere"], "answered with status 404"),
        ([f"{__name__}:answers", "-H", "nonsense"], "is not 'Name: value'"),
    ],
)
def test_a_target_that_cannot_be_reached_is_one_line(run: Run, arguments: list[str], error: str) -> None:
    """What was wrong, and what to do; never a traceback."""
    ran = run(*arguments)
    assert ran.code in (1, 2)
    assert error in ran.err
    assert ran.err.count("\n") == 1


def test_a_port_in_use_is_one_line(run: Run) -> None:
    """One fake provider at a time has the port that an app is set to."""
    with FakeProviderServer() as server:
        port = server.url.rpartition(":")[2]
        ran = run("http://127.0.0.1:9/", "--provider-port", port)
    assert ran.code != 0
    assert shlex.quote(port) in ran.err
