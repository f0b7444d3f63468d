"""Clients: HTTP libraries and official SDKs, each reading a streamed answer in the way its users do."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, NamedTuple

import aiohttp
import anthropic
import boto3  # type: ignore[import-untyped]
import httpx
import httpx2
import openai
import requests
from botocore.config import Config  # type: ignore[import-untyped]
from google import genai

# A client that is kept waiting so long (s) gives up.
TIMEOUT = 20.0
QUESTION = "What is it like?"
_MESSAGES: Any = [{"role": "user", "content": QUESTION}]
_BODY = {"model": "m", "messages": _MESSAGES, "stream": True}

Got = Callable[[], None]


class Client(NamedTuple):
    """What it is called, the wire format it speaks, and how it reads: `got` is called at each piece of text."""

    name: str
    wire: str
    read: Callable[[str, Got], None]


def _run(read: Callable[[str, Got], Coroutine[Any, Any, None]]) -> Callable[[str, Got], None]:
    return lambda base_url, got: asyncio.run(read(base_url, got))


def _httpx(package: Any) -> Callable[[str, Got], None]:
    def read(base_url: str, got: Got) -> None:
        with (
            package.Client(timeout=TIMEOUT) as client,
            client.stream("POST", f"{base_url}/chat/completions", json=_BODY) as response,
        ):
            for _ in response.iter_bytes():
                got()

    return read


def _httpx_async(package: Any) -> Callable[[str, Got], None]:
    async def read(base_url: str, got: Got) -> None:
        async with (
            package.AsyncClient(timeout=TIMEOUT) as client,
            client.stream("POST", f"{base_url}/chat/completions", json=_BODY) as response,
        ):
            async for _ in response.aiter_bytes():
                got()

    return _run(read)


def _requests(base_url: str, got: Got) -> None:
    with (
        requests.Session() as session,
        session.post(f"{base_url}/chat/completions", json=_BODY, stream=True, timeout=TIMEOUT) as response,
    ):
        for _ in response.iter_content(None):
            got()


async def _aiohttp(base_url: str, got: Got) -> None:
    timeout = aiohttp.ClientTimeout(sock_read=TIMEOUT)
    async with (
        aiohttp.ClientSession(timeout=timeout) as session,
        session.post(f"{base_url}/chat/completions", json=_BODY) as response,
    ):
        async for _ in response.content.iter_any():
            got()


def _boto3(base_url: str, got: Got) -> None:
    client = boto3.client(
        "bedrock-runtime",
        region_name="us-east-1",
        endpoint_url=base_url,
        aws_access_key_id="any",
        aws_secret_access_key="any",
        config=Config(read_timeout=TIMEOUT, retries={"total_max_attempts": 1}),
    )
    messages = [{"role": "user", "content": [{"text": QUESTION}]}]
    for event in client.converse_stream(modelId="amazon.nova-lite-v1:0", messages=messages)["stream"]:
        if "contentBlockDelta" in event:
            got()
    client.close()


def _openai(base_url: str, got: Got) -> None:
    with openai.OpenAI(base_url=base_url, api_key="any", max_retries=0, timeout=TIMEOUT) as client:
        for chunk in client.chat.completions.create(model="m", messages=_MESSAGES, stream=True):
            if any(choice.delta.content for choice in chunk.choices):
                got()


async def _openai_async(base_url: str, got: Got) -> None:
    async with openai.AsyncOpenAI(base_url=base_url, api_key="any", max_retries=0, timeout=TIMEOUT) as client:
        async for chunk in await client.chat.completions.create(model="m", messages=_MESSAGES, stream=True):
            if any(choice.delta.content for choice in chunk.choices):
                got()


def _anthropic(base_url: str, got: Got) -> None:
    with (
        anthropic.Anthropic(base_url=base_url, api_key="any", max_retries=0, timeout=TIMEOUT) as client,
        client.messages.stream(model="m", max_tokens=99, messages=_MESSAGES) as stream,
    ):
        for _ in stream.text_stream:
            got()


async def _anthropic_async(base_url: str, got: Got) -> None:
    async with (
        anthropic.AsyncAnthropic(base_url=base_url, api_key="any", max_retries=0, timeout=TIMEOUT) as client,
        client.messages.stream(model="m", max_tokens=99, messages=_MESSAGES) as stream,
    ):
        async for _ in stream.text_stream:
            got()


def _genai_client(base_url: str) -> genai.Client:
    options: Any = {"base_url": base_url, "timeout": int(TIMEOUT * 1000)}
    return genai.Client(api_key="any", http_options=options)


def _genai(base_url: str, got: Got) -> None:
    with _genai_client(base_url) as client:
        for chunk in client.models.generate_content_stream(model="gemini-2.5-flash", contents=QUESTION):
            if chunk.text:
                got()


async def _genai_async(base_url: str, got: Got) -> None:
    async with _genai_client(base_url).aio as client:
        async for chunk in await client.models.generate_content_stream(model="gemini-2.5-flash", contents=QUESTION):
            if chunk.text:
                got()


CLIENTS = {
    client.name: client
    for client in (
        Client("httpx2", "openai_chat", _httpx(httpx2)),
        Client("httpx2 async", "openai_chat", _httpx_async(httpx2)),
        Client("httpx", "openai_chat", _httpx(httpx)),
        Client("httpx async", "openai_chat", _httpx_async(httpx)),
        Client("requests", "openai_chat", _requests),
        Client("aiohttp", "openai_chat", _run(_aiohttp)),
        Client("boto3", "bedrock_converse", _boto3),
        Client("openai", "openai_chat", _openai),
        Client("openai async", "openai_chat", _run(_openai_async)),
        Client("anthropic", "anthropic_messages", _anthropic),
        Client("anthropic async", "anthropic_messages", _run(_anthropic_async)),
        Client("google-genai", "gemini", _genai),
        Client("google-genai async", "gemini", _run(_genai_async)),
    )
}
# The prefix of each wire format's provider below the recording proxy.
UPSTREAMS = {
    "openai_chat": "openai",
    "anthropic_messages": "anthropic",
    "gemini": "gemini",
    "bedrock_converse": "bedrock",
}
