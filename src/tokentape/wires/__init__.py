"""The wire formats that the library decodes, found by name."""

from tokentape.wires.event_decoder import EventDecoder
from tokentape.wires.wire import Wire, WireDecoder, is_wire, longest_match, wire_named, wire_names

__all__ = ["EventDecoder", "Wire", "WireDecoder", "is_wire", "longest_match", "wire_named", "wire_names"]
