"""Reads: what a chunk costs where each event comes in a read of its own, as it mostly does over a network."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import httpx
from rich.console import Console
from rich.table import Table

from bench.bodies import stream_body
from bench.floors import FLOORS
from tokentape import astream_bytes, stream_bytes, stream_response
from tokentape_harness.cassettes.event_split import split_body

EVENTS = 5000
ROUNDS = 7
_COLUMNS = ("sync", "async", "httpx, sync", "httpx, async", "reference, sync", "reference, async")


def run(console: Console) -> None:
    """Print the CPU time of one chunk, from bytes to the reader's loop, ours and that of a client's own loop.

    The reference is httpx-sse and `json.loads`; for lines of JSON, httpx's own `iter_lines` and `json.loads`.
    """
    title = f"A chunk of {EVENTS}, each in a read of its own: CPU, best of {ROUNDS} taken in turn, us"
    table = Table("wire format", title=title, title_justify="left")
    for column in (*_COLUMNS, "async / sync"):
        table.add_column(column, justify="right")
    for wire in FLOORS:
        body = stream_body(wire, EVENTS)
        with asyncio.Runner() as runner:
            runs = _runs(wire, split_body(body), runner, is_sse=body[:1] != b"{")
            rounds = [[_cpu(one) for one in runs] for _ in range(ROUNDS)]
        times = [min(each) * 1e6 / EVENTS for each in zip(*rounds, strict=True)]
        table.add_row(wire, *(f"{at:.2f}" for at in times), f"{times[1] / times[0]:.2f}x")
    console.print(table)


def _cpu(run: Callable[[], object]) -> float:
    started = time.process_time()
    run()
    return time.process_time() - started


def _event_source(response: httpx.Response) -> Any:
    try:
        import httpx_sse
    except ImportError:
        sys.exit("bench: reads compares with httpx-sse: pip install httpx-sse")
    return httpx_sse.EventSource(response)


def _runs(wire: str, events: list[bytes], runner: asyncio.Runner, *, is_sse: bool) -> list[Callable[[], object]]:
    def sync_bytes() -> None:
        for _ in stream_bytes(iter(events), wire):
            pass

    async def async_bytes() -> None:
        async for _ in astream_bytes(_aiter(events), wire):
            pass

    def sync_response() -> None:
        for _ in stream_response(_response(events, is_sse), wire=wire):
            pass

    async def async_response() -> None:
        async for _ in stream_response(_async_response(events, is_sse), wire=wire):
            pass

    def sync_reference() -> None:
        response = _response(events, is_sse)
        if is_sse:
            for event in _event_source(response).iter_sse():
                _load(event.data)
        else:
            for line in response.iter_lines():
                _load(line)

    async def async_reference() -> None:
        response = _async_response(events, is_sse)
        if is_sse:
            async for event in _event_source(response).aiter_sse():
                _load(event.data)
        else:
            async for line in response.aiter_lines():
                _load(line)

    return [
        sync_bytes,
        lambda: runner.run(async_bytes()),
        sync_response,
        lambda: runner.run(async_response()),
        sync_reference,
        lambda: runner.run(async_reference()),
    ]


def _load(data: str) -> Any:
    return json.loads(data) if data != "[DONE]" else None


async def _aiter(events: list[bytes]) -> AsyncIterator[bytes]:
    for event in events:
        yield event


class _AsyncBody(httpx.AsyncByteStream):
    def __init__(self, events: list[bytes]) -> None:
        self._events = events

    def __aiter__(self) -> AsyncIterator[bytes]:
        return _aiter(self._events)


class _SyncBody(httpx.SyncByteStream):
    def __init__(self, events: list[bytes]) -> None:
        self._events = events

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._events)


def _headers(is_sse: bool) -> dict[str, str]:
    return {"content-type": "text/event-stream" if is_sse else "application/x-ndjson"}


def _response(events: list[bytes], is_sse: bool) -> httpx.Response:
    return httpx.Response(200, headers=_headers(is_sse), stream=_SyncBody(events))


def _async_response(events: list[bytes], is_sse: bool) -> httpx.Response:
    return httpx.Response(200, headers=_headers(is_sse), stream=_AsyncBody(events))
