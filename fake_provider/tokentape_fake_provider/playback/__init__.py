"""Playback: a tape goes out to a client, and the journal of it."""
