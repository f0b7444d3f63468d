"""Verdicts on clients: read from a saved or a running server's journal, and written for people and for CI."""
