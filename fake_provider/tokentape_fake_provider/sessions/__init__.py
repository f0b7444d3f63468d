"""What a test has set up, and the recordings that answer its requests."""
