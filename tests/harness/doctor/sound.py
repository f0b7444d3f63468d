"""Sound tests: official SDKs, other clients and hand-written readers that depend on no split, pause or order.

`test_doctor.py` lets the doctor find nothing in them. pytest does not collect this file by itself, because of its name.
"""

from __future__ import annotations

import asyncio
import json
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.harness.doctor.planted import BODY, PIECES, TEXT, WITH_TOOLS, delta, documents, reads
from tokentape import ChatMessage, stream_bytes
from tokentape_fake_provider import ToolCall, Usage
from tokentape_harness import FakeProvider, use_cassette

MESSAGES = [{"role": "user", "content": "Hi"}]
LONG = [*PIECES, *("and so on, " for _ in range(40)), '\u2028 \\ " \x85 end']
CASSETTE = Path(__file__).parents[3] / "cassettes" / "openai_chat" / "non_ascii.yaml"

pytestmark = pytest.mark.filterwarnings("ignore:Inheritance class AiohttpClientSession:DeprecationWarning")


def read_openai(provider: FakeProvider) -> str:
    """The official SDK of OpenAI, sync."""
    import openai

    transport = httpx2.Client(transport=provider.transport())
    with openai.OpenAI(base_url=provider.base_url(), api_key="k", http_client=transport) as client:
        stream = client.chat.completions.create(model="gpt-4o", messages=MESSAGES, stream=True)
        return "".join(chunk.choices[0].delta.content or "" for chunk in stream if chunk.choices)


def read_openai_async(provider: FakeProvider) -> str:
    """The same, async."""
    import openai

    async def read() -> str:
        transport = httpx2.AsyncClient(transport=provider.async_transport())
        async with openai.AsyncOpenAI(base_url=provider.base_url(), api_key="k", http_client=transport) as client:
            stream = await client.chat.completions.create(model="gpt-4o", messages=MESSAGES, stream=True)
            return "".join([chunk.choices[0].delta.content or "" async for chunk in stream if chunk.choices])

    return asyncio.run(read())


def read_openai_helper(provider: FakeProvider) -> str:
    """Its stream helper, which rebuilds the completion."""
    import openai

    transport = httpx2.Client(transport=provider.transport())
    with (
        openai.OpenAI(base_url=provider.base_url(), api_key="k", http_client=transport) as client,
        client.chat.completions.stream(model="gpt-4o", messages=MESSAGES) as stream,
    ):
        return stream.get_final_completion().choices[0].message.content or ""


def read_openai_responses(provider: FakeProvider) -> str:
    """Its responses."""
    import openai

    transport = httpx2.Client(transport=provider.transport())
    with (
        openai.OpenAI(base_url=provider.base_url(), api_key="k", http_client=transport) as client,
        client.responses.stream(model="gpt-4o", input="Hi") as stream,
    ):
        return stream.get_final_response().output_text


def read_openai_completions(provider: FakeProvider) -> str:
    """Its legacy completions."""
    import openai

    transport = httpx2.Client(transport=provider.transport())
    with openai.OpenAI(base_url=provider.base_url(), api_key="k", http_client=transport) as client:
        stream = client.completions.create(model="gpt-3.5-turbo-instruct", prompt="Hi", stream=True)
        return "".join(chunk.choices[0].text for chunk in stream if chunk.choices)


def read_anthropic(provider: FakeProvider) -> str:
    """The official SDK of Anthropic."""
    import anthropic

    url, transport = provider.base_url("anthropic_messages"), httpx2.Client(transport=provider.transport())
    with (
        anthropic.Anthropic(base_url=url, api_key="k", http_client=transport) as client,
        client.messages.stream(model="claude", max_tokens=99, messages=MESSAGES) as stream,
    ):
        return stream.get_final_text()


