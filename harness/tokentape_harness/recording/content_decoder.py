"""Content decoder: undo a body's content coding piece by piece, as it arrives."""

from __future__ import annotations

import importlib
import zlib
from collections.abc import Callable, Sequence
from typing import Any, Protocol


class ContentDecoder(Protocol):
    """Turns the pieces of an encoded body into those of the plain one; a piece may give nothing yet."""

    def feed(self, data: bytes) -> bytes:
        """What can be told after these bytes. Raises `ContentError` for damaged ones."""


class ContentError(ValueError):
    """The bytes are not in the coding that the header promises."""


def content_decoder(codings: Sequence[str]) -> ContentDecoder | None:
    """A decoder for these codings (RFC 9110, 8.4), the last one undone first; `None` if one is not known here."""
    steps = []
    for coding in reversed(codings):
        step = _step(coding)
        if step is None:
            return None
        steps.append(step)
    return _Chain(steps)


class _Chain:
    def __init__(self, steps: Sequence[Callable[[bytes], bytes]]) -> None:
        self._steps = steps

    def feed(self, data: bytes) -> bytes:
        for step in self._steps:
            try:
                data = step(data)
            except Exception as error:
                raise ContentError(f"not the content coding that the header promises ({error})") from error
        return data


def _step(coding: str) -> Callable[[bytes], bytes] | None:
    match coding:
        case "" | "identity":
            return bytes
        case "gzip" | "x-gzip":
            return _Gzip()
        case "deflate":
            return _Deflate()
        case "br":
            module = _module("brotli", "brotlicffi")
            return None if module is None else _process(module)
        case "zstd":
            module = _module("compression.zstd", "backports.zstd")
            if module is not None:
                return _bytes_of(module.ZstdDecompressor().decompress)
            module = _module("zstandard")
            return None if module is None else _bytes_of(module.ZstdDecompressor().decompressobj().decompress)
        case _:
            return None


class _Gzip:
    """gzip, of one member or several."""

    def __init__(self) -> None:
        self._decoder = zlib.decompressobj(zlib.MAX_WBITS | 16)

    def __call__(self, data: bytes) -> bytes:
        made = b""
        while data:
            if self._decoder.eof:
                self._decoder = zlib.decompressobj(zlib.MAX_WBITS | 16)
            made += self._decoder.decompress(data)
            data = self._decoder.unused_data
        return made


class _Deflate:
    """zlib's format (RFC 9110, 8.4.1.2), or the bare one that some servers send."""

    def __init__(self) -> None:
        self._decoder = zlib.decompressobj()
        self._seen = b""
        self._sure = False

    def __call__(self, data: bytes) -> bytes:
        if self._sure:
            return self._decoder.decompress(data)
        self._seen += data
        try:
            made = self._decoder.decompress(data)
        except zlib.error:
            self._decoder = zlib.decompressobj(-zlib.MAX_WBITS)
            made = self._decoder.decompress(self._seen)
        # The two bytes of zlib's header tell the formats apart.
        self._sure = len(self._seen) > 1
        return made


def _process(module: Any) -> Callable[[bytes], bytes]:
    return _bytes_of(module.Decompressor().process)


def _bytes_of(decode: Callable[[bytes], Any]) -> Callable[[bytes], bytes]:
    return lambda data: bytes(decode(data)) if data else b""


def _module(*names: str) -> Any:
    for name in names:
        try:
            return importlib.import_module(name)
        except ImportError:
            continue
    return None
