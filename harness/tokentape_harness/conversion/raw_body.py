"""Raw body: a response body in a file, as `curl -N` prints it, or with its headers, as `curl -iN` does."""

from __future__ import annotations

import re

from tokentape_fake_provider.encoding.encode import encode
from tokentape_fake_provider.script.model import Script
from tokentape_fake_provider.timing import Instant
from tokentape_harness.cassettes.event_split import split_body
from tokentape_harness.cassettes.model import Cassette, Headers, Interaction, Response, header_values
from tokentape_harness.cassettes.reader import interaction_of
from tokentape_harness.cassettes.writer import interaction_fields
from tokentape_harness.conversion.sample_request import read_request, sample_request
from tokentape_harness.errors import CassetteFormatError

MODEL = "recorded-model"
PROMPT = "Hello"

_STATUS = re.compile(rb"HTTP/\d(?:\.\d)? (\d{3})(?: ([^\r\n]*))?\r?\n")
_END = re.compile(rb"\r?\n\r?\n")


def parse_raw_stream(data: bytes, wire: str) -> Cassette:
    """A cassette of one interaction: a sample request of this wire format, with the body as its response.

    It has no times, since none were recorded. Raises `CassetteFormatError`, `UnknownWireError`.
    """
    status, message, body = 200, "OK", data
    headers: Headers = ()
    # curl also prints the response of a proxy, and 100 Continue, before the response.
    while (match := _STATUS.match(body)) is not None:
        end = _END.search(body, match.end() - 1)
        if end is None:
            raise CassetteFormatError("the headers have no end: a blank line must stand before the body")
        status, message = int(match[1]), (match[2] or b"").decode("latin-1")
        headers = _headers(body[match.end() : end.start()])
        body = body[end.end() :]
    if not body.strip():
        raise CassetteFormatError("there is no response body in it: save what `curl -N` printed")
    request = sample_request(wire, MODEL, PROMPT)
    if not header_values(headers, "content-type"):
        headers += (("content-type", _content_type(body, wire)),)
    headers = tuple(pair for pair in headers if pair[0].lower() != "transfer-encoding")
    # Read it as a file is read, which removes a content coding, unless `curl --compressed` has removed it already.
    return Cassette(
        (interaction_of(interaction_fields(Interaction(request, Response(status, message, headers, body)))),)
    )


def _headers(block: bytes) -> Headers:
    lines = (line.partition(b":") for line in block.splitlines() if b":" in line)
    return tuple((name.strip().decode("latin-1"), value.strip().decode("latin-1")) for name, _, value in lines)


def _content_type(body: bytes, wire: str) -> str:
    """JSON for a document, else the content type of this wire format's streams."""
    if body.lstrip()[:1] == b"{" and len(split_body(body)) == 1:
        return "application/json"
    request = sample_request(wire, MODEL, PROMPT)
    tape = encode(Script.of("Hi"), read_request(request, wire, created=0, seed=""), Instant())
    return next(iter(header_values(tape.headers, "content-type")), "application/octet-stream")
