"""Grammar: the order of a stream's events as tables, and how a body is judged by them.

State machines read a stream: one for the stream as a whole, one for each choice, block, item or call in it (its
lanes). An event is a list of steps: a lane, and a token for the lane's machine.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from tokentape_conformance.provider.framing import Framed, Framing, framed
from tokentape_conformance.provider.grammar_event import (
    Document,
    GrammarEvent,
    Problem,
    ResponseContent,
    at_path,
    has_path,
)
from tokentape_conformance.provider.request_format import RequestFormat
from tokentape_conformance.provider.sdks import Sdk

START = "start"
STREAM = "stream"


class Step(NamedTuple):
    """A token for a lane: `stream`, or a kind and its number, such as `block 2`."""

    lane: str
    token: str


class Machine(msgspec.Struct, frozen=True):
    """A state machine: `table` maps state and token to the next state. It starts in `start` and may end in `ends`."""

    table: Mapping[str, Mapping[str, str]]
    ends: frozenset[str]
    over: frozenset[str] = frozenset()
    """States after which nothing may come: a token there is reported as after the end."""
    anywhere: frozenset[str] = frozenset()
    """Tokens that are allowed in each state and change none."""

    @property
    def tokens(self) -> frozenset[str]:
        """Every token that it knows."""
        return frozenset(token for row in self.table.values() for token in row) | self.anywhere


class Kind(NamedTuple):
    """The type of a required field."""

    name: str
    types: tuple[type, ...]
    nullable: bool = False
    value: Any = None

    def takes(self, value: Any) -> bool:
        """Whether a value is of this kind; a boolean is not a number."""
        if value is None:
            return self.nullable
        if self.value is not None:
            return bool(value == self.value)
        return isinstance(value, self.types) and not (isinstance(value, bool) and bool not in self.types)


TEXT = Kind("a string", (str,))
TEXT_OR_NULL = Kind("a string or null", (str,), nullable=True)
COUNT = Kind("an integer", (int,))
LIST = Kind("an array", (list,))
OBJECT = Kind("an object", (dict,))
BOOLEAN = Kind("true or false", (bool,))


def exactly(value: str) -> Kind:
    """The kind of exactly this string."""
    return Kind(repr(value), (str,), value=value)


Fields = Mapping[str, Kind]


def _nothing(_: Any) -> Sequence[Problem]:
    return ()


def _same(events: list[GrammarEvent]) -> Framed:
    return Framed(events, [])


class Grammar(msgspec.Struct, frozen=True):
    """The grammar of a wire format. `source` is where its provider specifies it."""

    wire: str
    source: str
    framing: Framing
    content_type: str
    machines: Mapping[str, Machine]
    steps: Callable[[GrammarEvent], Iterable[Step]]
    fields: Callable[[GrammarEvent], Fields]
    """The fields that an event must have, by dotted paths."""
    read: Callable[[Sequence[GrammarEvent]], ResponseContent]
    """The content of a stream."""
    read_whole: Callable[[Document], ResponseContent]
    """The content of a response that is not streamed."""
    usage: Callable[[Document], Sequence[Problem]]
    """The deviations in a usage object's arithmetic."""
    request: RequestFormat
    whole_fields: Fields
    """The fields that a response without streaming must have."""
    sdk: Sdk | None = None
    """The provider's own client, if it has one."""
    named: Callable[[GrammarEvent], str | None] = lambda _: None
    """The name that an event must have according to its document; None if it needs none."""
    constant: tuple[str, ...] = ()
    """Paths whose values are the same in all events that have them."""
    counted: frozenset[str] = frozenset()
    """Kinds of lanes that are numbered from 0 without gaps."""
    sequence: str = ""
    """The field that counts the events, from 0 on."""
    agree: Callable[[Sequence[GrammarEvent]], Iterable[Problem]] = _nothing
    """Contradictions between events, such as a whole text that differs from its deltas."""
    open: Callable[[list[GrammarEvent]], Framed] = _same
    """Unwraps events that contain those of another format."""
    broken: frozenset[str] = frozenset({"failed"})
    """States of the stream in which its lanes may be left open."""


def id_path(grammar: Grammar) -> str | None:
    """The path of a response's id, if its events have one."""
    return next((path for path in grammar.constant if path.lower().endswith("id")), None)


class Judgement(NamedTuple):
    """The result of judging a body by a grammar."""

    events: list[GrammarEvent]
    problems: list[Problem]
    content: ResponseContent
    state: str

    def of(self, *aspects: str) -> list[Problem]:
        """The problems of these aspects."""
        return [problem for problem in self.problems if problem.aspect in aspects]


