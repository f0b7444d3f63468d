"""Saved journals: the entries of what GET /_tokentape/sessions/{id}/journal?frames=1&responses=1 answers."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import msgspec

from tokentape_fake_provider.control.journal import JournalEntry, JournalPage
from tokentape_fake_provider.playback.journal import Entry
from tokentape_fake_provider.sessions.redis_store.shared_journal import entry_of, set_response
from tokentape_harness.errors import UsageError

ROUTE = "journal?frames=1&responses=1"


def read_journal(path: Path) -> JournalPage:
    """Read a saved journal. Raises `UsageError`."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=JournalPage)
    except OSError as error:
        raise UsageError(f"{path} can't be read ({error.strerror}): give a saved journal, or a server's URL") from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise UsageError(
            f"{path} is not a journal ({error}): save the answer of /_tokentape/sessions/ID/{ROUTE}"
        ) from None


def entries_of(entries: Iterable[JournalEntry]) -> list[Entry]:
    """The entries as the server has them, as far as they were saved."""
    return [_entry(saved) for saved in entries]


def _entry(saved: JournalEntry) -> Entry:
    fields = {**msgspec.to_builtins(saved), "body": saved.body}
    response = fields.pop("response")
    del fields["preview"]
    entry = entry_of(fields)
    entry.number = saved.number
    fields["frames"] = [[frame[name] for frame in fields["frames"]] for name in ("at", "left", "size")]
    set_response(entry, {name: value for name, value in fields.items() if name != "headers"})
    if saved.response is not None and response is not None:
        entry.response_headers = [(name, value) for name, value in saved.response.headers]
        entry.payload, entry.by_hand = saved.response.data, saved.response.by_hand
        if saved.response.next_due is not None:
            entry.due.append(saved.response.next_due)
    return entry
