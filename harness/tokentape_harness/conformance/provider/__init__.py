"""The provider suite."""
