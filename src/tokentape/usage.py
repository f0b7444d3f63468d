"""Token usage, counted the same way for all providers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

import msgspec


class _Nothing(dict[str, Any]):
    """An empty, read-only mapping: the default of fields. It can be pickled, copied and encoded like a dict."""

    __slots__ = ()

    def __reduce__(self) -> str:
        return "NOTHING"

    def _refuse(self, *_: Any, **__: Any) -> NoReturn:
        raise TypeError("this mapping is a shared default and read-only: pass a dict of your own")

    __setitem__ = setdefault = update = __ior__ = _refuse


NOTHING: Mapping[str, Any] = _Nothing()


class TokenUsage(msgspec.Struct, frozen=True, gc=False):
    """Token counts of one response; `None` means "not reported", never 0.

    The fields are counted as in OpenTelemetry's conventions for generative AI: `input` counts the whole prompt,
    including `cached` (read from a prompt cache) and `cache_write`; `output` counts everything that was generated,
    including `reasoning`; `total` is the provider's own figure, else `input + output`. `raw` holds the provider's
    numbers as last reported, unchanged.
    """

    input: int | None = None
    output: int | None = None
    total: int | None = None
    cached: int | None = None
    cache_write: int | None = None
    reasoning: int | None = None
    raw: Mapping[str, Any] = NOTHING

    def with_total(self) -> TokenUsage:
        """Return this usage with `total` filled in as `input + output` if the provider sent none."""
        if self.total is not None or self.input is None or self.output is None:
            return self
        return msgspec.structs.replace(self, total=self.input + self.output)


def merged(usages: Sequence[TokenUsage]) -> TokenUsage:
    """Merge reports of one response: each field has its last reported value, never a sum. Takes linear time."""
    fields = {}
    for name in TokenUsage.__struct_fields__[:-1]:
        for usage in reversed(usages):
            value = getattr(usage, name)
            if value is not None:
                fields[name] = value
                break
    return TokenUsage(**fields, raw=_last_reports([usage.raw for usage in usages]))


def _last_reports(reports: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    """Merge the provider's own numbers: the last report replaces one with the same keys and joins one with others.

    A null reports nothing: the value before it stays.
    """
    keys = reports[-1].keys()
    if None not in reports[-1].values() and all(report.keys() == keys for report in reports):
        return reports[-1]  # the usual case
    last: Mapping[str, Any] = NOTHING
    for report in reports:
        if report.keys() == last.keys() and None not in report.values():
            last = report
            continue
        if all(value is None for value in report.values()):
            continue
        if last.keys().isdisjoint(report):
            last = {**last, **report} if last else report
        else:
            last = {key: last.get(key) if value is None else value for key, value in report.items()}
    return last
