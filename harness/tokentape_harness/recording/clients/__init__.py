"""Clients: for each HTTP client, where its requests are recorded and replayed."""
