"""Applies faults to tapes."""
