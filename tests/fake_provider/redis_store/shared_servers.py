"""Servers with one store."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx2

from tokentape_fake_provider.hosting.server import FakeProviderServer
from tokentape_fake_provider.sessions.recording import Recording
from tokentape_fake_provider.tape import Frame, Tape

REQUEST: dict[str, Any] = {"model": "m", "messages": [{"role": "user", "content": "hello"}]}
Servers = tuple["Server", "Server"]


class Server:
    """A server, and clients of its paths and of its control API."""

    def __init__(self, running: FakeProviderServer) -> None:
        self.running = running
        self.url = running.url
        self.http = httpx2.Client(base_url=running.url, timeout=30)

    def __enter__(self) -> Server:
        return self

    def __exit__(self, *_: object) -> None:
        self.http.close()

    def control(self, method: str, path: str, body: Any = None, status: int = 200) -> Any:
        """The JSON of a response of the control API, which has this status."""
        content = {} if body is None else {"json": body}
        response = self.http.request(method, f"/_tokentape{path}", **content)
        assert response.status_code == status, response.text
        return response.json() if response.content else None

    def ask(self, session: str = "default", **body: Any) -> httpx2.Response:
        """The response to a chat completion."""
        prefix = "" if session == "default" else f"/s/{session}"
        return self.http.post(f"{prefix}/v1/chat/completions", json=REQUEST | body)

    def text(self, session: str = "default", **body: Any) -> str:
        """The text of that response."""
        text: str = self.ask(session, **body).raise_for_status().json()["choices"][0]["message"]["content"]
        return text


def load(path: Path) -> list[Recording]:
    """A stand-in for the cassette reader: one recording, whose answer is the file's text."""
    tape = Tape((Frame(0, path.read_bytes()),), 200, (("content-type", "application/json"),))
    return [Recording(tape, "/v1/chat/completions", REQUEST, wire="openai_chat", source=str(path), interaction=0)]


def script(text: str, **fields: Any) -> dict[str, Any]:
    """A script of one text."""
    return {"choices": [{"items": [{"type": "text", "text": text}]}], **fields}
