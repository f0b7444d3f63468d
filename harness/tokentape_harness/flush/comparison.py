"""Comparison: the differences between the end of one output and complete answers. Pure.

Complete answers show the vocabulary of an app: the names of its events, the keys of its JSON, the values of each key,
the words of each text. Two of them show which values always differ: ids, times, counters, usage.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, TypeAlias

import msgspec

from tokentape_harness.flush.marker_tokens import PAD, MarkerTokens
from tokentape_harness.flush.observed_output import ObservedOutput
from tokentape_harness.flush.units import Framing, Unit, all_units, is_event_stream, leaves_of, units

Place: TypeAlias = tuple[str, ...]
"""Where in a unit a value is: the keys down to it, with one name for all items of a list."""

_NAME: Final[Place] = ("event:",)
_TEXT: Final[Place] = ("text:",)
_COMMENT: Final[Place] = (":",)
_ITEM: Final = "[]"
_PRESENT: Final = object()
# Words in the name of a key whose value measures or identifies an answer, and so differs between two of them.
_MEASURES: Final = re.compile(
    "usage|tokens?|counts?|totals?|length|len|size|bytes|chars|characters|words|chunks?|seq|sequence|index|idx|offset|"
    "position|n|num|number|elapsed|duration|latency|times?|timestamp|ts|ms|s|secs?|seconds|date|created|updated|at|ids?|"
    "uuid|guid|key|hash|digest|checksum|signature|etag|cost|price|credits|speed|rate|tps|percent|progress|retry|retries|"
    "attempts?|nonce|trace|span|version|cursor|fingerprint|pid|port"
)
# Words in the name of a key whose value is the state of an answer, whatever else is in the name.
_STATES: Final = re.compile(
    "err|errno|errors?|exception|fail|failed|failures?|status|code|exit|success|ok|state|reason|completed?|valid|finish|"
    "finished|incomplete|aborted|truncated|interrupted"
)
_KEY_WORD: Final = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])")
_HEARTBEAT: Final = re.compile(r"ping|heart-?beat|keep-?alive|^\W*$", re.IGNORECASE)
_WORD: Final = re.compile(r"\w+|[^\w\s]")
# Numbers from here on that are nearly equal are times.
_CLOCK: Final = 1e8


class Difference(msgspec.Struct, frozen=True):
    """Something that complete answers don't have: the text around it, and its offset there."""

    text: str
    at: int


