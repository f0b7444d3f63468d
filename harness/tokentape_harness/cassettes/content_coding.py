"""Content coding: undo gzip, deflate, brotli and zstd, of a whole body or piece by piece as it arrives."""

from __future__ import annotations

import importlib
import zlib
from collections.abc import Callable, Iterable, Sequence
from typing import Any

_GZIP_MAGIC = b"\x1f\x8b"
_ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
_INSTALL = "the body is compressed with {}: install the package {!r} to read it"

Step = Callable[[bytes], bytes]


class ContentCodingError(ValueError):
    """A body can't be decoded; the message says why and what to do."""


class ContentDecoder:
    """Decodes a body piece by piece; the result for a piece may be empty.

    `codings` are those of a Content-Encoding header (RFC 9110, 8.4): the last one is undone first. Raises
    `ContentCodingError` for a coding that is unknown, or whose package is not installed.
    """

    def __init__(self, codings: Sequence[str]) -> None:
        self._steps = [(name, _step(name)) for name in map(_normal, reversed(codings))]

    def feed(self, data: bytes) -> bytes:
        """The bytes that can be decoded now. Raises `ContentCodingError` for damaged ones."""
        for name, step in self._steps:
            try:
                data = step(data)
            except Exception as error:  # each package has its own
                raise ContentCodingError(
                    f"the body is damaged: it is not the {name} data that its header promises ({error})"
                ) from error
        return data


def decode_content(body: bytes, codings: Sequence[str]) -> bytes:
    """A whole body with its codings undone.

    A body that is plain already stays as it is: many recorders decode the body and keep the header. A body that was
    cut short gives what can be decoded. Raises `ContentCodingError`.
    """
    for name in map(_normal, reversed(codings)):
        magic = {"gzip": _GZIP_MAGIC, "zstd": _ZSTD_MAGIC}.get(name, b"")
        if not body.startswith(magic):
            continue
        try:
            body = ContentDecoder([name]).feed(body)
        except ContentCodingError:
            if name not in ("br", "deflate") or not _is_text(body):
                raise
    return body


def split_codings(values: Iterable[str]) -> tuple[str, ...]:
    """The codings that the values of Content-Encoding headers name, in order."""
    return tuple(name.strip().lower() for value in values for name in value.split(",") if name.strip())


def _normal(coding: str) -> str:
    name = coding.strip().lower()
    return "gzip" if name == "x-gzip" else name


def _is_text(body: bytes) -> bool:
    try:
        text = body.decode()
    except UnicodeDecodeError:
        return False
    return "\x00" not in text


def _step(name: str) -> Step:
    match name:
        case "" | "identity":
            return bytes
        case "gzip":
            return _Gzip()
        case "deflate":
            return _Deflate()
        case "br":
            module = _first_module("brotli", "brotlicffi")
            if module is None:
                raise ContentCodingError(_INSTALL.format("brotli", "brotli"))
            return _without_empty(module.Decompressor().process)
        case "zstd":
            module = _first_module("compression.zstd", "backports.zstd")
            if module is not None:
                return _without_empty(module.ZstdDecompressor().decompress)
            module = _first_module("zstandard")
            if module is None:
                raise ContentCodingError(_INSTALL.format("zstd", "zstandard"))
            return _without_empty(module.ZstdDecompressor().decompressobj().decompress)
        case _:
            raise ContentCodingError(
                f"the content coding {name!r} of the body is unknown: request another one (accept-encoding: gzip), or "
                "record the body decoded (decode_compressed_response=True in vcrpy)"
            )


class _Gzip:
    """gzip, of one member or several; bytes after the last member are ignored, as HTTP clients ignore them."""

    def __init__(self) -> None:
        self._member = zlib.decompressobj(zlib.MAX_WBITS | 16)
        self._after = b""
        self._ended = False

    def __call__(self, data: bytes) -> bytes:
        decoded = b""
        data = self._after + data
        self._after = b""
        while data and not self._ended:
            if self._member.eof:
                if not data.startswith(_GZIP_MAGIC):
                    self._after = data[:1]
                    self._ended = data != _GZIP_MAGIC[:1]
                    break
                self._member = zlib.decompressobj(zlib.MAX_WBITS | 16)
            decoded += self._member.decompress(data)
            data = self._member.unused_data
        return decoded


class _Deflate:
    """zlib's format (RFC 9110, 8.4.1.2), or the bare one that some servers send."""

    def __init__(self) -> None:
        self._decoder = zlib.decompressobj()
        self._head = b""
        self._is_known = False

    def __call__(self, data: bytes) -> bytes:
        if self._is_known:
            return self._decoder.decompress(data)
        self._head += data
        try:
            decoded = self._decoder.decompress(data)
        except zlib.error:
            self._decoder = zlib.decompressobj(-zlib.MAX_WBITS)
            decoded = self._decoder.decompress(self._head)
        # The two bytes of zlib's header distinguish the formats.
        self._is_known = len(self._head) > 1
        return decoded


def _without_empty(decode: Callable[[bytes], Any]) -> Step:
    """A step of a package whose decoder may not take empty bytes."""
    return lambda data: bytes(decode(data)) if data else b""


def _first_module(*names: str) -> Any:
    for name in names:
        try:
            return importlib.import_module(name)
        except ImportError:
            continue
    return None
