"""Programs that print through an output buffer: what they print is seen at once, though their output is a pipe."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest

from tests.servers.site import APPS, ROOT
from tokentape_fake_provider.errors import StreamOverError
from tokentape_fake_provider.hosting.server import FakeProviderServer
from tokentape_harness.testing.fake_provider import FakeProvider

pytestmark = pytest.mark.timeout(60)

TOKENS = ("alpha ", "beta ", "gamma ")


@pytest.fixture
def provider() -> Iterator[FakeProvider]:
    """A provider that goes step by step."""
    with FakeProviderServer() as server:
        provider = FakeProvider(server, server.create_session())
        provider.timing("stepped")
        yield provider


@contextmanager
def program(provider: FakeProvider, how: str) -> Iterator[Callable[[str], str]]:
    """The program; a function that reads its output until something is in it."""
    environment = {
        "PATH": os.environ.get("PATH", ""),
        "PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{APPS}",
        "OPENAI_BASE_URL": provider.base_url(),
        "OPENAI_API_KEY": "any",
    }
    command = [sys.executable, str(APPS / "buffered_printing.py"), how]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment) as process:
        assert process.stdout is not None
        pipe: Any = process.stdout
        read = b""

        def until(text: str) -> str:
            nonlocal read
            while text.encode() not in read:
                part = pipe.read1(65536)
                assert part, f"it ended: {read!r}"
                read += part
            return read.decode()

        try:
            yield until
        finally:
            process.kill()


def test_captured_print_is_seen_token_by_token(provider: FakeProvider) -> None:
    """`print(..., flush=True)` goes down all levels, through their filters, and out."""
    provider.script(*TOKENS)
    with program(provider, "print") as until:
        stream = provider.next_stream()
        for number, token in enumerate(TOKENS):
            stream.step_until(token.strip())
            assert until(token.strip().upper()).strip() == "".join(TOKENS[: number + 1]).strip().upper()


def test_a_follow_up_is_seen_token_by_token(provider: FakeProvider) -> None:
    """What a callback's stream says comes after what was before it, each token at once."""
    provider.script(*TOKENS)
    provider.script("and ", "on")
    with program(provider, "write") as until:
        first = provider.next_stream()
        for token in TOKENS:
            first.step_until(token.strip())
            until(token.strip())
        with suppress(StreamOverError):  # the library may leave at `[DONE]`
            first.finish()
        second = provider.next_stream()
        second.step_until("and")
        assert until("and") == "alpha beta gamma and"
        second.step_until("on")
        assert until("on").strip() == "alpha beta gamma and on"
