"""The wire formats that the library decodes: a table from name to decoder."""

from tokentape.wires.wire import Wire, WireDecoder, longest_match, wire_named, wire_names

__all__ = ["Wire", "WireDecoder", "longest_match", "wire_named", "wire_names"]