class Vocabulary:
    """What the units of whole answers have, apart from the tokens."""

    def __init__(self, wholes: Sequence[ObservedOutput]) -> None:
        self.framing = _framing_of(wholes[0])
        self._places: set[Place] = set()
        self._texts: set[Place] = set()
        self._values: dict[object, dict[Place, list[set[Any]]]] = defaultdict(dict)
        lasts: list[set[Any]] = []
        others = _signs(Unit("", ""))  # of the token alone
        for number, whole in enumerate(wholes):
            before, tail = _split(whole.body, whole.markers, self.framing)
            every = [_without_tokens(unit, whole.markers) for unit in (*before, *tail)]
            self._texts.update(place for unit in (*before, *tail) for place in _with_tokens(unit, whole.markers))
            for unit in every:
                self._learn(unit, number, len(wholes))
            lasts.append(_signs(every[-1]) if every else set())
            others.update(sign for unit in every[:-1] for sign in _signs(unit))
        self._ending = set.intersection(*lasts) - others

    def _learn(self, unit: Unit, number: int, wholes: int) -> None:
        for place, value in _facts(unit):
            self._places.update(place[:length] for length in range(1, len(place) + 1))
            for kind in (None, _kind(unit)):
                sets = self._values[kind].setdefault(place, [set() for _ in range(wholes)])
                sets[number].update(_normal(value))

    def difference_in(self, cut: ObservedOutput) -> Difference | None:
        """The first difference after the last token of an output; `None` if there is none."""
        tail = self._tail(cut)
        for number, unit in enumerate(tail):
            if number == len(tail) - 1 and self._is_fragment(unit):
                return None
            for place, word in self._differences_in(unit):
                return self._quotable(tail[number:], place, word)
        return None

    def ends_whole(self, cut: ObservedOutput) -> bool:
        """Whether an output ends as whole answers do; always true if these have no recognizable ending."""
        return not self._ending or any(map(self._is_ending, self._tail(cut)))

    def _is_ending(self, unit: Unit) -> bool:
        """Whether a unit is the last one of whole answers: one of its values is, or all words of its text."""
        found = self._ending & _signs(unit)
        return any(place != _TEXT for place, _ in found) or found == self._ending

    def _quotable(self, tail: Sequence[Unit], place: Place, word: str) -> Difference:
        """The difference in the first of these units, with its context; a text that came in pieces is joined."""
        pieces = [value for unit in tail for where, value in _facts(unit) if where == place]
        if place in self._texts and len(pieces) > 1:
            return Difference("".join(map(str, pieces)), 0)
        unit = tail[0]
        text = unit.text if unit.value is msgspec.UNSET else msgspec.json.encode(unit.value).decode()
        if unit.name:
            text = f"{'event: ' * (unit.name != ':' and self.framing == 'sse')}{unit.name} {text}"
        key = next((key for key in reversed(place) if key != _ITEM), "")
        begin = max(text.find(f'"{key}"'), 0)
        return Difference(text, max(text.lower().find(word.lower(), begin), begin))

    def _tail(self, cut: ObservedOutput) -> list[Unit]:
        return [_without_tokens(unit, cut.markers) for unit in _split(cut.body, cut.markers, self.framing)[1]]

    def _is_fragment(self, unit: Unit) -> bool:
        """Whether this is JSON that breaks off."""
        text = unit.text.strip()
        return unit.value is msgspec.UNSET and text.startswith(("{", "[")) and text[-1] not in "}]"

    def _differences_in(self, unit: Unit) -> Iterator[tuple[Place, str]]:
        """Where in a unit something is new, and the first word of it."""
        every = self._values[None]
        is_ending = self._is_ending(unit)
        known = self._values.get(_kind(unit), every)
        for place, value in _facts(unit):
            if not is_ending and (value is None or value == ""):
                continue  # as good as missing, such as a finish reason before [DONE]
            sets = known.get(place) or every.get(place)
            word = self._new_at(place, value) if sets is None else self._new_value(place, value, sets)
            if word is None and is_ending and self._is_changed(place, value):
                word = str(value)
            if word is not None:
                yield place, word

    def _is_changed(self, place: Place, value: Any) -> bool:
        """Whether a value differs from the one with which whole answers end."""
        usual = {each for where, each in self._ending if where == place and each is not _PRESENT}
        return bool(usual) and not usual & _normal(value) and not _is_measure(place)

    def _new_at(self, place: Place, value: Any) -> str | None:
        """The difference at a key that complete answers don't have."""
        if not value or place in self._places or (value is not True and _is_measure(place)):
            return None
        if place == _COMMENT and _HEARTBEAT.search(value):
            return None
        return next(iter(_words(value)), None) if isinstance(value, str) else str(value)

    def _new_value(self, place: Place, value: Any, known: list[set[Any]]) -> str | None:
        seen = set[Any]().union(*known)
        if _normal(value) <= seen:
            return None
        match value:
            case bool():
                return str(value)
            case str() if value.strip():
                new = dict.fromkeys(word for word in _words(value) if word not in seen)
                # Whole answers differ in this number of words themselves.
                usual = max(len(one - other) for one in known for other in known)
                return None if len(new) <= usual or (_is_measure(place) and _is_reference(value)) else next(iter(new))
            case None | str():
                return None if _is_measure(place) or place == _TEXT else str(value)
            case int() | float():
                # One that differs in whole answers, or is not whole, is measured.
                steady = all(each == known[0] for each in known) and value == int(value)
                if not steady or _is_measure(place):
                    return None
                numbers = [each for each in seen if isinstance(each, int | float)]
                near = any(abs(each) > _CLOCK and abs(each - value) < abs(each) / 10_000 for each in numbers)
                return None if near else str(value)
        return None


def _framing_of(whole: ObservedOutput) -> Framing:
    kind = (whole.head.header("content-type") or "" if whole.head else "").partition(";")[0].strip().lower()
    if is_event_stream(kind, whole.body):
        return "sse"
    pattern = _token_pattern(whole.markers)
    first = next((unit for unit in units(whole.body, "lines") if pattern.search(unit.text)), None)
    return "none" if first is None or first.value is msgspec.UNSET else "lines"


