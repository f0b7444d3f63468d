"""Instrumentations with one fault each: see `ground` for the one without."""
