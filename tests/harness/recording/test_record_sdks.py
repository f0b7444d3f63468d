"""The official SDKs, unmodified: recorded from a provider over a socket, and replayed without it."""

from __future__ import annotations

import asyncio
import contextlib
from datetime import UTC, datetime

import anthropic
import boto3
import openai
import pytest
from botocore.exceptions import EventStreamError
from google import genai

from tokentape_fake_provider import Error
from tokentape_harness import read_cassette, use_cassette
from tokentape_harness.lint import inspect_cassette

pytestmark = pytest.mark.filterwarnings("ignore:Inheritance class AiohttpClientSession:DeprecationWarning")

MESSAGES = [{"role": "user", "content": "Hello?"}]
TEXT = "One two three four five six seven"


def call_openai(provider):
    with openai.OpenAI(base_url=provider.base_url(), api_key="sk-planted-key-0123456789", max_retries=0) as client:
        stream = client.chat.completions.create(model="gpt-4o", messages=MESSAGES, stream=True)
        return [chunk.choices[0].delta.content or "" for chunk in stream if chunk.choices]


def call_openai_async(provider):
    async def call():
        async with openai.AsyncOpenAI(base_url=provider.base_url(), api_key="any", max_retries=0) as client:
            stream = await client.chat.completions.create(model="gpt-4o", messages=MESSAGES, stream=True)
            return [chunk.choices[0].delta.content or "" async for chunk in stream if chunk.choices]

    return asyncio.run(call())


def call_anthropic(provider):
    url = provider.base_url("anthropic_messages")
    with (
        anthropic.Anthropic(base_url=url, api_key="sk-ant-planted-0123456789", max_retries=0) as client,
        client.messages.stream(model="claude", max_tokens=99, messages=MESSAGES) as stream,
    ):
        return list(stream.text_stream)


def call_anthropic_async(provider):
    async def call():
        url = provider.base_url("anthropic_messages")
        async with (
            anthropic.AsyncAnthropic(base_url=url, api_key="any", max_retries=0) as client,
            client.messages.stream(model="claude", max_tokens=99, messages=MESSAGES) as stream,
        ):
            return [text async for text in stream.text_stream]

    return asyncio.run(call())


def genai_client(provider):
    return genai.Client(api_key="AIzaPlanted0123456789", http_options={"base_url": provider.base_url("gemini")})


def call_genai(provider):
    with genai_client(provider) as client:
        stream = client.models.generate_content_stream(model="gemini-2.5-flash", contents="Hello?")
        return [chunk.text or "" for chunk in stream]


def call_genai_async(provider):
    async def call():
        async with genai_client(provider).aio as client:
            stream = await client.models.generate_content_stream(model="gemini-2.5-flash", contents="Hello?")
            return [chunk.text or "" async for chunk in stream]

    return asyncio.run(call())


def call_boto3(provider):
    client = boto3.client(
        "bedrock-runtime",
        region_name="us-east-1",
        endpoint_url=provider.base_url("bedrock_converse"),
        aws_access_key_id="AKIAPLANTED012345678",
        aws_secret_access_key="planted-secret",
    )
    messages = [{"role": "user", "content": [{"text": "Hello?"}]}]
    with contextlib.closing(client):
        answer = client.converse_stream(modelId="amazon.nova-lite-v1:0", messages=messages)
        with contextlib.closing(answer["stream"]) as stream:
            events = list(stream)
    return [event["contentBlockDelta"]["delta"]["text"] for event in events if "contentBlockDelta" in event]


SDKS = {
    function.__name__.removeprefix("call_"): function
    for function in (
        call_openai,
        call_openai_async,
        call_anthropic,
        call_anthropic_async,
        call_genai,
        call_genai_async,
        call_boto3,
    )
}


@pytest.mark.parametrize("sdk", list(SDKS))
def test_sdks_record_and_replay(sdk, fake_provider, tmp_path):
    """An SDK gets the same deltas recorded and replayed; the file has them in several chunks, without the SDK's key."""
    fake_provider.timing("synthetic:ttft=1ms,tps=100")
    fake_provider.fault("split", inside="event")
    fake_provider.script(TEXT)
    path = tmp_path / "cassette.yaml"
    call = SDKS[sdk]
    with use_cassette(path, all_played=True):
        live = call(fake_provider)
    assert "".join(live) == TEXT
    (interaction,) = read_cassette(path)
    assert interaction.response.stream.end == "complete"
    assert len(interaction.response.stream.chunks) > 1
    assert "lanted" not in path.read_text()
    with use_cassette(path, record_mode="none", all_played=True):
        assert call(fake_provider) == live
    assert len(fake_provider.requests) == 1


@pytest.mark.parametrize("sdk", ["openai", "openai_async", "anthropic", "anthropic_async", "genai", "boto3"])
def test_leaving_at_an_error_event_is_complete(sdk, fake_provider, tmp_path):
    """An SDK that raises at the provider's error event has read the whole stream, which is complete and replays."""
    fake_provider.timing("synthetic:ttft=1ms,tps=200")
    fake_provider.script(TEXT, error=Error(500, "broken inside", in_stream=True))
    path = tmp_path / "cassette.yaml"
    errors = (openai.APIError, anthropic.APIError, genai.errors.APIError, EventStreamError)
    raised = []
    for mode in ("once", "none"):
        with (
            use_cassette(path, record_mode=mode, all_played=True),
            pytest.raises(errors, match="broken inside") as caught,
        ):
            SDKS[sdk](fake_provider)
        raised.append((type(caught.value), str(caught.value)))
    assert raised[0] == raised[1]
    assert len(fake_provider.requests) == 1
    cassette = read_cassette(path)
    assert cassette.interactions[0].response.stream.end == "complete"
    assert inspect_cassette(cassette, now=datetime.now(UTC)) == []


@pytest.mark.parametrize("client_class", [openai.OpenAI, openai.AsyncOpenAI])
def test_a_retried_error_is_recorded_whole(client_class, fake_provider, tmp_path):
    """An error that the SDK closes unread, to try again, has its body in the cassette."""
    fake_provider.script(error=Error(429, "slow down", retry_after=0.001))
    fake_provider.script(TEXT)
    path = tmp_path / "cassette.yaml"

    async def call():
        client = client_class(base_url=fake_provider.base_url(), api_key="any", max_retries=1)
        answer = client.chat.completions.create(model="gpt-4o", messages=MESSAGES)
        if client_class is openai.AsyncOpenAI:
            answer = await answer
            await client.close()
        else:
            client.close()
        return answer.choices[0].message.content

    for _ in range(2):
        with use_cassette(path, all_played=True):
            assert asyncio.run(call()) == TEXT
    assert len(fake_provider.requests) == 2
    first, second = (interaction.response for interaction in read_cassette(path))
    assert (first.status, second.status) == (429, 200)
    assert b"slow down" in first.body
    assert first.stream.end == "complete"
