"""Clients: where each HTTP client is recorded and replayed."""
