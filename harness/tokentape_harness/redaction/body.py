"""Body: remove secrets from text, and from bodies, where a secret may be spread over several events."""

from __future__ import annotations

import base64
import re
import sys
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import accumulate, chain
from typing import Generic, NamedTuple, TypeAlias, TypeVar
from urllib.parse import quote, quote_plus

from tokentape_fake_provider.http.bounded_pattern import BoundedPattern
from tokentape_fake_provider.sessions.matching.json_path import Path
from tokentape_harness.cassettes.chunks import Chunk
from tokentape_harness.redaction.body_text import BodyPiece, encode, header_pieces, raw_pieces, text_pieces
from tokentape_harness.redaction.edits import Edit, TextEdit, edit_body, edit_chunks, edit_text
from tokentape_harness.redaction.json_text import JsonStrings, Leaf, StringGroup, leaves, unit_span
from tokentape_harness.redaction.leaf_groups import body_strings, known_strings, leaf_groups
from tokentape_harness.redaction.parameters import may_have_parameters, secret_parameters
from tokentape_harness.redaction.rules import DEFAULT_RULES, PLACEHOLDER, RedactionRules, own_matches
from tokentape_harness.redaction.searched import SearchedTexts, digest_of
from tokentape_harness.redaction.text_rules import NAME_RULES, TextRule, is_placeholder

Found: TypeAlias = Callable[[str], object]
T = TypeVar("T")

# A replacement can cause another match where two rules meet; no text has needed this many passes.
_PASSES = 8
_FIELD = "field "
# The members that hold the arguments of a model's tool calls.
_GENERATED = frozenset(("input", "args", "arguments", "parameters"))


class Span(NamedTuple):
    """A secret in a text, and the rule that found it."""

    start: int
    end: int
    rule: str


def find_spans(text: str, rules: RedactionRules, candidates: Sequence[TextRule] | None = None) -> list[Span]:
    """The secrets in a text, in order; overlapping ones are merged. `candidates` are the text rules that may match."""
    found = _rule_spans(text, _candidates(text, rules.text) if candidates is None else candidates)
    for secret in rules.secrets:
        for written in _spellings(secret):
            at = text.find(written)
            while at >= 0:
                found.append(Span(at, at + len(written), "own credential"))
                at = text.find(written, at + len(written))
    return _merged(text, found, rules)


def _rule_spans(text: str, candidates: Sequence[TextRule]) -> list[Span]:
    found = list[Span]()
    lower = text.lower() if candidates else ""
    for rule in candidates:
        group = "secret" if "secret" in rule.pattern.groupindex else 0
        for match in _rule_matches(rule, text, lower):
            start, end = match.span(group)
            if start < end and (rule.is_secret is None or rule.is_secret(match)):
                found.append(Span(start, end, rule.name))
    return found


def redact_text(text: str, rules: RedactionRules = DEFAULT_RULES, note: Found = lambda _: None) -> str:
    """A message or URL without its secrets, also those found by name alone; `note` gets the rule of each."""
    every = _with_names(_Same(rules.text)) if rules.known_names else rules.text
    for _ in range(_PASSES):
        spans = find_spans(text, rules, _candidates(text, every))
        if not spans:
            break
        for span in spans:
            note(span.rule)
        text = edit_text(text, [TextEdit(span.start, span.end, PLACEHOLDER) for span in spans])
    return text


def redact_body(
    body: bytes,
    content_type: str,
    chunks: tuple[Chunk, ...],
    rules: RedactionRules,
    note: Found,
    *,
    sent: bool = False,
    searched: SearchedTexts | None = None,
) -> tuple[bytes, tuple[Chunk, ...]]:
    """The body without its secrets, and its chunks at their times; `sent` for the body of a request.

    It searches JSON strings, joined over the events of a stream; then the parameters of forms; then the whole text.
    `searched` are the texts that these rules found clean.
    """
    # The cassette keeps the body of a response, and none of a request that it only replays.
    key = b"" if searched is None else digest_of(body, content_type) if sent else (content_type, body)
    unsearched = rules if searched is None else searched.unsearched(key, rules)
    if unsearched is not None:
        redacted = _redacted(body, content_type, chunks, unsearched, note, sent)
        if redacted[0] != body:
            # A placeholder can cause another match, also of a rule that this body was searched by.
            return redacted if unsearched is rules else _redacted(body, content_type, chunks, rules, note, sent)
        if searched is not None:
            searched.add_clean(key, rules)
    return body, chunks


