"""Recording: what a cassette of ours costs an SDK's client beside one of vcrpy, in CPU time of its process."""

from __future__ import annotations

import base64
import gc
import random
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import openai
import vcr
from rich.console import Console
from rich.table import Table

from bench.load import running
from bench.servers import SHORT_PREFIX
from tokentape_harness import use_cassette

STREAMS = 40
ROUNDS = 9
_IMAGE_BYTES = 786_432  # 1 MB in base64
_MATCH_ON = ("method", "scheme", "host", "port", "path", "query")

Use = Callable[[Path, str], AbstractContextManager[Any]]


class Shape(NamedTuple):
    """So many requests in one cassette; `path` chooses the server's answer."""

    title: str
    requests: int
    path: str
    content: Callable[[int], Any]


def _question(number: int) -> str:
    return f"What is question {number}?"


def _image(number: int) -> list[dict[str, Any]]:
    data = base64.b64encode(random.Random(number).randbytes(_IMAGE_BYTES)).decode()
    url = f"data:image/png;base64,{data}"
    return [{"type": "text", "text": _question(number)}, {"type": "image_url", "image_url": {"url": url}}]


SHAPES = (
    Shape(f"{STREAMS} streams of 200 events", STREAMS, "", _question),
    Shape("40 streams of 10 events", 40, SHORT_PREFIX, _question),
    Shape("a request with an image of 1 MB in base64", 1, SHORT_PREFIX, _image),
)


def _vcrpy(path: Path, mode: str) -> AbstractContextManager[Any]:
    used: AbstractContextManager[Any] = vcr.VCR().use_cassette(str(path), record_mode=mode, match_on=_MATCH_ON)
    return used


def _tokentape(path: Path, mode: str) -> AbstractContextManager[Any]:
    return use_cassette(path, record_mode=mode)


USES: dict[str, Use] = {"vcrpy": _vcrpy, "tokentape": _tokentape}


def run(console: Console) -> None:
    """Print the CPU time of each shape without a cassette, while it is recorded, and when it is replayed."""
    table = Table(title=f"CPU of the client, medians of {ROUNDS} rounds taken in turn, ms", title_justify="left")
    for column in ("what", "no cassette", "vcrpy records", "ours records", "", "vcrpy replays", "ours replays", ""):
        table.add_column(column, justify="left" if column == "what" else "right")
    with running("bare ASGI, a message an event") as server:
        for shape in SHAPES:
            table.add_row(shape.title, *_cells(_measured(shape, server.port)))
    console.print(table)


def _cells(times: dict[str, list[float]]) -> list[str]:
    cells = [f"{median(times['plain']):.0f}"]
    for mode in ("all", "none"):
        pair = times[f"vcrpy {mode}"], times[f"tokentape {mode}"]
        ratio = median(ours / reference for reference, ours in zip(*pair, strict=True))
        cells += [*(f"{median(each):.0f}" for each in pair), f"{ratio:.2f}x"]
    return cells


def _measured(shape: Shape, port: int) -> dict[str, list[float]]:
    """The CPU time of each run in each round, in ms; those of one round have a ratio, as they meet the same load."""
    contents = [shape.content(number) for number in range(shape.requests)]
    times = defaultdict[str, list[float]](list)
    with tempfile.TemporaryDirectory() as folder:
        for number in range(-1, ROUNDS):
            runs: dict[str, AbstractContextManager[Any]] = {"plain": nullcontext()}
            for name, use in USES.items():
                path = Path(folder, f"{name}-{number}.yaml")
                runs |= {f"{name} {mode}": use(path, mode) for mode in ("all", "none")}
            for name, cassette in runs.items():
                taken = _cpu(shape, port, contents, cassette)
                if number >= 0:  # the first round imports what is imported late
                    times[name].append(taken)
    return times


def _cpu(shape: Shape, port: int, contents: list[Any], cassette: AbstractContextManager[Any]) -> float:
    """The CPU time of sending the requests one after the other, and reading each stream to its end, in ms."""
    url = f"http://127.0.0.1:{port}{shape.path}/v1"
    gc.collect()  # what the run before left is not collected in this one
    started = time.process_time()
    with cassette, openai.OpenAI(base_url=url, api_key="sk-bench-0123456789") as client:
        for content in contents:
            messages: Any = [{"role": "user", "content": content}]
            for _ in client.chat.completions.create(model="gpt-4o-mini", messages=messages, stream=True):
                pass
    return (time.process_time() - started) * 1000
