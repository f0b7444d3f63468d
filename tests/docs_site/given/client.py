"""A reader of the app, as tokentape runs it: sends one request, and yields what arrives."""

import os

import httpx2


async def ask():
    async with (
        httpx2.AsyncClient(timeout=30) as client,
        client.stream("POST", f"{os.environ['APP_URL']}/chat", json={"prompt": "Hi"}) as response,
    ):
        async for piece in response.aiter_text():
            yield piece
