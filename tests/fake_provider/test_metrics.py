"""The server's metrics: what they count and time, and who may read them."""

from __future__ import annotations

import mmap
import socket
import sys
from array import array
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st
from inline_snapshot import snapshot
from prometheus_client.parser import text_string_to_metric_families

from tokentape_fake_provider.faults.fault import Fin
from tokentape_fake_provider.hosting.server import FakeProviderServer
from tokentape_fake_provider.playback.journal import Entry
from tokentape_fake_provider.playback.metrics.histogram import Histogram
from tokentape_fake_provider.playback.metrics.metrics import OPEN, REQUESTS, Metrics
from tokentape_fake_provider.playback.metrics.numbers import Numbers, groups_in, shared_region
from tokentape_fake_provider.script.model import Script
from tokentape_fake_provider.tape import Frame, Tape
from tokentape_fake_provider.timing import Recorded

REQUEST: dict[str, Any] = {"model": "m", "stream": True, "messages": [{"role": "user", "content": "x"}]}
SSE = (("content-type", "text/event-stream"),)


@pytest.fixture
def server() -> Iterator[FakeProviderServer]:
    """A server that has answered nothing yet."""
    with FakeProviderServer() as running:
        yield running


def samples(server: FakeProviderServer, http: httpx2.Client) -> dict[str, float]:
    """Every sample that is not zero, by its name and labels."""
    response = http.get(f"{server.url}/metrics")
    assert response.headers["content-type"].startswith("text/plain")
    return {
        f"{sample.name}{sorted(sample.labels.values())}": sample.value
        for family in text_string_to_metric_families(response.text)
        for sample in family.samples
        if sample.value
    }


def test_times_of_a_paced_stream(server: FakeProviderServer, http: httpx2.Client) -> None:
    """The first token, the time between tokens and the lateness are those of the stream, in s."""
    session = server.default
    session.configure(timing=Recorded(), clock="controlled")
    clock = session.clock
    assert clock is not None
    session.push(Tape(tuple(Frame(at, b"x") for at in (300.0, 304.0, 400.0)), 200, SSE, start=0.0, end_at=400.0))
    with ThreadPoolExecutor(1) as pool:
        asking = pool.submit(http.post, f"{server.url}/v1/chat/completions", json=REQUEST)
        session.streams.next()
        assert samples(server, http) == {"tokentape_open_responses[]": 1.0}
        clock.advance(1)
        assert asking.result().content == b"xxx"
    session.journal.wait()
    found = samples(server, http)
    buckets = {name: value for name, value in found.items() if "bucket" in name}
    assert {name: value for name, value in found.items() if name not in buckets} == snapshot(
        {
            "tokentape_requests_total['200', 'complete', 'openai_chat', 'queue']": 1.0,
            "tokentape_frames_total['openai_chat']": 3.0,
            "tokentape_time_to_first_token_seconds_count['openai_chat']": 1.0,
            "tokentape_time_to_first_token_seconds_sum['openai_chat']": 0.3,
            "tokentape_inter_token_latency_seconds_count['openai_chat']": 2.0,
            "tokentape_inter_token_latency_seconds_sum['openai_chat']": 0.1,
            "tokentape_lateness_seconds_count['openai_chat']": 3.0,
        }
    )
    assert "tokentape_time_to_first_token_seconds_bucket['0.25', 'openai_chat']" not in buckets
    assert buckets["tokentape_time_to_first_token_seconds_bucket['0.5', 'openai_chat']"] == 1
    assert buckets["tokentape_inter_token_latency_seconds_bucket['0.005', 'openai_chat']"] == 1
    assert buckets["tokentape_lateness_seconds_bucket['0.0005', 'openai_chat']"] == 3


def test_what_is_counted(server: FakeProviderServer, http: httpx2.Client) -> None:
    """Requests are counted by wire, status, source and outcome; faults by name; errors and unknown paths too."""
    session = server.default
    url = f"{server.url}/v1/chat/completions"
    session.push("hello", Script.of("a b c d e f g", faults=(Fin(frame=2),)))
    http.post(url, json=REQUEST | {"stream": False})
    with pytest.raises(httpx2.RemoteProtocolError):
        http.post(url, json=REQUEST)
    http.post(url, json={"stream": True})
    http.get(f"{server.url}/v2/nothing")
    session.journal.wait()
    found = samples(server, http)
    assert {name: value for name, value in found.items() if "requests" in name or "faults" in name} == snapshot(
        {
            "tokentape_requests_total['200', 'complete', 'openai_chat', 'queue']": 1.0,
            "tokentape_requests_total['200', 'dropped', 'openai_chat', 'queue']": 1.0,
            "tokentape_requests_total['400', 'complete', 'error', 'openai_chat']": 1.0,
            "tokentape_requests_total['', '404', 'complete', 'error']": 1.0,
            "tokentape_faults_total['fin']": 1.0,
        }
    )


def test_what_belongs_to_no_session_is_counted(server: FakeProviderServer, http: httpx2.Client) -> None:
    """Refusals of unknown sessions, foreign pages and broken HTTP are counted, and none of them stays open."""
    http.post(f"{server.url}/s/unknown/v1/chat/completions", json=REQUEST)
    http.post(f"{server.url}/v1/chat/completions", json=REQUEST, headers={"origin": "https://evil.example"})
    with socket.create_connection(("127.0.0.1", server.port)) as connection:
        connection.sendall(b"POST /v1/messages HTTP/1.1\r\ncontent-length: x\r\n\r\n")
        assert b" 400 " in connection.recv(1000)
    found = samples(server, http)
    assert {name: value for name, value in found.items() if "requests" in name or "open_" in name} == {
        "tokentape_requests_total['404', 'complete', 'error', 'openai_chat']": 1.0,
        "tokentape_requests_total['403', 'complete', 'error', 'openai_chat']": 1.0,
        "tokentape_requests_total['400', 'anthropic_messages', 'complete', 'error']": 1.0,
    }


