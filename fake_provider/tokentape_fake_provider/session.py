"""Session: what one test (or one client) set up, and what happened to it."""

from __future__ import annotations

import re
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import Any, Final, Literal, NamedTuple, TypeAlias

import msgspec

from tokentape_fake_provider.clock import ControlledClock
from tokentape_fake_provider.errors import SessionExistsError, SessionNameError, UnknownSessionError
from tokentape_fake_provider.faults.fault import Fault
from tokentape_fake_provider.faults.firing import ActiveFaults, Firing
from tokentape_fake_provider.faults.specification import Faults, as_faults
from tokentape_fake_provider.journal import AnsweredBy, Journal
from tokentape_fake_provider.recording import Recording
from tokentape_fake_provider.rule import Rule
from tokentape_fake_provider.script import Script, Usage
from tokentape_fake_provider.shelf import Endpoint, Miss, Shelf
from tokentape_fake_provider.streams import Streams
from tokentape_fake_provider.tape import Tape
from tokentape_fake_provider.timing import Instant, Timing
from tokentape_fake_provider.wires.openai_dresses import DressName, dress_name
from tokentape_fake_provider.wires.wire import Ask

DEFAULT_SESSION: Final = "default"
_ID: Final = re.compile(r"[A-Za-z0-9._~-]{1,200}")

QueueItem: TypeAlias = Script | Tape
ClockName = Literal["server", "controlled", "automatic"]


class SessionSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How a session answers.

    `timing` is when frames leave, `seed` what ids, synthetic text and jitter are made from, `usage` fills the
    fields that a script's own usage leaves open, `strict` refuses requests that nothing answers instead of
    making text up, `repeat` lets a recording answer again once all its like were played, `locale` is the
    synthetic text's language. `dress` is whose ways `openai_chat` has; `None` leaves it to the path and the model.
    `faults` happen to every response, in order; each may be a specification. `clock` is whose time it keeps: the
    server's, or one of its own that a test advances (`controlled`) or that moves on by itself (`automatic`).
    Raises `FaultError`.
    """

    timing: Timing = Instant()
    strict: bool = False
    seed: int = 0
    usage: Usage = Usage()
    repeat: bool = False
    locale: str = "en_US"
    dress: DressName | None = None
    faults: Faults = ()
    clock: ClockName = "server"

    def __post_init__(self) -> None:
        if self.faults:
            msgspec.structs.force_setattr(self, "faults", as_faults(self.faults))


class Unplayed(NamedTuple):
    """What was set up and never asked for."""

    queue: Sequence[QueueItem]
    recordings: Sequence[Recording]
    rules: Sequence[Rule]

    def __str__(self) -> str:
        parts = []
        if self.queue:
            parts.append(f"{_counted(len(self.queue), 'queued script')} not played")
        if self.recordings:
            labels = ", ".join(recording.label for recording in self.recordings[:5])
            more = f" and {len(self.recordings) - 5} more" if len(self.recordings) > 5 else ""
            parts.append(f"{_counted(len(self.recordings), 'recording')} not played: {labels}{more}")
        if self.rules:
            parts.append(f"{_counted(len(self.rules), 'rule')} never applied")
        return "; ".join(parts) or "everything was played"

    @property
    def empty(self) -> bool:
        """Whether everything was played (rules may stay unused)."""
        return not self.queue and not self.recordings


class Taken(NamedTuple):
    """What answers a request, and the faults that happen to it. `give_back` undoes that it was taken."""

    what: Script | Tape
    by: AnsweredBy
    source: str
    firings: list[Firing]
    give_back: Callable[[], None]


class _Queued(NamedTuple):
    item: QueueItem
    faults: ActiveFaults


class _Applied:
    """A rule, how often it answered or applied, and its faults and those of its scripts."""

    __slots__ = ("count", "faults", "rule", "script_faults")

    def __init__(self, rule: Rule, seed: str) -> None:
        self.rule = rule
        self.count = 0
        self.faults = ActiveFaults(rule.faults, seed)
        self.script_faults = [ActiveFaults(script.faults, f"{seed} {n}") for n, script in enumerate(rule.scripts)]

    @property
    def spent(self) -> bool:
        return self.rule.times is not None and self.count >= self.rule.times


class Session:
    """Queue, rules, recordings, settings and journal under one base-URL prefix. Safe from any thread."""

    def __init__(
        self,
        session_id: str = DEFAULT_SESSION,
        settings: SessionSettings | None = None,
        *,
        journal: Journal | None = None,
    ) -> None:
        if not _ID.fullmatch(session_id):
            raise SessionNameError(f"session id {session_id!r}: use 1 to 200 of the characters A-Z a-z 0-9 . _ ~ -")
        self.id = session_id
        self.settings = settings or SessionSettings()
        self.journal = journal or Journal()
        self.streams = Streams()
        self._clock: ControlledClock | None = None
        self._lock = threading.Lock()
        self._queue: deque[_Queued] = deque()
        self._queued = 0
        self._rules: list[_Applied] = []
        self._faults = ActiveFaults()
        self._shelf = Shelf()
        self._requests = 0

    def configure(self, **changes: Any) -> None:
        """Change some of the settings, by their names in `SessionSettings`. Raises `UnknownDressError`."""
        if changes.get("dress") is not None:
            dress_name(changes["dress"])
        self.settings = msgspec.structs.replace(self.settings, **changes)

    def add_faults(self, *faults: Fault | str) -> None:
        """Let these faults happen, too; those that are set up already go on as they are. Raises `FaultError`."""
        self.configure(faults=(*self.settings.faults, *as_faults(faults)))

    @property
    def clock(self) -> ControlledClock | None:
        """The clock of its own, which begins at 0; `None` if it keeps the server's time."""
        name = self.settings.clock
        if name == "server":
            return None
        with self._lock:
            clock = self._clock = self._clock or ControlledClock()
        clock.automatic = name == "automatic"
        return clock

    def push(self, *items: QueueItem | str) -> None:
        """Queue responses: each answers one request, in order. A string is a script that says it."""
        made = [Script.of(item) if isinstance(item, str) else item for item in items]
        with self._lock:
            for item in made:
                faults = item.faults if isinstance(item, Script) else ()
                self._queue.append(_Queued(item, ActiveFaults(faults, f"{self.settings.seed} queued {self._queued}")))
                self._queued += 1

    def add_rule(self, rule: Rule) -> None:
        """Add a rule; the first one that applies answers."""
        with self._lock:
            self._rules.append(_Applied(rule, f"{self.settings.seed} rule {len(self._rules)}"))

    def remove_rule(self, rule: Rule) -> None:
        """Take this rule back; nothing happens if it is not there."""
        with self._lock:
            self._rules = [applied for applied in self._rules if applied.rule is not rule]

    def add_recordings(self, recordings: Iterable[Recording]) -> int:
        """Add recordings, and return how many."""
        made = list(recordings)
        with self._lock:
            self._shelf.add(made)
        return len(made)

    def clear(self) -> None:
        """Forget queue, rules, recordings and journal, and let held streams go; keep the settings."""
        with self._lock:
            self._queue.clear()
            self._queued = 0
            self._rules.clear()
            self._faults = ActiveFaults()
            self._shelf = Shelf()
            self._requests = 0
        self.journal.clear()
        self.let_go()

    def let_go(self) -> None:
        """Let what waits for a test go by itself; a clock of its own begins anew."""
        with self._lock:
            clock, self._clock = self._clock, None
        self.streams.release()
        if clock is not None:
            clock.automatic = True

    @property
    def queue(self) -> Sequence[QueueItem]:
        """What is queued and not played yet."""
        with self._lock:
            return tuple(queued.item for queued in self._queue)

    @property
    def rules(self) -> Sequence[Rule]:
        """All rules."""
        with self._lock:
            return tuple(applied.rule for applied in self._rules)

    @property
    def recordings(self) -> Sequence[Recording]:
        """All recordings, played or not."""
        with self._lock:
            return self._shelf.recordings

    @property
    def unplayed(self) -> Unplayed:
        """What was set up and never asked for."""
        with self._lock:
            rules = [applied.rule for applied in self._rules if not applied.count]
            queue = tuple(queued.item for queued in self._queue)
            return Unplayed(queue, tuple(self._shelf.unplayed), rules)

    # What the catalog takes, in this order.

    def next_number(self) -> int:
        """The number of the next request, from 0."""
        with self._lock:
            self._requests += 1
            return self._requests - 1

    def fire(self, ask: Ask | None) -> list[Firing]:
        """The faults of the session that happen to the next response, and those of rules that answer nothing."""
        with self._lock:
            if self._faults.faults is not self.settings.faults:
                self._faults = self._faults.with_faults(self.settings.faults, f"{self.settings.seed}")
            firings = self._faults.fire()
            if ask is None:
                return firings
            for applied in self._rules:
                if not applied.rule.scripts and not applied.spent and applied.rule.applies(ask):
                    applied.count += 1
                    firings += applied.faults.fire()
            return firings

    def take_queued(self) -> Taken | None:
        """The next of the queue."""
        if not self._queue:
            return None
        with self._lock:
            if not self._queue:
                return None
            queued = self._queue.popleft()

            def give_back() -> None:
                with self._lock:
                    self._queue.appendleft(queued)

            return Taken(queued.item, "queue", "", queued.faults.fire(), give_back)

    def take_by_rule(self, ask: Ask) -> Taken | None:
        """The next script of the first rule that applies."""
        if not self._rules:
            return None
        with self._lock:
            for number, applied in enumerate(self._rules):
                scripts = applied.rule.scripts
                if scripts and not applied.spent and applied.rule.applies(ask):
                    index = applied.count % len(scripts)
                    applied.count += 1
                    firings = applied.script_faults[index].fire() + applied.faults.fire()
                    return Taken(scripts[index], "rule", f"rule {number}", firings, partial(self._unapply, applied))
        return None

    def _unapply(self, applied: _Applied) -> None:
        with self._lock:
            applied.count -= 1

    def take_recording(self, endpoint: Endpoint, body: Any, prompt: str | None = None) -> Recording | Miss:
        """The recording that answers, or why none does."""
        with self._lock:
            return self._shelf.take(endpoint, body, prompt=prompt, again=self.settings.repeat)

    def give_back(self, recording: Recording) -> None:
        """Undo that a recording was taken."""
        with self._lock:
            self._shelf.give_back(recording)


