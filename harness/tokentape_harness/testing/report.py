"""Report: what a fake provider received and sent in a failed test, as one HTML file."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec

from tokentape_fake_provider.control.entry_detail import EntryDetail, ResponseHead, detail_of
from tokentape_fake_provider.playback.journal import Entry
from tokentape_fake_provider.sessions.entry_row import entry_row
from tokentape_fake_provider.sessions.session import Session
from tokentape_fake_provider.wires import WIRES
from tokentape_harness.redaction import redact_text
from tokentape_harness.testing.exchange_tools import HarnessTools
from tokentape_harness.testing.fake_provider import FakeProvider
from tokentape_harness.testing.report_page import report_page

LARGEST: Final = 10_000_000
"""The characters of a report, about; beyond that the oldest requests have no bodies and frames, or are left out."""

_LONGEST_ERROR: Final = 20_000
_LONGEST_NAME: Final = 120
# No secret is shorter, and most texts of frames are.
_SHORTEST_SECRET: Final = 12


def write_report(folder: Path, test: str, outcome: str, error: str, providers: Sequence[FakeProvider]) -> Path:
    """Write the report of a test, which its node id names, and return the file. Raises `OSError`."""
    path = folder / f"{file_name(test)}.html"
    folder.mkdir(parents=True, exist_ok=True)
    path.write_text(report_page(report_data(test, outcome, error, providers)), encoding="utf-8")
    return path


def file_name(test: str) -> str:
    """A file's name for a node id: safe on every system, and another one for each id."""
    readable = re.sub(r"[^A-Za-z0-9_]+", "-", test).strip("-")[-_LONGEST_NAME:].strip("-")
    return f"{readable or 'test'}-{hashlib.sha256(test.encode('utf-8', 'surrogatepass')).hexdigest()[:8]}"


def report_data(test: str, outcome: str, error: str, providers: Sequence[FakeProvider], largest: int = LARGEST) -> str:
    """The data of a report as JSON, without secrets."""
    redactor = _Redactor()
    journals, left = {}, largest
    for provider in providers:
        journal = provider.session.journal
        encoded: list[msgspec.Raw] = []
        for entry in reversed(journal.entries):
            shown = redactor.entry(entry, provider.session)
            if len(shown) > left:
                shown = redactor.row(entry)
            if len(shown) > left:
                break
            left -= len(shown)
            encoded.append(msgspec.Raw(shown))
        forgotten = journal.forgotten + len(journal.entries) - len(encoded)
        journals[provider.session.id] = {"forgotten": forgotten, "entries": encoded[::-1]}
    return msgspec.json.encode(
        {
            "test": {"name": test, "outcome": outcome, "error": redactor.text(error[:_LONGEST_ERROR])},
            "sessions": [_session(provider) for provider in providers],
            "journals": journals,
        }
    ).decode()


def _session(provider: FakeProvider) -> dict[str, Any]:
    urls = {wire: provider.base_url(wire) for wire in WIRES}
    return {"base_urls": urls, **msgspec.structs.asdict(provider.session.summary)}


class _Redactor:
    """Removes secrets from texts; equal texts are looked at once."""

    def __init__(self) -> None:
        self._known: dict[str, str] = {}
        self._tools = HarnessTools()

    def entry(self, entry: Entry, session: Session) -> bytes:
        """A request and its response whole, as JSON."""
        detail = detail_of(entry, session, self._tools)()
        data = _without_secrets_in_bytes([frame.data for frame in detail.frames])
        frames = [msgspec.structs.replace(frame, data=None) for frame in detail.frames]
        body = _body(entry)
        fields = {**entry_row(entry), "headers": entry.headers, **msgspec.structs.asdict(detail), "body": body}
        shown = self._value(msgspec.json.decode(msgspec.json.encode({**fields, "frames": frames})))
        for frame, kept in zip(shown["frames"], data, strict=True):
            frame["data"] = kept
        return msgspec.json.encode(shown)

    def row(self, entry: Entry) -> bytes:
        """A request without its body and frames, as JSON."""
        detail = EntryDetail(None, (), (), ResponseHead(entry.status, ()), (), True, None, None, None)
        row = {**msgspec.structs.asdict(detail), **entry_row(entry), "headers": [], "body": None}
        return msgspec.json.encode(self._value(msgspec.json.decode(msgspec.json.encode(row))))

    def text(self, text: str) -> str:
        """A text without its secrets."""
        if len(text) < _SHORTEST_SECRET:
            return text
        if text not in self._known:
            self._known[text] = redact_text(text)
        return self._known[text]

    def _value(self, value: Any) -> Any:
        match value:
            case str():
                return self.text(value)
            case dict():
                return {key: self._value(item) for key, item in value.items()}
            case list():
                return [self._value(item) for item in value]
            case _:
                return value


def _body(entry: Entry) -> Any:
    """The body; `None` if it is nested too deeply to be encoded."""
    try:
        msgspec.json.encode(entry.body)
    except RecursionError:
        return None
    return entry.body


def _without_secrets_in_bytes(frames: Sequence[bytes | None]) -> Iterator[bytes | None]:
    """The frames of a body, as they are if all of it together has no secret."""
    whole = b"".join(data or b"" for data in frames).decode("latin-1")
    if redact_text(whole) == whole:
        return iter(frames)
    return (None if data is None else redact_text(data.decode("latin-1")).encode("latin-1") for data in frames)
