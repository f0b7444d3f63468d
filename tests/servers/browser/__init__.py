"""Debian's Chromium in front of the fake provider."""
