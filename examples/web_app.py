"""A chat endpoint that passes each token on as it comes: `uvicorn examples.web_app:app`."""

from fastapi import FastAPI

from tokentape.providers import OpenAIChat
from tokentape.web import StreamingChatResponse

app = FastAPI()


@app.get("/chat")
async def chat(prompt: str) -> StreamingChatResponse:
    """Answer as server-sent events; the upstream is closed when the reader leaves."""
    stream = (await OpenAIChat("gpt-4o-mini").achat(prompt, stream=True)).normalized
    return StreamingChatResponse(stream, format="sse")
