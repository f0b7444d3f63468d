"""The official SDKs make the same of a recorded stream that the fake provider serves as of its raw body."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import anthropic
import groq
import httpx
import httpx2
import mistralai.client
import openai
import pytest

from tests.corpus import WIRES, Item, all_items
from tokentape_harness import FakeProvider, Response
from tokentape_harness.recordings import tape_of

QUESTION: Any = [{"role": "user", "content": "Hello?"}]
FAMILIES = ("openai_chat", "openai_responses", "openai_completions", "anthropic_messages")
STREAMS = [item for item in all_items() if WIRES.get(item.wire_format) in FAMILIES and item.kind == "stream"]


def read(chunks: Callable[[], Any]) -> list[Any]:
    """Everything an SDK yields, as plain data; an exception is the last of it."""
    seen: list[Any] = []
    try:
        seen.extend(chunk.model_dump() for chunk in chunks())
    except Exception as error:
        seen.append((type(error).__name__, str(error)))
    return seen


def with_openai(base_url: str, transport: httpx2.BaseTransport | None) -> list[Any]:
    """What the openai SDK yields."""
    with (
        httpx2.Client(transport=transport) as http,
        openai.OpenAI(base_url=base_url + "/v1", api_key="-", http_client=http, max_retries=0) as client,
    ):
        return read(lambda: client.chat.completions.create(model="m", messages=QUESTION, stream=True))


def with_openai_responses(base_url: str, transport: httpx2.BaseTransport | None) -> list[Any]:
    """What the openai SDK yields of responses."""
    with (
        httpx2.Client(transport=transport) as http,
        openai.OpenAI(base_url=base_url + "/v1", api_key="-", http_client=http, max_retries=0) as client,
    ):
        return read(lambda: client.responses.create(model="m", input="Hello?", stream=True))


def with_openai_completions(base_url: str, transport: httpx2.BaseTransport | None) -> list[Any]:
    """What the openai SDK yields of legacy completions."""
    with (
        httpx2.Client(transport=transport) as http,
        openai.OpenAI(base_url=base_url + "/v1", api_key="-", http_client=http, max_retries=0) as client,
    ):
        return read(lambda: client.completions.create(model="m", prompt="Hello?", stream=True))


def with_groq(base_url: str, transport: httpx.BaseTransport | None) -> list[Any]:
    """What the groq SDK yields."""
    with (
        httpx.Client(transport=transport) as http,
        groq.Groq(base_url=base_url, api_key="-", http_client=http, max_retries=0) as client,
    ):
        return read(lambda: client.chat.completions.create(model="m", messages=QUESTION, stream=True))


def with_mistralai(base_url: str, transport: httpx2.BaseTransport | None) -> list[Any]:
    """What the mistralai SDK yields."""
    with (
        httpx2.Client(transport=transport) as http,
        mistralai.client.Mistral(api_key="-", server_url=base_url, client=http) as client,
    ):
        return read(lambda: client.chat.stream(model="m", messages=QUESTION))


def with_anthropic(base_url: str, transport: httpx2.BaseTransport | None) -> list[Any]:
    """What the anthropic SDK yields."""
    with (
        httpx2.Client(transport=transport) as http,
        anthropic.Anthropic(base_url=base_url, api_key="-", http_client=http, max_retries=0) as client,
    ):
        return read(lambda: client.messages.create(model="m", max_tokens=9, messages=QUESTION, stream=True))


def sdk_of(item: Item) -> tuple[Any, Any]:
    """The official SDK that reads an item, and the HTTP library that it uses."""
    if WIRES[item.wire_format] == "anthropic_messages":
        return with_anthropic, httpx2
    return {
        "groq_chat": (with_groq, httpx),
        "mistral_chat": (with_mistralai, httpx2),
        "openai_responses": (with_openai_responses, httpx2),
        "openai_completions": (with_openai_completions, httpx2),
    }.get(item.wire_format, (with_openai, httpx2))


@pytest.mark.parametrize("item", STREAMS, ids=lambda item: f"{item.wire_format}-{item.id}")
def test_an_sdk_reads_a_served_tape_as_it_reads_the_raw_body(item: Item, fake_provider: FakeProvider) -> None:
    """Served over a socket, chunk by chunk, a recording gives the SDK what its raw body gives."""
    read_with, http = sdk_of(item)
    headers = {"content-type": item.content_type}
    raw = http.MockTransport(lambda _: http.Response(item.status, headers=headers, content=item.body))
    expected = read_with("http://provider.invalid", raw)
    assert expected, "the SDK reads something of the raw body"
    response = Response(status=item.status, headers=tuple(headers.items()), body=item.body)
    fake_provider.script(tape_of(response))
    assert read_with(fake_provider.url, None) == expected
    fake_provider.assert_all_played()
