"""Keeps what scripts are encoded to, so that a script that is sent again is not encoded again.

A stream depends on its script, on the fields of the request that the encoder reads, and on the ids, the times and the
number of input tokens, which change from request to request. A kept encoding has slots for those. Where they are, and
what else the encoder reads, is found by encoding the script for other ids, times and counts; an encoding is kept only
if its slots, filled for a request, give the same bytes as the encoder does.
"""

from __future__ import annotations

import base64
import re
from array import array
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from operator import add
from typing import Any, Final, NamedTuple, TypeAlias, assert_never

import msgspec

from tokentape_fake_provider.errors import ScriptError
from tokentape_fake_provider.script.ids import Id, TracedSeed
from tokentape_fake_provider.script.model import Script
from tokentape_fake_provider.script.recently_used import RecentlyUsed
from tokentape_fake_provider.script.usage import count_input, count_output
from tokentape_fake_provider.tape import FramesAtOnce
from tokentape_fake_provider.wires.aws_frames import split_frames, with_payload
from tokentape_fake_provider.wires.wire import EncodedFrame, ProviderRequest, Wire

LIMIT: Final = 32_000_000
"""How many bytes of encodings are kept, roughly, for all sessions."""

# Of one script and wire format: for requests with different options, or with counts of different lengths.
_VARIANTS: Final = 16
# A kept frame is its bytes and some objects.
_FRAME_BYTES: Final = 300
_MOST_INPUT: Final = 9_999_999
_CREATED: Final = 2_145_916_800
# Those from 2001 on have ten digits; with others, chunks have another padding.
_KEPT_TIMES: Final = range(1_000_000_000, 10_000_000_000)
_TEXT: Final = "any other prompt"
# The most s between the creation of an answer and a time in its stream.
_LONGEST_S: Final = 100_000
_DIGITS: Final = re.compile(rb"(\d+)")
_TIME: Final = re.compile(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d|(?<!\d)\d{10}(?!\d)")
_ISO: Final = "%Y-%m-%dT%H:%M:%S"

_encode: Final = msgspec.json.encode


class Encoded(msgspec.Struct, frozen=True):
    """An encoded stream: `pieces` has the tokens and times of its frames, and their bytes if no others are `filled`."""

    pieces: Sequence[EncodedFrame]
    filled: FramesAtOnce | None = None

    @property
    def data(self) -> list[bytes]:
        """The bytes of each frame."""
        return [piece.data for piece in self.pieces] if self.filled is None else self.filled.data

    @property
    def frames(self) -> FramesAtOnce:
        """The frames, to be sent at once."""
        if self.filled is not None:
            return self.filled
        data = self.data
        return FramesAtOnce(b"".join(data), array("L", map(len, data)))


class _Base64(NamedTuple):
    """An id in base64."""

    id: Id


class _Time(NamedTuple):
    """A time, as s after the answer was created: as a date, or as unix time."""

    after: int
    iso: bool


class _Count(NamedTuple):
    """A number that depends on the input tokens: `factor` times them, and `more`."""

    factor: int
    more: int


_Slot: TypeAlias = Id | _Base64 | _Time | _Count
_Part: TypeAlias = bytes | _Slot
_Seal: TypeAlias = Callable[[bytes], bytes]


class _Filling(NamedTuple):
    """The part of one or several frames that has slots, which are numbered; `seal` makes a whole frame of it."""

    parts: tuple[bytes | int, ...]
    seal: _Seal | None = None

    def filled(self, values: Sequence[bytes]) -> bytes:
        """The bytes, with these values in the slots."""
        joined = b"".join([part if isinstance(part, bytes) else values[part] for part in self.parts])
        return joined if self.seal is None else self.seal(joined)


class _Slots:
    """The distinct slots of a stream, which are numbered as they are found."""

    def __init__(self) -> None:
        self.all: list[_Slot] = []
        self._numbers: dict[tuple[type, _Slot], int] = {}

    def number(self, slot: _Slot) -> int:
        """The number of a slot."""
        number = self._numbers.setdefault((type(slot), slot), len(self.all))
        if number == len(self.all):
            self.all.append(slot)
        return number

    def values(self, request: ProviderRequest, count: int) -> list[bytes]:
        """What stands in each slot in the answer to a request with this number of input tokens."""
        return [_value(slot, request, count) for slot in self.all]


class _Unfit(Exception):  # noqa: N818 - nothing is wrong
    """The encoding can't be kept with slots."""


class _ReadFields(Mapping[str, Any]):
    """A request's body that notes which of its fields are read."""

    def __init__(self, body: Mapping[str, Any]) -> None:
        self._body = body
        self.names: dict[str, None] = {}

    def __getitem__(self, name: str) -> Any:
        self.names[name] = None
        return self._body[name]

    def __iter__(self) -> Iterator[str]:
        self.names |= dict.fromkeys(self._body)
        return iter(self._body)

    def __len__(self) -> int:
        self.names |= dict.fromkeys(self._body)
        return len(self._body)


class _Kept:
    """One kept encoding: `fillings` stand between the `between`, in this `order`, one in each frame.

    It is for requests whose body has these values in the `fields` that were read, and for this range of input tokens.
    Without fillings it is known that requests of this kind are to be encoded anew.
    """

    def __init__(self, pieces: Sequence[EncodedFrame], fields: Mapping[str, bytes | None], counts: range) -> None:
        self.pieces = pieces
        self.size = sum(len(piece.data) + _FRAME_BYTES for piece in pieces)
        self._fields = tuple(fields.items())
        self._counts = counts
        self._slots = _Slots()
        self._fillings: list[_Filling] = []
        self._order: list[int] = []
        self._parts: list[bytes] = []
        self._widths: list[int] = []
        self._sizes = array("L")

    def set_frames(self, slots: _Slots, frames: Sequence[tuple[bytes, _Filling, bytes]]) -> None:
        """Set the frames: each is a filling and what stands before and after it."""
        self._slots = slots
        numbers: dict[_Filling, int] = {}
        self._order = [numbers.setdefault(filling, len(numbers)) for _, filling, _ in frames]
        self._fillings = list(numbers)
        afters = (b"", *(after for _, _, after in frames))
        befores = (*(before for before, _, _ in frames), b"")
        parts: list[bytes] = []
        for between in map(add, afters, befores):
            parts += (between, b"")
        self._parts = parts[:-1]
        self._around = [len(before) + len(after) for before, _, after in frames]
        self._sizes = array("L", [len(piece.data) for piece in self.pieces])
        self._widths = [size - around for size, around in zip(self._sizes, self._around, strict=True)]
        self._widths = [self._widths[self._order.index(number)] for number in range(len(self._fillings))]

    def answers(self, body: Mapping[str, Any], count: int) -> bool:
        """Whether it is an encoding for a request with this body, and this number of input tokens."""
        return count in self._counts and all(
            (name not in body) if value is None else name in body and _encode(body[name]) == value
            for name, value in self._fields
        )

    @property
    def fillable(self) -> bool:
        """Whether it has the frames."""
        return bool(self._order)

    def filled(self, request: ProviderRequest, count: int) -> Encoded:
        """The stream for a request with this number of input tokens."""
        values = self._slots.values(request, count)
        fillings = [filling.filled(values) for filling in self._fillings]
        parts, sizes = self._parts.copy(), self._sizes
        parts[1::2] = map(fillings.__getitem__, self._order)
        widths = list(map(len, fillings))
        if widths != self._widths:
            sizes = array("L", map(add, self._around, map(widths.__getitem__, self._order)))
        return Encoded(self.pieces, FramesAtOnce(b"".join(parts), sizes))


_Variants: TypeAlias = tuple[_Kept, ...]
_KEPT: Final[RecentlyUsed[Hashable, _Variants]] = RecentlyUsed(LIMIT)


def encode_stream(
    script: Script, request: ProviderRequest, wire: Wire, kept: RecentlyUsed[Hashable, _Variants] = _KEPT
) -> Encoded:
    """The frames of a streamed response: from a kept encoding if there is one, else from the wire format's encoder.

    The second request for a stream keeps it. Raises `ScriptError`.
    """
    key = _key(script, request)
    try:
        if request.created not in _KEPT_TIMES or kept.is_new(key):
            return Encoded(wire.encode_stream(script, request))
    except TypeError:  # a part of the script can't be hashed
        return Encoded(wire.encode_stream(script, request))
    variants = kept.get(key) or ()
    count = count_input(script.usage, request.text)
    for variant in variants:
        if variant.answers(request.body, count):
            return variant.filled(request, count) if variant.fillable else Encoded(wire.encode_stream(script, request))
    pieces = wire.encode_stream(script, request)
    size = sum(len(piece.data) + _FRAME_BYTES for piece in pieces)
    if size <= LIMIT // 8:
        variants = (_keep(script, request, wire, count, pieces), *variants[: _VARIANTS - 1])
        while len(variants) > 1 and sum(variant.size for variant in variants) > LIMIT // 8:
            variants = variants[:-1]
        kept.put(key, variants, sum(variant.size for variant in variants))
    return Encoded(pieces)


def _key(script: Script, request: ProviderRequest) -> Hashable:
    """All that a stream depends on besides the fields of the body, ids, times and counts."""
    return (
        *(script.choices, script.usage, script.error, script.model),
        *(request.wire, request.model, request.include_usage, request.choices, request.path, request.query),
        *(request.dialect, request.sent),
    )


def _keep(script: Script, request: ProviderRequest, wire: Wire, count: int, pieces: Sequence[EncodedFrame]) -> _Kept:
    """The encoding with slots, or one without frames if that is impossible."""
    body = _ReadFields(request.body)
    read = body.names
    for counts in _ranges(script, count):
        try:
            kept = _with_slots(script, request, wire, counts, count, body)
        except _Unfit:
            continue
        if kept.filled(request, count).data == [piece.data for piece in pieces] and _alike(kept.pieces, pieces):
            return kept
    return _Kept((), _values(request.body, read), range(_MOST_INPUT + 1))


def _ranges(script: Script, count: int) -> Iterator[range]:
    """The ranges of input tokens to try, the widest first: all, those with numbers of the same lengths, and one."""
    usage = script.usage
    if usage.input is None:
        cached = (usage.cached or 0) + (usage.cache_write or 0)
        if cached <= count <= _MOST_INPUT:
            yield range(cached, _MOST_INPUT + 1)
        output = usage.output if usage.output is not None else count_output(script.choices)[0]
        first, last = 0, _MOST_INPUT
        for more in (0, output, -cached):
            digits = len(str(count + more))
            first = max(first, (10 ** (digits - 1) if digits > 1 else 0) - more)
            last = min(last, 10**digits - 1 - more)
        if first < count < last:
            yield range(first, last + 1)
    yield range(count, count + 1)


def _with_slots(
    script: Script, request: ProviderRequest, wire: Wire, counts: range, count: int, body: _ReadFields
) -> _Kept:
    """The encoding for this range of input tokens. Raises `_Unfit`."""
    seed = TracedSeed("kept")

    def encoded(tokens: int) -> list[EncodedFrame]:
        usage = msgspec.structs.replace(script.usage, input=tokens)
        other = msgspec.structs.replace(request, seed=seed, created=_CREATED, text=_TEXT, body=body)
        try:
            return wire.encode_stream(msgspec.structs.replace(script, usage=usage), other)
        except (ScriptError, TypeError):
            raise _Unfit from None

    points = sorted({counts[0], count, counts[-1]})
    streams = [encoded(tokens) for tokens in points]
    pieces = streams[points.index(count)]
    if any(len(stream) != len(pieces) for stream in streams):
        raise _Unfit
    kept = _Kept(pieces, _values(request.body, body.names), counts)
    frames = _Frames(wire, seed, points, points.index(count))
    kept.set_frames(
        frames.slots, [frames.frame([piece.data for piece in alike]) for alike in zip(*streams, strict=True)]
    )
    return kept


def _values(body: Mapping[str, Any], names: Mapping[str, None]) -> dict[str, bytes | None]:
    """What a body has in these fields, as JSON; `None` for those that it lacks."""
    return {name: _encode(body[name]) if name in body else None for name in names}


def _alike(pieces: Sequence[EncodedFrame], others: Sequence[EncodedFrame]) -> bool:
    return all(one.tokens == other.tokens and one.at == other.at for one, other in zip(pieces, others, strict=True))


class _Frames:
    """Finds the slots of frames, which are given as they are for each number of input tokens of `points`."""

    def __init__(self, wire: Wire, seed: TracedSeed, points: Sequence[int], place: int) -> None:
        self.slots = _Slots()
        self._wire = wire
        self._seed = seed
        self._points = points
        self._place = place

    def frame(self, alike: Sequence[bytes]) -> tuple[bytes, _Filling, bytes]:
        """A frame as a filling between bytes. Raises `_Unfit`."""
        data = alike[self._place]
        seal = _opened(data, self._wire)[1]
        parts = list(self._parts([_opened(other, self._wire)[0] for other in alike]))
        slots = [number for number, part in enumerate(parts) if isinstance(part, int)]
        if not slots:
            return data, _Filling(()), b""
        if seal is not None:
            return b"", _Filling(tuple(parts), seal), b""
        first, last = slots[0], slots[-1] + 1
        return _joined(parts[:first]), _Filling(tuple(parts[first:last])), _joined(parts[last:])

    def _parts(self, documents: Sequence[bytes]) -> Iterator[bytes | int]:
        for part in _counted(documents, self._place, self._points):
            for inner in _traced(part, self._seed) if isinstance(part, bytes) else (part,):
                yield inner if isinstance(inner, bytes) else self.slots.number(inner)


def _joined(parts: Sequence[bytes | int]) -> bytes:
    return b"".join(part for part in parts if isinstance(part, bytes))


def _opened(data: bytes, wire: Wire) -> tuple[bytes, _Seal | None]:
    """The document in a frame, and what frames another of the same length; bytes as they are where none is sealed."""
    if wire.facts.framing != "aws":
        return data, None
    frames = list(split_frames(data))
    if len(frames) != 1:
        return data, None
    payload = frames[0][2]
    if not wire.document_paths.wrapped:
        return payload, lambda document: with_payload(data, document)
    wrapped = msgspec.json.decode(payload).get("bytes", "").encode()
    if not wrapped:
        return payload, lambda document: with_payload(data, document)
    start, _, end = payload.partition(wrapped)
    return base64.b64decode(wrapped), lambda document: with_payload(
        data, b"".join((start, base64.b64encode(document), end))
    )


def _counted(documents: Sequence[bytes], place: int, points: Sequence[int]) -> Iterator[bytes | _Count]:
    """The document with slots where numbers depend on the input tokens. Raises `_Unfit`."""
    if all(document == documents[0] for document in documents):
        yield documents[place]
        return
    split = [_DIGITS.split(document) for document in documents]
    if any(len(parts) != len(split[0]) for parts in split):
        raise _Unfit
    text: list[bytes] = []
    for alike in zip(*split, strict=True):
        if all(part == alike[0] for part in alike):
            text.append(alike[0])
            continue
        if not all(part.isdigit() and str(int(part)).encode() == part for part in alike):
            raise _Unfit
        values = [int(part) for part in alike]
        factor, rest = divmod(values[-1] - values[0], points[-1] - points[0])
        slot = _Count(factor, values[0] - factor * points[0])
        if rest or values != [slot.factor * point + slot.more for point in points]:
            raise _Unfit
        yield b"".join(text)
        yield slot
        text = []
    yield b"".join(text)


def _traced(text: bytes, seed: TracedSeed) -> Iterator[_Part]:
    """The text with slots for ids and times."""
    found: list[tuple[int, int, _Slot]] = []
    for value, made in seed.ids.items():
        raw = value.encode()
        written: bytes
        slot: _Slot
        for written, slot in ((raw, made), (base64.b64encode(raw), _Base64(made))):
            at = text.find(written)
            while at >= 0:
                found.append((at, at + len(written), slot))
                at = text.find(written, at + len(written))
    for match in _TIME.finditer(text):
        iso = b"T" in match[0]
        time = int(match[0]) if not iso else _unix(match[0])
        if 0 <= time - _CREATED <= _LONGEST_S:
            found.append((*match.span(), _Time(time - _CREATED, iso)))
    position = 0
    for start, end, slot in sorted(found, key=lambda one: one[:2]):
        if start < position:
            raise _Unfit
        yield text[position:start]
        yield slot
        position = end
    yield text[position:]


def _unix(iso: bytes) -> int:
    try:
        return int(datetime.strptime(iso.decode(), _ISO).replace(tzinfo=UTC).timestamp())
    except ValueError:
        return 0


def _value(slot: _Slot, request: ProviderRequest, count: int) -> bytes:
    match slot:
        case Id():
            return slot.of(request.seed).encode()
        case _Base64():
            return base64.b64encode(slot.id.of(request.seed).encode())
        case _Time():
            time = request.created + slot.after
            return datetime.fromtimestamp(time, UTC).strftime(_ISO).encode() if slot.iso else b"%d" % time
        case _Count():
            return b"%d" % (slot.factor * count + slot.more)
        case _:
            assert_never(slot)
