"""Text so far and HTML that differ from the model's text."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

from tests.conformance.pipeline_mutants.ground import Ground, Htmx, SoFar, broken


@broken("order/all-tokens", "order/many-tokens")
class SoFarButTheLast(SoFar):
    """The text so far never has the last token."""

    async def texts(self, stream: Any) -> AsyncGenerator[str, None]:
        kept = ""
        async with aclosing(super().texts(stream)) as texts:
            async for text in texts:
                if kept != text:
                    if kept:
                        yield kept
                    kept = text


@broken("order/once", "order/many-tokens")
class SoFarTwice(SoFar):
    """The second token is in the text so far twice."""

    def added(self, text: str, piece: str) -> str:
        return text + piece * (2 if text and " " not in text.strip() else 1)


@broken("order/repeated-tokens")
class SoFarDeduplicates(SoFar):
    """A piece with which the text so far ends is not added again."""

    def added(self, text: str, piece: str) -> str:
        return text if text.endswith(piece) else text + piece


@broken("order/once", "order/many-tokens")
class SoFarTurned(SoFar):
    """New tokens come before the text so far."""

    def added(self, text: str, piece: str) -> str:
        return piece + text


@broken("text/white-space")
class SoFarStripped(SoFar):
    """The text so far is stripped before more is added."""

    def added(self, text: str, piece: str) -> str:
        return f"{text} {piece.strip()}"


@broken("endings/fin", "endings/rst", "endings/no-tokens")
class SoFarHides(SoFar):
    """A stream that breaks off ends with the text so far, as a whole one does."""

    def failed(self, error: Exception) -> bytes:
        return self.last()


@broken("text/markup")
class Unescaped(Htmx):
    """The text is put into HTML as it is."""

    def escaped(self, text: str) -> str:
        return text


@broken("text/white-space")
class HtmlStripped(Htmx):
    """White space around each text is taken away in HTML."""

    def escaped(self, text: str) -> str:
        return super().escaped(text.strip() + " ")


@broken("order/nothing-around")
class HtmlRole(Htmx):
    """A role comes before the text, as HTML."""

    async def texts(self, stream: Any) -> AsyncGenerator[str, None]:
        yield "assistant"
        async with aclosing(Ground.texts(self, stream)) as texts:
            async for text in texts:
                yield text