def _split(body: bytes, markers: MarkerTokens, framing: Framing) -> tuple[list[Unit], list[Unit]]:
    """The units before the one with the last token, and the others; without a token all are others."""
    last = body.lower().rfind(f"{markers.nonce}x".encode())
    if last < 0:
        return [], list(all_units(body, framing))
    if framing == "none":
        token = _token_pattern(markers).match(body[last:].decode("utf-8", "replace"))
        rest = body[last + (len(token[0]) if token else 0) :]
        return [], [Unit("", ""), *all_units(rest, framing)]
    start = body.rfind(b"\n", 0, last) + 1
    if framing == "sse":
        ends = [end for blank in (b"\n\n", b"\r\n\r\n", b"\r\r") if (end := body.rfind(blank, 0, last)) >= 0]
        start = max(ends, default=0)
    return list(units(body[:start] + b"\n\n", framing)), list(all_units(body[start:], framing))


def _without_tokens(unit: Unit, markers: MarkerTokens) -> Unit:
    pattern = _token_pattern(markers)
    value = unit.value if unit.value is msgspec.UNSET else _mapped(unit.value, pattern)
    return Unit(unit.name, pattern.sub("", unit.text), value)


def _with_tokens(unit: Unit, markers: MarkerTokens) -> Iterator[Place]:
    """Where in a unit tokens are."""
    pattern = _token_pattern(markers)
    return (place for place, value in _facts(unit) if isinstance(value, str) and pattern.search(value))


def _mapped(value: Any, pattern: re.Pattern[str]) -> Any:
    match value:
        case str():
            return pattern.sub("", value)
        case dict():
            return {pattern.sub("", key): _mapped(inner, pattern) for key, inner in value.items()}
        case list():
            return [_mapped(inner, pattern) for inner in value]
        case _:
            return value


def _token_pattern(markers: MarkerTokens) -> re.Pattern[str]:
    return re.compile(rf"{markers.nonce}x\d{{4}}z(?:\s+{PAD.strip()})*\s?", re.IGNORECASE)


def _facts(unit: Unit) -> Iterator[tuple[Place, Any]]:
    """The values of a unit, and where they are."""
    if unit.name == ":":
        yield _COMMENT, unit.text
        return
    if unit.name:
        yield _NAME, unit.name
    if unit.value is msgspec.UNSET:
        yield _TEXT, unit.text
        return
    for path, leaf in leaves_of(unit.value):
        yield tuple(_ITEM if isinstance(step, int) else step for step in path) or _TEXT, leaf


def _kind(unit: Unit) -> object:
    """What distinguishes kinds of units: their name, their type, and which flags are set."""
    return unit.name, unit.type, frozenset(place for place, value in _facts(unit) if value is True)


def _signs(unit: Unit) -> set[Any]:
    """What a unit can be recognized by."""
    found = list(_facts(unit))
    return {(place, each) for place, value in found for each in _normal(value)} | {
        (place, _PRESENT) for place, _ in found
    }


def _normal(value: Any) -> set[Any]:
    """A value as it is compared: a text as its words; `True` is not 1."""
    if isinstance(value, str):
        return set(_words(value)) or {""}
    return {("flag", value)} if value is None or isinstance(value, bool) else {value}


def _words(text: str) -> list[str]:
    """The words and punctuation of a text; all words with a digit count as equal."""
    return ["0" if any(map(str.isdigit, word)) else word.lower() for word in _WORD.findall(text)]


def _is_measure(place: Place) -> bool:
    """Whether the key at a place, or the object `usage` around it, measures or identifies."""
    if any(map(_has_word(re.compile("usage")), place)):
        return True
    own = next((key for key in reversed(place) if key != _ITEM), "")
    return _has_word(_MEASURES)(own) and not _has_word(_STATES)(own)


def _has_word(pattern: re.Pattern[str]) -> Callable[[str], bool]:
    """Whether one of the words of a key (`errorCode`, `error_code`) is this."""
    return lambda key: any(pattern.fullmatch(word.lower()) for word in _KEY_WORD.findall(key))


def _is_reference(text: str) -> bool:
    """Whether a text is an id or a time, not a sentence."""
    return " " not in text.strip() or any(map(str.isdigit, text))
