"""Processes that the programs under test start."""

from __future__ import annotations

from pathlib import Path


def children_of(process: int) -> list[int]:
    """The ids of the processes that one has started, in their order (on Linux)."""
    return [int(child) for child in Path(f"/proc/{process}/task/{process}/children").read_text().split()]
