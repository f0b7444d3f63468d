"""Regression: the cost of each of several quantities, from the times of measurements."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Final

_SIGNIFICANT: Final = 3.0
_ROUNDS: Final = 3

Columns = Mapping[str, Sequence[float]]


def regress(columns: Columns, times: Sequence[float], *, constant: str) -> dict[str, float]:
    """The cost of each column, by least squares of relative errors: `times` vary in proportion to their mean.

    A cost is never negative and at least 3 standard errors; columns with a lower one are left out, the least certain
    first. The `constant` column is left out only if its cost is negative.
    """
    kept = {name: values for name, values in columns.items() if name == constant or len(set(values)) > 1}
    while kept:
        solved = _solve(list(kept.values()), times)
        if solved is None:  # two equal columns
            kept.popitem()
            continue
        costs, errors = solved
        certainty = {
            name: cost / error if error else math.copysign(math.inf, cost) if cost else 0.0
            for name, cost, error in zip(kept, costs, errors, strict=True)
        }
        doubtful = [
            name for name, times_error in certainty.items() if times_error < (0 if name == constant else _SIGNIFICANT)
        ]
        if not doubtful:
            return dict(zip(kept, costs, strict=True))
        del kept[min(doubtful, key=certainty.__getitem__)]
    return {}


def _solve(columns: Sequence[Sequence[float]], times: Sequence[float]) -> tuple[list[float], list[float]] | None:
    """Costs and their standard errors; `None` if the columns depend on each other.

    The weights come from the expectations of the round before, since the true ones are unknown.
    """
    rows = list(zip(*columns, strict=True))
    if len(rows) <= len(columns):
        return None
    expected = list(times)
    costs: list[float] = []
    inverse: list[list[float]] = []
    residual = 0.0
    for _ in range(_ROUNDS):
        floor = max(expected) * 1e-3
        weights = [1 / max(value, floor, 1e-9) ** 2 for value in expected]
        moments = [
            [sum(w * row[i] * row[j] for w, row in zip(weights, rows, strict=True)) for j in range(len(columns))]
            for i in range(len(columns))
        ]
        found = _inverse(moments)
        if found is None:
            return None
        inverse = found
        sides = [
            sum(w * row[i] * time for w, row, time in zip(weights, rows, times, strict=True))
            for i in range(len(columns))
        ]
        costs = [sum(a * b for a, b in zip(line, sides, strict=True)) for line in inverse]
        residual = sum(
            w * (time - _expected(row, costs)) ** 2 for w, row, time in zip(weights, rows, times, strict=True)
        )
        expected = [_expected(row, costs) for row in rows]
    variance = residual / (len(rows) - len(columns))
    return costs, [math.sqrt(max(0.0, variance * inverse[i][i])) for i in range(len(columns))]


def _expected(row: Sequence[float], costs: Sequence[float]) -> float:
    return sum(value * cost for value, cost in zip(row, costs, strict=True))


def _inverse(matrix: Sequence[Sequence[float]]) -> list[list[float]] | None:
    """The inverse by Gauss-Jordan elimination, after scaling the diagonal to 1; `None` for a singular matrix."""
    size = len(matrix)
    scale = [math.sqrt(matrix[i][i]) if matrix[i][i] > 0 else 1.0 for i in range(size)]
    work = [
        [matrix[i][j] / (scale[i] * scale[j]) for j in range(size)] + [float(i == j) for j in range(size)]
        for i in range(size)
    ]
    for column in range(size):
        pivot = max(range(column, size), key=lambda row: abs(work[row][column]))
        if abs(work[pivot][column]) < 1e-9:
            return None
        work[column], work[pivot] = work[pivot], work[column]
        head = work[column][column]
        work[column] = [value / head for value in work[column]]
        for row in range(size):
            if row != column:
                factor = work[row][column]
                work[row] = [a - factor * b for a, b in zip(work[row], work[column], strict=True)]
    return [[work[i][size + j] / (scale[i] * scale[j]) for j in range(size)] for i in range(size)]
