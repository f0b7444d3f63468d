"""Cassettes: how long a large one takes to load, and a server of many to answer its first request."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from statistics import median

from rich.console import Console
from rich.table import Table

from bench.bodies import stream_body
from bench.timing import best
from tokentape_harness.cassettes.chunks import Chunk
from tokentape_harness.cassettes.model import Cassette, Interaction, Request, Response, StreamRecord
from tokentape_harness.cassettes.reader import read_cassette
from tokentape_harness.cassettes.writer import format_cassette, write_cassette

MANY = 10_000
LARGE = 6_000_000
_EVENTS = 40
_RUNS = 3
_URI = "https://api.openai.com/v1/chat/completions"
_SSE = (("content-type", "text/event-stream; charset=utf-8"),)


def run(console: Console) -> None:
    """Print both, each with the time it may take."""
    table = Table(title="Cassettes", title_justify="left")
    for column in ("what", "time", "to be under"):
        table.add_column(column, justify="left" if column == "what" else "right")
    with tempfile.TemporaryDirectory() as name:
        for title, count in (("in one stream", 1), ("in 100 streams", 100), ("in 1,000 streams", 1000)):
            path = Path(name, f"large-{count}.yaml")
            size = _write_large(path, count)
            seconds = best(lambda path=path: read_cassette(path))  # type: ignore[misc]
            table.add_row(f"load of a cassette of {size / 1e6:.1f} MB {title}", f"{seconds:.3f} s", "0.3 s")
        folder = Path(name, "many")
        _write_many(folder)
        for title, question in (("the first in order", 0), ("the last", MANY - 1)):
            seconds = median(_first_answer(folder, question) for _ in range(_RUNS))
            table.add_row(f"serve of {MANY:,} cassettes: first answer, {title}", f"{seconds:.2f} s", "2 s")
    console.print(table)


def _interaction(number: int, body: bytes) -> Interaction:
    asked = Request("POST", _URI, (("content-type", "application/json"),), _question(number))
    events = body.split(b"\n\n")[:-1]
    chunks = tuple(Chunk(len(event) + 2, float(at)) for at, event in enumerate(events))
    return Interaction(asked, Response(200, "OK", _SSE, body, StreamRecord(chunks, 1.0)))


def _question(number: int) -> bytes:
    messages = [{"role": "user", "content": f"What is question {number}?"}]
    return json.dumps({"model": "gpt-4o-mini", "messages": messages, "stream": True}).encode()


def _write_large(path: Path, count: int) -> int:
    one = len(stream_body("openai_chat", 1000)) / 1000
    body = stream_body("openai_chat", int(LARGE / count / one))
    write_cassette(path, Cassette(tuple(_interaction(number, body) for number in range(count))))
    return path.stat().st_size


def _write_many(folder: Path) -> None:
    folder.mkdir()
    body = stream_body("openai_chat", _EVENTS)
    for number in range(MANY):
        cassette = Cassette((_interaction(number, body),))
        (folder / f"cassette-{number:05}.yaml").write_text(format_cassette(cassette))


def _first_answer(folder: Path, question: int) -> float:
    """From the start of the process to the last byte of its first answer, in s."""
    command = [sys.executable, "-m", "tokentape_harness.cli", "serve", str(folder), "--port", "0"]
    started = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            url = re.search(r"http://\S+", process.stdout.readline())
            assert url is not None, "the server did not start"
            asked = urllib.request.Request(
                f"{url[0]}/v1/chat/completions", _question(question), {"content-type": "application/json"}
            )
            with urllib.request.urlopen(asked, timeout=60) as response:
                body = response.read()
            taken = time.perf_counter() - started
            if body != stream_body("openai_chat", _EVENTS):
                raise RuntimeError("that was not the recorded answer")
            return taken
        finally:
            process.send_signal(signal.SIGINT)
