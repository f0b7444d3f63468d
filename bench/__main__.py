"""Measure speed as ratios: `python -m bench`, or `python -m bench SECTION...`."""

from __future__ import annotations

import argparse
import sys
from importlib import import_module

from rich.console import Console

SECTIONS = (
    *("decode", "reads", "scaling", "replay", "answers", "lateness", "workers", "arrival", "recording"),
    *("cassettes", "kills", "fuzz", "filters", "resumable", "sweep"),
    "virtual_time",
    "first_answer",
)


def main(sections: list[str]) -> None:
    """Run these sections, or all of them but the soak, which takes minutes."""
    if sections[:1] == ["soak"]:
        sys.exit(_soak(sections[1:]))
    unknown = [name for name in sections if name not in SECTIONS]
    if unknown:
        sys.exit(f"bench: no section {', '.join(unknown)}: choose from {', '.join(SECTIONS)}, soak")
    console = Console(width=None if sys.stdout.isatty() else 110)
    for name in sections or SECTIONS:
        import_module(f"bench.{name}").run(console)


def _soak(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser("bench soak", description="Random faults for minutes.")
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args(arguments)
    from bench import soak

    return 1 if soak.run(Console(width=None if sys.stdout.isatty() else 110), given.minutes, given.seed) else 0


if __name__ == "__main__":
    main(sys.argv[1:])
