"""Measure speed as ratios: `python -m bench [decode] [scaling] [replay] [lateness] [arrival] [cassettes] [kills]`."""

from __future__ import annotations

import sys
from importlib import import_module

from rich.console import Console

SECTIONS = ("decode", "scaling", "replay", "lateness", "arrival", "cassettes", "kills")


def main(sections: list[str]) -> None:
    """Run these sections, or all of them."""
    unknown = [name for name in sections if name not in SECTIONS]
    if unknown:
        sys.exit(f"bench: no section {', '.join(unknown)}: choose from {', '.join(SECTIONS)}")
    console = Console(width=None if sys.stdout.isatty() else 110)
    for name in sections or SECTIONS:
        import_module(f"bench.{name}").run(console)


if __name__ == "__main__":
    main(sys.argv[1:])
