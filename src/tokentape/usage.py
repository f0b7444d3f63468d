"""Token usage, in one arithmetic over all providers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

import msgspec


class _Nothing(dict[str, Any]):
    """An empty mapping that stays empty: the default of fields. It is pickled, copied and encoded as a dict may be."""

    __slots__ = ()

    def __reduce__(self) -> str:
        return "NOTHING"

    def _refuse(self, *_: Any, **__: Any) -> NoReturn:
        raise TypeError("this mapping is a default that is shared: pass a dict of your own")

    __setitem__ = setdefault = update = __ior__ = _refuse


NOTHING: Mapping[str, Any] = _Nothing()


class TokenUsage(msgspec.Struct, frozen=True, gc=False):
    """Token counts of one response; `None` means "not reported", never 0.

    The arithmetic is OpenTelemetry's for generative AI: `input` counts all of the prompt, and `cached`
    (read from a prompt cache) and `cache_write` are parts of it; `output` counts all that was generated,
    and `reasoning` is a part of it; `total` is the provider's own figure, else `input + output`.
    `raw` holds the provider's own numbers as they were last reported, unchanged.
    """

    input: int | None = None
    output: int | None = None
    total: int | None = None
    cached: int | None = None
    cache_write: int | None = None
    reasoning: int | None = None
    raw: Mapping[str, Any] = NOTHING

    def with_total(self) -> TokenUsage:
        """Return this usage with `total` filled in as `input + output` where the provider gave none."""
        if self.total is not None or self.input is None or self.output is None:
            return self
        return msgspec.structs.replace(self, total=self.input + self.output)


def merged(usages: Sequence[TokenUsage]) -> TokenUsage:
    """The usage that these leave: the last reported value of each field, never a sum; linear in how many there are."""
    fields = {}
    for name in TokenUsage.__struct_fields__[:-1]:
        for usage in reversed(usages):
            value = getattr(usage, name)
            if value is not None:
                fields[name] = value
                break
    return TokenUsage(**fields, raw=_last_reports([usage.raw for usage in usages]))


def _last_reports(reports: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    """The provider's numbers: the last report whole, beside those of other objects, which share no key with it.

    A null reports nothing: the value before it stays.
    """
    last: Mapping[str, Any] = NOTHING
    for report in reports:
        if report.keys() == last.keys() and None not in report.values():
            last = report  # mostly
            continue
        if all(value is None for value in report.values()):
            continue
        if last.keys().isdisjoint(report):
            last = {**last, **report} if last else report
        else:
            last = {key: last.get(key) if value is None else value for key, value in report.items()}
    return last
