"""Body: removes the secrets from a body, where one may be spread over several events."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from itertools import accumulate
from typing import Final

from tokentape_fake_provider.sessions.matching.json_path import Path
from tokentape_harness.cassettes.chunks import Chunk
from tokentape_harness.redaction.body_text import BodyPiece, header_pieces, raw_pieces, text_pieces
from tokentape_harness.redaction.candidates import candidates_in, candidates_of, kept_candidates_of
from tokentape_harness.redaction.edits import Edit, TextEdit, edit_body, edit_chunks
from tokentape_harness.redaction.json_text import Leaf, StringGroup, leaves, unit_span
from tokentape_harness.redaction.leaf_groups import body_strings, known_strings, leaf_groups
from tokentape_harness.redaction.parameters import may_have_parameters, secret_parameters
from tokentape_harness.redaction.rules import PLACEHOLDER, RedactionRules
from tokentape_harness.redaction.searched import SearchedTexts
from tokentape_harness.redaction.spans import PASSES, Found, Span, find_spans, merged, rule_spans, spellings
from tokentape_harness.redaction.text_rules import TextRule, is_placeholder

_FIELD: Final = "field "
# The members that hold the arguments of a model's tool calls.
_GENERATED: Final = frozenset(("input", "args", "arguments", "parameters"))


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
    key = searched.digest(body, content_type) if searched is not None and sent else (content_type, body)
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
        for _ in range(PASSES):
            edits = find(body, content_type, rules, note, sent)
            if not edits:
                break
            chunks = edit_chunks(chunks, edits)
            body = edit_body(body, edits)
    return body, chunks


def _known_candidates(body: bytes, content_type: str, text_rules: Sequence[TextRule]) -> Sequence[TextRule] | None:
    """The text rules that may match a body or one of its strings; `None` if its strings are not remembered."""
    strings = known_strings(body, content_type) if text_rules else None
    return None if strings is None else kept_candidates_of(strings, text_rules)


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
        known = _known_candidates(body, content_type, rules.text)
        candidates = candidates_of(strings, rules.text) if known is None else known
        if _has_no_secret(strings.groups, len(pieces), rules, candidates, sent):
            return []
    groups, others = leaf_groups(pieces)
    edits: dict[int, list[TextEdit]] = {}
    for number, leaf in others if rules.json_paths else ():
        if rules.is_wanted(leaf.path) and leaf.value != "0":
            note("JSON path")
            edits.setdefault(number, []).append(TextEdit(leaf.start, leaf.end, "0"))
    texts = ["".join(leaf.value for _, leaf in members) for members in groups]
    candidates = candidates_in('"'.join(texts), rules.text)
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
    candidates: Sequence[TextRule],
    sent: bool,
) -> bool:
    """Whether the strings certainly hold no secret; this is fast, as it does not need their places."""
    if pieces == 1:  # only strings in the events of a stream continue each other, not those of one document
        groups = [StringGroup(path, [value]) for path, values in groups for value in values]
    joined = "\0".join("".join(group.values) for group in groups) if rules.secrets else ""
    if any(written in joined for secret in rules.secrets for written in spellings(secret)):
        return False
    return not any(_may_be_secret(group, candidates, rules, sent) for group in groups)


def _may_be_secret(group: StringGroup, candidates: Sequence[TextRule], rules: RedactionRules, sent: bool) -> bool:
    """Whether a string is secret by its name or a text rule."""
    text = "".join(group.values)
    if _is_named(group.path, text, rules, sent):
        if any(value and value not in rules.placeholders for value in group.values):
            return True
    elif sent and text[:1] in ("{", "[") and any(_nested_spans(text, rules)):
        return True
    return bool(merged(text, rule_spans(text, candidates), rules))


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
    for span in merged(text, spans, rules):
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
