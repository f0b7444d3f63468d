"""Sweep: how long every fault at every place of a recording takes with an official SDK over a socket."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Final, NamedTuple

from rich.console import Console
from rich.table import Table

from bench.load import children_cpu, found_in

_CASSETTE: Final = Path(__file__).parent.parent / "cassettes" / "openai_chat" / "text.yaml"
_TEST: Final = """
import openai, pytest

@pytest.fixture(scope="module")
def http():
    with openai.DefaultHttpxClient() as client:
        yield client

@pytest.mark.fault_sweep("text.yaml", fail_on="none")
def test_chat(fake_provider_env, fault_sweep, http):
    client = openai.OpenAI({client})
    question = [{{"role": "user", "content": "Say something."}}]
    text = ""
    for chunk in client.chat.completions.create(model="gpt-4o-mini", messages=question, stream=True):
        text += (chunk.choices[0].delta.content or "") if chunk.choices else ""
    fault_sweep.answer(text)
"""


class Kind(NamedTuple):
    """A way to write the swept test."""

    title: str
    client: str


KINDS: Final = (
    Kind("a new client in each cell", ""),
    Kind("cells that share the connections of one client", "http_client=http"),
)


def run(console: Console) -> None:
    """Print the time and the CPU time of each way, pytest's start and end included."""
    table = Table(title="A sweep with the SDK of OpenAI, one run each", title_justify="left")
    for column in ("what", "cells", "of which wait", "s", "s of CPU"):
        table.add_column(column, justify="left" if column == "what" else "right")
    for kind in KINDS:
        cells, waiting, seconds, cpu = _swept(kind)
        table.add_row(kind.title, str(cells), str(waiting), f"{seconds:.1f}", f"{cpu:.1f}")
    console.print(table)


def _swept(kind: Kind) -> tuple[int, int, float, float]:
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "test_chat.py").write_text(_TEST.format(client=kind.client))
        shutil.copy(_CASSETTE, Path(folder, "text.yaml"))
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_chat.py"]
        began, before = time.perf_counter(), children_cpu()
        ended = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
        seconds, cpu = time.perf_counter() - began, children_cpu() - before
    if ended.returncode:
        raise RuntimeError(ended.stdout + ended.stderr)
    return (
        int(found_in(r"(\d+) passed", ended.stdout)),
        len(found_in(r"(?m)^stall +([A-Z]+)", ended.stdout)),
        seconds,
        cpu,
    )
