"""Adapters that are ready: targets for the suites."""
