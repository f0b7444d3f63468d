"""Sessions: what a test set up, and the recordings to choose from."""