def judge(grammar: Grammar, body: bytes, framing: Framing | None = None) -> Judgement:
    """Judge a body: its events, deviations and content."""
    whole = framed(body, framing or grammar.framing)
    opened = grammar.open(whole.events)
    events, problems = opened.events, [*whole.problems, *opened.problems]
    states = _walk(grammar, events, problems)
    for event in events:
        problems += _fields(grammar, event)
        name = grammar.named(event)
        if name is not None and event.name != name:
            problems.append(Problem("names", "the name of the event", repr(name), repr(event.name), event.number))
    problems += _constants(grammar, events)
    problems += _sequence(grammar, events)
    problems += grammar.agree(events)
    content = grammar.read(events)
    if content.usage is not None:
        problems += grammar.usage(content.usage)
    return Judgement(events, problems, content, states.get(STREAM, START))


def _walk(grammar: Grammar, events: Sequence[GrammarEvent], problems: list[Problem]) -> dict[str, str]:
    states: dict[str, str] = {STREAM: START}
    for event in events:
        for lane, token in grammar.steps(event):
            kind = lane.partition(" ")[0]
            machine, state = grammar.machines[kind], states.get(lane, START)
            if lane not in states:
                problems += _numbered(grammar, lane, states, event)
            states.setdefault(lane, START)
            if token in machine.anywhere and state not in machine.over:
                continue
            row = machine.table.get(state, {})
            if token in row:
                states[lane] = row[token]
            else:
                aspect = "over" if state in machine.over else "order" if token in machine.tokens else "known"
                problems.append(Problem(aspect, f"{lane}, {state}", _either(row), token, event.number))
    whole = states[STREAM] not in grammar.broken
    for lane, state in states.items():
        machine = grammar.machines[lane.partition(" ")[0]]
        if state not in machine.ends and (whole or lane == STREAM):
            expected = _either(machine.table.get(state, {}))
            problems.append(Problem("ends", f"{lane}, {state}", expected, "the end of the stream"))
    return states


def _either(row: Mapping[str, str]) -> str:
    return " or ".join(sorted(row)) or "nothing more"


def _numbered(grammar: Grammar, lane: str, states: Mapping[str, str], event: GrammarEvent) -> list[Problem]:
    kind, _, number = lane.partition(" ")
    if kind not in grammar.counted:
        return []
    *parents, own = number.split(".")
    beginning = " ".join([kind, ".".join([*parents, ""])])
    known = [other for other in states if other.startswith(beginning) and other.count(".") == lane.count(".")]
    if own == str(len(known)):
        return []
    return [Problem("indices", f"the number of the {kind}", str(len(known)), own, event.number)]


def _fields(grammar: Grammar, event: GrammarEvent) -> Iterable[Problem]:
    for path, kind in grammar.fields(event).items():
        value = at_path(event.document, path)
        if not has_path(event.document, path):
            yield Problem("fields", f"`{path}`", kind.name, "no such field", event.number)
        elif not kind.takes(value):
            yield Problem("fields", f"`{path}`", kind.name, repr(value)[:80], event.number)


def _constants(grammar: Grammar, events: Sequence[GrammarEvent]) -> Iterable[Problem]:
    for path in grammar.constant:
        first: Any = None
        for event in events:
            value = at_path(event.document, path)
            if not value:
                # Azure's first chunk, with the filter results of the prompt, has "" and 0.
                continue
            if first is None:
                first = value
            elif value != first:
                aspect = "created" if path.rpartition(".")[2].startswith("created") else "constant"
                yield Problem(aspect, f"`{path}`", repr(first), repr(value), event.number)
                break


def _sequence(grammar: Grammar, events: Sequence[GrammarEvent]) -> Iterable[Problem]:
    if not grammar.sequence:
        return
    for number, event in enumerate(events):
        stated = event.document.get(grammar.sequence)
        if event.document and stated != number:
            yield Problem("sequence", f"`{grammar.sequence}`", str(number), repr(stated), event.number)
            return


def count_problems(
    usage: Document, whole: Mapping[str, Sequence[str]], total: tuple[str, Sequence[str]] | None
) -> list[Problem]:
    """Deviations in counts: each is an integer of 0 or more, parts are at most their whole, the total is the sum.

    `whole` maps the path of a whole to those of its parts; `total` is the path of the total and those of its terms.
    """
    problems: list[Problem] = []

    def count(path: str) -> int | None:
        value = at_path(usage, path)
        if value is None:
            return None
        if not isinstance(value, int) or isinstance(value, bool) or value < 0:
            problems.append(Problem("usage", f"`{path}`", "an integer of 0 or more", repr(value)))
            return None
        return value

    for path, parts in whole.items():
        limit = count(path)
        for part in parts:
            found = count(part)
            if found is not None and limit is not None and found > limit:
                problems.append(Problem("usage", f"`{part}`", f"at most `{path}`, {limit}", str(found)))
    if total is not None:
        path, terms = total
        stated, counts = count(path), [count(term) or 0 for term in terms]
        if stated is not None and stated != sum(counts):
            seen = f"{stated}, but {' + '.join(map(str, counts))}"
            problems.append(Problem("total", f"`{path}`", f"the sum of {', '.join(terms)}: {sum(counts)}", seen))
    return list(dict.fromkeys(problems))
