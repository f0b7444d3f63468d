"""Refuses what the real providers refuse, beyond what can't be read at all.

Each rule has a source: the provider's reference, or an error message that people quote in public issues.
"""
