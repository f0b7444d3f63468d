"""Trial of a provider: asks the target in a wire format, and judges the bytes of its answers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from tokentape_conformance.case_registry import Case
from tokentape_conformance.provider.event import Problem, Said
from tokentape_conformance.provider.exchange import Exchange
from tokentape_conformance.provider.grammar import Judged, judge
from tokentape_conformance.provider.grammars import GRAMMARS
from tokentape_conformance.provider.request import Request
from tokentape_conformance.provider.scenario import STREAMED, TEXT, Scenario
from tokentape_conformance.provider.target import Target
from tokentape_conformance.trial import Prose, TimedFrame, Trial
from tokentape_fake_provider.wires import wire_named
from tokentape_harness.errors import PromiseBrokenError


class ProviderTrial(Trial):
    """What a case of the provider suite gets. Cases are plain functions."""

    def __init__(self, case: Case, wire: str, target: Target, *, seed: int = 0) -> None:
        super().__init__(case, wire, seed=seed)
        self.target = target
        self.grammar = GRAMMARS[wire]
        self.facts = wire_named(wire).facts
        self._shown: tuple[TimedFrame, ...] = ()

    @property
    def frames(self) -> list[TimedFrame]:
        """The frames of the last answer that was looked at."""
        return list(self._shown)

    def lacks(self, capability: str) -> str | None:
        """Why the target has not what a part of a case needs."""
        return self.target.lack(capability, self.wire)

    @property
    def scripted(self) -> bool:
        """Whether the target says what a scenario's script has."""
        return self.lacks("scripted") is None

    def show(self, answer: Exchange) -> Exchange:
        """Take this answer as the evidence."""
        self.request, self._shown = answer.request.shown, answer.frames
        return answer

    def ask(self, scenario: Scenario, *, stream: bool = True, leave_after: int | None = None) -> Exchange:
        """Ask anew."""
        return self.show(self.target.ask(self.wire, scenario, stream=stream, leave_after=leave_after))

    def asked(self, scenario: Scenario = TEXT, *, stream: bool = True) -> Exchange:
        """The answer to a scenario; cases that only look share it."""
        return self.show(self.target.asked(self.wire, scenario, stream=stream))

    def send(self, request: Request) -> Exchange:
        """Send any request to the server itself."""
        return self.show(self.target.send(self.target.base_url, self.wire, request))

    def stream(self, scenario: Scenario = TEXT) -> Judged:
        """A scenario's stream, judged. It must have been answered, and its connection not broken off."""
        answer = self.asked(scenario)
        return self.judged(answer)

    def judged(self, answer: Exchange) -> Judged:
        """An answer's stream, judged."""
        self.show(answer)
        self.expect("the status", answer.status, 200)
        if answer.error:
            self.fail("the connection", Prose(answer.error), Prose("an end as HTTP has it"))
        return judge(self.grammar, answer.body)

    def whole(self, scenario: Scenario = TEXT) -> Said:
        """What the answer to a scenario says that is not streamed."""
        answer = self.asked(scenario, stream=False)
        self.expect("the status", answer.status, 200)
        if not isinstance(answer.document, dict):
            self.fail("the body", Prose(repr(answer.body[:200])), Prose("a JSON object"))
        try:
            return self.grammar.read_whole(answer.document)
        except (KeyError, TypeError, AttributeError, IndexError) as error:
            self.fail(
                "the body",
                Prose(f"{type(error).__name__}: {error}"),
                Prose("the fields of its specification"),
            )

    def streams(self) -> Iterator[tuple[Scenario, Judged]]:
        """The streams of all scenarios that the target can do, each judged."""
        for scenario in STREAMED:
            if not scenario.needs or self.lacks(scenario.needs) is None:
                yield scenario, self.stream(scenario)

    def expect_none(self, problems: Iterable[Problem], scenario: Scenario | None = None) -> None:
        """Go on if there are none. Raises `PromiseBrokenError` for the first one."""
        for problem in problems:
            where = "" if problem.at is None else f", event {problem.at}"
            asked = "" if scenario is None else f" ({scenario.name})"
            raise PromiseBrokenError(f"{problem.what}{where}{asked}", expected=problem.expected, seen=problem.seen)

    def expect_no(self, *aspects: str) -> None:
        """No stream of any scenario has a problem of these aspects."""
        for scenario, judged in self.streams():
            self.expect_none(judged.of(*aspects), scenario)
