"""Event loops: waiting across them, and one without a thread."""
