"""`python -m tokentape`: runs the command `tokentape`, which the harness provides."""

from __future__ import annotations

from importlib.metadata import entry_points

if __name__ == "__main__":
    # Found by its entry point, because the library imports nothing of the harness.
    command = next(iter(entry_points(group="console_scripts", name="tokentape")), None)
    if command is None:
        raise SystemExit(
            "tokentape: this package is not installed, so it has no command: pip install 'tokentape[harness]'"
        )
    command.load()()
