"""Matching: what of a request is volatile, and the placeholders for what belongs to one machine."""
