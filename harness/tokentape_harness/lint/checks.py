"""Checks: the problems of a cassette that can be read."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Literal, get_args
from urllib.parse import unquote, urlsplit

import msgspec

from tokentape import TokentapeError
from tokentape_fake_provider.sessions.matching.machine import Machine
from tokentape_fake_provider.wires import wire_for_path
from tokentape_harness.cassettes.chunks import format_ms
from tokentape_harness.cassettes.model import Cassette, Interaction, Response, header_values
from tokentape_harness.conversion.response_decoder import decode_response
from tokentape_harness.errors import UsageError
from tokentape_harness.redaction import DEFAULT_RULES, RedactionRules, find_secrets, redact_text
from tokentape_harness.redaction.placeholders import find_personal

ProblemKind = Literal[
    "unreadable", "secret", "personal", "truncated", "client_closed", "edited", "undecodable", "old", "unused"
]
PROBLEM_KINDS: tuple[ProblemKind, ...] = get_args(ProblemKind)

_REDACT = "`tokentape convert FILE FILE --to cassette` removes it"
_RECORD = "record it again, which puts a placeholder there, or --allow personal"
_UNKNOWN = Machine()
_ENDS = {
    "dropped": "the connection was cut off",
    "timeout": "the client timed out",
    "open_at_exit": "it was still open when the recording ended",
}


class Problem(msgspec.Struct, frozen=True):
    """A problem, with its file and the number of its interaction from 0, or `None` for the whole file."""

    kind: ProblemKind
    file: str
    interaction: int | None
    message: str

    def __str__(self) -> str:
        place = self.file if self.interaction is None else f"{self.file}: interaction {self.interaction}"
        return f"{place}: {self.kind}: {self.message}"


def inspect_cassette(
    cassette: Cassette,
    *,
    now: datetime,
    max_age: timedelta | None = None,
    unused: Iterable[tuple[Path, int]] = (),
    rules: RedactionRules = DEFAULT_RULES,
    machine: Machine = _UNKNOWN,
) -> list[Problem]:
    """The problems of a cassette, by interaction. `unused` are interactions that no request replayed.

    `machine` is the one whose folders and names the cassette must not hold.
    """
    file = "" if cassette.path is None else str(cassette.path)
    unused_here = {number for path, number in unused if cassette.path is not None and path == cassette.path.resolve()}
    found = []
    for number, interaction in enumerate(cassette):
        problems = list(_problems(interaction, now, max_age, rules, machine))
        if number in unused_here:
            problems.append(("unused", "no request replayed it: delete it, or run the test that needs it"))
        found += [Problem(kind, file, number, message) for kind, message in problems]
    return found


_LABEL = re.compile(r"(.+), interaction (\d+)", re.DOTALL)


def read_unused(report: bytes) -> list[tuple[Path, int]]:
    """The interactions in a response of `GET /_tokentape/sessions/{id}/unplayed`. Raises `UsageError`."""
    try:
        fields = msgspec.json.decode(report, type=dict[str, object])
        labels = msgspec.convert(fields.get("recordings"), list[str])
    except msgspec.MsgspecError as error:
        raise UsageError(
            f"the report of unused recordings can't be read ({error}): save the response of "
            "/_tokentape/sessions/default/unplayed of `tokentape serve`"
        ) from error
    matches = (_LABEL.fullmatch(label) for label in labels)
    return [(Path(match[1]).resolve(), int(match[2])) for match in matches if match is not None]


def _problems(
    interaction: Interaction, now: datetime, max_age: timedelta | None, rules: RedactionRules, machine: Machine
) -> Iterator[tuple[ProblemKind, str]]:
    for secret in find_secrets(interaction, rules):
        yield "secret", f"{secret.rule} in the {secret.where}: {_REDACT}; revoke it if anyone may have seen it"
    for found in find_personal(interaction, machine):
        yield "personal", f"{found.rule} in the {found.where}: {_RECORD}"
    yield from _end_problems(interaction, rules)
    recorded = recorded_at(interaction.response)
    if max_age is not None and recorded is not None and now - recorded > max_age:
        days = (now - recorded).days
        yield "old", f"recorded {days} days ago ({recorded:%Y-%m-%d}): record it again"
    expires = expired_at(interaction.response)
    if expires is not None and expires <= now:
        yield "old", f"expired on {expires:%Y-%m-%d}: record it again (tokentape drift --live --update)"


def _end_problems(interaction: Interaction, rules: RedactionRules) -> Iterator[tuple[ProblemKind, str]]:
    response, record = interaction.response, interaction.response.stream
    if record is not None and record.end in _ENDS:
        at = "" if record.end_at is None else f" after {format_ms(record.end_at)} ms"
        yield "truncated", f"{_ENDS[record.end]}{at}: record it again"
        return
    if record is not None and record.end == "client_closed" and record.websocket is None:
        yield "client_closed", "the client left before the end: record it again, unless that is intended"
        return
    owner = wire_for_path(unquote(urlsplit(interaction.request.uri).path))
    if owner is None or interaction.request.method != "POST" or not 200 <= response.status < 300:
        return
    try:
        decoded = decode_response(response, owner.name)
    except TokentapeError as error:
        yield "undecodable", redact_text(f"not a response of {owner.name} ({error})", rules)
        return
    if decoded.truncated:
        yield "truncated", f"the stream has no terminal event of {owner.name}: record it again"


def recorded_at(response: Response) -> datetime | None:
    """When a response was recorded: the time in the cassette, or else in its Date header."""
    if response.stream is not None and response.stream.recorded_at is not None:
        return _moment(response.stream.recorded_at)
    for value in header_values(response.headers, "date"):
        try:
            moment = parsedate_to_datetime(value)
        except (TypeError, ValueError):
            continue
        return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
    return None


def expired_at(response: Response) -> datetime | None:
    """When a recording expires; `None` if it does not, or has no valid moment."""
    expires = None if response.stream is None else response.stream.expires
    return None if expires is None else _moment(expires)


def _moment(text: str) -> datetime | None:
    """A moment, in UTC where it has no zone."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
