"""A session: what one test (or one client) has set up, and what happened in it."""

from __future__ import annotations

import logging
import re
import threading
from collections import deque
from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import Any, Final, NamedTuple, TypeAlias

import msgspec

from tokentape_fake_provider.errors import SessionNameError
from tokentape_fake_provider.fault_injection.active_faults import ActiveFault, ConfiguredFaults
from tokentape_fake_provider.faults.fault import Fault
from tokentape_fake_provider.faults.specification import as_faults
from tokentape_fake_provider.playback.journal import Journal
from tokentape_fake_provider.playback.near_miss import NearMiss
from tokentape_fake_provider.script.model import Script, as_script
from tokentape_fake_provider.sessions.condition import IncomingRequest
from tokentape_fake_provider.sessions.matching.ignored_parts import as_ignored_parts
from tokentape_fake_provider.sessions.matching.machine import this_machine
from tokentape_fake_provider.sessions.matching.normaliser import Normaliser
from tokentape_fake_provider.sessions.matching.request_comparison import differences, message_value
from tokentape_fake_provider.sessions.prompt_cache import PromptCache
from tokentape_fake_provider.sessions.recording import Recording
from tokentape_fake_provider.sessions.recording_store import Endpoint, Miss, RecordingStore, Repetition
from tokentape_fake_provider.sessions.rule import Rule
from tokentape_fake_provider.sessions.session_rules import SessionRules
from tokentape_fake_provider.sessions.settings import SessionSettings
from tokentape_fake_provider.sessions.setup import Setup
from tokentape_fake_provider.sessions.stepped_streams import SteppedStreams
from tokentape_fake_provider.sessions.stored_answers import StoredAnswers
from tokentape_fake_provider.sessions.stored_files import StoredFiles
from tokentape_fake_provider.sessions.taken import Taken
from tokentape_fake_provider.sessions.unplayed import Unplayed
from tokentape_fake_provider.tape import Tape
from tokentape_fake_provider.timing.clock import ControlledClock
from tokentape_fake_provider.wires.prompt import Prompt
from tokentape_fake_provider.wires.tasks import Task, answers

DEFAULT_SESSION: Final = "default"
_logger: Final = logging.getLogger("tokentape_fake_provider")
_ID: Final = re.compile(r"(?!\.{1,2}$)[A-Za-z0-9._~-]{1,200}")

QueueItem: TypeAlias = Script | Tape
Check: TypeAlias = Callable[[Prompt], str]
"""Returns what is wrong with the request that a queued response is to answer; an empty string if nothing is."""


class RequestNumbers(NamedTuple):
    """Which numbers a session gives its requests: `first`, and each one `step` later. Ids are made from them."""

    first: int = 0
    step: int = 1


class SessionSummary(msgspec.Struct, frozen=True):
    """A session: its settings, and the numbers of what it has; `first` is the number of its oldest journal entry."""

    id: str
    settings: SessionSettings
    queued: int
    rules: int
    recordings: int
    requests: int
    first: int


class QueuedItem(NamedTuple):
    """A response in the queue; `stored` is how a store has it."""

    item: QueueItem
    faults: ConfiguredFaults
    check: Check | None = None
    of_file: bool = False
    stored: bytes = b""


