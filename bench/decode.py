"""Decoding: our iterator against a floor (msgspec alone) and the official SDKs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import anthropic
import httpx2
import msgspec
import openai
from rich.console import Console
from rich.table import Table

from bench.bodies import stream_body
from bench.timing import best
from tokentape import stream_bytes
from tokentape.framing.sse import SSEFraming

EVENTS = 5000


class _Delta(msgspec.Struct, gc=False):
    role: str | None = None
    content: str | None = None
    refusal: str | None = None
    tool_calls: list[Any] | None = None


class _Choice(msgspec.Struct, gc=False):
    index: int
    delta: _Delta
    logprobs: Any = None
    finish_reason: str | None = None


class _Chunk(msgspec.Struct, gc=False):
    id: str
    object: str
    created: int
    model: str
    choices: list[_Choice]
    service_tier: str | None = None
    system_fingerprint: str | None = None
    usage: dict[str, Any] | None = None


class _TextDelta(msgspec.Struct, gc=False):
    type: str | None = None
    text: str | None = None


class _Event(msgspec.Struct, gc=False):
    type: str
    index: int | None = None
    delta: _TextDelta | None = None
    message: dict[str, Any] | None = None
    content_block: dict[str, Any] | None = None
    usage: dict[str, Any] | None = None


FLOORS: dict[str, type] = {"openai_chat": _Chunk, "anthropic_messages": _Event}


def run(console: Console) -> None:
    """Print the time of one chunk, from bytes to the reader's loop, and its ratios."""
    table = Table(title=f"Decoding {EVENTS} chunks, best of 5", title_justify="left")
    for column in ("what", "us per chunk", "against the floor", "the SDK is slower by"):
        table.add_column(column, justify="left" if column == "what" else "right")
    for wire in FLOORS:
        body = stream_body(wire, EVENTS)
        documents = [data for data in SSEFraming().feed_data(body) if data != b"[DONE]"]
        floor = best(lambda wire=wire, documents=documents: _floor(documents, FLOORS[wire]))  # type: ignore[misc]
        ours = best(lambda wire=wire, body=body: _ours([body], wire))  # type: ignore[misc]
        events = [data + b"\n\n" for data in body.split(b"\n\n") if data]
        by_event = best(lambda wire=wire, events=events: _ours(events, wire))  # type: ignore[misc]
        sdk = best(_SDKS[wire](body), repeat=3)
        _row(table, f"{wire}: msgspec into typed structs", floor, floor, None)
        _row(table, f"{wire}: our iterator, body in one read", ours, floor, sdk)
        _row(table, f"{wire}: our iterator, one read an event", by_event, floor, sdk)
        _row(table, f"{wire}: official SDK", sdk, floor, None)
    console.print(table)


def _row(table: Table, what: str, seconds: float, floor: float, sdk: float | None) -> None:
    slower = "" if sdk is None else f"{sdk / seconds:.0f}x"
    table.add_row(what, f"{seconds / EVENTS * 1e6:.2f}", f"{seconds / floor:.2f}x", slower)


def _floor(documents: list[bytes], struct: type) -> int:
    """Decode the data of the events, cut out beforehand, and do nothing with it."""
    decoder: msgspec.json.Decoder[Any] = msgspec.json.Decoder(struct)
    return len([decoder.decode(document) for document in documents])


def _ours(chunks: list[bytes], wire: str) -> int:
    stream = stream_bytes(chunks, wire)
    count = 0
    for message in stream:
        count += len(message.text)
    assert len(stream.get_chat_output().text) == count
    return count


def _transport(body: bytes) -> httpx2.MockTransport:
    headers = {"content-type": "text/event-stream"}
    return httpx2.MockTransport(lambda _: httpx2.Response(200, headers=headers, content=body))


def _openai(body: bytes) -> Callable[[], object]:
    client = openai.OpenAI(api_key="-", http_client=httpx2.Client(transport=_transport(body)))

    def chunks() -> Iterator[str]:
        stream = client.chat.completions.create(model="m", messages=[{"role": "user", "content": "Hi"}], stream=True)
        for chunk in stream:
            yield (chunk.choices[0].delta.content or "") if chunk.choices else ""

    return lambda: "".join(chunks())


def _anthropic(body: bytes) -> Callable[[], object]:
    client = anthropic.Anthropic(api_key="-", http_client=httpx2.Client(transport=_transport(body)))

    def chunks() -> Iterator[str]:
        stream = client.messages.create(
            model="m", max_tokens=9, messages=[{"role": "user", "content": "Hi"}], stream=True
        )
        for event in stream:
            if event.type == "content_block_delta" and event.delta.type == "text_delta":
                yield event.delta.text

    return lambda: "".join(chunks())


_SDKS: dict[str, Callable[[bytes], Callable[[], object]]] = {"openai_chat": _openai, "anthropic_messages": _anthropic}
