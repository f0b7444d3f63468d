"""Body: take secrets out of text, and out of a body whose secrets may be spread over its events."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from itertools import accumulate
from typing import NamedTuple, TypeAlias
from urllib.parse import quote, quote_plus

from tokentape_harness.cassettes.chunks import Chunk
from tokentape_harness.redaction.body_text import Piece, encode, header_pieces, raw_pieces, text_pieces
from tokentape_harness.redaction.edits import Edit, TextEdit, edit_body, edit_chunks, edit_text
from tokentape_harness.redaction.json_text import Leaf, leaves, matches, unit_span
from tokentape_harness.redaction.rules import DEFAULT_RULES, PLACEHOLDER, RedactionRules, is_placeholder

Found: TypeAlias = Callable[[str], object]

# A replacement can only bring about another match where two rules meet: this is more than has been seen.
_PASSES = 8


class Span(NamedTuple):
    """A secret in a text, and the rule that knew it."""

    start: int
    end: int
    rule: str


def find_spans(text: str, rules: RedactionRules) -> list[Span]:
    """The secrets in a text, in order; those that overlap as one."""
    found: list[Span] = []
    lower = text.lower()
    for rule in rules.text:
        if rule.hints and not any(hint in lower for hint in rule.hints):
            continue
        group = "secret" if "secret" in rule.pattern.groupindex else 0
        spans = (match.span(group) for match in rule.pattern.finditer(text))
        found += [Span(start, end, rule.name) for start, end in spans if start < end]
    for secret in rules.secrets:
        for written in dict.fromkeys((secret, quote(encode(secret), safe=""), quote_plus(encode(secret)))):
            at = text.find(written)
            while at >= 0:
                found.append(Span(at, at + len(written), "own credential"))
                at = text.find(written, at + len(written))
    return _merged(text, found)


def redact_text(text: str, rules: RedactionRules = DEFAULT_RULES, note: Found = lambda _: None) -> str:
    """The text without its secrets; `note` is told the rule of each."""
    for _ in range(_PASSES):
        spans = find_spans(text, rules)
        if not spans:
            break
        for span in spans:
            note(span.rule)
        text = edit_text(text, [TextEdit(span.start, span.end, PLACEHOLDER) for span in spans])
    return text


def redact_body(
    body: bytes, content_type: str, chunks: Sequence[Chunk], rules: RedactionRules, note: Found
) -> tuple[bytes, tuple[Chunk, ...]]:
    """The body without its secrets, and its chunks at their times.

    First what stands in JSON strings, joined over the events of a stream; then what is left in the text around.
    """
    chunks = tuple(chunks)
    for find in (_in_strings, _in_text, _in_frame_headers):
        for _ in range(_PASSES):
            edits = find(body, content_type, rules, note)
            if not edits:
                break
            chunks = edit_chunks(chunks, edits)
            body = edit_body(body, edits)
    return body, chunks


def _merged(text: str, spans: Iterable[Span]) -> list[Span]:
    """Spans in order, those that overlap as one; what is a placeholder already is none."""
    merged: list[Span] = []
    for span in sorted(spans):
        if merged and span.start < merged[-1].end:
            last = merged[-1]
            merged[-1] = last._replace(end=max(last.end, span.end))
        else:
            merged.append(span)
    # A rule may match the placeholder itself, or a part of it: that would never end.
    done = [match.start() for match in re.finditer(PLACEHOLDER, text)]
    return [span for span in merged if not _is_done(span, done)]


def _is_done(span: Span, done: Sequence[int]) -> bool:
    """Whether a span lies within one of the placeholders that begin at `done`."""
    number = bisect_right(done, span.start) - 1
    return number >= 0 and span.end <= done[number] + len(PLACEHOLDER)


def _in_text(body: bytes, content_type: str, rules: RedactionRules, note: Found) -> list[Edit]:
    return _in_pieces(raw_pieces(body, content_type), rules, note)


def _in_frame_headers(body: bytes, content_type: str, rules: RedactionRules, note: Found) -> list[Edit]:
    return _in_pieces(header_pieces(body, content_type), rules, note)


def _in_pieces(pieces: Iterable[Piece], rules: RedactionRules, note: Found) -> list[Edit]:
    edits = list[Edit]()
    for piece in pieces:
        spans = [span for span in find_spans(piece.text, rules) if not _is_filler(piece.text[span.start : span.end])]
        for span in spans:
            note(span.rule)
        edits += piece.edited([TextEdit(span.start, span.end, PLACEHOLDER) for span in spans])
    return edits


def _is_filler(text: str) -> bool:
    """Whether this is a placeholder that was filled up to a length."""
    return (PLACEHOLDER * (len(text) // len(PLACEHOLDER) + 1)).startswith(text)


def _in_strings(body: bytes, content_type: str, rules: RedactionRules, note: Found) -> list[Edit]:
    pieces = text_pieces(body, content_type)
    edits: dict[int, list[TextEdit]] = {}
    groups: dict[object, list[tuple[int, Leaf]]] = {}
    for number, piece in enumerate(pieces):
        for position, leaf in enumerate(leaves(piece.text, _json_start(piece))):
            if not leaf.is_string:
                if _is_wanted(leaf, rules) and leaf.value != "0":
                    note("JSON path")
                    edits.setdefault(number, []).append(TextEdit(leaf.start, leaf.end, "0"))
                continue
            # Only the events of a stream carry on from each other; the strings of a document end where they end.
            group: object = leaf.group if len(pieces) > 1 else position
            groups.setdefault(group, []).append((number, leaf))
    for members in groups.values():
        for number, edit in _group_edits(members, pieces, rules, note):
            edits.setdefault(number, []).append(edit)
    made: list[Edit] = []
    for number in sorted(edits):
        made += pieces[number].edited(sorted(edits[number]))
    return made


def _json_start(piece: Piece) -> int:
    """Where JSON begins: after the fields of an SSE event, and inside the array that a stream may be."""
    found = [at for at in (piece.text.find("{"), piece.text.find('"')) if at >= 0]
    return min(found, default=len(piece.text))


def _is_wanted(leaf: Leaf, rules: RedactionRules) -> bool:
    return any(matches(leaf.path, pattern) for pattern in rules.json_paths)


def _group_edits(
    members: Sequence[tuple[int, Leaf]], pieces: Sequence[Piece], rules: RedactionRules, note: Found
) -> Iterable[tuple[int, TextEdit]]:
    """The edits of strings that carry on from each other: the first part becomes the placeholder, the others go."""
    ends = list(accumulate(len(leaf.value) for _, leaf in members))
    text = "".join(leaf.value for _, leaf in members)
    spans = find_spans(text, rules)
    for (_, leaf), end in zip(members, ends, strict=True):
        start = end - len(leaf.value)
        named = leaf.path[-1:] and str(leaf.path[-1]).lower() in rules.fields
        if leaf.value and (named or _is_wanted(leaf, rules)) and leaf.value != PLACEHOLDER:
            spans.append(Span(start, end, f"field {leaf.path[-1]}" if named else "JSON path"))
    for span in _merged(text, spans):
        if not (span.rule.startswith("field ") and is_placeholder(text[span.start : span.end])):
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
