"""A chat whose answer survives lost connections and reloads: `uvicorn examples.resumable_chat.app:app`."""

from pathlib import Path
from typing import Annotated

from fastapi import Body, FastAPI, Response
from fastapi.staticfiles import StaticFiles

from tokentape.providers import OpenAIChat
from tokentape.web import ResumableResponses

responses = ResumableResponses(when_unread=60)
app = FastAPI(lifespan=responses.lifespan)


@app.post("/chat/{id}")
async def ask(id: str, prompt: Annotated[str, Body(embed=True)]) -> Response:  # noqa: A002
    """Start the answer, unless a first attempt has started it already, and send it."""
    await responses.astart(id, lambda: OpenAIChat("gpt-4o-mini").achat(prompt, stream=True))
    return responses.starlette(id)


@app.get("/chat/{id}")
async def rejoin(id: str) -> Response:  # noqa: A002
    """Send what the reader has missed, then the rest."""
    return responses.starlette(id)


@app.delete("/chat/{id}")
async def stop(id: str) -> Response:  # noqa: A002
    """Stop the answer; the provider's connection is closed at once."""
    await responses.astop(id)
    return Response(status_code=204)


app.mount("/", StaticFiles(directory=Path(__file__).parent / "static", html=True))
