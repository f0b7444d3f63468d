"""What servers send beside Bedrock's event streams is one clear error."""

from __future__ import annotations

import gzip

import pytest

from tests.aws_frames import event
from tests.tokentape.field_streams import read
from tokentape import DecodeError


@pytest.mark.parametrize("wire", ["bedrock_converse", "bedrock_invoke"])
@pytest.mark.parametrize(
    "body", [b"<html>502</html>", b"oops", b"upstream timed out: " * 9, gzip.compress(b"x" * 99, mtime=0)]
)
def test_a_body_of_another_kind_is_quoted_in_place_of_frames(wire: str, body: bytes) -> None:
    """And not called a frame with a wrong checksum, however it is cut."""
    failed = read(body, wire).error
    assert isinstance(failed, DecodeError)
    assert f"the body is not an AWS event stream: it begins with {body[:60].decode('utf-8', 'replace')!r}"[:80] in str(
        failed
    )


def test_the_offset_of_a_bad_payload_of_aws_is_that_of_the_payload() -> None:
    """In bytes of the stream, however they are cut."""
    body = event("messageStart", {"role": "assistant"}) + event("contentBlockDelta", b"{broken")
    error = read(body, "bedrock_converse").error
    assert isinstance(error, DecodeError)
    assert error.offset == body.index(b"{broken")
