"""Errors that a client looks at by their status alone: the small ones are recorded whole, so that nothing complains."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import aiohttp
import httpx
import httpx2
import pytest
import requests
import urllib3

from tokentape_fake_provider.hosting.server import FakeProviderServer
from tokentape_fake_provider.tape import Frame, Tape
from tokentape_fake_provider.timing import Recorded
from tokentape_fake_provider.timing.clock import ControlledClock
from tokentape_harness import read_cassette, use_cassette
from tokentape_harness.lint import inspect_cassette

REQUEST = {"model": "m", "stream": True, "messages": [{"role": "user", "content": "Hello?"}]}
ERROR = b'{"error": {"message": "slow down"}}'


def by_httpx2(url: str) -> int:
    with httpx2.stream("POST", url, json=REQUEST) as response:
        return response.status_code


def by_httpx(url: str) -> int:
    with httpx.stream("POST", url, json=REQUEST) as response:
        return response.status_code


def by_httpx2_async(url: str) -> int:
    async def call() -> int:
        async with httpx2.AsyncClient() as client, client.stream("POST", url, json=REQUEST) as response:
            return response.status_code

    return asyncio.run(call())


def by_requests(url: str) -> int:
    with requests.post(url, json=REQUEST, stream=True, timeout=10) as response:
        return response.status_code


def by_urllib3(url: str) -> int:
    with urllib3.PoolManager() as pool:
        response = pool.request("POST", url, json=REQUEST, preload_content=False)
        response.close()
        return response.status


def by_aiohttp(url: str) -> int:
    async def call() -> int:
        async with aiohttp.ClientSession() as client, client.post(url, json=REQUEST) as response:
            return response.status

    return asyncio.run(call())


def by_aiohttp_raising(url: str) -> int:
    async def call() -> int:
        async with aiohttp.ClientSession(raise_for_status=True) as client:
            try:
                async with client.post(url, json=REQUEST):
                    return 200
            except aiohttp.ClientResponseError as error:
                return error.status

    return asyncio.run(call())


CLIENTS = {name.removeprefix("by_"): function for name, function in list(globals().items()) if name.startswith("by_")}


@pytest.fixture
def clock() -> ControlledClock:
    """The time of the provider."""
    return ControlledClock()


@pytest.fixture
def provider(clock: ControlledClock) -> Iterator[FakeProviderServer]:
    """It sends the body of an error some time after the head."""
    with FakeProviderServer(clock=clock) as server:
        server.default.configure(timing=Recorded())
        yield server


def record_error(
    provider: FakeProviderServer,
    clock: ControlledClock,
    path: Path,
    client: Callable[[str], int],
    *headers: str,
    body_comes: bool = True,
) -> str:
    """Record one error; returns the ending that the recording states, or the problem that `check` finds in it.

    Without `body_comes` nothing but the head is ever sent.
    """
    parts = tuple((name, value) for name, _, value in (header.partition(": ") for header in headers))
    provider.default.push(Tape((Frame(10.0, ERROR), Frame(20.0, b"")), 429, parts, start=0.0, end_at=20.0))

    def pass_time() -> None:
        with suppress(TimeoutError):
            for _ in range(2 * body_comes):
                clock.wait_for_deadline(2)
                clock.jump(ms=10)

    with use_cassette(path):
        thread = threading.Thread(target=pass_time)
        thread.start()
        assert client(f"{provider.url}/v1/chat/completions") == 429
        thread.join()
    cassette = read_cassette(path)
    (interaction,) = cassette
    assert interaction.response.stream is not None
    problems = inspect_cassette(cassette, now=datetime.now(UTC))
    if not problems:
        assert interaction.response.body == ERROR
    return problems[0].kind if problems else interaction.response.stream.end


@pytest.mark.parametrize("length", [f"content-length: {len(ERROR)}", "x-length: none"], ids=["sized", "chunked"])
@pytest.mark.parametrize("name", CLIENTS)
def test_a_small_error_is_recorded_whole(
    name: str, length: str, provider: FakeProviderServer, clock: ControlledClock, tmp_path: Path
) -> None:
    """Its body comes after the client has looked at the status; the recording has it, and replays."""
    path = tmp_path / "cassette.yaml"
    assert record_error(provider, clock, path, CLIENTS[name], "content-type: application/json", length) == "complete"
    with use_cassette(path, record_mode="none", all_played=True):
        assert CLIENTS[name](f"{provider.url}/v1/chat/completions") == 429


@pytest.mark.parametrize("name", CLIENTS)
def test_an_error_that_streams_is_not_waited_for(
    name: str, provider: FakeProviderServer, clock: ControlledClock, tmp_path: Path
) -> None:
    """A stream may be endless whatever its status: it ends where the client leaves."""
    path = tmp_path / "cassette.yaml"
    assert (
        record_error(provider, clock, path, CLIENTS[name], "content-type: text/event-stream", body_comes=False)
        == "client_closed"
    )
