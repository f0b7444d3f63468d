"""The official SDKs make the same of a recorded stream that the fake provider serves as of its raw body."""

from __future__ import annotations

import io
import ssl
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import anthropic
import boto3
import cohere
import groq
import httpx
import httpx2
import mistralai.client
import ollama
import openai
import pytest
import urllib3
from botocore.awsrequest import AWSResponse
from botocore.config import Config

from tests.corpus import ANTHROPIC_FAMILY, OPENAI_CHAT_FAMILY, Item, all_items, sampled
from tokentape import ReasoningPart, StreamedChatMessageIterator, stream_bytes, wrap
from tokentape_harness import FakeProvider, Response
from tokentape_harness.testing.recordings import tape_of

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from google import genai
    from google.genai import types

QUESTION: Any = [{"role": "user", "content": "Hello?"}]
AWS = boto3.Session("AKIAFAKE", "secret", None, "us-east-1")
"""One for all: it reads the service's model from disk once."""
PLAIN = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""Has no certificates: google-genai would read them from disk three times for each client."""
GEMINI_SSE = ("gemini_generate_content", "vertex_gemini_generate_content")
CLAUDE = "us.anthropic.claude-3-5-sonnet-20240620-v1:0"
CONVERSATION: Any = [{"role": "user", "content": [{"text": "Hi"}]}]
CLAUDE_BODY = b'{"anthropic_version":"bedrock-2023-05-31","max_tokens":9,"messages":[{"role":"user","content":"Hi"}]}'

Chunks = Iterator[Any]
"""What an SDK yields. A reader takes a base URL and the item whose raw body is answered without a server, if any."""
Reader = Callable[[str, Item | None], Chunks]


def headers_of(item: Item) -> dict[str, str]:
    """What stands in where the headers were not recorded: the cohere and google-genai clients read nothing else."""
    return {"content-type": item.content_type or "text/event-stream"}


def transport(http: Any, item: Item | None) -> Any:
    """What answers with the item's raw body, whatever is asked; without an item it is the network."""
    if item is None:
        return http.HTTPTransport(verify=False)  # certificates would be read from disk for each client
    answer = http.Response(item.status, headers=headers_of(item), content=item.body)
    return http.MockTransport(lambda _: answer)


@contextmanager
def openai_client(url: str, raw: Item | None) -> Iterator[openai.OpenAI]:
    """The openai SDK."""
    with (
        httpx2.Client(transport=transport(httpx2, raw)) as http,
        openai.OpenAI(base_url=url + "/v1", api_key="-", http_client=http, max_retries=0) as client,
    ):
        yield client


def openai_chat(url: str, raw: Item | None) -> Chunks:
    """Chat completions of openai."""
    with openai_client(url, raw) as client:
        yield from client.chat.completions.create(model="m", messages=QUESTION, stream=True)


def openai_responses(url: str, raw: Item | None) -> Chunks:
    """Responses of openai."""
    with openai_client(url, raw) as client:
        yield from client.responses.create(model="m", input="Hello?", stream=True)


def openai_completions(url: str, raw: Item | None) -> Chunks:
    """Legacy completions of openai."""
    with openai_client(url, raw) as client:
        yield from client.completions.create(model="m", prompt="Hello?", stream=True)


def groq_chat(url: str, raw: Item | None) -> Chunks:
    """Chat completions of groq."""
    with (
        httpx.Client(transport=transport(httpx, raw)) as http,
        groq.Groq(base_url=url, api_key="-", http_client=http, max_retries=0) as client,
    ):
        yield from client.chat.completions.create(model="m", messages=QUESTION, stream=True)


def mistral_chat(url: str, raw: Item | None) -> Chunks:
    """Chat completions of mistralai."""
    with (
        httpx2.Client(transport=transport(httpx2, raw)) as http,
        mistralai.client.Mistral(api_key="-", server_url=url, client=http) as client,
    ):
        yield from client.chat.stream(model="m", messages=QUESTION)


def anthropic_messages(url: str, raw: Item | None) -> Chunks:
    """Messages of anthropic."""
    with (
        httpx2.Client(transport=transport(httpx2, raw)) as http,
        anthropic.Anthropic(base_url=url, api_key="-", http_client=http, max_retries=0) as client,
    ):
        yield from client.messages.create(model="m", max_tokens=9, messages=QUESTION, stream=True)


@contextmanager
def google_client(url: str, raw: Item | None) -> Iterator[Any]:
    """The google-genai SDK."""
    with httpx2.Client(transport=transport(httpx2, raw)) as http:
        options = types.HttpOptions(
            base_url=url,
            httpx_client=http,
            client_args={"verify": PLAIN},
            async_client_args={"verify": PLAIN, "ssl": PLAIN},
            retry_options=types.HttpRetryOptions(attempts=1),
        )
        with genai.Client(api_key="-", http_options=options) as client:
            yield client


def gemini(url: str, raw: Item | None) -> Chunks:
    """streamGenerateContent of google-genai, which always asks for server-sent events."""
    with google_client(url, raw) as client:
        yield from client.models.generate_content_stream(model="m", contents="Hello?")


def gemini_interactions(url: str, raw: Item | None) -> Chunks:
    """Interactions of google-genai."""
    with google_client(url, raw) as client:
        yield from client.interactions.create(model="m", input="Hello?", stream=True)


def ollama_chat(url: str, raw: Item | None) -> Chunks:
    """A chat of ollama."""
    with ollama.Client(url, transport=transport(httpx, raw)) as client:
        yield from client.chat("m", messages=QUESTION, stream=True)


def ollama_generate(url: str, raw: Item | None) -> Chunks:
    """Generated text of ollama."""
    with ollama.Client(url, transport=transport(httpx, raw)) as client:
        yield from client.generate("m", "Hi", stream=True)


