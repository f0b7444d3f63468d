"""A fake provider that runs elsewhere: its sessions over the control API, as far as that goes."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, Final, NoReturn

import msgspec

from tokentape_fake_provider.config import AppConfig
from tokentape_fake_provider.control.journal import JournalPage
from tokentape_fake_provider.hosting.provider import Provider
from tokentape_fake_provider.playback.journal import Entry, Journal
from tokentape_fake_provider.script.model import Script, as_script
from tokentape_fake_provider.sessions.queue_item import QueueEntry, queue_items
from tokentape_fake_provider.sessions.recording import Recording
from tokentape_fake_provider.sessions.rule import Rule
from tokentape_fake_provider.sessions.session import DEFAULT_SESSION, Check, QueueItem, Session
from tokentape_fake_provider.sessions.settings import SessionSettings
from tokentape_fake_provider.sessions.unplayed import Unplayed
from tokentape_fake_provider.tape import Tape
from tokentape_fake_provider.timing.clock import ControlledClock
from tokentape_harness.testing.control_api import ControlApi, not_remote
from tokentape_harness.testing.remote_streams import RemoteStreams
from tokentape_harness.testing.verdicts.saved_journal import ROUTE, entries_of

_POLL_S: Final = 0.05
_WARNING: Final = "The script calls"


class RemoteProvider(Provider):
    """A server at a URL. Use it as a context manager. Raises `UsageError`."""

    def __init__(self, url: str, token: str | None = None) -> None:
        super().__init__(AppConfig())
        self._api = ControlApi(url, token)

    @property
    def url(self) -> str:
        """Its URL, without a slash at the end."""
        return self._api.url

    @property
    def default(self) -> Session:
        """The session of base URLs without a prefix."""
        return self.session(DEFAULT_SESSION)

    def session(self, session_id: str) -> Session:
        """Return a session by its id."""
        return RemoteSession(self._api, session_id)

    def create_session(self, session_id: str | None = None, **settings: Any) -> Session:
        """Create a session; these settings replace the server's."""
        created = self._api.call("POST", "/sessions", {} if session_id is None else {"id": session_id})
        session = RemoteSession(self._api, created["id"])
        session.configure(**settings)
        return session

    def delete_session(self, session_id: str) -> None:
        """Remove a session."""
        self._api.call("DELETE", f"/sessions/{session_id}")

    def now_ms(self, session: Session) -> float:
        """The time of the session's clock, in ms."""
        assert isinstance(session.journal, _RemoteJournal)
        return session.journal.now

    def transport(self, package: Any = None) -> NoReturn:
        """A transport is in this process."""
        del package
        not_remote("transport()")

    def async_transport(self, package: Any = None) -> NoReturn:
        """A transport is in this process."""
        del package
        not_remote("async_transport()")

    def __enter__(self) -> RemoteProvider:
        return self

    def __exit__(self, *_: object) -> None:
        self._api.close()


