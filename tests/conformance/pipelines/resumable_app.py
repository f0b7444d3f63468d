"""Resumable responses in FastAPI, as `uvicorn` serves them; with EMPTY_SUCCESS an unknown response is an empty one."""

from __future__ import annotations

import os

from fastapi import FastAPI, Response

from tests.conformance.pipelines.chatting import astream
from tokentape.web import ResumableResponses

app = FastAPI()
responses = ResumableResponses()


@app.get("/start/{response_id}")
async def begin(response_id: str) -> Response:
    """Start a response."""
    await responses.astart(response_id, astream)
    return responses.starlette(response_id)


@app.get("/back/{response_id}")
async def back(response_id: str) -> Response:
    """Go on with it."""
    if "EMPTY_SUCCESS" in os.environ and await responses.astatus(response_id) is None:
        return Response(b"event: done\ndata: {}\n\n", media_type="text/event-stream")
    return responses.starlette(response_id)
