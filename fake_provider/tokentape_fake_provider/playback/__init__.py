"""Sends a tape to a client, and keeps the journal of it."""