def _redacted(
    body: bytes, content_type: str, chunks: tuple[Chunk, ...], rules: RedactionRules, note: Found, sent: bool
) -> tuple[bytes, tuple[Chunk, ...]]:
    for find in (_in_strings, _in_parameters, _in_text, _in_frame_headers):
        for _ in range(_PASSES):
            edits = find(body, content_type, rules, note, sent)
            if not edits:
                break
            chunks = edit_chunks(chunks, edits)
            body = edit_body(body, edits)
    return body, chunks


def _candidates(text: str, text_rules: Sequence[TextRule]) -> list[TextRule]:
    """The text rules that may match the text, each with those of its hints that the text has."""
    # No hint contains a quotation mark, and most strings of a stream are in each of its events.
    return _candidates_among(set(text.split('"')), text_rules) if text_rules else []


def _candidates_among(parts: set[str], text_rules: Sequence[TextRule]) -> list[TextRule]:
    """The text rules that may match a text with these parts between its quotation marks."""
    blobs = [part for part in parts if len(part) > _LARGE and _BASE64.fullmatch(part)]
    if blobs:
        parts = parts.difference(blobs).union(*((blob[:_END], blob[-_END:]) for blob in blobs))
    keys = tuple(exact for rule in text_rules for exact in rule.exact if exact.isalnum()) if blobs else ()
    held = frozenset(key for blob in blobs for key in _held(blob, keys))
    text = '"'.join(parts)
    hints = _hints(_Same(text_rules))
    found = dict[int, list[str]]()
    for hint in hints.in_text(text.lower()):
        for number in hints.rules[hint]:
            found.setdefault(number, []).append(hint)
    if held:
        for number, rule in enumerate(text_rules):
            if not held.isdisjoint(rule.exact):
                found.setdefault(number, [])
    candidates = list[TextRule]()
    for number in sorted(found):
        rule = text_rules[number]
        exact = tuple(part for part in rule.exact if part in held or part in text)
        if exact or not rule.exact:
            candidates.append(rule._replace(hints=tuple(found[number]), exact=exact))
    return candidates


class _Same(Generic[T]):
    """A value as a key, by its identity: a hash of all rules takes longer than a search for their hints."""

    __slots__ = ("value",)

    def __init__(self, value: T) -> None:
        self.value = value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and self.value is other.value

    def __hash__(self) -> int:
        return id(self.value)


def _known_candidates(body: bytes, content_type: str, text_rules: Sequence[TextRule]) -> Sequence[TextRule] | None:
    """The text rules that may match a body or one of its strings; `None` if its strings are not remembered."""
    strings = known_strings(body, content_type) if text_rules else None
    return None if strings is None else _last_candidates(_Same(strings), _Same(text_rules))


@lru_cache(maxsize=1)
def _last_candidates(strings: _Same[JsonStrings], text_rules: _Same[Sequence[TextRule]]) -> Sequence[TextRule]:
    groups, parts = strings.value
    return _candidates_among(parts.union(map(_sample, groups)), text_rules.value)


@lru_cache(maxsize=16)
def _with_names(text_rules: _Same[Sequence[TextRule]]) -> tuple[TextRule, ...]:
    return (*text_rules.value, *NAME_RULES)


