"""Readers: a client of each wire format that reads streams to their end, and how it took them."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import Any, NamedTuple, TypeAlias

import anthropic
import boto3  # type: ignore[import-untyped]
import cohere
import ollama
import openai
from botocore.config import Config  # type: ignore[import-untyped]

from tokentape import TokentapeError
from tokentape.providers import (
    AnthropicMessages,
    BedrockConverse,
    BedrockInvoke,
    CohereChat,
    Gemini,
    GeminiInteractions,
    Ollama,
    OpenAIChat,
    OpenAICompletions,
    OpenAIResponses,
)
from tokentape.providers.base import ChatProvider

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from google import genai
    from google.genai import types

CLAUDE = "anthropic.claude-3-5-sonnet-20240620-v1:0"
PROMPT = "Say something."
MESSAGES: Any = [{"role": "user", "content": PROMPT}]

Read: TypeAlias = Callable[[], Iterator[str]]
"""Asks, and gives the text of the stream as the client gives it out."""
Client: TypeAlias = Callable[[str, float], AbstractContextManager[Read]]
"""A client of a base URL, with a timeout in s; it retries nothing."""


class Reading(NamedTuple):
    """The text that a client gave out, and what it raised, if it did.

    `output` is the text that our own client's output has in the end.
    """

    text: str
    error: Exception | None = None
    output: str | None = None


def read_with(read: Read) -> Reading:
    """Read to the end, or to the error."""
    text = ""
    try:
        for piece in read():
            text += piece
    except Exception as error:
        return Reading(text, error)
    return Reading(text)


def field_text(value: Any, *names: str) -> str:
    """The text at the end of these attributes or keys; none where the client gave out an event without it.

    Some clients give out what they could not parse, whatever their types say: what they raise themselves should not
    be mistaken for what a loop raises that takes them at their word.
    """
    for name in names:
        value = value.get(name) if isinstance(value, Mapping) else getattr(value, name, None)
    return value if isinstance(value, str) else ""


def error_name(error: Exception) -> str:
    """Its class, with the package that it comes from."""
    return f"{type(error).__module__.partition('.')[0]}.{type(error).__name__}"


@contextmanager
def openai_chat(base_url: str, timeout: float) -> Iterator[Read]:
    """openai's `chat.completions.create`."""
    with openai.OpenAI(base_url=base_url, api_key="k", max_retries=0, timeout=timeout) as client:

        def read() -> Iterator[str]:
            options: Any = {"include_usage": True}
            stream = client.chat.completions.create(model="m", messages=MESSAGES, stream=True, stream_options=options)
            for chunk in stream:
                for choice in chunk.choices or ():
                    yield field_text(choice, "delta", "content")

        yield read


@contextmanager
def openai_chat_helper(base_url: str, timeout: float) -> Iterator[Read]:
    """openai's `chat.completions.stream`, which accumulates a completion."""
    with openai.OpenAI(base_url=base_url, api_key="k", max_retries=0, timeout=timeout) as client:

        def read() -> Iterator[str]:
            options: Any = {"include_usage": True}
            with client.chat.completions.stream(model="m", messages=MESSAGES, stream_options=options) as stream:
                for event in stream:
                    if event.type == "content.delta":
                        yield event.delta
                stream.get_final_completion()

        yield read


@contextmanager
def openai_completions(base_url: str, timeout: float) -> Iterator[Read]:
    """openai's `completions.create`."""
    with openai.OpenAI(base_url=base_url, api_key="k", max_retries=0, timeout=timeout) as client:

        def read() -> Iterator[str]:
            options: Any = {"include_usage": True}
            for chunk in client.completions.create(model="m", prompt=PROMPT, stream=True, stream_options=options):
                for choice in chunk.choices or ():
                    yield field_text(choice, "text")

        yield read


@contextmanager
def openai_responses(base_url: str, timeout: float) -> Iterator[Read]:
    """openai's `responses.create`."""
    with openai.OpenAI(base_url=base_url, api_key="k", max_retries=0, timeout=timeout) as client:

        def read() -> Iterator[str]:
            for event in client.responses.create(model="m", input=PROMPT, stream=True):
                if event.type == "response.output_text.delta":
                    yield field_text(event, "delta")

        yield read


@contextmanager
def anthropic_messages(base_url: str, timeout: float) -> Iterator[Read]:
    """anthropic's `messages.create`."""
    with anthropic.Anthropic(base_url=base_url, api_key="k", max_retries=0, timeout=timeout) as client:

        def read() -> Iterator[str]:
            for event in client.messages.create(model="m", messages=MESSAGES, max_tokens=99, stream=True):
                if event.type == "content_block_delta" and field_text(event, "delta", "type") == "text_delta":
                    yield field_text(event, "delta", "text")

        yield read


@contextmanager
def anthropic_messages_helper(base_url: str, timeout: float) -> Iterator[Read]:
    """anthropic's `messages.stream`, which accumulates a message."""
    with anthropic.Anthropic(base_url=base_url, api_key="k", max_retries=0, timeout=timeout) as client:

        def read() -> Iterator[str]:
            with client.messages.stream(model="m", messages=MESSAGES, max_tokens=99) as stream:
                yield from stream.text_stream
                stream.get_final_message()

        yield read


def genai_client(base_url: str, timeout: float) -> Any:
    once = types.HttpRetryOptions(attempts=1)
    return genai.Client(
        api_key="k",
        http_options=types.HttpOptions(base_url=base_url, timeout=int(timeout * 1000), retry_options=once),
    )


