"""Placeholders in interactions: a cassette holds none of the sender's folders and names, and gets a replay's own back.

The stream record's `placeholders` lists those of the response. Streams that need none stay as they are.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import accumulate
from typing import Final, get_args

import msgspec

from tokentape_fake_provider.sessions.matching.ignored_parts import IgnoredParts
from tokentape_fake_provider.sessions.matching.machine import Machine
from tokentape_fake_provider.sessions.matching.normaliser import Named, Normaliser
from tokentape_fake_provider.sessions.matching.placeholders import (
    ESCAPES,
    Found,
    Values,
    find_values,
    free_names,
    placeholder_pattern,
    value_of,
    with_placeholders,
)
from tokentape_fake_provider.sessions.matching.request_comparison import message_value
from tokentape_fake_provider.tape import Sender
from tokentape_harness.cassettes.model import Headers, Interaction, Request, Response
from tokentape_harness.redaction.body_text import BodyPiece, raw_pieces
from tokentape_harness.redaction.edits import Edit, TextEdit, edit_body, edit_chunks
from tokentape_harness.redaction.json_text import Leaf, unit_span
from tokentape_harness.redaction.leaf_groups import body_strings, leaf_groups
from tokentape_harness.redaction.redact import Secret, plain_body, resized
from tokentape_harness.redaction.rules import RedactionRules, own_matches
from tokentape_harness.redaction.websocket import lines_of

NOTE: Final = "placeholders"
_SENDER: Final = re.compile(
    r"(?i)^(?!mcp).*(?:session|device|installation|machine|conversation|thread|account)[-_]?(?:uu)?id$"
)
_NOBODYS: Final = re.compile(
    r"/root|/(?:home|Users)/(?:user|username|name|you|yourname|me|example|runner|ubuntu|node|vscode|app|test|linuxbrew)"
    r"|.*@(?:[\w-]+\.)*(?:example|invalid|test|localhost)(?:\.(?:com|org|net))?"
)
_KINDS: Final = {
    "cwd": "the working folder",
    "home": "a home folder",
    "home_from_cwd": "a home folder",
    "user": "the name of a user",
    "host": "the name of a machine",
    "email": "an e-mail address",
    "author": "the name of an author",
    "id": "the id of a device or session",
}
# What the spellings of a value have, however it is spread over the events of a stream.
_MARKS: Final = {"cwd": b"/", "home": b"/", "home_from_cwd": b"/", "tmp": b"/", "email": b"@"}
_SHORTEST_TEXT: Final = 4
_SPELLED: Final = re.compile(r"[\"\\{}]")
_NOTHING: Final = Named((), ())


def request_values(request: Request, normaliser: Normaliser, rules: RedactionRules | None = None) -> Named:
    """The values of a request for the placeholders in its recording.

    What the user's own text `rules` match in it has values, too: redaction removes it from the request, and a replay
    gets its own back where the answer repeats it, such as in the arguments of a tool.
    """
    if not request.body or not normaliser.active:
        return _NOTHING
    text = "".join(piece.text for piece in raw_pieces(*plain_body(request)))
    try:
        body = msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        body = None
    named = normaliser.values(body)
    texts = dict[str, str]()
    for rule in () if rules is None else rules.own_text:
        spans = (match.span("secret" if "secret" in rule.groupindex else 0) for match in own_matches(rule, text))
        for value in (text[start:end] for start, end in spans):
            if len(value) >= _SHORTEST_TEXT and not _SPELLED.search(value) and value not in texts:
                texts[value] = f"text{len(texts) + 1}"
    return named._replace(ids=named.ids + tuple((name, value) for value, name in texts.items()))


def with_request_placeholders(request: Request, values: Values) -> Request:
    """The request with placeholders, also in place of ids of sessions and devices in its headers."""
    if not values:
        return request
    headers, body = _headers(request.headers, values), request.body
    if body:
        plain, content_type = plain_body(request)
        edits = [
            edit for piece in raw_pieces(plain, content_type) for edit in piece.edited(_whole_edits(piece, values))
        ]
        if edits:
            body = edit_body(plain, edits)
            headers = tuple(pair for pair in headers if plain is request.body or pair[0].lower() != "content-encoding")
            headers = resized(headers, len(body))
    return Request(request.method, request.uri, headers, body)


def _whole_edits(piece: BodyPiece, values: Values) -> list[TextEdit]:
    """The edits that put placeholders into a text."""
    found = find_values(piece.text, values)
    names = free_names(piece.text, values) if found else {}
    return [TextEdit(one.start, one.end, one.placeholder(names)) for one in found]


def with_response_placeholders(response: Response, values: Values) -> Response:
    """The response with placeholders, and their names in its stream record; without a record it stays as it is."""
    values = tuple(pair for pair in values if _MARKS.get(pair[0], b"") in response.body)
    if response.stream is None or not response.body or not values:
        return response
    text = "".join(piece.text for piece in raw_pieces(response.body, response.content_type))
    names, used = free_names(text, values), dict[str, None]()
    edits = [
        edit
        for piece, found in _pieces_with(response.body, response.content_type, values)
        for edit in piece.edited([_edit(one, names, used) for one in found])
    ]
    if not used:
        return response
    changed = _edited(response, edits)
    assert changed.stream is not None
    extra = {**changed.stream.extra, NOTE: " ".join(used)}
    return msgspec.structs.replace(changed, stream=msgspec.structs.replace(changed.stream, extra=extra))


def placeholders_of(response: Response) -> tuple[str, ...]:
    """The names of the placeholders in a response."""
    note = "" if response.stream is None else response.stream.extra.get(NOTE, "")
    return tuple(note.split()) if isinstance(note, str) else ()


def with_response_values(response: Response, values: Values) -> Response:
    """The response with values in place of its placeholders; one without a value stays."""
    names = placeholders_of(response)
    if not names:
        return response
    pattern, known = placeholder_pattern(names), dict(values)
    edits = [
        edit
        for piece in raw_pieces(response.body, response.content_type)
        for edit in piece.edited(
            [TextEdit(*match.span(), value_of(match, known)) for match in pattern.finditer(piece.text)]
        )
    ]
    return _edited(response, edits)


def find_personal(interaction: Interaction, machine: Machine) -> tuple[Secret, ...]:
    """What belongs to one machine or person, which recording replaces: its kind, and where it is.

    That is what `machine` and the request's own text name. A folder for temporary files and the home of root, of
    examples and of CI are nobody's.
    """
    request, response, websocket = interaction.request, interaction.response, interaction.websocket
    normaliser, bodies = Normaliser(IgnoredParts(), machine), [("response body", response.body, response.content_type)]
    named = request_values(request, normaliser)
    if websocket is not None:
        named = normaliser.values(
            *(message_value(frame.data) for frame in websocket.frames if frame.sender == "client")
        )
        bodies = [(f"frames of the {sender}", *lines_of(websocket, sender)) for sender in get_args(Sender)]
    own = tuple((name, value) for name, value in named.own if name != "tmp" and not _NOBODYS.fullmatch(value))
    texts = [("request body", piece.text) for piece in (raw_pieces(*plain_body(request)) if request.body else ())]
    texts += [(f"request header {name.lower()}", value) for name, value in request.headers]
    found = [(one.inner, where) for where, text in texts for one in find_values(text, own)]
    for where, body, kind in bodies:
        found += [(part.found.inner, where) for _, parts in _pieces_with(body, kind, own) for part in parts]
    found += [("id", f"request header {name.lower()}") for name, value in request.headers if _is_sender(name, value)]
    kinds = ((_KINDS[inner.partition(":")[0].rstrip("0123456789")], where) for inner, where in found)
    return tuple(Secret(kind, where) for kind, where in dict.fromkeys(kinds))


def _headers(headers: Headers, values: Values) -> Headers:
    changed = ((name, with_placeholders(value, values)) for name, value in headers)
    return tuple((name, "{{id}}" if _is_sender(name, value) else value) for name, value in changed)


def _is_sender(name: str, value: str) -> bool:
    """Whether a header has the id of a session or a device, and not a placeholder for it."""
    return _SENDER.search(name) is not None and "{{" not in value and any(map(str.isdigit, value))


def _edited(response: Response, edits: Sequence[Edit]) -> Response:
    body, record = edit_body(response.body, edits), response.stream
    if record is not None:
        record = msgspec.structs.replace(record, chunks=edit_chunks(record.chunks, edits))
    headers = resized(response.headers, len(body))
    return msgspec.structs.replace(response, headers=headers, body=body, stream=record)


class _Part:
    """A part of a value in a text: the characters `first` to `last` of what `found` stands for."""

    def __init__(self, found: Found, start: int, end: int, first: int, last: int, escapes: str = "") -> None:
        self.found = found
        self.start, self.end = start, end
        self.first, self.last, self.escapes = first, last, escapes


def _edit(part: _Part, names: Mapping[str, str], used: dict[str, None]) -> TextEdit:
    used.setdefault(names[part.found.inner.partition(":")[0]])
    return TextEdit(part.start, part.end, part.found.placeholder(names, part.first, part.last, part.escapes))


def _pieces_with(body: bytes, content_type: str, values: Values) -> Iterator[tuple[BodyPiece, list[_Part]]]:
    """The texts of a body with the parts of values in each, in order; a value may go on in the next events."""
    pieces, strings = body_strings(body, content_type)
    if len(pieces) == 1:
        found = find_values(pieces[0].text, values)
        yield pieces[0], [_Part(one, one.start, one.end, 0, one.end - one.start) for one in found]
        return
    if strings is not None and not any(find_values("".join(group.values), values) for group in strings.groups):
        return  # this is fast, as it does not need the places
    parts: dict[int, list[_Part]] = {}
    for members in leaf_groups(pieces).groups:
        text = "".join(leaf.value for _, leaf in members)
        for one in find_values(text, values):
            for number, part in _parts(one, members, pieces, values):
                parts.setdefault(number, []).append(part)
    for number in sorted(parts):
        yield pieces[number], sorted(parts[number], key=lambda part: part.start)


def _parts(
    found: Found, members: Sequence[tuple[int, Leaf]], pieces: Sequence[BodyPiece], values: Values
) -> Iterator[tuple[int, _Part]]:
    """A value in the joined text of these strings, by string."""
    for (number, leaf), end in zip(members, accumulate(len(leaf.value) for _, leaf in members), strict=True):
        begin = end - len(leaf.value)
        first, last = max(found.start, begin), min(found.end, end)
        if first >= last:
            continue
        start, stop = unit_span(pieces[number].text, leaf, first - begin, last - begin)
        raw, value = pieces[number].text[start:stop], leaf.value[first - begin : last - begin]
        # The text of the event may spell a whole value in its own way, such as \/.
        whole = last - first == found.end - found.start
        same = next((one for one in find_values(raw, values) if whole and one.end - one.start == len(raw)), None)
        if same is not None:
            yield number, _Part(same, start, stop, 0, len(raw))
        else:
            escapes = next((name for name, write in ESCAPES.items() if write(value) == raw), "~")
            yield number, _Part(found, start, stop, first - found.start, last - found.start, escapes)