class Session:
    """Queue, rules, recordings, settings and journal under one base-URL prefix. Safe from any thread.

    Raises `SessionNameError` for a name that can't be part of a URL.
    """

    def __init__(
        self,
        session_id: str = DEFAULT_SESSION,
        settings: SessionSettings | None = None,
        *,
        journal: Journal | None = None,
        numbers: RequestNumbers = RequestNumbers(),  # noqa: B008 - immutable
    ) -> None:
        if not _ID.fullmatch(session_id):
            raise SessionNameError(
                f"session id {session_id!r}: use 1 to 200 of the characters A-Z a-z 0-9 . _ ~ -, but neither . nor .., "
                "which clients remove from a URL"
            )
        self.id = session_id
        self.settings = settings or SessionSettings()
        self.journal = journal or Journal()
        self.streams = SteppedStreams()
        self.stored = StoredAnswers()
        self.prompt_cache = PromptCache()
        self.files = StoredFiles()
        self._clock: ControlledClock | None = None
        self._lock = threading.RLock()
        self._setup: Setup | None = None
        self._queue: deque[QueuedItem] = deque()
        self._queued = 0
        self._problems: dict[str, None] = {}
        self._warnings: dict[str, None] = {}
        self._rules = SessionRules(self._lock)
        self._faults = ConfiguredFaults()
        self._store = RecordingStore()
        self._normalises: tuple[SessionSettings, Normaliser] | None = None
        self._numbers = numbers
        self._requests = 0

    def configure(self, **changes: Any) -> None:
        """Change some of the settings, by their names in `SessionSettings`. Raises what that raises."""
        self.settings = self.settings.changed(**changes)

    def add_faults(self, *faults: Fault | str) -> None:
        """Add faults; those that are set up already keep their counts. Raises `FaultError`."""
        self.configure(faults=(*self.settings.faults, *as_faults(faults)))

    @property
    def clock(self) -> ControlledClock | None:
        """The session's own clock, which begins at 0; `None` if it uses the server's clock."""
        name = self.settings.clock
        if name == "server":
            return None
        with self._lock:
            clock = self._clock = self._clock or ControlledClock()
        clock.automatic = name == "automatic"
        return clock

    @property
    def lock(self) -> threading.RLock:
        """Whoever holds it sees the session as it was when they took it."""
        return self._lock

    @property
    def setup(self) -> Setup | None:
        """What files have set up; `None` without files."""
        return self._setup

    def indexed(self, setup: Setup) -> RecordingStore | None:
        """The recordings of a setup, ready for `set_up` (0.1 s for a thousand); `None` if they are in place already."""
        if self._setup is not None and setup.has_recordings_of(self._setup):
            return None
        store = RecordingStore()
        store.add(setup.recordings)
        return store

    def set_up(self, setup: Setup, store: RecordingStore | None = None) -> None:
        """Put in place what files have, instead of what they had before.

        What was set up at run time stays: settings, rules, queue and recordings that the files leave as they were,
        and beside those of the files those that were added. Rules and recordings that are the same keep their counts.
        `store` is what `indexed` returned.
        """
        if store is None:
            store = self.indexed(setup)
        with self._lock:
            before, self._setup = self._setup, setup
            self.settings = _merged(self.settings, before, setup.settings)
            if before is None or tuple(before.rules) != tuple(setup.rules):
                self._rules.set_up(setup.rules, self.settings.seed)
            if before is None or tuple(before.queue) != tuple(setup.queue):
                self._queue = deque(queued for queued in self._queue if not queued.of_file)
                self._push(setup.queue, of_file=True)
            if store is not None:
                store.add(self._store.recordings[0 if before is None else len(before.recordings) :])
                store.count_as(self._store)
                self._store = store

    def push(self, *items: QueueItem | str, check: Check | None = None) -> None:
        """Queue responses: each answers one request, in order. A string is a script with that text.

        A request that `check` objects to gets an error in place of the response; see `problems`.
        """
        new = [as_script(item) if isinstance(item, str) else item for item in items]
        with self._lock:
            self._push(new, check)

    def _push(self, items: Iterable[QueueItem], check: Check | None = None, *, of_file: bool = False) -> None:
        for item in items:
            faults = item.faults if isinstance(item, Script) else ()
            configured = ConfiguredFaults(faults, f"{self.settings.seed} queued {self._queued}")
            self._queue.append(QueuedItem(item, configured, check, of_file))
            self._queued += 1

    def add_rule(self, rule: Rule) -> None:
        """Add a rule; the first one that applies answers."""
        with self._lock:
            self._rules.add(rule, self.settings.seed)

    def replace_rules(self, rules: Sequence[Rule]) -> None:
        """Replace all rules; those that stay keep their counts."""
        with self._lock:
            self._rules.replace(rules, self.settings.seed)

    @property
    def rule_counts(self) -> Sequence[int]:
        """How often each rule answered or applied."""
        with self._lock:
            return tuple(applied.count for applied in self._rules.applied)

    def drop_queued(self) -> bool:
        """Remove the next item of the queue; return whether there was one."""
        with self._lock:
            return bool(self._queue) and self._queue.popleft() is not None

    def remove_rule(self, rule: Rule) -> None:
        """Remove this rule, if it is there."""
        with self._lock:
            self._rules.remove(rule)

    def add_recordings(self, recordings: Iterable[Recording]) -> int:
        """Add recordings, and return their number."""
        new = list(recordings)
        with self._lock:
            self._store.add(new)
        return len(new)

    def clear(self) -> None:
        """Remove all but the settings: what was set up, stored and journalled; release held streams."""
        with self._lock:
            self._queue.clear()
            self._queued = 0
            self._problems.clear()
            self._warnings.clear()
            self._rules.clear()
            self._faults = ConfiguredFaults()
            self._store = RecordingStore()
            self._setup = None
            self._requests = 0
        self.stored = type(self.stored)()
        self.prompt_cache = type(self.prompt_cache)()
        self.files = type(self.files)()
        self.journal.clear()
        self.release()

    def release(self) -> None:
        """Let streams that wait for a test run by themselves; a clock of its own begins anew."""
        with self._lock:
            clock, self._clock = self._clock, None
        self.streams.release()
        if clock is not None:
            clock.automatic = True

    @property
    def summary(self) -> SessionSummary:
        """Its settings and counts at this moment."""
        first, requests = self.journal.kept
        with self._lock:
            counts = len(self._queue), len(self._rules.applied), len(self._store)
        return SessionSummary(self.id, self.settings, *counts, requests, first)

    @property
    def queue(self) -> Sequence[QueueItem]:
        """The responses that are queued and not played yet."""
        with self._lock:
            return tuple(queued.item for queued in self._queue)

    @property
    def played(self) -> int:
        """The number of queued responses that were played."""
        with self._lock:
            return self._queued - len(self._queue)

    @property
    def problems(self) -> Sequence[str]:
        """What the checks of queued responses objected to."""
        with self._lock:
            return tuple(self._problems)

    @property
    def warnings(self) -> Sequence[str]:
        """Each different warning about a scripted response."""
        with self._lock:
            return tuple(self._warnings)

    def warn(self, message: str) -> None:
        """Log a warning about a scripted response, once, and keep it."""
        with self._lock:
            known = message in self._warnings
            self._warnings[message] = None
        if not known:
            _logger.warning("%s", message)

    @property
    def rules(self) -> Sequence[Rule]:
        """All rules."""
        with self._lock:
            return tuple(applied.rule for applied in self._rules.applied)

    @property
    def recordings(self) -> Sequence[Recording]:
        """All recordings, played or not."""
        with self._lock:
            return self._store.recordings

    @property
    def unplayed(self) -> Unplayed:
        """What was set up and never requested."""
        with self._lock:
            rules = [applied.rule for applied in self._rules.applied if not applied.count]
            queue = tuple(queued.item for queued in self._queue)
            return Unplayed(queue, tuple(self._store.unplayed), rules)

    # What the resolver takes, in this order.

    def next_number(self) -> int:
        """The number of the next request, from 0; with workers none has the number of another's."""
        with self._lock:
            self._requests += 1
            return self._numbers.first + (self._requests - 1) * self._numbers.step

    @property
    def current_faults(self) -> ConfiguredFaults:
        """The faults of the settings, with their counts. Not thread-safe."""
        if self._faults.faults is not self.settings.faults:
            self._faults = self._faults.with_faults(self.settings.faults, f"{self.settings.seed}")
        return self._faults

    def take_faults(self, request: IncomingRequest | None) -> list[ActiveFault]:
        """The faults of the session, and of rules without scripts, that are applied to the next response."""
        if not self._faults.faults and not self.settings.faults and not self._rules.applied:
            return []
        with self._lock:
            active = self.current_faults.take()
            if request is None:
                return active
            return active + self._rules.take_faults(request)

    @property
    def has_paths(self) -> bool:
        """Whether a rule names a path."""
        return any(applied.rule.names_path for applied in self._rules.applied)

    def problem(self, request: IncomingRequest) -> str:
        """What the check of the next response in the queue objects to; an empty string if nothing."""
        if not self._queue:
            return ""
        with self._lock:
            place = self._place(request.request.task)
            check = None if place is None else self._queue[place].check
            problem = check(request.prompt) if check is not None else ""
            if problem:
                self._problems[problem] = None
            return problem

    def _place(self, task: Task | None) -> int | None:
        """Where in the queue the next response is that can answer; only a chat takes a tape that is not the first."""
        for place, (item, *_) in enumerate(self._queue):
            if (task is None or not place) if isinstance(item, Tape) else answers(item, task):
                return place
        return None

    def take_queued(self, task: Task | None = None, *, tape: bool = False) -> Taken | None:
        """The next response of the queue that can answer; with `tape` only the next one of all if it is a tape."""
        if not self._queue:
            return None
        with self._lock:
            place = self._place(task)
            if place is None or (tape and not isinstance(self._queue[0].item, Tape)):
                return None
            queued = self._queue[place]
            del self._queue[place]

            def give_back() -> None:
                with self._lock:
                    self._queue.insert(place, queued)

            return Taken(queued.item, "queue", "", queued.faults.take(), give_back)

    def take_by_rule(self, request: IncomingRequest, *, named: bool = False) -> Taken | None:
        """The next script of the first rule that applies; with `named`, of the first that names a path."""
        if not self._rules.applied:
            return None
        with self._lock:
            return self._rules.take(request, named=named)

    def nearest_rule(self, request: IncomingRequest) -> NearMiss | None:
        """The rule with scripts for such a request that most nearly applies; `None` without such rules."""
        if not self._rules.applied:
            return None
        with self._lock:
            return self._rules.nearest(request)

    def expected(self, request: IncomingRequest) -> list[NearMiss]:
        """The rules that are to answer a number of times and have not answered yet, and what this request differs in.

        A scenario's rules for later states are left out: something else comes before them.
        """
        with self._lock:
            return self._rules.expected(request)

    def take_recording(self, endpoint: Endpoint, body: Any, prompt: str | None = None) -> Recording | Miss:
        """The recording that answers, or why there is none."""
        if not len(self._store):
            return Miss(endpoint, 0)
        with self._lock:
            again, normaliser = self.settings.repeat, self.normaliser
            return self._store.take(endpoint, body, prompt=prompt, again=again, normaliser=normaliser)

    @property
    def repetition(self) -> Repetition | None:
        """The recording that was taken last, if an equal request will get the same."""
        found = self._store.repetition
        return None if found is None else found._replace(state=(self._store, self.settings))

    def keep_repeated(self, request: Hashable, answer: object, repetition: Repetition, size: int) -> None:
        """Keep what a recording answered for requests that are equal in everything that the answer depends on.

        It is kept under the settings by which it answered, and only if its recordings were not replaced since.
        """
        store, settings = repetition.state
        with self._lock:
            if store is self._store:
                self._store.keep(request, answer, settings, repetition, size)

    def take_repeated(self, request: Hashable) -> object:
        """The answer that was kept, if the recording answers again; else `None`. It counts as a request."""
        if not len(self._store) or self._queue or self._rules.applied or self.settings.faults:
            return None
        with self._lock:
            answer = self._store.repeat(request, self.settings)
            if answer is not None:
                self._requests += 1
            return answer

    def fitted(self, recording: Recording, endpoint: Endpoint, body: Any) -> tuple[Tape, tuple[str, ...]]:
        """The tape of a recording with this request's own values, and what was ignored when the two were compared."""
        recorded = Endpoint(recording.method, recording.path, recording.wire).with_path_fields(recording.body)
        body = endpoint.with_path_fields(body)
        ignored: tuple[str, ...] = ()
        if recording.prompt is None and recorded != body:
            ignored = self.normaliser.ignored(body, differences(recorded, body))
        tape = recording.tape if recording.fill is None else recording.fill(self.normaliser.values(body).all)
        return tape, ignored

    @property
    def normaliser(self) -> Normaliser:
        """What compares requests with recordings, by the current settings."""
        settings = self.settings
        if self._normalises is None or self._normalises[0] is not settings:
            chosen = as_ignored_parts(settings.normalise, settings.ignore_path, settings.ignore_text)
            self._normalises = settings, Normaliser(chosen, this_machine())
        return self._normalises[1]

    def websockets(self, endpoint: Endpoint) -> list[Recording]:
        """The recorded answers to a handshake, the best first."""
        with self._lock:
            return self._store.websockets(endpoint, again=self.settings.repeat)

    def fitted_websocket(self, recording: Recording, messages: Sequence[str | bytes]) -> Tape:
        """The tape of a recording with the values of a client that has sent these messages."""
        if recording.fill is None:
            return recording.tape
        return recording.fill(self.normaliser.values(*map(message_value, messages)).all)

    def take_websocket(self, recording: Recording) -> bool:
        """Count a recording as played. Whether it may be played."""
        with self._lock:
            return self._store.count(recording, again=self.settings.repeat)

    def give_back(self, recording: Recording) -> None:
        """Undo that a recording was taken."""
        with self._lock:
            self._store.give_back(recording)


def _merged(current: SessionSettings, before: Setup | None, new: SessionSettings) -> SessionSettings:
    """The current settings with those that the files give anew."""
    if before is None:
        return new
    changes = {
        name: value for name in new.__struct_fields__ if (value := getattr(new, name)) != getattr(before.settings, name)
    }
    return current.changed(**changes) if changes else current
