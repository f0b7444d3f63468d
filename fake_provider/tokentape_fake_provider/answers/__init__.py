"""Answers: what answers a request."""
