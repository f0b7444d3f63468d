"""Sends tapes to clients, and keeps the journal."""
