"""Files: verdicts written to a file, in the format that its name ends with."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

import msgspec

from tokentape_harness.errors import UsageError
from tokentape_harness.testing.verdicts.case import JudgedCase
from tokentape_harness.testing.verdicts.junit import junit
from tokentape_harness.testing.verdicts.page import verdict_page
from tokentape_harness.testing.verdicts.sarif import sarif

_FORMATS: Final[Mapping[str, Callable[[Sequence[JudgedCase]], bytes]]] = {
    ".json": lambda cases: msgspec.json.format(msgspec.json.encode({"cases": list(cases)})) + b"\n",
    ".xml": junit,
    ".sarif": sarif,
    ".html": lambda cases: verdict_page(cases).encode(),
}


def write_verdicts(path: Path, cases: Sequence[JudgedCase]) -> None:
    """Write the verdicts as JSON, JUnit's XML, SARIF or HTML. Raises `UsageError`, `OSError`."""
    form = _FORMATS.get(path.suffix.lower())
    if form is None:
        raise UsageError(f"{path}: name a file that ends with {', '.join(_FORMATS)}")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(form(cases))
