"""Apps that answer by other means than HTTP, and readers of them: run by `python -m tests.harness.flush.served`."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
import sys
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx2
from websockets.asyncio.server import ServerConnection, serve

from tokentape.framing.sse import SSEFraming

PORT_VARIABLE = "SERVED_PORT"


async def tokens() -> AsyncIterator[str]:
    """What the provider streams, without an SDK: it takes a second to import. Raises `httpx2.HTTPError`."""
    url = os.environ["OPENAI_BASE_URL"] + "/chat/completions"
    body = {"model": "m", "messages": [{"role": "user", "content": "Hi"}], "stream": True}
    framing, done = SSEFraming(), False
    async with httpx2.AsyncClient(timeout=None) as client, client.stream("POST", url, json=body) as response:
        response.raise_for_status()
        async for data in response.aiter_raw():
            for _, event in framing.feed(data):
                done = done or event == b"[DONE]"
                value = json.loads(event) if event[:1] == b"{" else {}
                if "error" in value:
                    raise httpx2.RemoteProtocolError(str(value["error"]))
                for choice in value.get("choices", ()):
                    yield choice["delta"].get("content") or ""
    if not done:
        raise httpx2.RemoteProtocolError("the provider's stream ended too soon")


async def over_lines(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """A protocol of its own: a line is the question; the answer ends with a line of its own."""
    await reader.readline()
    answering = asyncio.create_task(_answer_lines(writer))
    leaving = asyncio.create_task(reader.read())
    await asyncio.wait((answering, leaving), return_when=asyncio.FIRST_COMPLETED)
    for task in (answering, leaving):
        task.cancel()
    with contextlib.suppress(Exception):
        await asyncio.gather(answering, leaving, return_exceptions=True)
    writer.close()


async def _answer_lines(writer: asyncio.StreamWriter) -> None:
    ending = "over"
    try:
        async for token in tokens():
            writer.write(f"{json.dumps({'text': token})}\n".encode())
            await writer.drain()
    except httpx2.HTTPError:
        ending = "failed"
    writer.write(f"{ending}\n".encode())
    await writer.drain()


async def over_websocket(socket: ServerConnection) -> None:
    """Answers the first message, in the way that the path names."""
    assert socket.request is not None
    path = socket.request.path
    if path == "/deaf":
        await socket.wait_closed()
        return
    for _ in range(2 if path == "/chat" else 1):
        await socket.recv()
    async with asyncio.TaskGroup() as group:
        answering = group.create_task(_answer_socket(socket, path))
        await socket.wait_closed() if path != "/close" else await answering
        answering.cancel()


async def _answer_socket(socket: ServerConnection, path: str) -> None:
    held = []
    with contextlib.suppress(httpx2.HTTPError if path == "/swallow" else ()):
        async for token in tokens():
            if path == "/hold":
                held.append(token)
            else:
                await socket.send(json.dumps({"type": "token", "text": token}))
    for token in held:
        await socket.send(json.dumps({"type": "token", "text": token}))
    await socket.send(json.dumps({"type": "done"}))


async def main(kind: str, port: int) -> None:
    """Serve until the process is ended."""
    if kind == "lines":
        server: Any = await asyncio.start_server(over_lines, "127.0.0.1", port)
    else:
        server = await serve(over_websocket, "127.0.0.1", port)
    await server.serve_forever()


def call() -> Iterator[str]:
    """Reads `lines` as a thread does."""
    with socket.create_connection(("127.0.0.1", int(os.environ[PORT_VARIABLE]))) as connection:
        connection.sendall(b"Hello?\n")
        for line in connection.makefile():
            if line == "over\n":
                return
            if line == "failed\n":
                raise ConnectionError("the app failed")
            yield line
    raise EOFError("the answer has no end")


async def call_async() -> AsyncIterator[Any]:
    """Reads `lines` in an event loop, and yields values."""
    reader, writer = await asyncio.open_connection("127.0.0.1", int(os.environ[PORT_VARIABLE]))
    try:
        writer.write(b"Hello?\n")
        while line := await reader.readline():
            if line == b"over\n":
                return
            if line == b"failed\n":
                raise ConnectionError("the app failed")
            yield json.loads(line)
        raise EOFError("the answer has no end")
    finally:
        writer.close()
        await writer.wait_closed()


async def silent() -> AsyncIterator[str]:
    """A reader that never returns, and sends no request."""
    await asyncio.Event().wait()
    yield ""


async def blocking() -> AsyncIterator[str]:
    """A reader that never answers, and stops its event loop."""
    left, right = socket.socketpair()
    with left, right:
        left.recv(1)
    yield ""


def mistaken() -> Iterator[str]:
    """A reader with a mistake in it."""
    yield undefined  # type: ignore[name-defined]  # noqa: F821


if __name__ == "__main__":
    if sys.argv[1] == "read":
        for text in call():
            print(text, end="")
    else:
        asyncio.run(main(sys.argv[1], int(sys.argv[2])))
