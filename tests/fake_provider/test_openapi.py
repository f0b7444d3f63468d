"""The OpenAPI document of the control API: it has every route, and the server answers as it says."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx2
import pytest
from hypothesis import HealthCheck, given, settings
from starlette.routing import Route

from tests.case_notes import case as note
from tokentape_fake_provider.config import AppConfig
from tokentape_fake_provider.control import CONTROL_PATH, METRICS_PATH, control_routes
from tokentape_fake_provider.control.openapi import OPENAPI_PATH
from tokentape_fake_provider.hosting.server import FakeProviderServer

SETTINGS = settings(
    max_examples=20, derandomize=True, database=None, deadline=None, suppress_health_check=list(HealthCheck)
)
EVENTS = f"{CONTROL_PATH}/events"


@pytest.fixture(scope="module")
def server() -> Iterator[FakeProviderServer]:
    """A server on a free port."""
    with FakeProviderServer() as running:
        yield running


@pytest.fixture(scope="module")
def document(server: FakeProviderServer) -> Any:
    """The document that it serves."""
    return httpx2.get(f"{server.url}{OPENAPI_PATH}").raise_for_status().json()


def test_every_route_is_described(document: Any) -> None:
    """The document names the routes that the server has, and each operation once."""
    routes = [route for route in control_routes(AppConfig()).routes if isinstance(route, Route)]
    ours = {route.path for route in routes if route.path.startswith(CONTROL_PATH) or route.path == METRICS_PATH}
    assert {path for path in ours if "{rest" not in path} == set(document["paths"])
    operations = [operation for path in document["paths"].values() for operation in path.values()]
    assert all(operation["summary"].endswith(".") for operation in operations)
    names = [operation["operationId"] for operation in operations]
    assert {name for name in names if names.count(name) > 1} == {"info"}  # with and without a slash


def test_references_lead_somewhere(document: Any) -> None:
    """Every schema that is referred to is in the document."""
    known, pending, found = document["components"]["schemas"], [document], set()
    while pending:
        value = pending.pop()
        if isinstance(value, dict):
            found.update([value["$ref"]] if isinstance(value.get("$ref"), str) else [])
            pending += value.values()
        elif isinstance(value, list):
            pending += value
    assert found
    assert {reference.rpartition("/")[2] for reference in found} <= known.keys()


@pytest.mark.slow
def test_the_server_answers_as_described(server: FakeProviderServer, document: Any) -> None:
    """Whatever the document allows, and much that it does not: no route fails, and responses are as described."""
    import schemathesis
    from schemathesis.specs.openapi import checks

    schema = schemathesis.openapi.from_dict(document)
    schema.config.update(base_url=server.url)
    conformance: Any = [
        checks.content_type_conformance,
        checks.response_schema_conformance,
        checks.status_code_conformance,
    ]
    statuses: dict[str, set[int]] = {}

    for result in schema.get_all_operations():
        operation = result.ok()
        if operation.path == EVENTS:  # it does not end
            continue
        with note(operation.method, operation.path), open_stream(server, operation.path) as session_id:
            found = statuses.setdefault(f"{operation.method} {operation.path.removeprefix(CONTROL_PATH)}", set())

            SETTINGS(given(operation.as_strategy())(checking(session_id, conformance, found)))()
    assert len(statuses) == sum(len(path) for path in document["paths"].values()) - 1
    failed = {name for name, found in statuses.items() if not found & {200, 201, 204}}
    assert failed == {
        "post /sessions/{id}/cassettes",
        "post /sessions/{id}/journal/{number}/cassette",
        "post /sessions/{id}/journal/{number}/rule",
    }


def checking(session_id: str, conformance: Any, found: set[int]) -> Any:
    """The test of one case, in this session and for its request 0."""

    def check(case: Any) -> None:
        case.path_parameters = {"id": session_id, "number": 0, "name": "console.css"}
        if isinstance(case.query, dict):
            case.query.pop("wait", None)
        if case.method == "POST" and re.search("/streams/|/clock/", case.path) and not case.path.endswith("/release"):
            body = case.body if isinstance(case.body, dict) else {}
            if case.path.endswith("/fault") and not found:
                body = {"fault": "fin"}  # few of those that the document allows can be applied to this stream
            case.body, case.media_type = {**body, "timeout": 0.1}, "application/json"
        response = case.call()
        assert response.status_code != 500, response.text
        case.validate_response(response, checks=conformance)
        found.add(response.status_code)

    return check


@contextmanager
def open_stream(server: FakeProviderServer, path: str) -> Iterator[str]:
    """A session with a stream that waits for a step, which is request 0; the id."""
    session = server.create_session(timing="stepped", clock="controlled")
    session.push("One two three four five six seven eight nine ten.")
    body = b'{"model": "m", "stream": true, "messages": [{"role": "user", "content": "Hi"}]}'
    head = f"POST /s/{session.id}/v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ncontent-length: {len(body)}\r\n"
    with socket.create_connection(("127.0.0.1", server.port)) as client:
        client.sendall(head.encode() + b"content-type: application/json\r\n\r\n" + body)
        if path.endswith("/streams/next"):
            session.journal.wait(lambda entries: len(entries) == 1)
        else:
            session.streams.next(10)
        yield session.id