@contextmanager
def gemini(base_url: str, timeout: float) -> Iterator[Read]:
    """google-genai's `models.generate_content_stream`."""
    with genai_client(base_url, timeout) as client:

        def read() -> Iterator[str]:
            for chunk in client.models.generate_content_stream(model="m", contents=PROMPT):
                yield chunk.text or ""

        yield read


@contextmanager
def gemini_interactions(base_url: str, timeout: float) -> Iterator[Read]:
    """google-genai's `interactions.create`."""
    with genai_client(base_url, timeout) as client:

        def read() -> Iterator[str]:
            for event in client.interactions.create(model="m", input=PROMPT, stream=True):
                if field_text(event, "delta", "type") == "text":
                    yield field_text(event, "delta", "text")

        yield read


@contextmanager
def ollama_chat(base_url: str, timeout: float) -> Iterator[Read]:
    """ollama's `chat`."""
    client = ollama.Client(base_url, timeout=timeout)

    def read() -> Iterator[str]:
        for part in client.chat("m", MESSAGES, stream=True):
            yield part.message.content or ""

    yield read
    client._client.close()


@contextmanager
def cohere_chat(base_url: str, timeout: float) -> Iterator[Read]:
    """cohere's `v2.chat_stream`."""
    client = cohere.ClientV2("k", base_url=base_url, timeout=timeout)
    options: Any = {"max_retries": 0}

    def read() -> Iterator[str]:
        event: Any
        for event in client.chat_stream(model="m", messages=MESSAGES, request_options=options):
            if event.type == "content-delta":
                yield field_text(event, "delta", "message", "content", "text")

    yield read


def bedrock_client(base_url: str, timeout: float) -> Any:
    config = Config(retries={"total_max_attempts": 1}, read_timeout=timeout, connect_timeout=timeout)
    session = boto3.Session(aws_access_key_id="AKIAFAKE", aws_secret_access_key="secret", region_name="us-east-1")
    return session.client("bedrock-runtime", endpoint_url=base_url, config=config)


@contextmanager
def bedrock_converse(base_url: str, timeout: float) -> Iterator[Read]:
    """boto3's `converse_stream`."""
    client = bedrock_client(base_url, timeout)
    messages = [{"role": "user", "content": [{"text": PROMPT}]}]

    def read() -> Iterator[str]:
        for event in client.converse_stream(modelId=CLAUDE, messages=messages)["stream"]:
            if "contentBlockDelta" in event:
                yield field_text(event, "contentBlockDelta", "delta", "text")

    yield read
    client.close()


@contextmanager
def bedrock_invoke(base_url: str, timeout: float) -> Iterator[Read]:
    """boto3's `invoke_model_with_response_stream`, and `json.loads` as in Amazon's examples."""
    client = bedrock_client(base_url, timeout)
    body = json.dumps({"anthropic_version": "bedrock-2023-05-31", "max_tokens": 99, "messages": MESSAGES})

    def read() -> Iterator[str]:
        for event in client.invoke_model_with_response_stream(modelId=CLAUDE, body=body)["body"]:
            yield field_text(json.loads(event["chunk"]["bytes"]), "delta", "text")

    yield read
    client.close()


SDKS: Mapping[str, Client] = {
    "openai_chat": openai_chat,
    "openai_responses": openai_responses,
    "openai_completions": openai_completions,
    "anthropic_messages": anthropic_messages,
    "gemini": gemini,
    "gemini_interactions": gemini_interactions,
    "ollama": ollama_chat,
    "cohere_chat": cohere_chat,
    "bedrock_converse": bedrock_converse,
    "bedrock_invoke": bedrock_invoke,
}
"""The official client of each wire format."""

HELPERS: Mapping[str, Client] = {
    "openai_chat": openai_chat_helper,
    "anthropic_messages": anthropic_messages_helper,
}
"""The official clients' own accumulators."""

_KEYS: Any = {"aws_access_key_id": "AKIAFAKE", "aws_secret_access_key": "secret", "region": "us-east-1"}
OURS: Mapping[str, Callable[[str, float], ChatProvider]] = {
    "openai_chat": lambda url, wait: OpenAIChat("m", api_key="k", base_url=url, timeout=wait),
    "openai_responses": lambda url, wait: OpenAIResponses("m", api_key="k", base_url=url, timeout=wait),
    "openai_completions": lambda url, wait: OpenAICompletions("m", api_key="k", base_url=url, timeout=wait),
    "anthropic_messages": lambda url, wait: AnthropicMessages("m", api_key="k", base_url=url, timeout=wait),
    "gemini": lambda url, wait: Gemini("m", api_key="k", base_url=url, timeout=wait),
    "gemini_interactions": lambda url, wait: GeminiInteractions("m", api_key="k", base_url=url, timeout=wait),
    "ollama": lambda url, wait: Ollama("m", base_url=url, timeout=wait),
    "cohere_chat": lambda url, wait: CohereChat("m", api_key="k", base_url=url, timeout=wait),
    "bedrock_converse": lambda url, wait: BedrockConverse(CLAUDE, base_url=url, timeout=wait, **_KEYS),
    "bedrock_invoke": lambda url, wait: BedrockInvoke(CLAUDE, base_url=url, timeout=wait, **_KEYS),
}
"""Our own client of each wire format."""


def read_ours(client: ChatProvider) -> Reading:
    """Read with our own client."""
    text, stream = "", None
    try:
        stream = client.chat(PROMPT, stream=True).normalized
        for message in stream:
            text += message.text
    except TokentapeError as error:
        return Reading(text, error, None if stream is None else stream.get_chat_output().message.text)
    return Reading(text, None, stream.get_chat_output().message.text)
