"""Chainlit: the answer is streamed into a message."""

from __future__ import annotations

import chainlit as cl
from openai_tokens import atokens


@cl.on_message
async def answer(_: cl.Message) -> None:
    """As Chainlit's documentation has it."""
    message = cl.Message(content="")
    async for token in atokens():
        await message.stream_token(token)
    await message.update()
