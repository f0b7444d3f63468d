"""Finds the answer to a request."""
