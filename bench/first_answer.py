"""First answer: how long the first request waits that is sent once `serve` has announced itself, beside later ones."""

from __future__ import annotations

import http.client
import json
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from rich.console import Console
from rich.table import Table

from bench.bodies import stream_body
from bench.servers import HEADERS, PATH
from tokentape_harness.cassettes.model import Cassette, Interaction, Request, Response
from tokentape_harness.cassettes.writer import write_cassette

STARTS = 7
LATER = 20
_CHAT: dict[str, Any] = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "Hi"}], "stream": True}
_SCHEMA = {
    "type": "object",
    "properties": {"city": {"type": "string"}},
    "required": ["city"],
    "additionalProperties": False,
}
_RULES = "rules:\n- last_user: Hi\n  scripts: [Hello there.]\n"


class Kind(NamedTuple):
    """What is served, and what is requested of it."""

    title: str
    path: str
    body: dict[str, Any]
    served: Callable[[Path], list[str]] = lambda _: []


def _recording(folder: Path) -> list[str]:
    asked = Request("POST", f"https://api.openai.com{PATH}", (), json.dumps(_CHAT).encode())
    response = Response(200, "OK", HEADERS, stream_body("openai_chat", 40))
    write_cassette(folder / "chat.yaml", Cassette((Interaction(asked, response),)))
    return [str(folder), "--strict"]


def _rules(folder: Path) -> list[str]:
    (folder / "rules.yaml").write_text(_RULES)
    return [str(folder / "rules.yaml")]


KINDS = (
    Kind("the simulated model: text", PATH, _CHAT),
    Kind(
        "the simulated model: a tool call",
        PATH,
        _CHAT | {"tools": [{"type": "function", "function": {"name": "weather", "parameters": _SCHEMA}}]},
    ),
    Kind(
        "the simulated model: JSON, Anthropic",
        "/v1/messages",
        _CHAT | {"max_tokens": 200, "output_config": {"format": {"type": "json_schema", "schema": _SCHEMA}}},
    ),
    Kind("the script of a rules file", PATH, _CHAT, _rules),
    Kind("a recording, --strict", PATH, _CHAT, _recording),
)


def run(console: Console) -> None:
    """Print how long the first answer took, and the later ones, each on a connection of its own."""
    table = Table(title=f"From the request to the end of the answer, ms, of {STARTS} starts", title_justify="left")
    for column in ("what", "first, median", "later, median", "first, worst", "later, worst"):
        table.add_column(column, justify="left" if column == "what" else "right")
    for kind in KINDS:
        starts = [_times(kind) for _ in range(STARTS)]
        firsts, later = [times[0] for times in starts], [one for times in starts for one in times[1:]]
        cells = median(firsts), median(later), max(firsts), max(later)
        table.add_row(kind.title, *(f"{cell:.1f}" for cell in cells))
    console.print(table)


def _times(kind: Kind) -> list[float]:
    with tempfile.TemporaryDirectory() as folder, _serving(kind.served(Path(folder))) as address:
        return [_time(address, kind) for _ in range(1 + LATER)]


def _time(address: tuple[str, int], kind: Kind) -> float:
    body = json.dumps(kind.body)
    began = time.perf_counter()
    connection = http.client.HTTPConnection(*address, timeout=30)
    connection.request("POST", kind.path, body, {"content-type": "application/json", "x-api-key": "k"})
    response = connection.getresponse()
    text = response.read()
    taken = (time.perf_counter() - began) * 1000
    connection.close()
    if response.status != 200:
        raise RuntimeError(f"{kind.title}: {response.status} {text[:300]!r}")
    return taken


@contextmanager
def _serving(options: list[str]) -> Iterator[tuple[str, int]]:
    """`serve` in a process of its own, from the line on that announces it."""
    command = [sys.executable, "-m", "tokentape_harness.cli", "serve", *options, "--port", "0", "--timing", "instant"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        try:
            assert process.stdout is not None
            line = next(line for line in process.stdout if "http://" in line)
            parts = urlsplit(next(word for word in line.split() if word.startswith("http://")))
            assert parts.hostname is not None
            assert parts.port is not None
            yield parts.hostname, parts.port
        finally:
            process.send_signal(signal.SIGINT)
            process.communicate()
