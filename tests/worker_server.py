"""`tokentape serve --workers 2` as a program."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from tests.processes import children_of

SERVE = (sys.executable, "-m", "tokentape_harness.cli", "serve", "--workers", "2", "--port")


class WorkerServer:
    """The command, running."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        lines = []
        assert process.stdout is not None
        for line in process.stdout:
            lines.append(line)
            if line.startswith("Ctrl-C"):
                break
        self.announced = "".join(lines)
        found = re.search(r"http://\S+", self.announced)
        assert found, process.communicate()
        self.url = found[0]

    @property
    def workers(self) -> list[int]:
        """The ids of its workers' processes."""
        return children_of(self.process.pid)


@contextmanager
def running(
    environment: Mapping[str, str] = os.environ, options: Sequence[str] = ()
) -> Iterator[subprocess.Popen[str]]:
    """The command on a free port; it and its workers, a group of processes, are gone at the end."""
    process = subprocess.Popen(
        [*SERVE, "0", *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        process.terminate()
        process.communicate(timeout=30)
