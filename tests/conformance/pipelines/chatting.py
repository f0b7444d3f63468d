"""The apps' texts: the model's answer, and after a tool call its answer to the result."""

from __future__ import annotations

import logging
import os
from functools import cache
from typing import Any

from tokentape import ChatMessage
from tokentape.providers import OpenAIChat, Tool

logging.getLogger("tokentape.web").setLevel(logging.ERROR)  # the suite breaks streams off on purpose

QUESTION = (ChatMessage.user("How deep is the sea?"),)
TOOLS = (
    Tool(
        "measure",
        "How deep a sea is, in m.",
        {"type": "object", "properties": {"sea": {"type": "string"}}, "required": ["sea"]},
    ),
)


def provider() -> OpenAIChat:
    """A client of the provider that the environment names now, as an app keeps it."""
    return _provider(os.environ["OPENAI_BASE_URL"])


@cache
def _provider(base_url: str) -> OpenAIChat:
    return OpenAIChat("gpt-4o-mini", base_url=base_url, max_retries=0)


def results(message: ChatMessage) -> tuple[ChatMessage, ...]:
    """The history with the call and what the tool gives."""
    given = [ChatMessage.tool("3,800", tool_call_id=call.id) for call in message.tool_calls]
    return (*QUESTION, message, *given)


def stream() -> Any:
    """The answer as a stream; the tool's follow-up is in the same loop."""
    client = provider()

    def follow(message: ChatMessage) -> Any:
        if message.tool_calls:
            return client.chat(results(message), stream=True, tools=TOOLS).normalized
        return None

    answer = client.chat(QUESTION, stream=True, tools=TOOLS).normalized
    answer.add_callback(follow)
    return answer


async def astream() -> Any:
    """The same, asynchronously."""
    client = provider()

    async def follow(message: ChatMessage) -> Any:
        if message.tool_calls:
            return (await client.achat(results(message), stream=True, tools=TOOLS)).normalized
        return None

    answer = (await client.achat(QUESTION, stream=True, tools=TOOLS)).normalized
    answer.add_callback(follow)
    return answer