def read_anthropic_async(provider: FakeProvider) -> str:
    """The same, async and event by event."""
    import anthropic

    async def read() -> str:
        url, transport = (
            provider.base_url("anthropic_messages"),
            httpx2.AsyncClient(transport=provider.async_transport()),
        )
        async with anthropic.AsyncAnthropic(base_url=url, api_key="k", http_client=transport) as client:
            stream = await client.messages.create(model="claude", max_tokens=99, messages=MESSAGES, stream=True)
            deltas = [event.delta async for event in stream if event.type == "content_block_delta"]
        return "".join(found.text for found in deltas if found.type == "text_delta")

    return asyncio.run(read())


def read_groq(provider: FakeProvider) -> str:
    """Groq's SDK."""
    import groq
    import httpx

    url = provider.url
    with groq.Groq(base_url=url, api_key="k", http_client=httpx.Client(transport=provider.transport(httpx))) as client:
        stream = client.chat.completions.create(model="llama", messages=MESSAGES, stream=True)
        return "".join(chunk.choices[0].delta.content or "" for chunk in stream if chunk.choices)


def read_cohere(provider: FakeProvider) -> str:
    """Cohere's SDK."""
    import cohere
    import httpx

    transport = httpx.Client(transport=provider.transport(httpx))
    client = cohere.ClientV2("k", base_url=provider.base_url("cohere_chat"), httpx_client=transport)
    found = list(client.chat_stream(model="command", messages=MESSAGES))
    return "".join(event.delta.message.content.text for event in found if event.type == "content-delta")


def read_gemini(provider: FakeProvider) -> str:
    """Google's SDK, over a socket."""
    from google import genai

    with genai.Client(api_key="k", http_options={"base_url": provider.base_url("gemini")}) as client:
        stream = client.models.generate_content_stream(model="gemini-2.5-flash", contents="Hi")
        return "".join(chunk.text or "" for chunk in stream)


def read_ollama(provider: FakeProvider) -> str:
    """Ollama's client, over a socket."""
    import ollama

    with ollama.Client(provider.url) as client:
        return "".join(chunk.message.content or "" for chunk in client.chat("llama", MESSAGES, stream=True))


def read_bedrock(provider: FakeProvider) -> str:
    """boto3, over a socket: binary frames."""
    import boto3

    keys = {"aws_access_key_id": "k", "aws_secret_access_key": "k", "region_name": "us-east-1"}
    with closing(boto3.client("bedrock-runtime", endpoint_url=provider.url, **keys)) as client:
        messages = [{"role": "user", "content": [{"text": "Hi"}]}]
        with closing(client.converse_stream(modelId="m", messages=messages)["stream"]) as stream:
            found = list(stream)
    return "".join(event["contentBlockDelta"]["delta"]["text"] for event in found if "contentBlockDelta" in event)


def read_library(provider: FakeProvider) -> str:
    """This project's own library."""
    stream = stream_bytes(reads(provider), wire="openai_chat")
    return "".join(message.text for message in stream)


def read_by_hand(provider: FakeProvider) -> str:
    """A hand-written parser."""
    return "".join(delta(chunk).get("content") or "" for chunk in documents(provider))


def read_httpx_sse(provider: FakeProvider) -> str:
    """httpx-sse."""
    import httpx
    import httpx_sse

    url = provider.base_url() + "/chat/completions"
    with (
        httpx.Client(transport=provider.transport(httpx)) as client,
        httpx_sse.connect_sse(client, "POST", url, json=BODY) as source,
    ):
        found = [event.data for event in source.iter_sse()]
    return "".join(delta(json.loads(data)).get("content") or "" for data in found if data != "[DONE]")


def _text_of_lines(found: Iterator[bytes]) -> str:
    data = [line[5:].strip() for line in found if line.startswith(b"data:")]
    return "".join(delta(json.loads(one)).get("content") or "" for one in data if one != b"[DONE]")


def read_requests(provider: FakeProvider) -> str:
    """requests, line by line, over a socket."""
    import requests

    with requests.post(provider.base_url() + "/chat/completions", json=BODY, stream=True, timeout=30) as response:
        return _text_of_lines(iter(response.raw))


