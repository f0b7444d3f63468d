"""Content codings of bodies that were recorded as they came."""

from __future__ import annotations

import gzip
import zlib

import pytest

from tokentape_harness.cassettes import content_coding
from tokentape_harness.cassettes.content_coding import (
    ContentCodingError,
    ContentDecoder,
    decode_content,
    split_codings,
)

BODY = 'data: {"text": "日本"}\n\n'.encode()
RAW_DEFLATE = zlib.compressobj(wbits=-15)
RAW = RAW_DEFLATE.compress(BODY) + RAW_DEFLATE.flush()


@pytest.mark.parametrize(
    ("body", "codings"),
    [
        (gzip.compress(BODY), ["gzip"]),
        (gzip.compress(BODY), ["X-GZIP"]),
        (gzip.compress(BODY[:7]) + gzip.compress(BODY[7:]), ["gzip"]),
        (zlib.compress(BODY), ["deflate"]),
        (gzip.compress(BODY) + b"\x1f and more", ["gzip"]),
        (RAW, ["deflate"]),
        (zlib.compress(gzip.compress(BODY)), ["gzip", "deflate"]),
        (BODY, ["identity"]),
        (BODY, []),
    ],
    ids=[
        "gzip",
        "x-gzip",
        "two gzip members",
        "bytes after gzip",
        "deflate",
        "raw deflate",
        "two codings",
        "identity",
        "none",
    ],
)
def test_codings_are_undone(body, codings):
    """Each coding is undone, the last one first: of a whole body, in pieces, and at every split."""
    assert decode_content(body, codings) == BODY
    for size in (1, 2, 7):
        decoder = ContentDecoder(codings)
        assert b"".join(decoder.feed(body[at : at + size]) for at in range(0, len(body), size)) == BODY
    for split in range(len(body)):
        decoder = ContentDecoder(codings)
        assert decoder.feed(body[:split]) + decoder.feed(body[split:]) == BODY


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "zstd"])
def test_a_decoded_body_stays_as_it_is(coding):
    """A body that its recorder decoded already is left alone, though the header is still there."""
    assert decode_content(BODY, [coding]) == BODY
    assert decode_content(b"", [coding]) == b""


def test_a_body_that_was_cut_short_gives_its_beginning():
    """A stream that broke off gives what had arrived."""
    packed = gzip.compress(bytes(range(256)) * 400)
    part = decode_content(packed[: len(packed) // 2], ["gzip"])
    assert part
    assert (bytes(range(256)) * 400).startswith(part)


@pytest.mark.parametrize(
    ("body", "coding", "problem"),
    [
        (b"\x1f\x8b\x08\x00\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", "gzip", "not the gzip data"),
        (b"\xff\xfe\xfd", "deflate", "not the deflate data"),
        (BODY, "compress", "the content coding 'compress' of the body is unknown"),
    ],
    ids=["gzip", "deflate", "compress"],
)
def test_damaged_and_unknown_codings_are_errors(body, coding, problem):
    """A damaged body, or an unknown coding, is a clear error."""
    with pytest.raises(ContentCodingError, match=problem):
        decode_content(body, [coding])


@pytest.mark.parametrize(
    ("body", "coding", "package"),
    [(b"\x8b\x02\x80\xff", "br", "brotli"), (b"\x28\xb5\x2f\xfd\x00", "zstd", "zstandard")],
    ids=["br", "zstd"],
)
def test_a_missing_decoder_is_named(monkeypatch, body, coding, package):
    """Where the package that decodes it is not installed, the error names it."""
    monkeypatch.setattr(content_coding, "_first_module", lambda *names: None)
    with pytest.raises(ContentCodingError, match=f"install the package '{package}'"):
        decode_content(body, [coding])


def test_codings_come_from_all_header_values():
    """Several header lines, and several codings on one, are one list."""
    assert split_codings(["gzip, BR", "zstd", ""]) == ("gzip", "br", "zstd")
