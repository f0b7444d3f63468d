"""The table in docs/clients.md, written from the table that the tests run.

python -m tests.clients.table        writes it
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from tests.clients.cases import WIRES
from tests.clients.clients import CLIENTS, Client
from tests.clients.environments import versions

PAGE: Final = Path(__file__).parents[2] / "docs" / "clients.md"
_BEGIN: Final = "<!-- written by python -m tests.clients.table -->\n"
_END: Final = "<!-- end -->\n"
_HEAD: Final = (
    "Client",
    "Version",
    "Wire format",
    "Text",
    "Reasoning",
    "Tool calls",
    "Finish reason",
    "Usage",
    "Requests",
    "Base URL from",
)


def page(text: str) -> str:
    """The page with its table as it should be."""
    before, _, rest = text.partition(_BEGIN)
    _, _, after = rest.partition(_END)
    return f"{before}{_BEGIN}{table()}{_END}{after}"


def table() -> str:
    """A row for each client and wire format, and notes on what is not as it should be."""
    notes: list[str] = []
    rows = [_row(client, notes) for client in CLIENTS]
    lines = ["| " + " | ".join(row) + " |" for row in [_HEAD, tuple("---" for _ in _HEAD), *rows]]
    numbered = [f"{number}. {note}" for number, note in enumerate(notes, 1)]
    return "\n".join(["", *lines, "", *numbered, "", ""])


def _row(client: Client, notes: list[str]) -> tuple[str, ...]:
    wire = WIRES[client.wire]
    package = client.package.removesuffix(" (npm)")
    can = {"text": True, "reasoning": wire.reasoning, "tool_calls": wire.tools, "finish_reason": True, "usage": True}
    cells = [_cell(client, what, notes) if possible else "-" for what, possible in can.items()]
    faults = [f"{name.replace(':', ', ')}: {why}" for name, why in client.fails.items()]
    faults += [client.only_why] if client.only else []
    marks = ", ".join(_note(fault, notes) for fault in faults)  # the site takes `[1] [2]` for a link
    asked = f"`{client.path}`" + (f", `{client.stream_path}`" if client.stream_path else "")
    variable = f"`{client.variable}`" if client.variable else "-"
    return (
        f"{client.package} {marks}".rstrip(),
        versions(client.environment)[package],
        f"`{client.wire}`",
        *cells,
        asked,
        variable,
    )


def _cell(client: Client, what: str, notes: list[str]) -> str:
    marks = []
    shown = "yes"
    for facts in (client.lacks, client.own):
        for name, why in facts.items():
            mode, _, rest = name.rpartition(":")
            if rest == what or rest.startswith(f"{what}."):
                if facts is client.lacks and rest == what:
                    shown = "no" if not mode else "not in a stream" if mode == "stream" else "in a stream"
                part = f"{rest.partition('.')[2]} tokens: " if "." in rest else ""
                marks.append(_note(f"{part}{why}{f' ({mode})' if mode and rest != what else ''}", notes))
    return f"{shown} {', '.join(marks)}".rstrip()


def _note(text: str, notes: list[str]) -> str:
    if text not in notes:
        notes.append(text)
    return f"[{notes.index(text) + 1}]"


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text()))
