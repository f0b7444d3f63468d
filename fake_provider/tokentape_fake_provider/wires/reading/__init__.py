"""Reads the parts of a prompt from a request body of any wire format, by the shape of its fields."""
