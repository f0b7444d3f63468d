"""An application of FastAPI."""

from __future__ import annotations

from answering import RESUMABLE, astream, followed, stream
from fastapi import FastAPI, Response

from tokentape.web import StreamingChatResponse

app = FastAPI()


@app.post("/chat")
async def chat() -> StreamingChatResponse:
    """The library's response."""
    return StreamingChatResponse(await astream(), format="sse", heartbeat=600)


@app.post("/plain")
def plain() -> StreamingChatResponse:
    """The library's response, of a plain stream."""
    return StreamingChatResponse(stream())


@app.post("/follow-up")
def follow_up() -> StreamingChatResponse:
    """Two answers, the second asked for by a callback."""
    return StreamingChatResponse(followed(), format="ndjson")


@app.post("/resumable")
async def resumable() -> Response:
    """The library's response for readers that come back."""
    await RESUMABLE.astart("a", stream)
    return RESUMABLE.starlette("a")
