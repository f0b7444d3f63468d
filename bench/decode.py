"""Decoding: our iterator against msgspec alone, and against the official SDKs."""

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
from bench.floors import FLOORS
from bench.timing import best
from tokentape import stream_bytes
from tokentape_harness.cassettes.event_split import split_body

EVENTS = 5000


def run(console: Console) -> None:
    """Print the time of one chunk, from bytes to the reader's loop, and its ratios."""
    table = Table(title=f"Decoding {EVENTS} chunks, best of 7", title_justify="left")
    for column in ("wire format", "what", "us per chunk", "x typed decode", "x cut and decode", "SDK slower by"):
        table.add_column(column, justify="left" if column in ("wire format", "what") else "right")
    for wire, struct in FLOORS.items():
        body = stream_body(wire, EVENTS)
        documents = _documents(body)
        events = split_body(body)
        runs: dict[str, Callable[[], object]] = {
            "typed decode alone": lambda documents=documents, struct=struct: _typed(documents, struct),  # type: ignore[misc]
            "cut and typed decode": lambda body=body, struct=struct: _typed(_documents(body), struct),  # type: ignore[misc]
            "our iterator, one read": lambda body=body, wire=wire: _ours([body], wire),  # type: ignore[misc]
            "our iterator, a read an event": lambda events=events, wire=wire: _ours(events, wire),  # type: ignore[misc]
        }
        if wire in _SDKS:
            runs["official SDK"] = _SDKS[wire](body)
        # In turn, so that a change of the machine's speed meets all of them.
        times = dict.fromkeys(runs, float("inf"))
        for _ in range(7):
            for name, one in runs.items():
                times[name] = min(times[name], best(one, repeat=1))
        decode, cut, sdk = times["typed decode alone"], times["cut and typed decode"], times.get("official SDK")
        for name, seconds in times.items():
            slower = f"{sdk / seconds:.0f}x" if sdk is not None and name.startswith("our") else ""
            cost = f"{seconds / EVENTS * 1e6:.2f}"
            table.add_row(wire, name, cost, f"{seconds / decode:.2f}x", f"{seconds / cut:.2f}x", slower)
        table.add_section()
    console.print(table)


def _documents(body: bytes) -> list[bytes]:
    """The data of the events, cut out in the simplest way that is right for these bodies."""
    lines = body.replace(b"\r\n", b"\n").split(b"\n")
    if lines[0][:1] == b"{":
        return [line for line in lines if line]
    return [line[6:] for line in lines if line[:6] == b"data: " and line != b"data: [DONE]"]


def _typed(documents: list[bytes], struct: type) -> int:
    decoder: msgspec.json.Decoder[Any] = msgspec.json.Decoder(struct)
    return len([decoder.decode(document) for document in documents])


def _ours(chunks: list[bytes], wire: str) -> int:
    stream = stream_bytes(chunks, wire)
    for _ in stream:
        pass
    return len(stream.get_chat_output().text)


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


def _responses(body: bytes) -> Callable[[], object]:
    client = openai.OpenAI(api_key="-", http_client=httpx2.Client(transport=_transport(body)))

    def chunks() -> Iterator[str]:
        for event in client.responses.create(model="m", input="Hi", stream=True):
            if event.type == "response.output_text.delta":
                yield event.delta

    return lambda: "".join(chunks())


_SDKS: dict[str, Callable[[bytes], Callable[[], object]]] = {
    "openai_chat": _openai,
    "anthropic_messages": _anthropic,
    "openai_responses": _responses,
}
