"""Fuzz: damaged streams of each wire format, and which errors reading them raises."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from bench.bodies import encoded
from tokentape import TokentapeError, stream_bytes
from tokentape_fake_provider import Reasoning, Script, Text, ToolCall, Usage
from tokentape_fake_provider.wires import WIRES
from tokentape_harness import read_cassette

STREAMS: Final = 2_000
"""The number of damaged streams of each wire format."""
_SEED: Final = 20261130
_CASSETTES: Final = Path(__file__).parents[1] / "cassettes"
_SPLIT: Final = (1, 2, 7, 1 << 20)

Damage = Callable[[bytes, random.Random], bytes]


def run(console: Console) -> None:
    """Print how many damaged streams were read, ended in an error of the library, and in any other error."""
    table = Table(title=f"{STREAMS} damaged streams of each wire format, seed {_SEED}", title_justify="left")
    for column in ("wire format", "read", "an error of tokentape", "any other error", "slowest in ms of CPU"):
        table.add_column(column, justify="left" if column == "wire format" else "right")
    for wire in WIRES:
        read, refused, foreign, slowest = fuzzed(wire)
        table.add_row(wire, str(read), str(refused), str(len(foreign)), f"{slowest * 1000:.1f}")
        for error in sorted({repr(error) for error in foreign})[:5]:
            console.print(f"{wire}: {error}")
    console.print(table)


def fuzzed(wire: str, streams: int = STREAMS) -> tuple[int, int, list[BaseException], float]:
    """Damage streams and read them: how many were read and refused, other errors, and the longest CPU time in s."""
    choose = random.Random(f"{_SEED} {wire}")
    sources = list(bodies(wire))
    read = refused = 0
    foreign = list[BaseException]()
    slowest = 0.0
    for _ in range(streams):
        body = choose.choice(sources)
        for _ in range(choose.randint(1, 4)):
            body = choose.choice(DAMAGES)(body, choose)
        size = choose.choice(_SPLIT)
        began = time.process_time()
        try:
            for _ in stream_bytes([body[at : at + size] for at in range(0, len(body), size)], wire):
                pass
            read += 1
        except TokentapeError:
            refused += 1
        except Exception as error:
            foreign.append(error)
        slowest = max(slowest, time.process_time() - began)
    return read, refused, foreign, slowest


def bodies(wire: str) -> Iterator[bytes]:
    """Whole streams of this wire format: generated ones, and those of the cassettes."""
    usage = Usage(input=12, output=7)
    yield encoded(wire, Script.of(Text("The sea is deep: 海 🌊."), usage=usage))
    for item in (ToolCall.of("depth", {"of": "the sea", "unit": ["m"]}), Reasoning("Let me see.")):
        try:
            yield encoded(wire, Script.of("Well.", item, usage=usage))
        except Exception:
            continue
    for path in sorted((_CASSETTES / wire).glob("*.yaml")):
        for interaction in read_cassette(path).interactions:
            if len(interaction.response.body) < 20_000:
                yield interaction.response.body


def _flip(body: bytes, choose: random.Random) -> bytes:
    damaged = bytearray(body)
    if damaged:
        damaged[choose.randrange(len(damaged))] ^= 1 << choose.randrange(8)
    return bytes(damaged)


def _part(body: bytes, choose: random.Random) -> tuple[int, int]:
    begin = choose.randint(0, len(body))
    return begin, min(len(body), begin + choose.choice((1, 4, 40, 400)))


def _leave_out(body: bytes, choose: random.Random) -> bytes:
    begin, end = _part(body, choose)
    return body[:begin] + body[end:]


def _repeat(body: bytes, choose: random.Random) -> bytes:
    begin, end = _part(body, choose)
    return body[:end] + body[begin:end] * choose.choice((1, 2, 50)) + body[end:]


def _cut_off(body: bytes, choose: random.Random) -> bytes:
    return body[: choose.randint(0, len(body))]


def _insert(body: bytes, choose: random.Random) -> bytes:
    begin, _ = _part(body, choose)
    what = choose.choice((b"\0", b"\r", b"\n\n", b"data: ", b"[" * 200, b'"', b"\xff\xfe", choose.randbytes(8)))
    return body[:begin] + what + body[begin:]


def _change_a_value(body: bytes, choose: random.Random) -> bytes:
    """Replace one value in the JSON of one line by a value of another type."""
    lines = body.split(b"\n")
    at = choose.randrange(len(lines))
    begin = lines[at].find(b"{")
    try:
        document = json.loads(lines[at][begin:]) if begin >= 0 else None
    except ValueError:
        return body
    place: Any = document
    while isinstance(place, dict | list) and place:
        key = choose.choice(list(place) if isinstance(place, dict) else range(len(place)))
        if not isinstance(place[key], dict | list) or not place[key] or choose.random() < 0.2:
            place[key] = choose.choice((None, -1, 1e308, "", "x", True, [], {}, [None], {"type": 7}))
            break
        place = place[key]
    lines[at] = lines[at][: max(begin, 0)] + (json.dumps(document).encode() if begin >= 0 else b"")
    return b"\n".join(lines)


DAMAGES: Final[tuple[Damage, ...]] = (_flip, _leave_out, _repeat, _cut_off, _insert, _change_a_value)
