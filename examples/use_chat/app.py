"""The back end of `chat.jsx`: `uvicorn examples.use_chat.app:app`."""

from collections import defaultdict
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Response
from fastapi.responses import FileResponse, HTMLResponse
from pydantic import BaseModel

from tokentape import AsyncStreamedChatMessageIterator, ChatMessage
from tokentape.providers import OpenAIChat, StreamedChatResponse
from tokentape.web import ResumableResponses

app = FastAPI()
responses = ResumableResponses(format="ui-message-stream", when_unread=60)
messages_of: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)  # a database in a real app
BUNDLE = Path(__file__).parent / "chat.js"


class Turn(BaseModel):
    """What `chat.jsx` sends: the id of the chat, and the user's message."""

    id: str
    message: dict[str, Any]


@app.post("/api/chat")
async def send(turn: Turn) -> Response:
    """Start an answer, in place of one that still runs, and send it."""
    messages = messages_of[turn.id]
    messages.append(turn.message)

    async def answer() -> StreamedChatResponse[AsyncStreamedChatMessageIterator]:
        response = await OpenAIChat("gpt-4o-mini").achat([as_chat_message(each) for each in messages], stream=True)
        response.normalized.add_callback(lambda message: messages.append(as_ui_message(message)))
        return response

    await responses.astart(turn.id, answer, replace=True)
    return responses.starlette(turn.id)


@app.get("/api/chat/{id}/stream")
async def rejoin(id: str) -> Response:  # noqa: A002
    """Send the answer that the page does not have yet, from its start; it may have ended in the meantime."""
    is_kept = await responses.astatus(id) is not None
    return responses.starlette(id) if is_kept else Response(status_code=204)


@app.post("/api/chat/{id}/stop")
async def stop(id: str) -> None:  # noqa: A002
    """Stop the answer; the provider's connection is closed at once."""
    await responses.astop(id)


@app.get("/api/chat/{id}")
async def history(id: str) -> list[dict[str, Any]]:  # noqa: A002
    """Send the messages that are complete."""
    return messages_of[id]


def as_chat_message(message: dict[str, Any]) -> ChatMessage:
    """Return the text of a UI message as a message to the model."""
    text = "".join(part["text"] for part in message["parts"] if part["type"] == "text")
    return ChatMessage(text, message["role"])


def as_ui_message(message: ChatMessage) -> dict[str, Any]:
    """Return the model's message as a UI message."""
    return {"id": message.metadata.get("id"), "role": "assistant", "parts": [{"type": "text", "text": message.text}]}


@app.get("/chat.js")
async def bundle() -> FileResponse:
    """Send the bundled front end."""
    return FileResponse(BUNDLE)


@app.get("/")
async def page() -> HTMLResponse:
    """Send the page."""
    return HTMLResponse("<!doctype html><title>useChat</title><main></main><script type=module src=chat.js></script>")
