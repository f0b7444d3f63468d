"""Rules, which decide which scripts answer which requests."""

from __future__ import annotations

from typing import Final

import msgspec

from tokentape_fake_provider.faults.specification import Faults, as_faults
from tokentape_fake_provider.script.model import Script, Scripts, as_script
from tokentape_fake_provider.sessions.condition import Condition, IncomingRequest
from tokentape_fake_provider.sessions.script_template import check_template, fill_template

FIRST_STATE: Final = "started"
"""The state in which every scenario begins."""


class Rule(Condition, frozen=True, forbid_unknown_fields=True):
    """Scripts that answer every request for which its conditions hold: in turn, and from the first again.

    A string is a script with that text. `times` is how often the rule answers at most. `faults` are applied to its
    answers; the faults of a rule without scripts are applied to whatever else answers. A rule of a `scenario` answers
    only in its `state`, and then puts it into `new_state`; every scenario begins in the state `started`. With
    `template` its scripts quote the request where they have `{last_user}`, `{system}`, `{model}`, `{turn}`, `{tools}`,
    `{tool_result}` or `{tool_result.NAME}`; other braces stay as they are. Raises `ValueError` for a wrong condition,
    without scripts and faults, or for states without a scenario.
    """

    scripts: Scripts = ()
    times: int | None = None
    faults: Faults = ()
    scenario: str | None = None
    state: str | None = None
    new_state: str | None = None
    template: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if any(isinstance(script, str) for script in self.scripts):
            msgspec.structs.force_setattr(self, "scripts", tuple(map(as_script, self.scripts)))
        if self.faults:
            msgspec.structs.force_setattr(self, "faults", as_faults(self.faults))
        if not self.scripts and not self.faults:
            raise ValueError("a rule needs at least one script in `scripts`, or `faults`")
        if self.times is not None and self.times < 1:
            raise ValueError(f"`times` is {self.times}: use 1 or more, or leave it out")
        if self.scenario is None and (self.state is not None or self.new_state is not None):
            raise ValueError("`state` and `new_state` are those of a scenario: name it in `scenario`")
        if self.scenario is not None and self.state is None and self.new_state is None:
            raise ValueError("`scenario` alone changes nothing: give a `state` or a `new_state`")
        if self.template:
            for script in self.scripts:
                check_template(as_script(script))

    def script(self, number: int, incoming: IncomingRequest) -> Script:
        """The script that answers the request for the time `number`, from 0."""
        script = as_script(self.scripts[number % len(self.scripts)])
        return fill_template(script, incoming) if self.template else script