class Sessions:
    """The sessions of a server by id; the default one is always there. Safe from any thread."""

    def __init__(self, settings: SessionSettings | None = None) -> None:
        self.settings = settings or SessionSettings()
        self._lock = threading.Lock()
        self._sessions = {DEFAULT_SESSION: Session(DEFAULT_SESSION, self.settings)}
        self._made = 0

    def __iter__(self) -> Iterator[Session]:
        with self._lock:
            return iter(tuple(self._sessions.values()))

    @property
    def default(self) -> Session:
        """The session of base URLs without a prefix."""
        return self._sessions[DEFAULT_SESSION]

    def find(self, session_id: str) -> Session | None:
        """The session, or `None`."""
        return self._sessions.get(session_id)

    def get(self, session_id: str) -> Session:
        """The session. Raises `UnknownSessionError`."""
        found = self._sessions.get(session_id)
        if found is None:
            raise UnknownSessionError(
                f"no session {session_id!r}: create it first (POST /_tokentape/sessions), or leave "
                f"/s/{session_id} out of the base URL for the default session"
            )
        return found

    def create(self, session_id: str | None = None, settings: SessionSettings | None = None) -> Session:
        """A new session; without an id it gets a number. Raises `SessionExistsError`, `SessionNameError`."""
        with self._lock:
            if session_id is None:
                session_id = self._free_id()
            if session_id in self._sessions:
                raise SessionExistsError(f"session {session_id!r} is there already: delete it first, or use another id")
            made = self._sessions[session_id] = Session(session_id, settings or self.settings)
            return made

    def delete(self, session_id: str) -> None:
        """Remove a session; the default one is emptied instead. Raises `UnknownSessionError`."""
        found = self.get(session_id)
        if session_id == DEFAULT_SESSION:
            found.clear()
            found.settings = self.settings
            return
        with self._lock:
            self._sessions.pop(session_id, None)
        found.let_go()

    def _free_id(self) -> str:
        self._made += 1
        while f"session-{self._made}" in self._sessions:
            self._made += 1
        return f"session-{self._made}"


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