def read_urllib(provider: FakeProvider) -> str:
    """The standard library, over a socket."""
    url, headers = provider.base_url() + "/chat/completions", {"content-type": "application/json"}
    request = urllib.request.Request(url, json.dumps(BODY).encode(), headers)
    with urllib.request.urlopen(request, timeout=30) as response:
        return _text_of_lines(iter(response.readline, b""))


def read_aiohttp(provider: FakeProvider) -> str:
    """aiohttp, line by line, over a socket."""
    import aiohttp

    async def read() -> str:
        async with (
            aiohttp.ClientSession() as session,
            session.post(provider.base_url() + "/chat/completions", json=BODY) as response,
        ):
            return _text_of_lines(iter([line async for line in response.content]))

    return asyncio.run(read())


IN_PROCESS: list[Callable[[FakeProvider], str]] = [
    read_openai,
    read_openai_async,
    read_openai_helper,
    read_openai_responses,
    read_openai_completions,
    read_anthropic,
    read_anthropic_async,
    read_groq,
    read_cohere,
    read_library,
    read_by_hand,
    read_httpx_sse,
]
OVER_SOCKETS = [read_gemini, read_ollama, read_bedrock, read_requests, read_urllib, read_aiohttp]


@pytest.mark.parametrize("pieces", [PIECES, LONG, ["0"]], ids=["short", "long", "zero"])
@pytest.mark.parametrize("reader", IN_PROCESS)
def test_text_in_process(fake_provider_in_process, reader, pieces):
    """The whole text arrives."""
    fake_provider_in_process.script(*pieces)
    assert reader(fake_provider_in_process) == "".join(pieces)


@pytest.mark.parametrize("reader", OVER_SOCKETS)
def test_text_over_sockets(fake_provider, reader):
    """The whole text arrives."""
    fake_provider.script(*PIECES)
    assert reader(fake_provider) == TEXT


@pytest.mark.parametrize("timing", ["instant", "synthetic:ttft=300ms,tps=50,jitter=0.2,seed=7"])
def test_paced_text(fake_provider_in_process, timing):
    """The whole text arrives, whatever the timing."""
    fake_provider_in_process.timing(timing)
    fake_provider_in_process.script(*PIECES)
    assert read_openai(fake_provider_in_process) == TEXT


CALLS = [ToolCall.of("f", {"city": "Köln", "days": [1, 2]}), ToolCall.of("g", {"b": '"\\'})]
ARGUMENTS = [("f", {"city": "Köln", "days": [1, 2]}), ("g", {"b": '"\\'})]


@pytest.mark.parametrize("calls", [1, 2])
def test_tool_calls_of_openai(fake_provider_in_process, calls):
    """The stream helper puts calls together by their index."""
    import openai

    provider, tools = fake_provider_in_process, WITH_TOOLS["tools"]
    provider.script(*CALLS[:calls])
    transport = httpx2.Client(transport=provider.transport())
    with (
        openai.OpenAI(base_url=provider.base_url(), api_key="k", http_client=transport) as client,
        client.chat.completions.stream(model="gpt-4o", messages=MESSAGES, tools=tools) as stream,
    ):
        found = stream.get_final_completion().choices[0].message.tool_calls or []
    assert [(call.function.name, json.loads(call.function.arguments)) for call in found] == ARGUMENTS[:calls]


@pytest.mark.parametrize("calls", [1, 2])
def test_tool_calls_of_anthropic(fake_provider_in_process, calls):
    """The stream helper puts calls together by their block."""
    import anthropic

    provider = fake_provider_in_process
    tools: Any = [{"name": name, "input_schema": {"type": "object"}} for name in ("f", "g")]
    provider.script(*CALLS[:calls])
    url, transport = provider.base_url("anthropic_messages"), httpx2.Client(transport=provider.transport())
    with (
        anthropic.Anthropic(base_url=url, api_key="k", http_client=transport) as client,
        client.messages.stream(model="claude", max_tokens=99, messages=MESSAGES, tools=tools) as stream,
    ):
        found = stream.get_final_message().content
    assert [(block.name, block.input) for block in found if block.type == "tool_use"] == ARGUMENTS[:calls]


