"""Plugins of other packages, as tests install them: their entry points without an installation."""
