"""Fault injection: what applies a fault to a tape."""