def test_an_instant_stream_is_neither_late_nor_paced(server: FakeProviderServer, http: httpx2.Client) -> None:
    """What is sent at once has a time to first token, and no other times."""
    http.post(f"{server.url}/v1/chat/completions", json=REQUEST)
    server.default.journal.wait()
    counts = {name for name in samples(server, http) if "_count" in name}
    assert counts == {"tokentape_time_to_first_token_seconds_count['openai_chat']"}


@pytest.mark.parametrize(
    ("headers", "status"),
    [({"origin": "http://evil.example"}, 403), ({"host": "evil.example"}, 403), ({}, 200)],
)
def test_who_may_read_them(
    server: FakeProviderServer, http: httpx2.Client, headers: dict[str, str], status: int
) -> None:
    """Web pages of other origins and rebound names may not read the metrics."""
    assert http.get(f"{server.url}/metrics", headers=headers).status_code == status


def test_a_token_protects_them(http: httpx2.Client) -> None:
    """With a token they need it, as Prometheus can send it."""
    with FakeProviderServer(token="secret") as server:
        assert http.get(f"{server.url}/metrics").status_code == 401
        assert http.get(f"{server.url}/metrics", headers={"authorization": "Bearer secret"}).status_code == 200


def test_without_the_extra(server: FakeProviderServer, http: httpx2.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without prometheus-client the response names the extra."""
    monkeypatch.setitem(sys.modules, "prometheus_client", None)
    response = http.get(f"{server.url}/metrics")
    assert (response.status_code, response.json()["error"]) == snapshot(
        (
            501,
            {
                "what": "GET /metrics needs the package prometheus_client, which is not installed",
                "where": "GET /metrics",
                "do": "pip install 'tokentape[metrics]'",
            },
        )
    )


@given(st.lists(st.floats(-10, 1e6)), st.lists(st.floats(0.1, 1e5), min_size=1, unique=True).map(sorted))
def test_a_histogram_counts_as_one_by_one(times: Sequence[float], bounds: Sequence[float]) -> None:
    """Each time is counted at the first bound that is not below it, once."""
    numbers = array("d", [0.0] * (len(bounds) + 2))
    Histogram(bounds, numbers).add(times)
    one_by_one = [0] * (len(bounds) + 1)
    for time in times:
        one_by_one[next((place for place, bound in enumerate(bounds) if time <= bound), len(bounds))] += 1
    assert list(numbers[:-1]) == one_by_one
    assert numbers[-1] == pytest.approx(sum(times))


@given(st.lists(st.tuples(st.text(max_size=5), st.integers(1, 4), st.integers(0, 100))))
def test_numbers_in_shared_memory_are_those_in_memory(changes: Sequence[tuple[str, int, int]]) -> None:
    """Whatever names there are: another process reads the same numbers, and one that takes over goes on from them."""
    region = shared_region()
    alone, shared = Numbers(), Numbers(region)
    for half in (changes[::2], changes[1::2]):
        for text, size, count in half:
            for numbers in (alone, shared):
                numbers.group((text, str(size)), size)[size - 1] += count
        expected = {name: list(numbers) for name, numbers in alone.groups().items()}
        assert {name: list(numbers) for name, numbers in groups_in(region).items()} == expected
        shared = Numbers(region)


def test_numbers_beyond_the_shared_memory() -> None:
    """Names for which there is no room are counted in the process itself, and those that are there go on."""
    region = mmap.mmap(-1, 64)
    numbers = Numbers(region)
    for name in ("a", "b", "c", "a"):
        numbers.group((name,))[0] += 1
    assert {name: list(count) for name, count in numbers.groups().items()} == {("a",): [2], ("b",): [1], ("c",): [1]}
    assert {name: list(count) for name, count in groups_in(region).items()} == {("a",): [2], ("b",): [1]}


def test_a_worker_that_was_killed_leaves_no_open_responses() -> None:
    """Its counts stay, and go on in the worker that replaces it; what it was sending is open no longer."""
    regions, running = [shared_region(), shared_region()], bytearray(b"\1\1")
    one, two = (Metrics(regions, number, lambda: bytes(running)) for number in (0, 1))

    def answer(metrics: Metrics) -> None:
        entry = Entry(session="", time=0, method="GET", path="/", query="", raw_headers=(), raw_body=b"", wire=None)
        metrics.begin()
        metrics.end(entry, "complete")

    def counts() -> list[tuple[float, float]]:
        totals = (metrics.totals() for metrics in (one, two))
        return [(total[OPEN,][0], total[REQUESTS, "", "", "", "complete"][0]) for total in totals]

    for metrics in (one, two, two):
        answer(metrics)
        metrics.begin()
    assert counts() == [(3, 3), (3, 3)]
    running[1] = 0
    assert counts()[0] == (1, 3)
    running[1] = 1
    two = Metrics(regions, 1, lambda: bytes(running))
    answer(two)
    assert counts() == [(1, 4), (1, 4)]
