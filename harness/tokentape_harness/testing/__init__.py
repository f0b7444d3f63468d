"""Testing: the objects that the fixtures return."""
