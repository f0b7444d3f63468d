"""The table of endpoints in docs/wire-formats.md, written from the code that serves them.

python -m tests.fake_provider.endpoints.table        writes it
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from tokentape_fake_provider.wires import ENDPOINTS, WIRES

PAGE: Final = Path(__file__).parents[3] / "docs" / "wire-formats.md"
_BEGIN: Final = "<!-- written by python -m tests.fake_provider.endpoints.table -->\n"
_END: Final = "<!-- end -->\n"
_SHOWN: Final = 2
"""The paths that are shown, beside those of any prefix; the others differ in a version or a prefix."""


def page(text: str) -> str:
    """The page with its table as it should be."""
    before, _, rest = text.partition(_BEGIN)
    _, _, after = rest.partition(_END)
    return f"{before}{_BEGIN}\n{table()}\n\n{_END}{after}"


def table() -> str:
    """A row for each endpoint, by provider."""
    head = ("Provider", "Endpoint", "`wire`", "POST")
    rows = sorted(_rows(), key=lambda row: row[0])
    return "\n".join("| " + " | ".join(row) + " |" for row in (head, ("---",) * len(head), *rows))


def _rows() -> Iterator[tuple[str, ...]]:
    for wire in WIRES.values():
        yield wire.facts.provider.name, "chat", f"`{wire.name}`", _paths(wire.paths)
    for endpoint in ENDPOINTS.values():
        others = f" (and {', '.join(endpoint.others)})" if endpoint.others else ""
        provider = endpoint.facts.provider.name
        yield f"{provider}{others}", endpoint.kind, f"`{endpoint.name}`", _paths(endpoint.paths, endpoint.models)


def _paths(paths: Sequence[str], models: str = "") -> str:
    shown = [*paths[:_SHOWN], *(path for path in paths[_SHOWN:] if path.startswith("{_base*}"))]
    text = ", ".join(f"`{path}`" for path in shown).replace("{_base*}", "...")
    escaped = models.replace("|", "\\|")
    return f"{text}: models `{escaped}`" if models else text


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text()))
