"""Recorded streams served by the fake provider give the ollama and cohere clients what the raw bodies give them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import cohere
import httpx
import ollama
import pytest

from tests.corpus import Item, all_items
from tokentape_harness import FakeProvider, Response
from tokentape_harness.recordings import tape_of

QUESTION: Any = [{"role": "user", "content": "Hi"}]


def read(parts: Iterable[Any]) -> list[Any]:
    """Everything a client yields, as plain data; an exception is the last of it."""
    seen: list[Any] = []
    try:
        seen.extend(part.model_dump() for part in parts)
    except Exception as error:
        seen.append((type(error).__name__, str(error)))
    return seen


def with_ollama_chat(base_url: str, transport: httpx.BaseTransport | None) -> list[Any]:
    """What the ollama client yields of a chat."""
    with ollama.Client(base_url, transport=transport) as client:
        return read(client.chat("m", messages=QUESTION, stream=True))


def with_ollama_generate(base_url: str, transport: httpx.BaseTransport | None) -> list[Any]:
    """What the ollama client yields of generated text."""
    with ollama.Client(base_url, transport=transport) as client:
        return read(client.generate("m", "Hi", stream=True))


def with_cohere(base_url: str, transport: httpx.BaseTransport | None) -> list[Any]:
    """What the cohere client yields."""
    with httpx.Client(transport=transport) as http:
        client = cohere.ClientV2("k", base_url=base_url, httpx_client=http, max_retries=0)
        return read(client.v2.chat_stream(model="m", messages=QUESTION))


CLIENTS = {
    "ollama_chat": with_ollama_chat,
    "ollama_generate": with_ollama_generate,
    "cohere_chat_v2": with_cohere,
}
STREAMS = [item for item in all_items() if item.wire_format in CLIENTS and item.kind == "stream"]


@pytest.mark.parametrize("item", STREAMS, ids=lambda item: f"{item.wire_format}-{item.id}")
def test_a_client_reads_a_served_tape_as_it_reads_the_raw_body(item: Item, fake_provider: FakeProvider) -> None:
    """Served over a socket, chunk by chunk, a recording gives the client what its raw body gives."""
    read_with = CLIENTS[item.wire_format]
    # Where the headers were not recorded: the cohere client reads nothing else.
    headers = {"content-type": item.content_type or "text/event-stream"}
    raw = httpx.MockTransport(lambda _: httpx.Response(item.status, headers=headers, content=item.body))
    expected = read_with("http://provider.invalid", raw)
    assert isinstance(expected[-1], dict), "the client reads the raw body to its end"
    fake_provider.script(tape_of(Response(status=item.status, headers=tuple(headers.items()), body=item.body)))
    assert read_with(fake_provider.url, None) == expected
    fake_provider.assert_all_played()
