"""Index: finds the requests of a cassette file without reading the responses.

Reading 10,000 cassettes takes seconds, and a server needs only the responses that are requested. This module knows
only the layout that vcrpy and tokentape write; `reader` reads every other one.
"""

from __future__ import annotations

import re
from typing import Literal

from tokentape_harness.cassettes import yaml_io
from tokentape_harness.cassettes.model import Request
from tokentape_harness.cassettes.reader import check_uri
from tokentape_harness.errors import CassetteError

# No other line may start at the margin: further lines of a value are indented, in every style that is written.
_MARGIN = re.compile(rb"\n[^ \n].*")
_FIRST, _EACH, _LAST = b"interactions:\n", b"\n- request:", b"\nversion: 1"

_METHODS = b"GET|POST|PUT|PATCH|DELETE|HEAD|OPTIONS"
_REQUEST = re.compile(
    rb"- request:\n"
    rb"    body: ?(?P<body>.*(?:\n(?:      .*)?)*?)\n"
    rb"    headers:(?P<headers>.*(?:\n      .*)*)\n"
    rb"    method: (?P<method>" + _METHODS + rb")\n"
    # A plain scalar without blanks holds no comment, and no key unless it ends in a colon.
    rb"    uri: (?P<uri>https?://[!-~]*[!-9;-~])\n"
    rb"  response:\n"
)
# In one line of printable ASCII only the quote itself is escaped.
_QUOTED = re.compile(rb"'((?:[ -&(-~]|'')*)'")


def indexed_requests(data: bytes) -> tuple[Request, ...] | None:
    """The requests in the content of a cassette file, without headers; `None` if the whole file must be read."""
    margin = _MARGIN.findall(data)
    if not data.startswith(_FIRST) or not margin or margin.pop() != _LAST or any(line != _EACH for line in margin):
        return None
    found = []
    at = len(_FIRST)
    while at > 0:
        match = _REQUEST.match(data, at)
        if match is None or b"content-encoding" in match["headers"].lower():
            return None
        body = _body(match["body"])
        if body is False:
            return None
        uri = match["uri"].decode()
        try:
            check_uri(uri)
        except CassetteError:
            return None
        found.append(Request(match["method"].decode(), uri, (), body))
        at = data.find(b"\n- request:\n", match.end() - 1) + 1
    return tuple(found) if len(found) == len(margin) else None


def _body(scalar: bytes) -> bytes | Literal[False] | None:
    """The body of this scalar; false if it can't be read here."""
    quoted = _QUOTED.fullmatch(scalar)
    if quoted is not None:
        return quoted[1].replace(b"''", b"'")
    try:
        match yaml_io.load(b"    body: " + scalar + b"\n"):
            case {"body": None}:
                return None
            case {"body": str(text)}:
                return text.encode()
            case {"body": bytes(body)}:
                return body
    except (CassetteError, UnicodeEncodeError):
        pass
    return False
