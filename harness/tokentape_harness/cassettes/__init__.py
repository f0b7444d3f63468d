"""Cassettes: the file, read and written."""