def cohere_chat(url: str, raw: Item | None) -> Chunks:
    """A chat of cohere's v2."""
    with httpx.Client(transport=transport(httpx, raw)) as http:
        client = cohere.ClientV2("k", base_url=url, httpx_client=http, max_retries=0)
        yield from client.v2.chat_stream(model="m", messages=QUESTION)


@contextmanager
def bedrock_client(url: str, raw: Item | None) -> Iterator[Any]:
    """boto3's client of the Bedrock runtime."""
    client = AWS.client("bedrock-runtime", endpoint_url=url, config=Config(retries={"total_max_attempts": 1}))

    def answer(request: Any, **_: Any) -> AWSResponse:
        assert raw is not None
        body = urllib3.HTTPResponse(io.BytesIO(raw.body), headers_of(raw), raw.status, preload_content=False)
        return AWSResponse(request.url, raw.status, headers_of(raw), body)

    if raw is not None:
        client.meta.events.register("before-send.bedrock-runtime", answer)
    try:
        yield client
    finally:
        client.close()


def bedrock_converse(url: str, raw: Item | None) -> Chunks:
    """ConverseStream of boto3."""
    with bedrock_client(url, raw) as client:
        yield from client.converse_stream(modelId=CLAUDE, messages=CONVERSATION)["stream"]


def bedrock_invoke(url: str, raw: Item | None) -> Chunks:
    """InvokeModelWithResponseStream of boto3."""
    with bedrock_client(url, raw) as client:
        yield from client.invoke_model_with_response_stream(modelId=CLAUDE, body=CLAUDE_BODY)["body"]


READERS: Mapping[str, Reader] = (
    dict.fromkeys(OPENAI_CHAT_FAMILY, openai_chat)
    | {"groq_chat": groq_chat, "mistral_chat": mistral_chat}
    | {"openai_responses": openai_responses, "openai_completions": openai_completions}
    | dict.fromkeys(ANTHROPIC_FAMILY, anthropic_messages)
    | dict.fromkeys(GEMINI_SSE, gemini)
    | {"gemini_interactions": gemini_interactions}
    | {"ollama_chat": ollama_chat, "ollama_generate": ollama_generate}
    | {"cohere_chat_v2": cohere_chat}
    | {"bedrock_converse_stream": bedrock_converse, "bedrock_invoke_stream": bedrock_invoke}
)
"""The official SDK that reads the items of a wire format. The library alone reads the other two: google-genai takes no
JSON array (it asks for events), and the server has no path for Cohere's v1."""
MALFORMED = ("rig-f95fa102eb",)
"""Recordings with an event that is no JSON, where the SDK gives up."""

FEATURES = (
    "text_only",
    "tool_calls",
    "parallel_tool_calls",
    "reasoning",
    "server_tools",
    "usage",
    "crlf",
    "astral_raw",
)
"""What the SDKs read differently; the bytes of every other feature are tried with our own decoders."""

ITEMS = [item for item in all_items() if item.wire_format in READERS and item.kind != "empty"]


def seen(chunks: Chunks) -> list[Any]:
    """Everything an SDK yields, as plain data; an exception is the last of it."""
    found: list[Any] = []
    try:
        found.extend(plain(chunk) for chunk in chunks)
    except Exception as error:
        found.append((type(error).__name__, str(error)))
    return found


def plain(chunk: Any) -> Any:
    """A chunk as plain data, without the response's headers (a served one has more); some fit their own model badly."""
    if isinstance(chunk, dict):
        return chunk
    return chunk.model_dump(exclude={"sdk_http_response"}, warnings=False)


@pytest.mark.parametrize("item", sampled(ITEMS, FEATURES), ids=lambda item: f"{item.wire_format}-{item.id}")
def test_an_sdk_reads_a_served_tape_as_it_reads_the_raw_body(item: Item, fake_provider: FakeProvider) -> None:
    """Served over a socket, chunk by chunk, a recording gives the SDK what its raw body gives."""
    read = READERS[item.wire_format]
    expected = seen(read("http://provider.invalid", item))
    broken = item.kind == "error_response" or item.id in MALFORMED or bool(item.meta["summary"]["error"])
    assert isinstance(expected[-1], tuple) == broken, "the SDK reads the raw body to its end"
    fake_provider.script(tape_of(Response(item.status, "", tuple(headers_of(item).items()), item.body)))
    assert seen(read(fake_provider.url, None)) == expected
    fake_provider.assert_all_played()


TYPED = [item for item in ITEMS if item.kind == "stream" and item.wire in ("gemini", "ollama", "cohere_chat")]


def summary(stream: StreamedChatMessageIterator) -> tuple[Any, ...]:
    """What a stream comes to, in the fields that the SDKs' own types keep; texts with JSON in them as values."""
    text = "".join(message.text for message in stream if message.index == 0)
    message, usage = stream.get_chat_output().message, stream.usage
    signatures = [part.signature for part in message.parts if isinstance(part, ReasoningPart)]
    calls = [(call.name, call.arguments) for call in message.tool_calls]
    counts = (usage.input, usage.output, usage.total, usage.cached, usage.reasoning)
    return text, message.text, message.reasoning, calls, message.provider_finish_reason, counts, len(signatures)


@pytest.mark.parametrize("item", sampled(TYPED, FEATURES), ids=lambda item: f"{item.wire_format}-{item.id}")
def test_wrapped_events_say_what_the_bytes_say(item: Item) -> None:
    """google-genai, ollama and cohere hide their bytes: of their typed events wrap() makes what it makes of bytes."""
    assert summary(wrap(READERS[item.wire_format]("http://provider.invalid", item))) == summary(
        stream_bytes([item.body], item.wire)
    )
