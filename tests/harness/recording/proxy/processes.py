"""Processes: `tokentape record` and the programs below it, and the answers that they are given."""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from tokentape_fake_provider import Script, Text
from tokentape_fake_provider.encoding.encode import encode
from tokentape_fake_provider.tape import Frame, Tape
from tokentape_fake_provider.timing import Instant
from tokentape_fake_provider.wires.wire import ProviderRequest

HERE = Path(__file__).parent
PIECES = ("One", " two", " three", " fünf")
KEYS = {
    "OPENAI_API_KEY": "sk-proj-planted0123456789abcdefghij",
    "ANTHROPIC_API_KEY": "sk-ant-api03-planted0123456789abcdefg",
    "GEMINI_API_KEY": "AIzaSyPlanted0123456789abcdefghij012345",
    "CO_API_KEY": "planted0co0key0123456789",
    "GROQ_API_KEY": "gsk_planted0123456789abcdefghij",
    "MISTRAL_API_KEY": "planted0mistral0123456789",
    "AWS_ACCESS_KEY_ID": "AKIAPLANTED012345678",
    "AWS_SECRET_ACCESS_KEY": "planted/secret/0123456789",
    "AWS_DEFAULT_REGION": "us-east-1",
}


class Sdk(NamedTuple):
    """One program's requests: their wire format, their path, and the ending of the base URL in its variable."""

    wire: str
    path: str
    ending: str = ""


SDKS = {
    "openai": Sdk("openai_chat", "/v1/chat/completions", "/v1"),
    "anthropic": Sdk("anthropic_messages", "/v1/messages"),
    "gemini": Sdk("gemini", "/v1/models/m:streamGenerateContent?alt=sse"),
    "ollama": Sdk("ollama", "/api/chat"),
    "cohere": Sdk("cohere_chat", "/v2/chat"),
    "groq": Sdk("openai_chat", "/openai/v1/chat/completions"),
    "mistral": Sdk("openai_chat", "/v1/chat/completions"),
    "bedrock": Sdk("bedrock_converse", "/model/amazon.nova-lite-v1%3A0/converse-stream"),
}


def tape(wire: str) -> Tape:
    """An answer of several deltas, each frame 100 ms after the one before."""
    encoded = encode(Script.of(*map(Text, PIECES)), ProviderRequest(wire, "m", stream=True, query="alt=sse"), Instant())
    frames = tuple(Frame(100.0 * (number + 1), frame.data) for number, frame in enumerate(encoded.frames))
    return msgspec.structs.replace(encoded, frames=frames, start=0.0, end_at=frames[-1].at)


def record(*options: str, command: Sequence[str]) -> list[str]:
    """The command line of `tokentape record`."""
    return [sys.executable, "-m", "tokentape_harness.cli", "record", *options, "--", *command]


def program(name: str, text: str = "Hello?") -> list[str]:
    """The command line of a program with an SDK."""
    return [sys.executable, str(HERE / "programs.py"), name, text]


def environment(**more: str) -> dict[str, str]:
    """Nothing of the user's own: no keys, no way out."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "SYSTEMROOT", "PYTHONPATH") if name in os.environ}
    return {**kept, "AWS_EC2_METADATA_DISABLED": "true", "AWS_DEFAULT_REGION": "us-east-1", **more}


def complaints(err: str) -> str:
    """What `tokentape record` printed besides its closing lines."""
    return re.sub(
        r"^tokentape: \w+: \d+ recorded, \d+ replayed, 0 unmatched, \d+\.\d s saved\n", "", err, flags=re.MULTILINE
    )


@contextlib.contextmanager
def running(command: Sequence[str], given: dict[str, str], **options: Any) -> Iterator[subprocess.Popen[str]]:
    """A process that is killed if it hangs, so that a read from it ends."""
    pipe = subprocess.PIPE
    process = subprocess.Popen(command, env=given, stdout=pipe, stderr=pipe, encoding="utf-8", **options)
    watchdog = threading.Timer(60, process.kill)
    watchdog.start()
    with process:
        try:
            yield process
        finally:
            watchdog.cancel()
            if process.poll() is None and sys.exc_info()[0] is not None:
                process.kill()


def printed(command: Sequence[str], given: dict[str, str], **options: Any) -> list[str]:
    """The lines that a command prints; it must succeed and complain of nothing."""
    done = subprocess.run(command, env=given, **options, capture_output=True, encoding="utf-8", check=False, timeout=60)
    assert (done.returncode, complaints(done.stderr)) == (0, "")
    return done.stdout.splitlines()
