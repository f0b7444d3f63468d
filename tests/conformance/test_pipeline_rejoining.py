"""The library's resumable responses pass the cases of readers that come back: ASGI, WSGI, the AI SDK's format."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import flask
import msgspec
import pytest

from tests.conformance.mutants import outcome
from tests.conformance.pipeline_mutants.rejoining import REJOINABLE, Rejoinable
from tests.conformance.pipelines.chatting import astream, stream
from tokentape.web import MemoryBuffer, ResumableResponses
from tokentape_conformance.execution import run_case
from tokentape_conformance.pipeline.options import PipelineOptions
from tokentape_conformance.pipeline.pipeline import Pipeline
from tokentape_conformance.pipeline.suite import SUITE
from tokentape_conformance.plan import plan

pytestmark = pytest.mark.slow

KEPT = 3.0


def asgi_app(format: Any) -> Any:  # noqa: A002
    """An app of plain ASGI."""
    responses = ResumableResponses(format=format, buffer=MemoryBuffer(max_age=KEPT))

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        _, verb, response_id = scope["path"].split("/")
        if verb == "start":
            await responses.astart(response_id, astream)
        await responses.asgi(response_id)(scope, receive, send)

    return app


def flask_app() -> flask.Flask:
    """An app of Flask."""
    app, responses = flask.Flask(__name__), ResumableResponses(buffer=MemoryBuffer(max_age=KEPT))

    @app.get("/start/<response_id>")
    def begin(response_id: str) -> Any:
        responses.start(response_id, stream)
        return responses.wsgi(response_id)

    @app.get("/back/<response_id>")
    def back(response_id: str) -> Any:
        return responses.wsgi(response_id)

    return app


ROOT = Path(__file__).parents[2]
EVERY = [case.id for case in SUITE.cases() if case.area == "rejoining" and "restart" not in case.needs]
# What WSGI does otherwise: a head comes with its first event, which is waited for in vain after each cut.
SOME = [f"pipeline/rejoining/{name}" for name in ("again-and-again", "two-readers", "foreign-cursor")]


@pytest.mark.parametrize(
    ("make", "cases", "patience"),
    [
        (lambda: asgi_app("sse"), EVERY, 2.0),
        (lambda: asgi_app("ui-message-stream"), EVERY, 2.0),
        (flask_app, SOME, 0.5),
    ],
    ids=["sse", "ui", "flask"],
)
def test_the_librarys_own_pass(make: Callable[[], Any], cases: list[str], patience: float) -> None:
    """The cases of readers that come back pass."""
    before = dict(os.environ)
    options = msgspec.structs.replace(REJOINABLE, kept=KEPT, patience=patience, limit=15.0)
    target = Pipeline("own", options, app=make())
    try:
        planned = [each for each in plan(SUITE, target) if each.case.id in cases]
        results = {each.case.id: run_case(SUITE, target, each) for each in planned}
    finally:
        target.close()
        os.environ.clear()
        os.environ.update(before)
    assert len(results) == len(cases)
    assert [(case, result.findings) for case, result in results.items() if result.status != "passed"] == []


@pytest.mark.parametrize(
    ("kept", "reason"),
    [
        (None, "expiry: no --kept, how long a response is kept after its end"),
        (900.0, "expiry: a response is kept for 900 s, but the suite waits at most 2 s (--limit)"),
    ],
)
def test_expiry_is_skipped_with_a_reason(kept: float | None, reason: str) -> None:
    """The suite waits for the end of a response's time only if it is known and not too long."""
    target = Pipeline("ground", msgspec.structs.replace(REJOINABLE, kept=kept), app=Rejoinable())
    try:
        result = outcome("pipeline", target, "pipeline/rejoining/expired", "openai_chat", timeout=30.0)
    finally:
        target.close()
    assert (result.status, result.reason) == ("skipped", reason)


@pytest.mark.parametrize(("is_broken", "status"), [(False, "passed"), (True, "failed")])
def test_a_restart(monkeypatch: pytest.MonkeyPatch, is_broken: bool, status: str) -> None:
    """After a restart the library's responses are refused; an app that answers with an empty success is caught."""
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]))
    if is_broken:
        monkeypatch.setenv("EMPTY_SUCCESS", "1")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = (
        f"{sys.executable} -m uvicorn --port {port} --log-level error tests.conformance.pipelines.resumable_app:app"
    )
    url = f"http://127.0.0.1:{port}"
    options = PipelineOptions(command=command, rejoin=f"{url}/back/{{id}}", lacks="leaving=goes on", provider_port=0)
    target = Pipeline(f"{url}/start/{{id}}", options)
    try:
        result = outcome("pipeline", target, "pipeline/rejoining/after-a-restart", "openai_chat", timeout=60.0)
    finally:
        target.close()
    assert result.status == status
