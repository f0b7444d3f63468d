"""Doctor: run a test with other splits, pauses and orders of the same streams, and name the one that breaks it."""
