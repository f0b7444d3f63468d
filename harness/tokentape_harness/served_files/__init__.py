"""Files that are served, cassettes and rules files: read as one state, and read again when one of them changes."""

from __future__ import annotations

from tokentape_harness.served_files.reloading import Reload, Reloader
from tokentape_harness.served_files.state import ServedFiles, State

__all__ = ["Reload", "Reloader", "ServedFiles", "State"]
