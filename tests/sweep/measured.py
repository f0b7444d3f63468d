"""Measured: the sweeps of the page docs/sweep.md."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Final

from tests.sweep.agent import NAME, PATIENCE_S, agent, version
from tokentape_fake_provider.faults import parse_fault
from tokentape_fake_provider.hosting import InProcessProvider
from tokentape_fake_provider.hosting.server import FakeProviderServer
from tokentape_harness.sweep import Matrix, Plan, Subject, plan_sweep, read_subject
from tokentape_harness.sweep.clients import sdk_client
from tokentape_harness.sweep.matrix import LETTERS
from tokentape_harness.sweep.outcome import CellResult
from tokentape_harness.sweep.plan import Cell
from tokentape_harness.sweep.run import run_sweep

REPOSITORY: Final = Path(__file__).parents[2]
PAGE: Final = REPOSITORY / "docs" / "sweep.md"
RECORDINGS: Final[Mapping[str, Sequence[str]]] = {
    "openai_chat/text.yaml": ("openai", NAME, "tokentape"),
    "anthropic_messages/tool_use.yaml": ("anthropic", NAME, "tokentape"),
    "openai_chat/long.yaml": ("openai", NAME, "tokentape"),
}
"""The recordings of the page, and the clients that meet them."""
_BLOCK: Final = "<!-- {name} -->\n{text}\n<!-- end -->"


@cache
def planned(recording: str) -> tuple[Subject, Plan]:
    """A recording, and what is tried."""
    subject = read_subject(REPOSITORY / "cassettes" / recording, label=recording)
    return subject, plan_sweep(subject.tape, subject.wire)


def thinned(plan: Plan, step: int) -> Plan:
    """The plan with every `step`-th place of each fault; the cell without a fault and whole responses stay."""
    rows: dict[str, list[Cell]] = {}
    for cell in plan.cells:
        rows.setdefault(cell.row, []).append(cell)
    return plan._replace(cells=[cell for row in rows.values() for cell in sorted(row, key=place_of)[::step]])


def place_of(one: Cell | CellResult) -> int:
    """The place, by which the cells of a row are in order."""
    return one.place or 0


def swept(recording: str, client: str, step: int = 1) -> Matrix:
    """What a client does at every `step`-th place. Raises `UnavailableError` for one that can't be installed here."""
    logging.disable()
    subject, plan = planned(recording)
    plan = thinned(plan, step)
    try:
        if client == NAME:
            with FakeProviderServer() as server, agent(subject.wire.name) as run_client:
                return run_sweep(
                    run_client, subject, plan, server, name=version(), clock="server", patience_s=PATIENCE_S
                )
        run_client, name = sdk_client(client, subject)
        with InProcessProvider() as provider:
            return run_sweep(run_client, subject, plan, provider, name=name)
    finally:
        logging.disable(logging.NOTSET)


def matrix_block(recording: str, client: str, matrix: Matrix) -> str:
    """The matrix of the faults that have places."""
    rows = {row: found for row, found in matrix.rows().items() if found[0].place is not None}
    kept = tuple(result for found in rows.values() for result in found)
    _, plan = planned(recording)
    placed = sum(cell.place is not None for cell in plan.cells)
    possible = plan.possible - (len(plan.cells) - 1 - placed)
    shown = Matrix(matrix.client, recording, kept, matrix.frames, possible, matrix.seed)
    lines = "\n".join(line.rstrip() for line in shown.lines())
    return _BLOCK.format(name=f"{recording} {client}", text=f"```text\n{lines}\n```")


def whole_block(recording: str, client: str, matrix: Matrix) -> str:
    """What the client does with the faults of whole responses: a line of a table."""
    found: dict[str, list[str]] = {}
    for row, results in matrix.rows().items():
        if results[0].place is None:
            found.setdefault(results[0].text, []).append(f"`{_short(row)}`")
    cells = "; ".join(f"{outcome}: {', '.join(rows)}" for outcome, rows in sorted(found.items()))
    return f"| {matrix.client} | {recording} | {cells} |"


def legend() -> str:
    """What the letters mean."""
    return ", ".join(f"`{letter}` {outcome}" for outcome, letter in LETTERS.items())


def rewrite(page: str, blocks: Mapping[str, str]) -> str:
    """The page with these blocks in place of those of the same names."""
    for name, block in blocks.items():
        pattern = re.compile(rf"<!-- {re.escape(name)} -->\n.*?\n<!-- end -->", re.DOTALL)
        page, count = pattern.subn(lambda _, block=block: block, page)
        if not count:
            raise ValueError(f"the page has no block {name}")
    return page


def _short(row: str) -> str:
    """A specification without the waiting time that only keeps the sweep fast."""
    parse_fault(row)
    return re.sub(r"[@,]retry_after=0\.001$", "", row)
