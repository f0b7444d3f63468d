"""Cassettes: read and write cassette files."""
