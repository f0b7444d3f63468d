"""Sanic: a response that is sent piece by piece."""

from __future__ import annotations

import sys
from typing import Any

from openai_tokens import aevents
from sanic import Sanic

app = Sanic("chat")


@app.route("/chat", methods=["GET", "POST"])
async def chat(request: Any) -> None:
    """As Sanic's documentation has it."""
    response = await request.respond(content_type="text/event-stream")
    async for data in aevents():
        await response.send(data)
    await response.eof()


if __name__ == "__main__":
    app.run("127.0.0.1", int(sys.argv[1]), single_process=True, motd=False)
