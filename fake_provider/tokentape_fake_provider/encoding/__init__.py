"""Encodes a script as a tape, whatever the wire format."""
