"""Redaction of AWS event streams."""

from __future__ import annotations

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.aws_frames import frame
from tests.harness.redaction.secrets_in_bodies import ANTHROPIC, OPENAI, pieces_of, streamed
from tokentape.framing.aws_event_stream import AWSEventStreamFraming
from tokentape_harness.cassettes.chunks import Chunk
from tokentape_harness.redaction import (
    PLACEHOLDER,
    find_secrets,
    redact,
)


def converse(*parts):
    return b"".join(
        frame(
            {":event-type": "contentBlockDelta", ":content-type": "application/json", ":message-type": "event"},
            json.dumps({"contentBlockIndex": 0, "delta": {"text": part}, "p": "abcd"}).encode(),
        )
        for part in parts
    )


def invoke(*parts):
    events = [
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": part}} for part in parts
    ]
    return b"".join(
        frame(
            {":event-type": "chunk", ":content-type": "application/json", ":message-type": "event"},
            json.dumps({"bytes": base64.b64encode(json.dumps(event).encode()).decode(), "p": "abc"}).encode(),
        )
        for event in events
    )


@given(st.sampled_from([converse, invoke]), st.lists(st.integers(0, 200), max_size=20))
def test_frames_of_aws_event_streams_stay_valid(make, cuts):
    """A secret in binary frames goes, in base64 as well, and each frame still has right lengths and checksums."""
    parts = pieces_of(f"The key {ANTHROPIC} is mine", cuts)
    body = make(*parts)
    clean = redact(streamed(body, [Chunk(len(body), 3.0)], "application/vnd.amazon.eventstream")).response
    text = ""
    frames = list(AWSEventStreamFraming().feed(clean.body))
    for one in frames:
        payload = json.loads(one.payload)
        if "bytes" in payload:
            payload = json.loads(base64.b64decode(payload["bytes"]))
        text += payload["delta"]["text"]
    assert text == f"The key {PLACEHOLDER} is mine"
    assert len(frames) == len(parts)
    assert clean.stream.chunks == (Chunk(len(clean.body), 3.0),)


@pytest.mark.parametrize("make", [converse, invoke])
def test_a_frame_that_was_cut_off_is_cut_off_still(make):
    """A secret in a partial frame goes, and the frame still waits for its end."""
    head, last = make("fine"), make(f"x {OPENAI} y " + "z" * 90)
    clean = redact(streamed(head + last[:-40], content_type="application/vnd.amazon.eventstream")).response.body
    framing = AWSEventStreamFraming()
    assert len(list(framing.feed(clean))) == 1
    rest = framing.rest
    # What had not arrived is still missing; of base64, up to three characters more.
    assert 40 <= int.from_bytes(rest[:4], "big") - len(rest) <= 43
    assert OPENAI[:12].encode() not in rest
    assert base64.b64encode(OPENAI[:12].encode())[4:12] not in rest
    assert not find_secrets(streamed(clean, content_type="application/vnd.amazon.eventstream"))


def test_a_secret_in_a_frames_headers():
    """A secret in a header of a frame is replaced at its length."""
    body = frame({":event-type": "chunk", "x-key": OPENAI}, b"{}")
    clean = redact(streamed(body, content_type="application/vnd.amazon.eventstream")).response.body
    (one,) = AWSEventStreamFraming().feed(clean)
    assert one.headers["x-key"] == (PLACEHOLDER * 9)[: len(OPENAI)]
    assert len(clean) == len(body)
