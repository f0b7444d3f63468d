"""Body text: the texts inside a body, one for each event, and the byte edits that an edit of a text requires.

Most bodies are text. The frames of an AWS event stream hold JSON, and for InvokeModel more JSON in base64 inside it;
an edited frame gets new lengths and checksums.
"""

from __future__ import annotations

import base64
import binascii
import re
from codecs import BOM_UTF16_BE, BOM_UTF16_LE, BOM_UTF32_BE, BOM_UTF32_LE
from collections.abc import Sequence
from itertools import accumulate
from typing import NamedTuple, Protocol

from tokentape_harness.cassettes.aws_frames import AwsFrame, is_aws_event_stream, parse_frame
from tokentape_harness.cassettes.event_split import split_body
from tokentape_harness.redaction.edits import Edit, TextEdit, edit_text
from tokentape_harness.redaction.json_text import Leaf, leaves

_UTF_8 = "utf-8"

# The longer marks first: that of UTF-32 begins with that of UTF-16.
_MARKS = (
    (BOM_UTF32_LE, "utf-32-le"),
    (BOM_UTF32_BE, "utf-32-be"),
    (BOM_UTF16_LE, "utf-16-le"),
    (BOM_UTF16_BE, "utf-16-be"),
)
_CHARSET = re.compile(r"(?i);\s*charset=\s*\"?utf-?(16|32)-?(le|be)?")
_SAMPLE = 64


class BodyPiece(Protocol):
    """A part of a body with one text in it."""

    @property
    def text(self) -> str: ...

    def edited(self, edits: Sequence[TextEdit]) -> list[Edit]:
        """The edits of the body for these edits of the text."""
        ...


class TextPiece(NamedTuple):
    """A piece of text whose bytes begin at `start`; bytes that are not UTF-8 stay as they are."""

    text: str
    start: int
    codec: str = _UTF_8

    def edited(self, edits: Sequence[TextEdit]) -> list[Edit]:
        found, at, offset = [], 0, self.start
        for edit in edits:
            start = offset + len(encode(self.text[at : edit.start], self.codec))
            offset = start + len(encode(self.text[edit.start : edit.end], self.codec))
            at = edit.end
            found.append(Edit(start, offset, encode(edit.new, self.codec)))
        return found


class FramePiece(NamedTuple):
    """A frame of an AWS event stream, and the text of its payload.

    If `text` is decoded from base64, `inner` is the place of the base64 in the payload.
    """

    text: str
    start: int
    frame: AwsFrame
    inner: tuple[int, int] | None = None

    def edited(self, edits: Sequence[TextEdit]) -> list[Edit]:
        if not edits:
            return []
        payload = encode(edit_text(self.text, edits))
        if self.inner is not None:
            outer = self.frame.payload
            payload = outer[: self.inner[0]] + base64.b64encode(payload) + outer[self.inner[1] :]
        return [Edit(self.start, self.start + self.frame.size, self.frame.encode(self.frame.headers, payload))]


class HeadersPiece(NamedTuple):
    """The headers of a frame. They keep their lengths: an edit is filled up to the length of the old text."""

    text: str
    start: int
    frame: AwsFrame

    def edited(self, edits: Sequence[TextEdit]) -> list[Edit]:
        if not edits:
            return []
        kept = [edit._replace(new=_filled(edit.new, edit.end - edit.start)) for edit in edits]
        headers = edit_text(self.text, kept).encode("latin-1")
        return [Edit(self.start, self.start + self.frame.size, self.frame.encode(headers, self.frame.payload))]


def decode(data: bytes) -> str:
    """Bytes as text that `encode` turns back into the same bytes."""
    return data.decode("utf-8", "surrogateescape")


def encode(text: str, codec: str = _UTF_8) -> bytes:
    """The bytes of a text from `decode`; half of a surrogate pair is kept."""
    try:
        return text.encode(codec, "surrogateescape" if codec == _UTF_8 else "surrogatepass")
    except UnicodeEncodeError:
        return text.encode(codec, "surrogatepass")


def _wide_piece(body: bytes, content_type: str) -> TextPiece | None:
    """The body as text if its byte order mark, charset or zero bytes show UTF-16 or UTF-32."""
    start, codec = next(((len(mark), codec) for mark, codec in _MARKS if body.startswith(mark)), (0, ""))
    if not codec:
        named = _CHARSET.search(content_type)
        zeros = [body[at:_SAMPLE:2].count(0) for at in (0, 1)]
        end = "be" if zeros[0] > zeros[1] else "le"
        if named is not None:
            codec = f"utf-{named[1]}-{named[2] or end}".lower()
        elif min(zeros) == 0 and 4 * max(zeros) > min(len(body), _SAMPLE):
            codec = f"utf-16-{end}"
        else:
            return None
    width = int(codec[4:6]) // 8
    stop = len(body) - (len(body) - start) % width
    try:
        return TextPiece(body[start:stop].decode(codec, "surrogatepass"), start, codec)
    except UnicodeDecodeError:
        return None


def text_pieces(body: bytes, content_type: str) -> list[BodyPiece]:
    """The texts of a body, one for each event."""
    framed = is_aws_event_stream(content_type)
    wide = None if framed else _wide_piece(body, content_type)
    if wide is not None:
        return [wide]
    return [
        _frame_piece(frame, at) if framed and (frame := parse_frame(data)) else TextPiece(decode(data), at)
        for at, data in _split(body, content_type)
    ]


def raw_pieces(body: bytes, content_type: str) -> list[BodyPiece]:
    """The whole body as one text, or the frames of an AWS event stream."""
    if is_aws_event_stream(content_type):
        return text_pieces(body, content_type)
    return [_wide_piece(body, content_type) or TextPiece(decode(body), 0)]


def header_pieces(body: bytes, content_type: str) -> list[BodyPiece]:
    """The headers of each frame of an AWS event stream; an empty list for other bodies."""
    if not is_aws_event_stream(content_type):
        return []
    return [
        HeadersPiece(frame.headers.decode("latin-1"), at, frame)
        for at, data in _split(body, content_type)
        if (frame := parse_frame(data)) is not None
    ]


def _split(body: bytes, content_type: str) -> list[tuple[int, bytes]]:
    pieces = split_body(body, content_type)
    return list(zip(accumulate(map(len, pieces), initial=0), pieces, strict=False))


def _frame_piece(frame: AwsFrame, start: int) -> FramePiece:
    text = decode(frame.payload)
    # InvokeModelWithResponseStream: the event is base64 in the member `bytes`.
    if text.isascii() and '"bytes"' in text:
        leaf = next((leaf for leaf in leaves(text) if leaf.path == ("bytes",) and leaf.is_string), None)
        inner = None if leaf is None else _unbase64(leaf)
        if leaf is not None and inner is not None:
            return FramePiece(decode(inner), start, frame, (leaf.start, leaf.end))
    return FramePiece(text, start, frame)


def _unbase64(leaf: Leaf) -> bytes | None:
    """The decoded base64, up to the last whole byte if it was cut off; None if it is not base64."""
    if leaf.end - leaf.start != len(leaf.value):
        return None
    try:
        return base64.b64decode(leaf.value[: len(leaf.value) // 4 * 4], validate=True)
    except binascii.Error:
        return None


def _filled(text: str, length: int) -> str:
    return (text * (length // max(len(text), 1) + 1))[:length] if text else " " * length
