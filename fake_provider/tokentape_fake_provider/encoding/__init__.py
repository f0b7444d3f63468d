"""Encoding: a script becomes a tape, whatever the wire format."""
