"""Rules, which decide which scripts answer which requests."""

from __future__ import annotations

import re
from fnmatch import fnmatchcase

import msgspec

from tokentape_fake_provider.faults.specification import Faults, as_faults
from tokentape_fake_provider.script.model import Script
from tokentape_fake_provider.wires.wire import ProviderRequest


class Rule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Scripts that answer every request for which all conditions hold: in turn, and from the first again.

    `model` and `path` are shell patterns (`gpt-*`), `contains` is a part of the prompt and `matches` a regular
    expression that is found anywhere in it; `times` is how often the rule answers at most. A condition that is `None`
    always holds. `faults` are applied to its answers; the faults of a rule without scripts are applied to whatever
    else answers. Raises `ValueError` for an invalid regular expression, or without scripts and faults.
    """

    scripts: tuple[Script, ...] = ()
    wire: str | None = None
    model: str | None = None
    path: str | None = None
    contains: str | None = None
    matches: str | None = None
    stream: bool | None = None
    times: int | None = None
    faults: Faults = ()

    def __post_init__(self) -> None:
        if self.faults:
            msgspec.structs.force_setattr(self, "faults", as_faults(self.faults))
        if not self.scripts and not self.faults:
            raise ValueError("a rule needs at least one script in `scripts`, or `faults`")
        if self.times is not None and self.times < 1:
            raise ValueError(f"`times` is {self.times}: use 1 or more, or leave it out")
        if self.matches is not None:
            try:
                re.compile(self.matches)
            except re.error as error:
                raise ValueError(f"`matches` is not a regular expression: {error}") from None

    def applies(self, request: ProviderRequest) -> bool:
        """Whether all conditions hold for this request."""
        return (
            (self.wire is None or self.wire == request.wire)
            and (self.stream is None or self.stream == request.stream)
            and (self.model is None or fnmatchcase(request.model, self.model))
            and (self.path is None or fnmatchcase(request.path, self.path))
            and (self.contains is None or self.contains in request.text)
            and (self.matches is None or re.search(self.matches, request.text) is not None)
        )
