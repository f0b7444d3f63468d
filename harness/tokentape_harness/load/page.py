"""The report of a load test as one HTML page with plots, which needs nothing from elsewhere."""

from __future__ import annotations

import html
import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from typing import Final, NamedTuple

from tokentape_harness.load.provider_times import ProviderTimes
from tokentape_harness.load.report import LoadReport
from tokentape_harness.load.sample import Sample

_WIDTH: Final = 640
_HEIGHT: Final = 240
_LEFT: Final = 56
_BOTTOM: Final = 34
# The most points of a curve: more can't be seen.
_POINTS: Final = 200
# Between two lines of an axis, times a power of 10.
_STEPS: Final = (1, 1.5, 2, 2.5, 3, 4, 5, 7.5, 10)
_STYLE: Final = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 44rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.5rem; } h1, p { overflow-wrap: anywhere; } svg { width: 100%; height: auto; }
text { font-size: 12px; fill: currentColor; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th { font-weight: inherit; text-align: left; } thead th, td { text-align: right; padding-left: .5rem; }
@media (max-width: 30rem) { table { font-size: 13px; } svg text { font-size: 15px; } }
.axis { stroke: currentColor; stroke-opacity: .3; }
.c0 { stroke: #2563eb; } .c1 { stroke: #d97706; } .curve { fill: none; stroke-width: 2; }
:root { color-scheme: light dark; }
"""


class Curve(NamedTuple):
    """A named line through points, of which x ascends."""

    name: str
    points: Sequence[tuple[float, float]]


def load_page(
    title: str, report: LoadReport, samples: Sequence[Sample], provider: Mapping[str, ProviderTimes] | None
) -> str:
    """Return the page: the report's text, shares of requests by time, and tokens a second over time."""
    samples = [sample for sample in samples if not sample.unfinished]
    firsts = [Curve("seen by users", _shares(sample.first for sample in samples))]
    if provider:
        sent = (provider[sample.id].first for sample in samples if sample.id in provider)
        firsts.append(Curve("sent by the provider", _shares(sent)))
    gaps = [Curve("seen by users", _shares(chain.from_iterable(sample.gaps for sample in samples)))]
    plots = [
        _plot("Time to first token, ms", "% of streams", firsts),
        _plot("Inter-token latency, ms", "% of tokens", gaps),
        _plot("Seconds since the start", "tokens/s", [Curve("all users", _rates(samples))]),
    ]
    rows = "".join(_table_row(*row) for row in report.rows())
    table = (
        f"<table><thead>{_table_row('', 'p50', 'p90', 'p99', 'max', cell='th')}</thead><tbody>{rows}</tbody></table>"
    )
    notes = "".join(f"<p>{html.escape(note)}</p>" for note in report.notes())
    name = html.escape(title)
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{name}</title>'
        f'<meta name="viewport" content="width=device-width"><style>{_STYLE}</style>'
        f"<h1>{name}</h1><p>{html.escape(report.headline)}</p>{table}{notes}{''.join(plots)}</html>\n"
    )


def _table_row(name: str, *cells: str, cell: str = "td") -> str:
    return f"<tr><th>{html.escape(name)}</th>{''.join(f'<{cell}>{text}</{cell}>' for text in cells)}</tr>"


def _shares(values: Iterable[float | None]) -> list[tuple[float, float]]:
    """The share (%) of the values up to each of them; the last hundredth is left out, which would flatten the rest."""
    ordered = sorted(value for value in values if value is not None)
    count = len(ordered)
    ranks = sorted({round(count * step / _POINTS) for step in range(1, _POINTS + 1)} - {0})
    return [(ordered[rank - 1], rank / count * 100) for rank in ranks if rank <= 0.99 * count or count < _POINTS]


def _rates(samples: Sequence[Sample]) -> list[tuple[float, float]]:
    """Tokens per second in steps of about 1 s, all of the same length: a shorter last one would look like a drop."""
    began = min(sample.began for sample in samples)
    arrivals = [sample.began - began + arrival / 1000 for sample in samples for arrival in sample.arrivals]
    end = max(arrivals, default=0.0)
    steps = max(1, int(end))
    width = end / steps or 1.0
    counts = Counter(min(int(arrival / width), steps - 1) for arrival in arrivals)
    return [(edge * width, counts[step] / width) for step in range(steps) for edge in (step, step + 1)]


def _plot(x_name: str, y_name: str, curves: Sequence[Curve]) -> str:
    points = [point for curve in curves for point in curve.points]
    widest = _round_up(max((x for x, _ in points), default=0.0))
    highest = _round_up(max((y for _, y in points), default=0.0))
    right, top = _WIDTH - 24, 24

    def place(x: float, y: float) -> str:
        across, up = x / widest * (right - _LEFT), y / highest * (_HEIGHT - _BOTTOM - top)
        return f"{_LEFT + across:.1f},{_HEIGHT - _BOTTOM - up:.1f}"

    parts = [f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{html.escape(f"{y_name} by {x_name}")}">']
    for step in range(5):
        x, y = widest * step / 4, highest * step / 4
        at_x, at_y = place(x, 0).partition(",")[0], place(0, y).partition(",")[2]
        parts.append(f'<path class="axis" d="M{_LEFT},{at_y}H{right}"/>')
        parts.append(f'<text x="{_LEFT - 6}" y="{at_y}" dy="4" text-anchor="end">{y:,.4g}</text>')
        parts.append(f'<text x="{at_x}" y="{_HEIGHT - _BOTTOM + 15}" text-anchor="middle">{x:,.4g}</text>')
    parts.append(f'<text x="{_LEFT}" y="14">{html.escape(y_name)}</text>')
    parts.append(f'<text x="{right}" y="{_HEIGHT - 4}" text-anchor="end">{html.escape(x_name)}</text>')
    for number, curve in enumerate(curves):
        line = " ".join(place(x, y) for x, y in curve.points)
        parts.append(f'<polyline class="curve c{number}" points="{line}"/>')
        if len(curves) > 1:
            x = right - 170 * (len(curves) - number)
            parts.append(f'<path class="curve c{number}" d="M{x},10h24"/>')
            parts.append(f'<text x="{x + 30}" y="14">{html.escape(curve.name)}</text>')
    return "".join([*parts, "</svg>"])


def _round_up(value: float) -> float:
    """The end of an axis with four steps, each a round number."""
    if value <= 0:
        return 4.0
    unit = 10.0 ** math.floor(math.log10(value / 4))
    return 4 * unit * next(round_step for round_step in _STEPS if 4 * unit * round_step >= value * 0.9999)