@pytest.mark.parametrize("calls", [1, 2])
def test_tool_calls_of_the_library(fake_provider_in_process, calls):
    """The library puts calls together, and keeps their usage."""
    fake_provider_in_process.script(*CALLS[:calls], usage=Usage(input=5, output=7))
    stream = stream_bytes(reads(fake_provider_in_process, WITH_TOOLS), wire="openai_chat")
    list(stream)
    found = stream.get_chat_output().message.tool_calls
    assert [(call.name, call.arguments) for call in found] == ARGUMENTS[:calls]


def test_an_error_in_the_stream_is_raised(fake_provider_in_process):
    """An error inside a stream is the SDK's own exception, after the text before it."""
    import openai

    from tokentape_fake_provider import Error

    fake_provider_in_process.script("Some text", error=Error(message="Broken.", in_stream=True))
    with pytest.raises(openai.APIError, match="Broken"):
        read_openai(fake_provider_in_process)


def test_a_conversation(fake_provider_in_process):
    """A request, a tool, and a second request with its result."""
    provider = fake_provider_in_process
    provider.script(CALLS[0])
    provider.script(*PIECES)
    stream = stream_bytes(reads(provider, WITH_TOOLS), wire="openai_chat")
    list(stream)
    (call,) = stream.get_chat_output().message.tool_calls
    history = [ChatMessage.user("Hi").text, call.name]
    assert history == ["Hi", "f"]
    assert read_by_hand(provider) == TEXT


def test_streams_side_by_side(fake_provider):
    """Three streams at a time, whose answers are told apart by their requests, and not by their order."""
    import openai

    for number in range(3):
        fake_provider.rule(f"answer {number}", contains=f"question {number}")

    async def one(client: openai.AsyncOpenAI, number: int) -> str:
        messages: Any = [{"role": "user", "content": f"question {number}"}]
        stream = await client.chat.completions.create(model="gpt-4o", messages=messages, stream=True)
        return "".join([chunk.choices[0].delta.content or "" async for chunk in stream if chunk.choices])

    async def all_of_them() -> list[str]:
        async with openai.AsyncOpenAI(base_url=fake_provider.base_url(), api_key="k") as client:
            return await asyncio.gather(*(one(client, number) for number in range(3)))

    assert asyncio.run(all_of_them()) == [f"answer {number}" for number in range(3)]


def test_a_cassette():
    """A recorded stream, replayed by httpx2 without a provider."""
    import yaml

    request = yaml.safe_load(CASSETTE.read_text())["interactions"][0]["request"]
    with use_cassette(CASSETTE, record_mode="none"), httpx2.Client() as client:
        content = json.loads(request["body"])
        with client.stream("POST", request["uri"], json=content) as response:
            stream = stream_bytes(response.iter_raw(), wire="openai_chat")
            text = "".join(message.text for message in stream)
    assert len(text) > 10
    assert stream.finish_reason == "stop"


@pytest.mark.parametrize("pieces", [1, 3])
def test_deltas_are_counted(fake_provider_in_process, pieces):
    """A test may say how often text came, as long as it does not say how much each time."""
    fake_provider_in_process.script(*PIECES[:pieces])
    found = [delta(chunk).get("content") for chunk in documents(fake_provider_in_process)]
    assert len([text for text in found if text]) >= 1
    assert "".join(text or "" for text in found) == "".join(PIECES[:pieces])


def test_the_journal_is_read(fake_provider):
    """What a test asserts of the requests does not depend on how responses leave."""
    fake_provider.script(*PIECES)
    assert read_urllib(fake_provider) == TEXT
    (entry,) = fake_provider.journal.wait()
    assert (entry.outcome, entry.status, entry.body["model"], list(entry.faults)) == (
        "complete",
        200,
        BODY["model"],
        [],
    )
    fake_provider.assert_all_played()
