"""The pytest plugin: a fake provider for each test."""
