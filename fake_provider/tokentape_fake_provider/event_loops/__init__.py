"""Waits across event loops, and runs one without a thread."""
