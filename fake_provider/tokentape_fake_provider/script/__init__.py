"""Script: what is said, in no provider's words."""
