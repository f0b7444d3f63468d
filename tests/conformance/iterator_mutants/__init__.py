"""Broken iterators: the library's adapter with one fault each."""
