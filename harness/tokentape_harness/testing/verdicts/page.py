"""Page: verdicts as one HTML file that needs nothing else, not even a script."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape
from typing import Final

from tokentape_fake_provider.verdict.finding import Finding
from tokentape_harness.testing.verdicts.case import JudgedCase

_STYLE: Final = """
:root { color-scheme: light dark; font: 15px/1.5 system-ui, sans-serif; }
body { max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
section { border-left: 4px solid #b42318; padding: 0 1rem; margin: 1rem 0; }
section.likely { border-color: #b54708; }
h3 { margin: 0; } dl { display: grid; grid-template-columns: 6rem 1fr; margin: 0; } dd { margin: 0; }
dt, .note { opacity: .7; } code { font-family: ui-monospace, monospace; }
"""


def verdict_page(cases: Sequence[JudgedCase]) -> str:
    """The page."""
    return "\n".join(_lines(cases)) + "\n"


def _lines(cases: Sequence[JudgedCase]) -> Iterator[str]:
    count = sum(len(case.verdict.findings) for case in cases)
    yield '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">'
    yield "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">"
    yield f"<title>tokentape report</title>\n<style>{_STYLE}</style>\n</head>\n<body>"
    yield f"<h1>{count} finding{'' if count == 1 else 's'}</h1>"
    for case in cases:
        yield f"<h2>{escape(case.name)}</h2>"
        yield f"<p>{case.verdict.requests} requests{': resilient' if case.verdict.ok else ''}</p>"
        for finding in case.verdict.findings:
            yield from _finding(finding)
        for note in case.verdict.notes:
            yield f'<p class="note">{escape(note)}</p>'
    yield "</body>\n</html>"


def _finding(finding: Finding) -> Iterator[str]:
    times = ", ".join(f"{number} at {at:.0f} ms" for number, at in zip(finding.requests, finding.at_ms, strict=True))
    yield f'<section class="{finding.certainty}">'
    yield f"<h3>{escape(finding.title)} <code>{finding.kind}</code>, {finding.certainty}</h3>\n<dl>"
    rows = {"seen": finding.seen, "requests": times, "why": finding.why, "client": finding.sdk}
    for name, text in {**rows, "remedy": finding.remedy}.items():
        if text:
            yield f"<dt>{name}</dt><dd>{escape(text)}</dd>"
    yield "</dl>\n</section>"
