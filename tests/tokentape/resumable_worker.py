"""A worker with resumable responses in Redis: `python -m tests.tokentape.resumable_worker PORT URL`."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator

import fastapi
import uvicorn

from tokentape import AsyncStreamedChatMessageIterator, ChatMessage
from tokentape.web import RedisBuffer, ResumableResponses

LEASE_S = 2.0
app = fastapi.FastAPI()
responses = ResumableResponses(buffer=RedisBuffer(sys.argv[2], lease=LEASE_S), heartbeat=None)


async def words(count: int, pause: float) -> AsyncIterator[ChatMessage]:
    """A stream of numbered words."""
    for number in range(count):
        await asyncio.sleep(pause)
        yield ChatMessage(f"word{number} ")


@app.post("/{id}")
async def start(id: str, count: int, pause: float) -> bool:  # noqa: A002
    """Start a response."""
    return await responses.astart(id, lambda: AsyncStreamedChatMessageIterator(words(count, pause)))


@app.get("/{id}")
async def rejoin(id: str) -> fastapi.Response:  # noqa: A002
    """Read it."""
    return responses.starlette(id)


if __name__ == "__main__":
    uvicorn.run(app, port=int(sys.argv[1]), log_level="error")
