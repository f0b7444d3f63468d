"""Upstream: a real model server, as a process that can be killed, and the fake provider."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from tests.record import environment
from tokentape_fake_provider import Script
from tokentape_fake_provider.hosting.server import FakeProviderServer
from tokentape_fake_provider.timing import parse_timing

HERE = Path(__file__).parent
SEED = 4
TIMING = "synthetic:ttft=300ms,tps=40,jitter=0.3,seed=4"


class Upstream(NamedTuple):
    """A provider's URL, and its process, which can be killed; the fake provider has no process of its own."""

    url: str
    process: subprocess.Popen[str] | None = None

    def kill(self) -> None:
        """Kill it, as `kill -9` does, and wait until it is gone."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()


@contextmanager
def model_server(model: Path, grammar: str | None) -> Iterator[Upstream]:
    """A new model server, whose answers follow the grammar."""
    command = [str(environment.python()), str(HERE / "model_server.py"), str(model), *([grammar] if grammar else [])]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout is not None
        try:
            line = process.stdout.readline()
            if not line.startswith("listening "):
                raise RuntimeError(f"the model server did not start: {' '.join(command)}")
            yield Upstream(line.split()[1], process)
        finally:
            process.kill()


@contextmanager
def fake_provider(script: Script) -> Iterator[Upstream]:
    """The fake provider, which answers once with the script, in synthetic time."""
    with FakeProviderServer() as server:
        server.default.configure(timing=parse_timing(TIMING))
        server.default.push(script)
        yield Upstream(server.url)


def make_model(path: Path) -> Path:
    """Write the seeded random model."""
    command = [str(environment.python()), str(HERE / "random_model.py"), str(path), str(SEED)]
    subprocess.run(command, check=True)
    return path