class RemoteSession(Session):
    """A session of another process: changes go there, and what it shows comes from there."""

    def __init__(self, api: ControlApi, session_id: str) -> None:
        self._api = api
        self._path = f"/sessions/{session_id}"
        super().__init__(session_id, journal=_RemoteJournal(api, self._path))
        self.settings = msgspec.convert(api.call("GET", f"{self._path}/settings"), SessionSettings)
        self.streams = RemoteStreams(api, f"{self._path}/streams", self.journal)

    def configure(self, **changes: Any) -> None:
        """Change some of the settings. Raises what `SessionSettings` raises."""
        changed = self.settings.changed(**changes)  # says what is wrong as it does in this process
        names = {"dialect" if name == "dress" else name for name in changes}
        if names:
            self._api.call("PATCH", f"{self._path}/settings", {name: getattr(changed, name) for name in names})
        self.settings = changed

    @property
    def clock(self) -> ControlledClock | None:
        """The server's; a clock of its own is in the server's process."""
        if self.settings.clock != "server":
            not_remote("a clock of the session's own")
        return None

    def push(self, *items: QueueItem | str, check: Check | None = None) -> None:
        """Queue responses."""
        if check is not None:
            not_remote("conversation(), which checks requests in Python,")
        scripts = [as_script(item) if isinstance(item, str) else item for item in items]
        entries = [{"script" if isinstance(item, Script) else "tape": item} for item in scripts]
        if entries:
            self._api.call("POST", f"{self._path}/queue", {"items": entries})

    def add_rule(self, rule: Rule) -> None:
        """Add a rule."""
        self._api.call("POST", f"{self._path}/rules", rule)

    def remove_rule(self, rule: Rule) -> None:
        """Remove a rule that is equal, if it is there."""
        rules = list(self.rules)
        if rule in rules:
            rules.remove(rule)
            self._api.call("PUT", f"{self._path}/rules", {"rules": rules})

    def add_recordings(self, recordings: Iterable[Recording]) -> int:
        """Recordings without a file can't be sent."""
        del recordings
        not_remote("recordings that are not a cassette file as it is (`wire=`, fault_sweep)")

    def add_cassettes(self, files: Sequence[Path]) -> int:
        """Send cassette files, and return the number of their recordings."""
        return sum(
            self._api.call(
                "POST", f"{self._path}/cassettes", {"name": str(file), "content": file.read_text(encoding="utf-8")}
            )["loaded"]
            for file in files
        )

    def clear(self) -> None:
        """It is emptied only by deleting it."""
        not_remote("clear()")

    @property
    def queue(self) -> Sequence[QueueItem]:
        """The responses that are queued and not played yet."""
        items = self._api.call("GET", f"{self._path}/queue")["items"]
        return tuple(queue_items(msgspec.convert(items, list[QueueEntry])))

    @property
    def rules(self) -> Sequence[Rule]:
        """All rules."""
        return msgspec.convert(self._api.call("GET", f"{self._path}/rules")["rules"], list[Rule])

    @property
    def recordings(self) -> NoReturn:
        """The recordings are in the server's process."""
        not_remote("session.recordings")

    @property
    def unplayed(self) -> Unplayed:
        """What was set up and never requested; of recordings only their labels."""
        found = self._api.call("GET", f"{self._path}/unplayed")
        recordings = [Recording(Tape(), "", source=label) for label in found["recordings"]]
        return Unplayed(self.queue if found["queue"] else (), recordings, msgspec.convert(found["rules"], list[Rule]))

    @property
    def warnings(self) -> Sequence[str]:
        """Each different warning about a scripted response, from the notes of the journal."""
        notes = (note for entry in self.journal.entries for note in entry.note.split("; "))
        return list(dict.fromkeys(note for note in notes if note.startswith(_WARNING)))


class _RemoteJournal(Journal):
    def __init__(self, api: ControlApi, path: str) -> None:
        super().__init__()
        self._api = api
        self._path = path

    @property
    def entries(self) -> Sequence[Entry]:
        """The entries that are kept."""
        return tuple(entries_of(self._page().entries))

    @property
    def now(self) -> float:
        """The time of the session's clock, in ms."""
        return self._page("&since=999999999999").now or 0.0

    def _page(self, more: str = "") -> JournalPage:
        return msgspec.convert(self._api.call("GET", f"{self._path}/{ROUTE}{more}"), JournalPage)

    def find(self, number: int) -> Entry | None:
        """The entry with this number; `None` if it is not kept."""
        return next((entry for entry in self.entries if entry.number == number), None)

    def clear(self) -> None:
        """Forget all entries."""
        self._api.call("DELETE", f"{self._path}/journal")

    def wait(self, until: Callable[[Sequence[Entry]], bool] | None = None, timeout: float = 10.0) -> Sequence[Entry]:
        """Return the entries once `until` is true of them; without it, once every response has ended."""
        if until is None:
            until = _ended
        deadline = time.monotonic() + timeout
        while not until(entries := self.entries):
            if time.monotonic() > deadline:
                pending = sum(entry.outcome == "pending" for entry in entries)
                raise TimeoutError(
                    f"the condition did not hold within {timeout:g} s: {len(entries)} requests, {pending} pending"
                )
            time.sleep(_POLL_S)
        return entries

    async def wait_async(
        self,
        until: Callable[[Sequence[Entry]], bool] | None = None,
        timeout: float = 10.0,  # noqa: ASYNC109
    ) -> Sequence[Entry]:
        """`wait` for coroutines."""
        return await asyncio.to_thread(self.wait, until, timeout)


def _ended(entries: Sequence[Entry]) -> bool:
    return all(entry.outcome != "pending" for entry in entries)
