"""Expected requests: those that a test answers one by one, in their order or in any."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

import msgspec

from tokentape_fake_provider.script.description import shortened
from tokentape_fake_provider.script.model import Script, as_script
from tokentape_fake_provider.sessions.condition import Condition
from tokentape_fake_provider.sessions.rule import FIRST_STATE, Rule
from tokentape_fake_provider.sessions.session import Session
from tokentape_fake_provider.tape import Tape
from tokentape_harness.errors import UsageError

_ORDER: Final = "the expected order"


class Expectations:
    """The expected requests of a session. Each is a rule that answers once; those in order are a scenario's states."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._rules: list[Rule] = []
        self._ordered = 0

    def add(self, condition: Condition, script: Script, times: int, *, ordered: bool) -> None:
        """Expect such a request, `times` times. From the first on, the session refuses what nothing answers."""
        if not self._rules:
            self._session.configure(strict=True)
        for _ in range(times):
            order: dict[str, Any] = {}
            if ordered:
                state = str(self._ordered) if self._ordered else FIRST_STATE
                self._ordered += 1
                order = {"scenario": _ORDER, "state": state, "new_state": str(self._ordered)}
            rule = Rule((script,), times=1, **_given(condition), **order)
            self._rules.append(rule)
            self._session.add_rule(rule)

    @property
    def problems(self) -> Sequence[str]:
        """What was expected and never came, and what came and was not expected."""
        if not self._rules:
            return ()
        unmet = [rule for rule in self._session.unplayed.rules if rule in self._rules]
        problems = []
        if unmet:
            listed = "; ".join(describe(rule) for rule in unmet)
            problems.append(f"expected requests that never came: {listed}")
        return [
            *problems,
            *(
                f"request {entry.number} ({entry.method} {entry.path}): {entry.note}"
                for entry in self._session.journal.entries
                if entry.answered_by == "error" and entry.misses
            ),
        ]


class ExpectedRequest:
    """A request that a test expects, and that `respond_with` answers."""

    def __init__(self, respond: Callable[[Script], None], make: Callable[..., Script | Tape]) -> None:
        self._respond = respond
        self._make = make

    def respond_with(self, *content: Any, **options: Any) -> None:
        """Answer it; the parameters are those of `FakeProvider.script`. Raises `UsageError`, `FaultError`."""
        script = self._make(content, options)
        if isinstance(script, Tape):
            raise UsageError("respond_with: a tape answers whatever is requested; queue it with script()")
        self._respond(as_script(script))


def describe(rule: Rule) -> str:
    """The conditions of a rule in a few words, with its place in the order."""
    place = "" if rule.state is None else f"number {1 if rule.state == FIRST_STATE else int(rule.state) + 1} in order: "
    given = ", ".join(
        f"{name} {shortened(msgspec.json.encode(value).decode())}" for name, value in _given(rule).items()
    )
    return place + (given or "any request")


def _given(condition: Condition) -> dict[str, Any]:
    """The conditions that are given."""
    names = (field.name for field in msgspec.structs.fields(Condition))
    return {name: value for name in names if (value := getattr(condition, name)) is not None}
