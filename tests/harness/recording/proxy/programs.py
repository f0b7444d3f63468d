"""Programs: what users run below the proxy. Each streams an answer by an official SDK and prints it as it comes.

python programs.py NAME [TEXT [CASSETTE]]

They take their base URLs from the environment, as the SDKs do by themselves; of mistralai no variable is known.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator

MODEL = "m"


def call_openai(text: str) -> Iterator[str]:
    import openai

    with openai.OpenAI(max_retries=0) as client:
        messages = [{"role": "user", "content": text}]
        for chunk in client.chat.completions.create(model=MODEL, messages=messages, stream=True):
            for choice in chunk.choices:
                yield choice.delta.content or ""


def call_anthropic(text: str) -> Iterator[str]:
    import anthropic

    with (
        anthropic.Anthropic(max_retries=0) as client,
        client.messages.stream(model=MODEL, max_tokens=99, messages=[{"role": "user", "content": text}]) as stream,
    ):
        yield from stream.text_stream


def call_gemini(text: str) -> Iterator[str]:
    from google import genai

    with genai.Client() as client:
        for chunk in client.models.generate_content_stream(model=MODEL, contents=text):
            yield chunk.text or ""


def call_ollama(text: str) -> Iterator[str]:
    import ollama

    for part in ollama.Client().chat(model=MODEL, messages=[{"role": "user", "content": text}], stream=True):
        yield part.message.content or ""


def call_cohere(text: str) -> Iterator[str]:
    import cohere

    client = cohere.ClientV2()
    for event in client.chat_stream(model=MODEL, messages=[{"role": "user", "content": text}]):
        if event.type == "content-delta":
            yield event.delta.message.content.text


def call_groq(text: str) -> Iterator[str]:
    import groq

    with groq.Groq(max_retries=0) as client:
        messages = [{"role": "user", "content": text}]
        for chunk in client.chat.completions.create(model=MODEL, messages=messages, stream=True):
            for choice in chunk.choices:
                yield choice.delta.content or ""


def call_mistral(text: str) -> Iterator[str]:
    from mistralai.client import Mistral

    url = os.environ.get("MISTRAL_URL") or f"{os.environ['TOKENTAPE_PROXY_URL']}/mistral"
    with Mistral(server_url=url, api_key=os.environ["MISTRAL_API_KEY"]) as client:
        for event in client.chat.stream(model=MODEL, messages=[{"role": "user", "content": text}]):
            for choice in event.data.choices:
                yield choice.delta.content or ""


def call_bedrock(text: str) -> Iterator[str]:
    import boto3

    client = boto3.client("bedrock-runtime")
    messages = [{"role": "user", "content": [{"text": text}]}]
    for event in client.converse_stream(modelId="amazon.nova-lite-v1:0", messages=messages)["stream"]:
        if "contentBlockDelta" in event:
            yield event["contentBlockDelta"]["delta"]["text"]
    client.close()


CALLS = {name.removeprefix("call_"): function for name, function in globals().items() if name.startswith("call_")}


def main(name: str, text: str = "Hello?", cassette: str | None = None) -> None:
    """Send a request and print the answer; with a cassette, the recorded one."""
    with contextlib.ExitStack() as stack:
        if cassette is not None:
            from tokentape_harness import use_cassette

            stack.enter_context(use_cassette(cassette, record_mode="none", all_played=True))
        for part in CALLS[name](text):
            if part:
                print(part, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
