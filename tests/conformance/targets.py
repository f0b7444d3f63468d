"""Targets for tests of the runner: small adapters, each with what a test needs."""

from __future__ import annotations

import json
import os
import sys
import time
from typing import Any, ClassVar

from tokentape_conformance.adapters.tokentape import TokentapeAdapter


class DropsZero:
    """A little iterator of its own, that takes "0" for nothing."""

    wires = ("openai_chat",)
    lacks: ClassVar[dict[str, str]] = {"second_loop": "one pass by design", "two_loops": "one pass by design"}
    versions: ClassVar[dict[str, str]] = {"little": "0.7"}

    def open(self, source: Any, wire: str, **options: Any) -> Any:
        for chunk in source:
            for line in chunk.decode().splitlines():
                if line.startswith("data: {"):
                    for choice in json.loads(line[6:])["choices"]:
                        text = choice["delta"].get("content")
                        if text and text != "0":
                            yield text

    def text(self, chunk: str) -> str:
        return chunk


class Textless:
    """No adapter."""

    def open(self, source: Any, wire: str) -> Any:
        return iter(source)


class Hangs(TokentapeAdapter):
    """Never ends, where it should read a certain stream."""

    def open(self, source: Any, wire: str, **options: Any) -> Any:
        if any(b'"1000"' in content or b'"content":"0"' in content for content in source.contents):
            time.sleep(60)
        return super().open(source, wire, **options)


class Waits(TokentapeAdapter):
    """Prints a line on standard error, and never ends."""

    def open(self, source: Any, wire: str, **options: Any) -> Any:
        sys.stderr.write("waiting\n")  # in one piece: two processes write it
        time.sleep(60)


class Dies(TokentapeAdapter):
    """Takes its process with it, where it should read a certain stream."""

    def open(self, source: Any, wire: str, **options: Any) -> Any:
        if any(b'"content":"1"' in content for content in source.contents):
            os._exit(1)
        return super().open(source, wire, **options)


class Fails:
    """Can't be created."""

    def __init__(self) -> None:
        raise RuntimeError("no connection")


class Misspelt(TokentapeAdapter):
    """Declares a lack of an unknown method."""

    lacks: ClassVar[dict[str, str]] = {"second_lop": "one pass by design"}


class Unheard(TokentapeAdapter):
    """Reads a wire format that the suite does not have."""

    wires = ("morse",)


drops_zero, textless, hangs, dies = DropsZero, Textless, Hangs, Dies
nothing = None
