"""Requirements: what a report must have, so that a load test can stand in CI."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, NamedTuple

from tokentape_harness.errors import UsageError
from tokentape_harness.load.report import LoadReport, ProviderShare, Spread

_COMPARED: Final[Mapping[str, Callable[[float, float], bool]]] = {
    "<=": operator.le,
    ">=": operator.ge,
    "<": operator.lt,
    ">": operator.gt,
}
_FORM: Final = re.compile(r"\s*([a-z0-9_.]+)\s*(<=|>=|<|>)\s*(-?[0-9]+(?:\.[0-9]+)?)\s*")
_STANDING: Final = ("failed<=0", "unfinished<=0")


class Requirement(NamedTuple):
    """A number of the report, by its path in the JSON, compared with a limit."""

    path: str
    comparison: str
    limit: float

    def broken_by(self, report: LoadReport) -> str:
        """The problem as one sentence; empty if the report meets the requirement."""
        value: Any = report
        for name in self.path.split("."):
            value = getattr(value, name, None)
        if value is None:
            return f"{self.path} is not in the report, {self.comparison} {self.limit:g} is required"
        if _COMPARED[self.comparison](value, self.limit):
            return ""
        return f"{self.path} is {value:.6g}, {self.comparison} {self.limit:g} is required"


def read_requirements(texts: Iterable[str]) -> list[Requirement]:
    """Read requirements such as `time_to_first_token.p99<=500`.

    No stream may fail or be unfinished, unless a requirement sets another limit for it. Raises `UsageError`.
    """
    read = [_read(text) for text in texts]
    named = {one.path for one in read}
    return [*read, *(one for one in map(_read, _STANDING) if one.path not in named)]


def _read(text: str) -> Requirement:
    found = _FORM.fullmatch(text)
    if found is None:
        raise UsageError(f"--require {text}: write PATH<=NUMBER (or >=, <, >), such as time_to_first_token.p99<=500")
    path, comparison, limit = found.groups()
    if path not in PATHS:
        groups = dict.fromkeys(re.sub(r"\.[a-z0-9]+$", ".*", one).replace("provider.*", one) for one in PATHS)
        raise UsageError(f"--require {text}: the report has no number {path}: it has {', '.join(groups)}")
    return Requirement(path, comparison, float(limit))


def _paths(struct: type[Any], prefix: str = "") -> Iterable[str]:
    for name, kind in struct.__annotations__.items():
        if kind in ("int", "float"):
            yield prefix + name
        elif kind == "Spread | None":
            yield from _paths(Spread, f"{prefix}{name}.")
        elif kind == "ProviderShare | None":
            yield from _paths(ProviderShare, f"{prefix}{name}.")


PATHS: Final = tuple(_paths(LoadReport))
"""The path of each number of a report."""
