"""Encodes a script as a tape, in any wire format."""
