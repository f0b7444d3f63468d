"""Faults of a whole response and of its bytes: HTTP errors, limits, splits, compression, pings, odd bytes."""

from __future__ import annotations

import re
import zlib

import msgspec
import pytest

from tests.fake_provider.damaged_streams import SSE, damaged, documents, encoded, every_wire, why
from tokentape_fake_provider.encoding.encode import tape_of_reply
from tokentape_fake_provider.fault_injection.apply import apply_fault
from tokentape_fake_provider.fault_injection.events import events_of
from tokentape_fake_provider.faults import parse_fault
from tokentape_fake_provider.script.model import Error
from tokentape_fake_provider.tape import Frame, Tape
from tokentape_fake_provider.timing import Synthetic
from tokentape_fake_provider.wires import WIRES


@every_wire
def test_http_errors(wire: str) -> None:
    """An HTTP error has the provider's shape; one for too many requests says when to ask again."""
    after = damaged("http_error@status=429,retry_after=7", wire)[1]
    known, ask = encoded(wire)[1:]
    expected = tape_of_reply(known.encode_error(Error(429, retry_after=7), ask))
    assert (after.status, after.body) == (429, expected.body)
    assert after.header("retry-after") == "7"
    overloaded = damaged("overload@retry_after=3", wire)[1]
    assert overloaded.status == (529 if wire == "anthropic_messages" else 503)
    assert overloaded.header("retry-after") == "3"


@pytest.mark.parametrize(
    ("wire", "remaining"),
    [
        ("openai_chat", "x-ratelimit-remaining-requests"),
        ("openai_responses", "x-ratelimit-remaining-requests"),
        ("openai_completions", "x-ratelimit-remaining-requests"),
        ("anthropic_messages", "anthropic-ratelimit-requests-remaining"),
        ("cohere_chat", "x-trial-endpoint-call-remaining"),
    ],
)
def test_rate_limit_headers(wire: str, remaining: str) -> None:
    """A 429 says in the provider's own header that no requests remain, once."""
    after = damaged("http_error@status=429,retry_after=7", wire)[1]
    assert after.header(remaining) == "0"
    assert len([name for name, _ in after.headers if name == remaining]) == 1


@pytest.mark.parametrize(
    ("dialect", "header"),
    [
        ("azure", ("x-ratelimit-reset-requests", "7")),
        ("groq", ("x-ratelimit-reset-requests", "7s")),
        ("openrouter", ("x-ratelimit-reset", "1800000007000")),
        ("openai", ("x-ratelimit-reset-requests", "7s")),
    ],
)
def test_rate_limit_headers_of_dialects(dialect: str, header: tuple[str, str]) -> None:
    """Providers that share a wire format have header values of their own."""
    tape, known, ask = encoded("openai_chat")
    ask = msgspec.structs.replace(ask, dialect=dialect)
    after = apply_fault(parse_fault("http_error@status=429,retry_after=7"), tape, known, ask)
    assert header in after.headers


@every_wire
def test_bytes_that_stay(wire: str) -> None:
    """Splitting and compressing changes no byte of the content."""
    for spec in ("tiny_chunks", "tiny_chunks@size=7", "split@inside=utf8", "split@inside=event"):
        before, after = damaged(spec, wire)
        assert after.body == before.body
        assert after.apart
    assert {len(frame.data) for frame in damaged("tiny_chunks", wire)[1].frames} == {1}
    for spec in ("gzip", "gzip@flush=false"):
        before, after = damaged(spec, wire)
        assert zlib.decompress(after.body, wbits=31) == before.body
        assert after.header("content-encoding") == "gzip"
    for spec in ("content_type", "slow_headers", "stall@for=1s"):
        before, after = damaged(spec, wire)
        assert after.body == before.body


def test_places_of_splits() -> None:
    """Frames are cut within characters, between CR and LF, and amid events."""
    inside = damaged("split@inside=utf8", "openai_chat")[1]
    assert any(re.search(rb"[\xc2-\xf4]\Z", frame.data) for frame in inside.frames)
    lines = damaged("split@inside=crlf", "openai_chat")[1]
    assert lines.body == encoded("openai_chat")[0].body.replace(b"\n", b"\r\n")
    assert all(frame.data.endswith(b"\r") or frame.data.endswith(b"\n") for frame in lines.frames)
    assert sum(frame.data.endswith(b"\r") for frame in lines.frames) == lines.body.count(b"\r\n")
    amid = damaged("split@inside=event", "openai_chat")[1]
    assert len(amid.frames) == 2 * len(events_of(amid))


def test_flushes_of_gzip() -> None:
    """With a flush each frame can be read as soon as it is there; without one nothing can before the end."""
    for spec, readable in (("gzip", True), ("gzip@flush=false", False)):
        before, after = damaged(spec, "openai_chat", Synthetic(jitter=0))
        first = zlib.decompressobj(wbits=31).decompress(after.frames[0].data)
        assert (first == before.frames[0].data) is readable


def test_gzip_of_a_stream_that_breaks() -> None:
    """What a compressor had not flushed when the connection broke never arrives."""
    tape, known, ask = encoded("openai_chat")
    broken = apply_fault(parse_fault("fin@frame=3"), tape, known, ask)
    flushed = apply_fault(parse_fault("gzip"), broken)
    assert zlib.decompressobj(wbits=31).decompress(flushed.body) == broken.body
    held = apply_fault(parse_fault("gzip@flush=false"), broken)
    assert len(zlib.decompressobj(wbits=31).decompress(held.body)) < len(broken.body)
    assert why("gzip", flushed) == "the body is already compressed"
    assert why("malformed_json", flushed, "openai_chat") == "there is no event 0: the response has 0"


@pytest.mark.parametrize(
    "wire", [name for name in WIRES if name not in ("ollama", "bedrock_converse", "bedrock_invoke")]
)
def test_comments(wire: str) -> None:
    """Comments stand between events and change none."""
    before, after = damaged("comments@text=hello,every=2", wire)
    assert documents(after, wire) == documents(before, wire)
    assert after.body.count(b": hello\n\n") == -(-len(events_of(before)) // 2)


def test_pings() -> None:
    """Anthropic's pings come between its events, after the first."""
    before, after = damaged("pings", "anthropic_messages")
    kinds = [value["type"] for value in documents(after, "anthropic_messages")]
    assert kinds[:3] == ["message_start", "ping", "content_block_start"]
    assert kinds.count("ping") == len(events_of(before)) - 1 + 1  # and its own


@every_wire
def test_giant_event(wire: str) -> None:
    """An event grows by a field that its reader does not know, and has the same content."""
    before, after = damaged("giant_event@event=1,size=50000", wire)
    was, now = documents(before, wire), documents(after, wire)
    assert now[1].pop("padding") == "x" * 50000
    assert now == was


def test_bit_flip() -> None:
    """One bit differs."""
    tape = Tape((Frame(0, b"abc"), Frame(0, b"def")), headers=SSE)
    assert apply_fault(parse_fault("bit_flip@byte=3,bit=1"), tape).body == b"abcfef"