class _Hints:
    """The hints of text rules. Most end in a mark, such as `sk-`, and are looked for at the marks of a text only."""

    def __init__(self, text_rules: Sequence[TextRule]) -> None:
        self.rules: dict[str, tuple[int, ...]] = {}
        """The numbers of the rules with each hint; that of a rule without hints is empty, which any text has."""
        self._others: list[str] = []
        # By mark, by length of the word before it, by this word.
        self._ended: dict[str, dict[int, dict[str, list[str]]]] = {}
        for number, rule in enumerate(text_rules):
            for hint in rule.hints or ("",):
                self.rules[hint] = (*self.rules.get(hint, ()), number)
        for hint in self.rules:
            mark = hint[-1:]
            word = hint[:-1].rpartition(mark)[2] if mark in _MARKS else ""
            if word:
                by_length = self._ended.setdefault(mark, {})
                by_length.setdefault(len(word), {}).setdefault(word, []).append(hint)
            else:
                self._others.append(hint)

    def in_text(self, lower: str) -> Iterator[str]:
        """The hints that a text in lower case has."""
        yield from (hint for hint in self._others if hint in lower)
        for mark, by_length in self._ended.items():
            before = {part[-_LONGEST_HINT:] for part in lower.split(mark)[:-1]}
            for length, words in by_length.items():
                for word in words.keys() & {part[-length:] for part in before}:
                    yield from (hint for hint in words[word] if hint in lower)


_MARKS = frozenset("_-.")


@lru_cache(maxsize=16)
def _hints(text_rules: _Same[Sequence[TextRule]]) -> _Hints:
    return _Hints(text_rules.value)


@lru_cache(maxsize=4)
def _held(blob: str, keys: tuple[str, ...]) -> frozenset[str]:
    """The beginnings of keys in a large file, which is searched again in each request that holds it."""
    return frozenset(key for key in keys if key in blob)


_LONGEST_HINT = 40
# A large file in base64. Within it only rules for keys that begin like base64 can match, and others only at its ends.
_LARGE, _END = 4096, 256
_BASE64 = re.compile(r"(?:data:[A-Za-z0-9/+.-]{1,100};base64,)?[A-Za-z0-9+/]+={0,2}")


def _rule_matches(rule: TextRule, text: str, lower: str) -> Iterable[re.Match[str]]:
    """The matches of a rule; `lower` is the text in lower case."""
    pattern = rule.pattern
    if isinstance(pattern, BoundedPattern):
        yield from own_matches(pattern, text)
        return
    if not rule.starts or len(lower) != len(text):
        yield from pattern.finditer(text)
        return
    end = 0
    places = (_places(text, exact) for exact in rule.exact) if rule.exact else (_places(lower, h) for h in rule.hints)
    for at in sorted({*chain.from_iterable(places)}):
        match = pattern.match(text, at) if at >= end else None
        if match is not None:
            end = match.end()
            yield match


def _places(text: str, part: str) -> Iterable[int]:
    at = text.find(part)
    while at >= 0:
        yield at
        at = text.find(part, at + 1)


_SHORTEST_IN_BASE64 = 12


