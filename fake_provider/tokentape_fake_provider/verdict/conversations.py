"""Conversations: which request continues which one, and what that shows of the response between them."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from tokentape_fake_provider.script.model import Text, ToolCall
from tokentape_fake_provider.verdict.attempts import Repeat
from tokentape_fake_provider.verdict.finding import Kind
from tokentape_fake_provider.verdict.observed import ObservedRequest
from tokentape_fake_provider.verdict.seen import Seen
from tokentape_fake_provider.verdict.settings import VerdictSettings
from tokentape_fake_provider.wires.prompt import ToolResult
from tokentape_fake_provider.wires.reading.turns import Part, Turn

# An app that knows that an answer is not whole asks for the rest of it.
_ASKS_FOR_THE_REST: Final = re.compile(
    r"\b(continu\w+|go on|carry on|resume|cut off|interrupted|truncated|incomplete|left off|finish your|weiter)\b"
    r"|继续|続け",
    re.IGNORECASE,
)


class FollowUp(NamedTuple):
    """A request that continues a conversation: the requests for what it continues, and the turns that it adds."""

    before: Sequence[ObservedRequest]
    after: ObservedRequest
    added: Sequence[Turn]
    by_id: bool = False

    @property
    def results(self) -> Sequence[tuple[ToolCall | None, ToolResult]]:
        """The results of tools that it adds, each with its call."""
        parts = [part for turn in self.added for part in turn.parts]
        calls = [part for part in parts if isinstance(part, ToolCall)]
        return [(_call_of(part, calls), part) for part in parts if isinstance(part, ToolResult)]


class Conversations:
    """The requests of a journal by their conversations."""

    def __init__(self, requests: Sequence[ObservedRequest]) -> None:
        self.requests = requests
        self._same = defaultdict[int, list[ObservedRequest]](list)
        for request in requests:
            if request.prefixes:
                self._same[request.prefixes[-1]].append(request)
        self.follow_ups = [found for request in requests if (found := self._follow_up(request)) is not None]

    def same_as(self, request: ObservedRequest) -> Sequence[ObservedRequest]:
        """The requests with the same conversation, to whatever model, itself included."""
        return self._same[request.prefixes[-1]] if request.prefixes else (request,)

    def _follow_up(self, request: ObservedRequest) -> FollowUp | None:
        for name in request.references:
            named = [one for one in self.requests if one.number < request.number and _has(one, name)]
            if named:
                return FollowUp(self._until(request, named[-1]), request, request.turns, by_id=True)
        for length in range(len(request.prefixes) - 1, 0, -1):
            same = self._same.get(request.prefixes[length - 1], ())
            if before := [one for one in same if one.number < request.number]:
                return FollowUp(before, request, request.turns[length:])
        return None

    def _until(self, request: ObservedRequest, named: ObservedRequest) -> Sequence[ObservedRequest]:
        return [one for one in self.same_as(named) if one.number < request.number]


def acceptance_findings(conversations: Conversations) -> Iterator[Seen]:
    """Broken streams that a client went on with as if they were whole."""
    found = set[int]()
    for follow_up in conversations.follow_ups:
        broken = [one for one in follow_up.before if one.broken or one.nothing_sent]
        if not broken or any(one not in broken and one.complete is not False for one in follow_up.before):
            continue
        response = broken[-1]
        evidence = _acceptance(response, follow_up)
        if evidence is not None and response.number not in found:
            found.add(response.number)
            yield broken_stream(response, *evidence, follow_up.after)


def broken_stream(
    response: ObservedRequest, certain: bool, evidence: str, after: ObservedRequest | None = None
) -> Seen:
    """The finding for a broken stream that was accepted, with the evidence."""
    requests = [response] if after is None else [response, after]
    kind: Kind = "error_ignored" if response.error_event or response.nothing_sent else "truncation_accepted"
    return Seen(kind, "certain" if certain else "likely", requests, f"{response.failure}, and {evidence}")


def _acceptance(response: ObservedRequest, follow_up: FollowUp) -> tuple[bool, str] | None:
    """Whether the evidence that a client took a broken response as whole is certain, and the evidence."""
    after, added = follow_up.after, follow_up.added
    if follow_up.by_id:
        return True, f"request {after.number} continues it by its id"
    ran = [call for call, _ in follow_up.results if call is not None and _in_body(response, call.name)]
    if ran:
        return True, f"request {after.number} has the result of its call of {ran[0].name}"
    answer = "".join(p.text for turn in added if turn.role == "assistant" for p in turn.parts if isinstance(p, Text))
    if response.nothing_sent:
        # An app that reports the error in the conversation has a text for it.
        empty = any(turn.role == "assistant" for turn in added) and not answer.strip() and not follow_up.results
        return (False, f"request {after.number} has an empty message of the assistant for it") if empty else None
    # A conversation that ends with it asks the model to go on: the client knows.
    if (
        not answer.strip()
        or added[-1].role == "assistant"
        or response.text is None
        or not _joined(answer, response.text)
    ):
        return None
    asked = " ".join(_text(part) for turn in added if turn.role == "user" for part in turn.parts)
    if _ASKS_FOR_THE_REST.search(asked):
        return None
    return False, f"request {after.number} has what was received as the whole message of the assistant"


def side_effect_findings(conversations: Conversations, repeats: Sequence[Repeat]) -> Iterator[Seen]:
    """Results that were sent twice, and calls that were executed again after a retry."""
    seen = set[str]()
    for request in conversations.requests:
        twice = _sent_twice(request.turns) - seen
        for call_id in sorted(twice):
            text = f"request {request.number} has two results for the tool call {call_id}"
            yield Seen("duplicate_side_effect", "certain", [request], text)
        seen |= twice
    for before, again in repeats:
        first = [one for one in conversations.follow_ups if before in one.before and one.after.number < again.number]
        second = [one for one in conversations.follow_ups if again in one.before and one.after.number > again.number]
        if first and second and (before.failed or any(one.after.failed for one in first)):
            yield from _executed_again(before, again, first[0], second[0])


def _executed_again(
    before: ObservedRequest, again: ObservedRequest, first: FollowUp, second: FollowUp
) -> Iterator[Seen]:
    for (call, result), (call_2, result_2) in zip(first.results, second.results, strict=False):
        if (call is None) != (call_2 is None):
            continue
        if call is not None and call_2 is not None and (call.name, call.arguments) != (call_2.name, call_2.arguments):
            continue
        certain = result.call_id != result_2.call_id or result.text != result_2.text
        name = result.name if call is None else call.name
        text = (
            f"request {before.number} was sent again as {again.number}, and the tool {name or 'that it called'} was "
            f"executed for both: requests {first.after.number} and {second.after.number} have the results"
        )
        requests = [before, first.after, again, second.after]
        yield Seen("duplicate_side_effect", "certain" if certain else "likely", requests, text)


def slow_cancel_findings(conversations: Conversations, limits: VerdictSettings, now_ms: float | None) -> Iterator[Seen]:
    """Streams that stayed open after the client had gone on."""
    for follow_up in conversations.follow_ups:
        for request in follow_up.before:
            ended = now_ms if request.ended is None else request.ended
            late = 0.0 if ended is None else ended - follow_up.after.arrived
            if late > limits.cancel_ms:
                text = (
                    f"request {follow_up.after.number} continued the conversation, and the stream of request "
                    f"{request.number} was open for another {late:.0f} ms"
                )
                yield Seen("slow_cancel", "likely", [request, follow_up.after], text)


def _sent_twice(turns: Sequence[Turn]) -> set[str]:
    parts = [part for turn in turns for part in turn.parts]
    calls = Counter(part.id for part in parts if isinstance(part, ToolCall) and part.id)
    results = Counter(part.call_id for part in parts if isinstance(part, ToolResult) and part.call_id)
    return {call_id for call_id, count in results.items() if count > max(1, calls[call_id])}


def _call_of(result: ToolResult, calls: Sequence[ToolCall]) -> ToolCall | None:
    by_id = next((call for call in calls if result.call_id and call.id == result.call_id), None)
    return by_id or next((call for call in calls if result.name and call.name == result.name), None)


def _has(request: ObservedRequest, name: str) -> bool:
    return name.encode() in (request.body or b"")


def _in_body(response: ObservedRequest, name: str) -> bool:
    return response.body is None or name.encode() in response.body


def _joined(answer: str, sent: str) -> bool:
    """Whether the text of the assistant is what was sent, white space apart."""
    return "".join(answer.split()) in "".join(sent.split())


def _text(part: Part) -> str:
    return part.text if isinstance(part, Text) else ""
