"""`sweep --rejoin`: a reader that is cut off at each event, and comes back, to right and to broken apps."""

from __future__ import annotations

import json
import os
import socket
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.conformance.pipeline_mutants import rejoining as broken
from tokentape_fake_provider.hosting.server import FakeProviderServer
from tokentape_harness.cli.run import run
from tokentape_harness.errors import FlushError
from tokentape_harness.flush.bench import Bench, event_loop
from tokentape_harness.flush.rejoining import Limits, ReceivedEvent, events_of
from tokentape_harness.flush.targets import AppRequest, AsgiTarget
from tokentape_harness.sweep.rejoin import RejoinReport, RejoinSweep
from tokentape_harness.testing.fake_provider import FakeProvider
from tokentape_harness.testing.sdk_environment import sdk_environment

REPOSITORY = Path(__file__).parents[3]
LIMITS = Limits(start=30.0, patience=2.0, end=10.0)

Sweep = Callable[..., RejoinReport]


@pytest.fixture(scope="module")
def sweep() -> Iterator[Sweep]:
    """Sweeps an ASGI app, which is called by its path."""
    with FakeProviderServer(port=0) as server, event_loop() as loop, pytest.MonkeyPatch.context() as patch:
        for name, value in sdk_environment(server.url).items():
            patch.setenv(name, value)

        def swept(app: Any, begin: str, back: str, data: bytes | None = None, **options: Any) -> RejoinReport:
            bench = Bench(AsgiTarget(app, begin, AppRequest(body=data)), FakeProvider(server, server.default), loop)
            return RejoinSweep(bench, AsgiTarget(app, back), tokens=6, limits=LIMITS).run(**options)

        yield swept


def test_events_of_a_body() -> None:
    """Complete events with data, with every line end, several lines, comments, and the last id that was sent."""
    body = b"id: 1\ndata: a\ndata: b\n\n: heartbeat\n\nevent: done\r\ndata:c\r\n\r\nid: 2\n\ndata: d\r\rdata: cut"
    assert events_of(body) == [
        ReceivedEvent("1", "message", b"a\nb"),
        ReceivedEvent("1", "done", b"c"),
        ReceivedEvent("2", "message", b"d"),
    ]
    assert events_of(b"data: half\n") == []


@pytest.mark.slow
@pytest.mark.parametrize("example", ["resumable_chat", "use_chat"])
def test_the_examples_lose_nothing(sweep: Sweep, example: str) -> None:
    """Each event of the library's resumable responses, in both formats, comes once, wherever the reader is cut off."""
    if example == "resumable_chat":
        from examples.resumable_chat.app import app

        report = sweep(app, "/chat/{id}", "/chat/{id}", b'{"prompt":"Hi"}')
        assert report.exact
    else:
        from examples.use_chat.app import app

        message = b'{"id":"{id}","message":{"role":"user","parts":[{"type":"text","text":"Hi"}]}}'
        report = sweep(app, "/api/chat", "/api/chat/{id}/stream", message)
    assert report.failures == []
    assert len(report.results) == 2 * (report.events + 1) + 3


@pytest.mark.slow
@pytest.mark.parametrize(
    ("app", "outcomes"),
    [
        (broken.Rejoinable, {"complete"}),
        (broken.LosesOne, {"lost", "complete"}),
        (broken.DoublesOne, {"doubled", "complete"}),
        (broken.NewestFirst, {"reordered", "complete"}),
        (broken.ForgetsAtTheEnd, {"not_resumed", "complete"}),
        (broken.RequestsAgain, {"requested_again", "complete"}),
        (broken.OneReader, {"lost", "complete"}),
    ],
)
def test_each_fault_is_named(sweep: Sweep, app: Any, outcomes: set[str]) -> None:
    """What a broken app does to its readers has its own outcome, and a right one has none."""
    report = sweep(app(), "/start/{id}", "/back/{id}")
    assert {result.outcome for result in report.results} == outcomes


@pytest.mark.slow
def test_an_app_that_starts_nothing(sweep: Sweep) -> None:
    """The error has the status of the app's answer."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            await send({"type": "http.response.start", "status": 500, "headers": []})
            await send({"type": "http.response.body", "body": b""})

    with pytest.raises(FlushError, match=r"sent the provider no request for this response \(status 500\)"):
        sweep(app, "/start/{id}", "/back/{id}")


@pytest.mark.slow
def test_the_table(sweep: Sweep) -> None:
    """A letter for each cut, a legend, and the events that the reader missed."""
    report = sweep(broken.LosesOne(), "/start/{id}", "/back/{id}", rows=["cut", "each"])
    lines = list(report.lines())
    assert lines[0] == "GET /start/{id} of an ASGI app: 7 events, 9 cells"
    assert lines[1:4] == [
        "cut      .LLLLLL.  comes back while the response goes on",
        "each     L  is cut off after each event of one response",
        ". 2 complete, L 7 lost",
    ]
    assert lines[4].startswith(
        "7 lost (did not receive events that an uninterrupted reader receives): cut@1: message: "
    )
    fields = json.loads(msgspec.json.encode(report.to_builtins()))
    assert fields["counts"] == {"complete": 2, "lost": 7}
    assert fields["results"][2]["outcome"] == "lost"


@pytest.mark.slow
def test_the_command(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """It starts the app with the command after `--`, sends the request, and prints the table or JSON."""
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(REPOSITORY), os.environ.get("PYTHONPATH", "")]))
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = str(free.getsockname()[1])
    serve = [sys.executable, "-m", "uvicorn", "--port", port, "--log-level", "error", "examples.resumable_chat.app:app"]
    url = f"http://127.0.0.1:{port}/chat/{{id}}"
    code = run(["sweep", "--rejoin", url, "-d", '{"prompt":"Hi"}', "--places", "6", "--json", "--", *serve])
    report = json.loads(capsys.readouterr().out)
    assert code == 0
    assert report["counts"] == {"complete": 15}
    assert report["failures"] == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["x.yaml", "--data", "x", "--sdk", "openai"], "--data: only with --rejoin"),
        (["--rejoin", "http://127.0.0.1:1/", "--sdk", "openai"], "--sdk: not with --rejoin"),
        (["--rejoin", "http://127.0.0.1:1/", "--times", "2"], "--times and --fail-on are for a client"),
        (["--rejoin", "here"], "'here' is not a URL"),
        (["--sdk", "openai"], "give a cassette, or --rejoin URL"),
    ],
)
def test_options_that_would_be_ignored(capsys: pytest.CaptureFixture[str], arguments: list[str], message: str) -> None:
    """Options of the other kind of sweep are refused."""
    assert run(["sweep", *arguments]) == 2
    assert message in capsys.readouterr().err
