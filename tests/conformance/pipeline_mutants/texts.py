"""Texts that are lost, changed or invented."""

from __future__ import annotations

import html
import json
import os
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any, ClassVar

import httpx2

from tests.conformance.pipeline_mutants.ground import Ground, PlainText, broken


class Changed(Ground):
    """Changes texts one by one."""

    def change(self, text: str) -> str:
        """What is sent for a text."""
        return text

    async def texts(self, stream: Any) -> AsyncGenerator[str, None]:
        async with aclosing(super().texts(stream)) as texts:
            async for text in texts:
                if changed := self.change(text):
                    yield changed


@broken("order/all-tokens")
class DropsFirst(Changed):
    """The first text is taken for a preamble and dropped."""

    async def texts(self, stream: Any) -> AsyncGenerator[str, None]:
        number = 0
        async with aclosing(Ground.texts(self, stream)) as texts:
            async for text in texts:
                number += 1
                if number > 1:
                    yield text


@broken("order/all-tokens", "order/many-tokens")
class KeepsLast(Ground):
    """Each text waits for the next one, and the last for ever."""

    async def texts(self, stream: Any) -> AsyncGenerator[str, None]:
        kept = ""
        async with aclosing(super().texts(stream)) as texts:
            async for text in texts:
                if kept:
                    yield kept
                kept = text


@broken("order/many-tokens")
class BoundedQueue(Ground):
    """A queue that drops what comes when it is full."""

    async def texts(self, stream: Any) -> AsyncGenerator[str, None]:
        number = 0
        async with aclosing(super().texts(stream)) as texts:
            async for text in texts:
                number += 1
                if number <= 1000:
                    yield text


@broken("order/in-order")
class Swaps(Ground):
    """Of two texts the second comes first."""

    async def texts(self, stream: Any) -> AsyncGenerator[str, None]:
        kept: list[str] = []
        async with aclosing(super().texts(stream)) as texts:
            async for text in texts:
                kept.append(text)
                if len(kept) == 2:
                    for swapped in reversed(kept):
                        yield swapped
                    kept.clear()
        for rest in kept:
            yield rest


@broken("order/once")
class Twice(Changed):
    """Each text is sent twice."""

    def frame(self, text: str) -> bytes:
        return super().frame(text) * 2


@broken("order/repeated-tokens")
class Deduplicates(Ground):
    """A text that is the same as the one before is taken for a retransmission."""

    async def texts(self, stream: Any) -> AsyncGenerator[str, None]:
        last = ""
        async with aclosing(super().texts(stream)) as texts:
            async for text in texts:
                if text != last:
                    yield text
                last = text


@broken("order/nothing-between")
class LineByLine(PlainText):
    """Each text is printed, with a line end."""

    def frame(self, text: str) -> bytes:
        return f"{text}\n".encode()


@broken("order/nothing-around")
class SaysNone(Ground):
    """Chunks without text are sent as `None`."""

    async def texts(self, stream: Any) -> AsyncGenerator[str, None]:
        yield "None"
        async with aclosing(super().texts(stream)) as texts:
            async for text in texts:
                yield text


@broken("text/non-ascii", "text/split-characters")
class Ascii(Changed):
    """What is not ASCII becomes a question mark."""

    def change(self, text: str) -> str:
        return text.encode("ascii", "replace").decode()


class Reads(Ground):
    """Reads the provider's bytes itself."""

    def decode(self, data: bytes) -> str:
        """Bytes as text."""
        return data.decode()

    async def open(self) -> Any:
        client = httpx2.AsyncClient(timeout=10)
        url = f"{os.environ['OPENAI_BASE_URL']}/chat/completions"
        body = {"model": "m", "stream": True, "messages": [{"role": "user", "content": "Hello"}]}
        return await client.send(client.build_request("POST", url, json=body), stream=True)


@broken("text/split-characters")
class DecodesReads(Reads):
    """Each read is decoded by itself, and half a character replaced."""

    def decode(self, data: bytes) -> str:
        return data.decode("utf-8", "replace")

    async def frames(self, stream: Any) -> AsyncGenerator[bytes, None]:
        async for data in stream.aiter_bytes():
            yield self.decode(data).encode()
        await stream.aclose()


@broken("text/single-bytes", "text/split-events")
class WholeReads(Reads):
    """Each read of the provider's stream is taken for whole events."""

    async def texts(self, stream: Any) -> AsyncGenerator[str, None]:
        async for data in stream.aiter_bytes():
            for line in data.decode("utf-8", "replace").splitlines():
                try:
                    for choice in json.loads(line.removeprefix("data: "))["choices"]:
                        if choice["delta"].get("content"):
                            yield choice["delta"]["content"]
                except (ValueError, LookupError, TypeError):
                    continue
        await stream.aclose()


@broken("text/provider-comments")
class PassesComments(Reads):
    """Each line of the provider's stream is sent as a text, its comments too."""

    async def texts(self, stream: Any) -> AsyncGenerator[str, None]:
        async for line in stream.aiter_lines():
            if line.startswith(":"):
                yield line
            elif line.startswith("data: {"):
                for choice in json.loads(line[6:])["choices"]:
                    if choice["delta"].get("content"):
                        yield choice["delta"]["content"]
        await stream.aclose()


@broken("text/provider-compresses")
class ReadsRaw(Reads):
    """The provider's bytes are passed on with its headers left out: compressed ones too."""

    async def frames(self, stream: Any) -> AsyncGenerator[bytes, None]:
        async for data in stream.aiter_raw():
            yield data
        await stream.aclose()


@broken("text/white-space")
class Strips(Changed):
    """White space around each text is taken away, and blank ones dropped."""

    def change(self, text: str) -> str:
        return text.strip() + " " if text.strip() else ""


@broken("text/white-space", "text/line-ends", "text/protocol-words")
class BareData(Ground):
    """The text is put into `data:` as it is, with its line ends."""

    def frame(self, text: str) -> bytes:
        return f"data: {text}\n\n".encode()


@broken("text/line-ends")
class OneKindOfLineEnd(Changed):
    """All line ends become one kind."""

    def change(self, text: str) -> str:
        return text.replace("\r\n", "\n").replace("\r", "\n")


@broken("text/falsy-words")
class DropsFalsyWords(Changed):
    """What stands for nothing is taken for nothing."""

    def change(self, text: str) -> str:
        return "" if text in ("0", "null", "false", "None") else text


@broken("text/markup")
class EscapesHtml(Changed):
    """The text is escaped for HTML, and then shown as text."""

    def change(self, text: str) -> str:
        return html.escape(text)


@broken("text/protocol-words")
class StopsAtDone(Ground):
    """A text with `[DONE]` in it is taken for the end."""

    async def texts(self, stream: Any) -> AsyncGenerator[str, None]:
        async with aclosing(super().texts(stream)) as texts:
            async for text in texts:
                if "[DONE]" in text:
                    return
                yield text


@broken("text/long-token")
class ShortLines(Changed):
    """A line is 64 KB at most."""

    def change(self, text: str) -> str:
        return text[:65_536]


@broken("headers/charset")
class Latin(PlainText):
    """Plain text without a charset."""

    headers: ClassVar[dict[str, str]] = {**Ground.headers, "content-type": "text/plain"}
