"""Resumable responses: the memory of 10,000 of them, and what an event costs from the stream to its readers."""

from __future__ import annotations

import asyncio
import gc
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tokentape import AsyncStreamedChatMessageIterator, ChatMessage
from tokentape.web import MemoryBuffer, ResumableResponses
from tokentape.web.frames import message_frame

STREAMS = 10_000
EVENTS = 200
_CASES = {
    "kept after their end": "ended",
    "running, without a reader": "running",
    "running, with one reader each": "read",
}
_MESSAGE = ChatMessage("token ")


def run(console: Console) -> None:
    """Print the memory of the responses, each measured in a process of its own, and the time of an event."""
    title = f"{STREAMS:,} resumable responses in memory, with {EVENTS} events each"
    table = Table("responses", title=title, title_justify="left")
    for column in ("bytes of events", "buffer's count", "memory a response", "x the events"):
        table.add_column(column, justify="right")
    for name, case in _CASES.items():
        ran = subprocess.run([sys.executable, "-m", __name__, case], capture_output=True, text=True, check=True)
        counted, resident = map(float, ran.stdout.split())
        bare = EVENTS * len(message_frame(_MESSAGE, "sse"))
        table.add_row(name, f"{bare:,}", f"{counted:,.0f}", f"{resident:,.0f}", f"{resident / bare:.2f}x")
    console.print(table)
    table = Table("an event of one stream", title="CPU, best of 5, us", title_justify="left")
    table.add_column("us", justify="right")
    for readers in (0, 1, 10):
        table.add_row(f"with {readers} readers", f"{min(_event_us(readers) for _ in range(5)):.2f}")
    console.print(table)


def _resident() -> int:
    gc.collect()
    (line,) = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmRSS:")]
    return int(line.split()[1]) * 1024


async def _measure(case: str) -> None:
    """Print the bytes that the buffer counts for one response, and by how many the process has grown for it."""
    buffer = MemoryBuffer(max_bytes=1 << 40)
    responses = ResumableResponses(buffer=buffer, heartbeat=None)
    go_on = asyncio.Event()

    async def source() -> AsyncIterator[ChatMessage]:
        for number in range(EVENTS):
            yield ChatMessage("token ")
            if number % 50 == 0:
                await asyncio.sleep(0)
        if case != "ended":
            await go_on.wait()

    async def read(name: str) -> None:
        async for _ in (await responses.aopen(name)).aframes():
            pass

    async def add(count: int, prefix: str) -> list[asyncio.Task[None]]:
        readers = []
        for number in range(count):
            name = f"{prefix}-{number}"
            await responses.astart(name, AsyncStreamedChatMessageIterator(source()))
            if case == "read":
                readers.append(asyncio.ensure_future(read(name)))
            if number % 100 == 0:
                await _settled()
        await _settled()
        return readers

    readers = await add(100, "warm")
    before, counted = _resident(), buffer.size
    readers += await add(STREAMS, "measured")
    print((buffer.size - counted) / STREAMS, (_resident() - before) / STREAMS)
    sys.stdout.flush()
    os._exit(0)


async def _settled() -> None:
    for _ in range(EVENTS // 50 + 4):
        await asyncio.sleep(0)


def _event_us(readers: int) -> float:
    async def main() -> float:
        responses, ended = ResumableResponses(heartbeat=None), asyncio.Event()

        async def source() -> AsyncIterator[ChatMessage]:
            for _ in range(5_000):
                yield _MESSAGE
                await asyncio.sleep(0)  # each in a turn of its own, as from a network
            ended.set()

        async def read() -> None:
            async for _ in (await responses.aopen("a")).aframes():
                pass

        started = time.process_time()
        await responses.astart("a", AsyncStreamedChatMessageIterator(source()))
        await asyncio.gather(*(read() for _ in range(readers)))
        await ended.wait()
        return (time.process_time() - started) * 1e6 / 5_000

    return asyncio.run(main())


if __name__ == "__main__":
    asyncio.run(_measure(sys.argv[1]))
