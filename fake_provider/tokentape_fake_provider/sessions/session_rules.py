"""The rules of a session, with their counts and the states of their scenarios."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence

from tokentape_fake_provider.fault_injection.active_faults import ActiveFault, ConfiguredFaults
from tokentape_fake_provider.playback.near_miss import NearMiss
from tokentape_fake_provider.script.model import as_script
from tokentape_fake_provider.sessions.condition import IncomingRequest
from tokentape_fake_provider.sessions.matching.request_comparison import Difference
from tokentape_fake_provider.sessions.rule import FIRST_STATE, Rule
from tokentape_fake_provider.sessions.taken import Taken
from tokentape_fake_provider.wires.tasks import answers


class AppliedRule:
    """A rule, how often it answered or applied, and the faults of the rule and of its scripts.

    `stored` is whether a store has it; `digest` is its name there.
    """

    __slots__ = ("count", "digest", "faults", "of_file", "rule", "script_faults", "seed", "stored")

    def __init__(self, rule: Rule, seed: str, *, of_file: bool = False, stored: bool = False) -> None:
        self.rule = rule
        self.of_file = of_file
        self.seed = seed
        self.stored = stored
        self.digest = ""
        self.count = 0
        self.faults = ConfiguredFaults(rule.faults, seed)
        scripts = map(as_script, rule.scripts)
        self.script_faults = [ConfiguredFaults(script.faults, f"{seed} {n}") for n, script in enumerate(scripts)]

    @property
    def used_up(self) -> bool:
        return self.rule.times is not None and self.count >= self.rule.times


class SessionRules:
    """Rules in their order: the first that applies answers. Whoever calls it holds the session's lock."""

    def __init__(self, lock: threading.RLock) -> None:
        self._lock = lock
        self.applied: list[AppliedRule] = []
        self.states: dict[str, str] = {}

    def add(self, rule: Rule, seed: int) -> None:
        """Add a rule at the end."""
        self.applied.append(AppliedRule(rule, f"{seed} rule {len(self.applied)}"))

    def remove(self, rule: Rule) -> None:
        """Remove this rule, if it is there."""
        self.applied = [applied for applied in self.applied if applied.rule is not rule]

    def replace(self, rules: Sequence[Rule], seed: int) -> None:
        """Replace all rules; those that stay keep their counts."""
        self.applied = _counted(rules, self.applied, seed)

    def set_up(self, rules: Sequence[Rule], seed: int) -> None:
        """Replace the rules of files by these, in their place; those that stay keep their counts."""
        of_files = [applied for applied in self.applied if applied.of_file]
        place = self.applied.index(of_files[0]) if of_files else 0
        added = [applied for applied in self.applied if not applied.of_file]
        self.applied = [*added[:place], *_counted(rules, of_files, seed, of_file=True), *added[place:]]

    def clear(self) -> None:
        """Remove all rules, and forget the states of scenarios."""
        self.applied.clear()
        self.states.clear()

    def take_faults(self, request: IncomingRequest) -> list[ActiveFault]:
        """The faults of rules without scripts that apply."""
        active: list[ActiveFault] = []
        for applied in self.applied:
            if not applied.rule.scripts and self._applies(applied, request):
                self._apply(applied)
                active += applied.faults.take()
        return active

    def take(self, request: IncomingRequest, *, named: bool = False) -> Taken | None:
        """The next script of the first rule that applies; with `named`, of the first that names a path."""
        for number, applied in enumerate(self.applied):
            if named and not applied.rule.names_path:
                continue
            if applied.rule.scripts and self._applies(applied, request):
                script = applied.rule.script(applied.count, request)
                if not answers(script, request.request.task) and not script.fails_any:
                    continue
                active_faults = applied.script_faults[applied.count % len(applied.script_faults)].take()
                active_faults += applied.faults.take()
                return Taken(script, "rule", f"rule {number}", active_faults, self._apply(applied))
        return None

    def nearest(self, request: IncomingRequest) -> NearMiss | None:
        """The rule with scripts for such a request that most nearly applies; `None` without such rules."""
        task = request.request.task
        missed = [
            (list(self._unmet(applied, request)), number)
            for number, applied in enumerate(self.applied)
            if any(answers(script, task) or script.fails_any for script in map(as_script, applied.rule.scripts))
        ]
        if not missed:
            return None
        unmet, number = min(missed, key=lambda one: len(one[0]))
        return NearMiss("rule", f"rule {number}", [difference.field for difference in unmet])

    def expected(self, request: IncomingRequest) -> list[NearMiss]:
        """The rules with `times` that have not answered yet, but for those of later states of a scenario."""
        rules = [
            (f"rule {number}", self._unmet(applied, request))
            for number, applied in enumerate(self.applied)
            if applied.rule.times is not None
            and not applied.count
            and applied.rule.scripts
            and applied.rule.state in (None, self._state(applied.rule.scenario))
        ]
        return [NearMiss("rule", name, [difference.field for difference in unmet]) for name, unmet in rules]

    def _state(self, scenario: str | None) -> str:
        return self.states.get(scenario or "", FIRST_STATE)

    def _applies(self, applied: AppliedRule, request: IncomingRequest) -> bool:
        return next(self._unmet(applied, request), None) is None

    def _unmet(self, applied: AppliedRule, request: IncomingRequest) -> Iterator[Difference]:
        rule = applied.rule
        if rule.state is not None and (state := self._state(rule.scenario)) != rule.state:
            yield Difference("state", rule.state, state)
        if applied.used_up:
            yield Difference("times", rule.times, applied.count + 1)
        yield from rule.unmet(request)

    def _apply(self, applied: AppliedRule) -> Callable[[], None]:
        """Count a rule, and put its scenario into its new state; the result undoes both."""
        applied.count += 1
        scenario, new_state = applied.rule.scenario, applied.rule.new_state
        before = self._state(scenario)
        if scenario is not None and new_state is not None:
            self.states[scenario] = new_state

        def undo() -> None:
            with self._lock:
                applied.count -= 1
                if scenario is not None and self.states.get(scenario) == new_state:
                    self.states[scenario] = before

        return undo


def _counted(
    rules: Sequence[Rule], before: Sequence[AppliedRule], seed: int, *, of_file: bool = False
) -> list[AppliedRule]:
    """These rules, with the counts of equal ones among those before."""
    left, counted = list(before), list[AppliedRule]()
    for number, rule in enumerate(rules):
        kept = next((applied for applied in left if applied.rule == rule), None)
        if kept is not None:
            left.remove(kept)
        counted.append(kept or AppliedRule(rule, f"{seed} rule {number}", of_file=of_file))
    return counted
