"""Wire formats: each is a decoder, found by its name."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import cache
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from pkgutil import iter_modules
from typing import NamedTuple, Protocol, runtime_checkable

from tokentape.errors import UnknownWireError
from tokentape.message import ChatMessage
from tokentape.output import ChatOutput
from tokentape.usage import NOTHING
from tokentape.wires import decoders

ENTRY_POINTS = "tokentape.wires"


@runtime_checkable
class WireDecoder(Protocol):
    """Decodes the bytes of one response into chunks; no I/O, no clock.

    To add a wire format, write a class with these members and without required arguments, and register it
    under the entry point group `tokentape.wires`: the entry point's name is the name of the wire format.
    `EventDecoder` implements most of it for formats that are a sequence of JSON documents; with its `request_paths`,
    `sdk_modules` and `sdk_event_keys`, `stream_response` and `wrap` find the wire format.
    """

    ended: bool
    """True once the terminal event was received: nothing more needs to be read."""
    raw_events: list[bytes] | None
    """Set to a list to keep the bytes of each event."""

    def feed(self, data: bytes) -> Iterable[ChatMessage]:
        """Decode the events that end in `data`. Raises `DecodeError`, or `ProviderError` for an error event."""

    def event(self, data: bytes) -> Iterable[ChatMessage]:
        """Decode one event, without its framing, as `feed` would."""

    def end(self) -> Iterable[ChatMessage]:
        """Finish decoding at the end of the input. Raises `TruncatedStreamError` if no terminal event was received."""


class Wire(NamedTuple):
    """One wire format: its name and its decoder."""

    name: str
    decoder: type[WireDecoder]

    def decode_complete(self, body: bytes, headers: Mapping[str, str] = NOTHING) -> ChatOutput:
        """Decode the body of a response that was not streamed, by the decoder's class method of this name.

        `headers` (lower-case names) are the response's, if they are known: some formats report usage only there.
        Raises `DecodeError`, or `ProviderError` if the body is an error.
        """
        decode = getattr(self.decoder, "decode_complete", None)
        if decode is None:
            raise UnknownWireError(f"wire format {self.name!r} reads streams only: its decoder has no decode_complete")
        output: ChatOutput = decode(body, headers)
        return output


_BUILT_IN = tuple(module.name for module in iter_modules(decoders.__path__))
"""The wire formats of the modules in `decoders`; each module is imported at its first use."""


def wire_names() -> list[str]:
    """Return the names of all wire formats that can be decoded."""
    return sorted({*_BUILT_IN, *(entry.name for entry in entry_points(group=ENTRY_POINTS))})


def is_wire(name: str) -> bool:
    """Whether the wire format of this name can be decoded; looks at what is installed for names that are not ours."""
    return name in _BUILT_IN or bool(entry_points(group=ENTRY_POINTS, name=name))


@cache
def _built_in(name: str) -> type[WireDecoder]:
    decoder: type[WireDecoder] = import_module(f"{decoders.__name__}.{name}").DECODER
    return decoder


def wire_named(name: str) -> Wire:
    """Return the wire format of this name. Raises `UnknownWireError`."""
    if name in _BUILT_IN:
        return Wire(name, _built_in(name))
    for entry in entry_points(group=ENTRY_POINTS, name=name):
        return _loaded(entry)
    raise UnknownWireError(f"unknown wire format {name!r}: use one of {', '.join(wire_names())}")


def longest_match(attribute: str, fits: Callable[[str], bool]) -> str | None:
    """Return the wire format whose decoder has the longest fitting value in an attribute; built-in ones come first."""

    def longest(wires: Iterable[Wire]) -> str | None:
        values = ((value, wire.name) for wire in wires for value in getattr(wire.decoder, attribute, ()) if fits(value))
        return max(values, key=lambda found: len(found[0]), default=(None, None))[1]

    return longest(map(wire_named, _BUILT_IN)) or longest(map(_loaded, entry_points(group=ENTRY_POINTS)))


def _loaded(entry: EntryPoint) -> Wire:
    try:
        return Wire(entry.name, entry.load())
    except (ImportError, AttributeError) as error:
        raise UnknownWireError(
            f"wire format {entry.name!r} can't be loaded from {entry.value}: {error}. Fix or remove its package"
        ) from error
