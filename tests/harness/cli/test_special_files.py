"""What is no regular file is written through by every command, and never replaced by a file."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from tokentape_harness import read_cassette
from tokentape_harness.cli import main

CASSETTE = Path(__file__).parents[3] / "cassettes" / "openai_chat" / "text.yaml"
COMMANDS = {
    "convert": ("convert", str(CASSETTE), "{}", "--to", "har"),
    "transcode": ("convert", str(CASSETTE), "{}", "--to", "gemini"),
    "raw": ("convert", str(CASSETTE), "{}", "--to", "raw"),
    "fit": ("fit", str(CASSETTE), "-o", "{}"),
    "synth": ("synth", "--wire", "openai_chat", "-o", "{}"),
}


def run(name: str, output: object) -> None:
    """Run a command that writes there, in this process."""
    with pytest.raises(SystemExit) as ended:
        main([part.format(output) for part in COMMANDS[name]])
    assert not ended.value.code


def run_apart(name: str, output: object, **options: object) -> subprocess.CompletedProcess[bytes]:
    """Run a command that writes there, in a process with a standard output of its own."""
    command = [sys.executable, "-m", "tokentape", *(part.format(output) for part in COMMANDS[name])]
    return subprocess.run(command, stderr=subprocess.PIPE, timeout=60, check=True, **options)


@pytest.mark.parametrize("name", COMMANDS)
def test_a_fifo_is_written_through(name: str, tmp_path: Path) -> None:
    """The reader of a FIFO gets the bytes that a file would hold, and the FIFO stays one."""
    fifo, file = tmp_path / "fifo", tmp_path / "file.yaml"
    os.mkfifo(fifo)
    run(name, file)
    read: list[bytes] = []
    reader = threading.Thread(target=lambda: read.append(fifo.read_bytes()))
    reader.start()
    run(name, fifo)
    reader.join(60)
    assert read == [file.read_bytes()]
    assert stat.S_ISFIFO(fifo.stat().st_mode)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["fifo", "file.yaml"]


def test_a_device_stays_one(tmp_path: Path) -> None:
    """Also for root, what swallows everything is a device afterwards."""
    null = tmp_path / "null"
    try:
        os.mknod(null, 0o666 | stat.S_IFCHR, os.makedev(1, 3))
        null.write_bytes(b"")
    except OSError:
        pytest.skip("making a device needs root")
    for name in ("convert", "fit"):
        run(name, null)
    assert stat.S_ISCHR(null.stat().st_mode)
    assert [path.name for path in tmp_path.iterdir()] == ["null"]


@pytest.mark.parametrize(
    "output",
    ["/dev/stdout", *(pytest.param(path, marks=pytest.mark.slow) for path in ("/dev/fd/1", "/proc/self/fd/1"))],
)
def test_standard_output_carries_nothing_else(output: str, tmp_path: Path) -> None:
    """Into a pipe or a file, standard output is the file alone; the report goes to standard error."""
    piped = run_apart("synth", output, stdout=subprocess.PIPE)
    target = tmp_path / "made.yaml"
    with target.open("wb") as file:
        filed = run_apart("synth", output, stdout=file)
    assert target.read_bytes() == piped.stdout
    assert len(read_cassette(target)) == 1
    assert piped.stderr == filed.stderr == f"wrote {output}\n".encode()
