"""Instrumentations with one fault each: see `ground` for the one without, `recorded` for how they are run."""