@lru_cache(maxsize=256)
def _spellings(secret: str) -> tuple[str, ...]:
    """The secret as it is, as URLs and forms encode it, and as base64 of it or of a text around it has it."""
    data = encode(secret)
    written = [secret, quote(data, safe=""), quote_plus(data)]
    if len(data) >= _SHORTEST_IN_BASE64:
        for coded in (base64.b64encode, base64.urlsafe_b64encode):
            written.append(coded(data).decode())
            for before in range(3):  # bytes of the same group of three before it; what they change is left out
                whole = slice((8 * before + 5) // 6, 8 * (before + len(data)) // 6)
                written.append(coded(bytes(before) + data).decode()[whole])
    return tuple(dict.fromkeys(written))


def _merged(text: str, spans: Sequence[Span], rules: RedactionRules) -> list[Span]:
    """Spans in order, overlapping ones merged, without those that are a placeholder already."""
    if not spans:
        return []
    merged: list[Span] = []
    for span in sorted(spans):
        if merged and span.start < merged[-1].end:
            last = merged[-1]
            merged[-1] = last._replace(end=max(last.end, span.end))
        else:
            merged.append(span)
    # A rule may match a placeholder or a part of it, which would never end.
    pattern = "|".join(map(re.escape, sorted(rules.placeholders, key=len, reverse=True)))
    done = [match.span() for match in re.finditer(pattern, text)]
    return [span for span in merged if not _is_done(span, done)]


def _is_done(span: Span, done: Sequence[tuple[int, int]]) -> bool:
    """Whether a span lies within one of the placeholders at `done`."""
    number = bisect_right(done, (span.start, sys.maxsize)) - 1
    return number >= 0 and span.end <= done[number][1]


def _in_parameters(body: bytes, content_type: str, rules: RedactionRules, note: Found, _: bool) -> list[Edit]:
    edits = list[Edit]()
    for piece in raw_pieces(body, content_type) if may_have_parameters(content_type) else ():
        found = list[TextEdit]()
        for name, start, end in secret_parameters(piece.text, content_type, rules):
            value = piece.text[start:end]
            if value not in rules.placeholders:
                if not is_placeholder(value):
                    note(f"parameter {name}")
                found.append(TextEdit(start, end, PLACEHOLDER))
        edits += piece.edited(found)
    return edits


def _in_text(body: bytes, content_type: str, rules: RedactionRules, note: Found, _: bool) -> list[Edit]:
    candidates = _known_candidates(body, content_type, rules.text)
    return _in_pieces(raw_pieces(body, content_type), rules, note, candidates)


def _in_frame_headers(body: bytes, content_type: str, rules: RedactionRules, note: Found, _: bool) -> list[Edit]:
    return _in_pieces(header_pieces(body, content_type), rules, note)


def _in_pieces(
    pieces: Iterable[BodyPiece], rules: RedactionRules, note: Found, candidates: Sequence[TextRule] | None = None
) -> list[Edit]:
    edits = list[Edit]()
    for piece in pieces:
        found = find_spans(piece.text, rules, candidates)
        spans = [span for span in found if not _is_filler(piece.text[span.start : span.end])]
        for span in spans:
            note(span.rule)
        edits += piece.edited([TextEdit(span.start, span.end, PLACEHOLDER) for span in spans])
    return edits


def _is_filler(text: str) -> bool:
    """Whether this is a placeholder that was repeated to fill a length."""
    return (PLACEHOLDER * (len(text) // len(PLACEHOLDER) + 1)).startswith(text)


def _in_strings(body: bytes, content_type: str, rules: RedactionRules, note: Found, sent: bool) -> list[Edit]:
    by_value = not (rules.text or rules.json_paths or rules.known_names)
    if by_value and _shows_strings(body, content_type):
        return []  # they are searched with the text
    pieces, strings = body_strings(body, content_type)
    if not rules.json_paths and strings is not None:
        candidates = _known_candidates(body, content_type, rules.text)
        if _has_no_secret(strings.groups, len(pieces), rules, candidates, sent):
            return []
    groups, others = leaf_groups(pieces)
    edits: dict[int, list[TextEdit]] = {}
    for number, leaf in others if rules.json_paths else ():
        if rules.is_wanted(leaf.path) and leaf.value != "0":
            note("JSON path")
            edits.setdefault(number, []).append(TextEdit(leaf.start, leaf.end, "0"))
    texts = ["".join(leaf.value for _, leaf in members) for members in groups]
    candidates = _candidates('"'.join(texts), rules.text)
    for text, members in zip(texts, groups, strict=True):
        for number, edit in _group_edits(text, members, pieces, rules, candidates, note, sent):
            edits.setdefault(number, []).append(edit)
    return [edit for number in sorted(edits) for edit in pieces[number].edited(sorted(edits[number]))]


def _shows_strings(body: bytes, content_type: str) -> bool:
    """Whether all strings stand in the text as they are: in one document without escapes."""
    pieces = text_pieces(body, content_type)
    return len(pieces) == 1 and "\\" not in pieces[0].text


def _has_no_secret(
    groups: Sequence[StringGroup],
    pieces: int,
    rules: RedactionRules,
    candidates: Sequence[TextRule] | None,
    sent: bool,
) -> bool:
    """Whether the strings certainly hold no secret; this is fast, as it does not need their places."""
    if pieces == 1:  # only strings in the events of a stream continue each other, not those of one document
        groups = [StringGroup(path, [value]) for path, values in groups for value in values]
    joined = "\0".join("".join(group.values) for group in groups) if rules.secrets else ""
    if any(written in joined for secret in rules.secrets for written in _spellings(secret)):
        return False
    if candidates is None:
        candidates = _candidates('"'.join(map(_sample, groups)), rules.text)
    return not any(_may_be_secret(group, candidates, rules, sent) for group in groups)


def _sample(group: StringGroup) -> str:
    """A text with the hints of the whole one, which may be one value again and again, such as an id."""
    value, count = group.values[0], len(group.values)
    if group.values.count(value) == count:
        return value * min(count, 2 + _LONGEST_HINT // max(len(value), 1))
    return "".join(group.values)


def _may_be_secret(group: StringGroup, candidates: Sequence[TextRule], rules: RedactionRules, sent: bool) -> bool:
    """Whether a string is secret by its name or a text rule."""
    text = "".join(group.values)
    if _is_named(group.path, text, rules, sent):
        if any(value and value not in rules.placeholders for value in group.values):
            return True
    elif sent and text[:1] in ("{", "[") and any(_nested_spans(text, rules)):
        return True
    return bool(_merged(text, _rule_spans(text, candidates), rules))


def _is_named(path: Path, text: str, rules: RedactionRules, sent: bool) -> bool:
    """Whether a string is secret by its name; one that a model generated is not."""
    return rules.is_member(path, text) and (sent or _GENERATED.isdisjoint(path[:-1]))


def _group_edits(
    text: str,
    members: Sequence[tuple[int, Leaf]],
    pieces: Sequence[BodyPiece],
    rules: RedactionRules,
    candidates: Sequence[TextRule],
    note: Found,
    sent: bool,
) -> Iterable[tuple[int, TextEdit]]:
    """The edits of strings that continue each other: the first part becomes the placeholder, the others empty."""
    ends = list(accumulate(len(leaf.value) for _, leaf in members))
    spans = find_spans(text, rules, candidates)
    path = members[0][1].path
    # All strings of a group have the same names on their paths.
    named = _is_named(path, text, rules, sent)
    if named or rules.json_paths:
        for (_, leaf), end in zip(members, ends, strict=True):
            if leaf.value and leaf.value not in rules.placeholders and (named or rules.is_wanted(leaf.path)):
                rule = f"{_FIELD}{path[-1]}" if named else "JSON path"
                spans.append(Span(end - len(leaf.value), end, rule))
    elif sent and text[:1] in ("{", "["):
        spans += _nested_spans(text, rules)
    for span in _merged(text, spans, rules):
        if not (span.rule.startswith(_FIELD) and is_placeholder(text[span.start : span.end])):
            note(span.rule)
        new = PLACEHOLDER
        index = bisect_right(ends, span.start)
        while index < len(members) and ends[index] - len(members[index][1].value) < span.end:
            number, leaf = members[index]
            start = ends[index] - len(leaf.value)
            first, last = max(span.start - start, 0), min(span.end - start, len(leaf.value))
            if first < last:
                yield number, TextEdit(*unit_span(pieces[number].text, leaf, first, last), new)
                new = ""
            index += 1


def _nested_spans(text: str, rules: RedactionRules) -> Iterable[Span]:
    """The secrets by name in JSON inside a string of a request, such as the arguments of a tool call."""
    for leaf in leaves(text):
        known = not leaf.value or leaf.value in rules.placeholders
        if leaf.is_string and not known and rules.is_member(leaf.path, leaf.value):
            yield Span(leaf.start, leaf.end, f"{_FIELD}{leaf.path[-1]}")
