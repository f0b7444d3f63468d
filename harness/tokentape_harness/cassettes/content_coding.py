"""Content coding: undo gzip and its kin where a recorder stored the body as it came over the wire."""

from __future__ import annotations

import importlib
import zlib
from collections.abc import Callable, Iterable, Sequence
from typing import Any

_GZIP_MAGIC = b"\x1f\x8b"
_DAMAGED = "the body is damaged: it is not the {} data that its header promises ({})"
_ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"


class ContentCodingError(ValueError):
    """A body can't be decoded; the message says why and what to do."""


def decode_content(body: bytes, codings: Sequence[str]) -> bytes:
    """Undo the codings of a Content-Encoding header, the last one first (RFC 9110, 8.4).

    A body that is plain already stays as it is: many recorders decode the body and keep the header. A body
    that was cut short gives what can be decoded. Raises `ContentCodingError`.
    """
    for coding in reversed(codings):
        name = coding.strip().lower()
        if body and name not in ("", "identity"):
            body = _decoder(name)(body)
    return body


def split_codings(values: Iterable[str]) -> tuple[str, ...]:
    """The codings that the values of Content-Encoding headers name, in order."""
    return tuple(name.strip().lower() for value in values for name in value.split(",") if name.strip())


def _decoder(name: str) -> Callable[[bytes], bytes]:
    match name:
        case "gzip" | "x-gzip":
            return _gunzip
        case "deflate":
            return _inflate
        case "br":
            return _unbrotli
        case "zstd":
            return _unzstd
        case _:
            raise ContentCodingError(
                f"the body has the content coding {name!r}, which is not known here: record it decoded "
                "(decode_compressed_response=True in vcrpy)"
            )


def _is_text(body: bytes) -> bool:
    try:
        text = body.decode()
    except UnicodeDecodeError:
        return False
    return "\x00" not in text


def _gunzip(body: bytes) -> bytes:
    if not body.startswith(_GZIP_MAGIC):
        return body
    decoded = b""
    while body.startswith(_GZIP_MAGIC):
        decoder = zlib.decompressobj(zlib.MAX_WBITS | 16)
        decoded += _run("gzip", decoder.decompress, body, zlib.error)
        body = decoder.unused_data
    return decoded


def _inflate(body: bytes) -> bytes:
    try:
        return zlib.decompressobj().decompress(body)
    except zlib.error:
        if _is_text(body):
            return body
    # "deflate" is zlib's format (RFC 9110, 8.4.1.2), but some servers send it without zlib's header.
    return _run("deflate", zlib.decompressobj(-zlib.MAX_WBITS).decompress, body, zlib.error)


def _unbrotli(body: bytes) -> bytes:
    module = _first_module("brotli", "brotlicffi")
    if module is None:
        if _is_text(body):
            return body
        raise ContentCodingError("the body is compressed with brotli: install the package 'brotli' to read it")
    try:
        return bytes(module.Decompressor().process(body))
    except module.error as error:
        if _is_text(body):
            return body
        raise ContentCodingError(_DAMAGED.format("brotli", error)) from error


def _unzstd(body: bytes) -> bytes:
    if not body.startswith(_ZSTD_MAGIC):
        return body
    module = _first_module("compression.zstd", "backports.zstd")
    if module is not None:
        return _run("zstd", module.ZstdDecompressor().decompress, body, module.ZstdError)
    module = _first_module("zstandard")
    if module is not None:
        return _run("zstd", module.ZstdDecompressor().decompressobj().decompress, body, module.ZstdError)
    raise ContentCodingError("the body is compressed with zstd: install the package 'zstandard' to read it")


def _run(name: str, decode: Callable[[bytes], bytes], body: bytes, failure: type[Exception]) -> bytes:
    try:
        return decode(body)
    except failure as error:
        raise ContentCodingError(_DAMAGED.format(name, error)) from error


def _first_module(*names: str) -> Any:
    for name in names:
        try:
            return importlib.import_module(name)
        except ImportError:
            continue
    return None
