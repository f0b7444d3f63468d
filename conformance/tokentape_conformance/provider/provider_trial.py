"""Provider trial: sends requests to the target in a wire format, and judges the bytes of its responses."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from tokentape_conformance.case_registry import Case
from tokentape_conformance.provider.exchange import Exchange
from tokentape_conformance.provider.grammar import Judgement, judge
from tokentape_conformance.provider.grammar_event import Problem, ResponseContent
from tokentape_conformance.provider.grammars import GRAMMARS
from tokentape_conformance.provider.http_request import HttpRequest
from tokentape_conformance.provider.scenario import STREAMED, TEXT, Scenario
from tokentape_conformance.provider.target import Target
from tokentape_conformance.trial import Prose, TimedFrame, Trial
from tokentape_fake_provider.wires import wire_named
from tokentape_harness.errors import PromiseBrokenError


class ProviderTrial(Trial):
    """The argument of the provider suite's cases, which are plain functions."""

    def __init__(self, case: Case, wire: str, target: Target, *, seed: int = 0) -> None:
        super().__init__(case, wire, seed=seed)
        self.target = target
        self.grammar = GRAMMARS[wire]
        self.facts = wire_named(wire).facts
        self._shown: tuple[TimedFrame, ...] = ()

    @property
    def frames(self) -> list[TimedFrame]:
        """The frames of the last response."""
        return list(self._shown)

    def lacks(self, capability: str) -> str | None:
        """Why the target lacks a capability that part of a case needs."""
        return self.target.lack(capability, self.wire)

    @property
    def scripted(self) -> bool:
        """Whether the target's responses are those of the scenarios' scripts."""
        return self.lacks("scripted") is None

    def show(self, answer: Exchange) -> Exchange:
        """Keep this response as evidence."""
        self.request, self._shown = answer.request.shown, answer.frames
        return answer

    def new_response(self, scenario: Scenario, *, stream: bool = True, leave_after: int | None = None) -> Exchange:
        """Send a new request."""
        return self.show(self.target.new_response(self.wire, scenario, stream=stream, leave_after=leave_after))

    def response(self, scenario: Scenario = TEXT, *, stream: bool = True) -> Exchange:
        """The response to a scenario, which cases share."""
        return self.show(self.target.response(self.wire, scenario, stream=stream))

    def send(self, request: HttpRequest) -> Exchange:
        """Send any request to the server itself."""
        return self.show(self.target.send(self.target.base_url, self.wire, request))

    def stream(self, scenario: Scenario = TEXT) -> Judgement:
        """A scenario's stream, judged. Fails the case without status 200, or if the connection broke."""
        answer = self.response(scenario)
        return self.judged(answer)

    def judged(self, answer: Exchange) -> Judgement:
        """A response's stream, judged."""
        self.show(answer)
        self.expect("the status", answer.status, 200)
        if answer.error:
            self.fail("the connection", Prose(answer.error), Prose("a complete body"))
        return judge(self.grammar, answer.body)

    def whole(self, scenario: Scenario = TEXT) -> ResponseContent:
        """The content of the response to a scenario without streaming."""
        answer = self.response(scenario, stream=False)
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

    def streams(self) -> Iterator[tuple[Scenario, Judgement]]:
        """The streams of all scenarios that the target supports, each judged."""
        for scenario in STREAMED:
            if not scenario.needs or self.lacks(scenario.needs) is None:
                yield scenario, self.stream(scenario)

    def expect_none(self, problems: Iterable[Problem], scenario: Scenario | None = None) -> None:
        """Check that there are no problems. Raises `PromiseBrokenError` for the first one."""
        for problem in problems:
            where = "" if problem.at is None else f", event {problem.at}"
            name = "" if scenario is None else f" ({scenario.name})"
            raise PromiseBrokenError(f"{problem.what}{where}{name}", expected=problem.expected, seen=problem.seen)

    def expect_no(self, *aspects: str) -> None:
        """Check that no scenario's stream has a problem of these aspects."""
        for scenario, judged in self.streams():
            self.expect_none(judged.of(*aspects), scenario)
