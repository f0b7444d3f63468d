"""Spans: the secrets in a text, and the text without them."""

from __future__ import annotations

import base64
import re
import sys
from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from itertools import chain
from typing import Final, NamedTuple, TypeAlias
from urllib.parse import quote, quote_plus

from tokentape_fake_provider.http.bounded_pattern import BoundedPattern
from tokentape_harness.redaction.body_text import encode
from tokentape_harness.redaction.candidates import candidates_in, with_names
from tokentape_harness.redaction.edits import TextEdit, edit_text
from tokentape_harness.redaction.rules import DEFAULT_RULES, PLACEHOLDER, RedactionRules, own_matches
from tokentape_harness.redaction.text_rules import TextRule

Found: TypeAlias = Callable[[str], object]

PASSES: Final = 8
"""A replacement can cause another match where two rules meet; no text has needed this many passes."""
_SHORTEST_IN_BASE64: Final = 12


class Span(NamedTuple):
    """A secret in a text, and the rule that found it."""

    start: int
    end: int
    rule: str


def find_spans(text: str, rules: RedactionRules, candidates: Sequence[TextRule] | None = None) -> list[Span]:
    """The secrets in a text, in order; overlapping ones are merged. `candidates` are the text rules that may match."""
    found = rule_spans(text, candidates_in(text, rules.text) if candidates is None else candidates)
    for secret in rules.secrets:
        for written in spellings(secret):
            at = text.find(written)
            while at >= 0:
                found.append(Span(at, at + len(written), "own credential"))
                at = text.find(written, at + len(written))
    return merged(text, found, rules)


def rule_spans(text: str, candidates: Sequence[TextRule]) -> list[Span]:
    """What these text rules find in a text, rule by rule."""
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
    every = with_names(rules.text) if rules.known_names else rules.text
    for _ in range(PASSES):
        spans = find_spans(text, rules, candidates_in(text, every))
        if not spans:
            break
        for span in spans:
            note(span.rule)
        text = edit_text(text, [TextEdit(span.start, span.end, PLACEHOLDER) for span in spans])
    return text


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


@lru_cache(maxsize=256)
def spellings(secret: str) -> tuple[str, ...]:
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


def merged(text: str, spans: Sequence[Span], rules: RedactionRules) -> list[Span]:
    """Spans in order, overlapping ones merged, without those that are a placeholder already."""
    if not spans:
        return []
    found: list[Span] = []
    for span in sorted(spans):
        if found and span.start < found[-1].end:
            last = found[-1]
            found[-1] = last._replace(end=max(last.end, span.end))
        else:
            found.append(span)
    # A rule may match a placeholder or a part of it, which would never end.
    pattern = "|".join(map(re.escape, sorted(rules.placeholders, key=len, reverse=True)))
    done = [match.span() for match in re.finditer(pattern, text)]
    return [span for span in found if not _is_done(span, done)]


def _is_done(span: Span, done: Sequence[tuple[int, int]]) -> bool:
    """Whether a span lies within one of the placeholders at `done`."""
    number = bisect_right(done, (span.start, sys.maxsize)) - 1
    return number >= 0 and span.end <= done[number][1]
