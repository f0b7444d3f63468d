"""Sweep: run a client with each fault at each frame of a recording, and collect its outcomes in a matrix."""

from __future__ import annotations

from tokentape_harness.sweep.matrix import Matrix
from tokentape_harness.sweep.outcome import OUTCOMES, CellResult, Outcome
from tokentape_harness.sweep.plan import Cell, Plan, plan_sweep
from tokentape_harness.sweep.subject import Subject, read_subject

__all__ = [
    "OUTCOMES",
    "Cell",
    "CellResult",
    "Matrix",
    "Outcome",
    "Plan",
    "Subject",
    "plan_sweep",
    "read_subject",
]
