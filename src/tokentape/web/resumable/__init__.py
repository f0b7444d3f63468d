"""Responses that outlive their readers: a log of numbered events, which readers join, leave and rejoin."""
