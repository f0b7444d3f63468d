"""What processes share of a session, as the named fields of a document: its settings, rules, counts, and what it keeps.

The queue is shared item by item and not a field. Rules and recordings that a server was started with are not shared,
but how often they answered is.
"""

from __future__ import annotations

import hashlib
from collections import Counter, deque
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, NamedTuple

import msgspec

from tokentape_fake_provider.errors import SettingError
from tokentape_fake_provider.fault_injection.active_faults import ConfiguredFaults, FaultCount
from tokentape_fake_provider.script.model import Script
from tokentape_fake_provider.sessions.recording import Recording
from tokentape_fake_provider.sessions.rule import Rule
from tokentape_fake_provider.sessions.session import QueuedItem, QueueItem, Session
from tokentape_fake_provider.sessions.session_rules import AppliedRule
from tokentape_fake_provider.sessions.settings import SessionSettings
from tokentape_fake_provider.sessions.shared_state import (
    ANSWER,
    CONTENT,
    CONVERSATION,
    DELETED,
    FILE,
    KINDS,
    PART,
    PREFIX,
    Changes,
    Shared,
    SharedAnswers,
    SharedFiles,
    SharedPromptCache,
)
from tokentape_fake_provider.tape import Tape

SETTINGS: Final = "settings"
RULES: Final = "rules"
COUNTS: Final = "counts"
PLAYED: Final = "played:"
CASSETTE: Final = "cassette:"


class StoredItem(msgspec.Struct, frozen=True, omit_defaults=True):
    """An item of the queue; its number makes it differ from an equal one."""

    number: int
    seed: str
    script: Script | None = None
    tape: Tape | None = None
    counts: Sequence[FaultCount] = ()


class StoredRule(msgspec.Struct, frozen=True):
    """A rule that was added over the control API."""

    rule: Rule
    seed: str


class StoredRules(msgspec.Struct, frozen=True):
    """The rules of the store, and whether those that a server was started with stand before them."""

    rules: Sequence[StoredRule]
    after_own: bool


class StoredCassette(msgspec.Struct, frozen=True):
    """A cassette file that was loaded over the control API."""

    name: str
    content: bytes


class RuleCounts(NamedTuple):
    """How often a rule answered or applied, and the counts of its faults and of those of its scripts."""

    times: int
    faults: Sequence[FaultCount]
    scripts: Sequence[Sequence[FaultCount]]


class Counts(msgspec.Struct):
    """What answers have changed of a session, but for its queue and its recordings; rules are named by `rule_names`."""

    queued: int = 0
    rules: Mapping[str, RuleCounts] = {}
    states: Mapping[str, str] = {}
    faults: Sequence[FaultCount] = ()
    problems: Sequence[str] = ()
    warnings: Sequence[str] = ()


def rule_names(rules: Iterable[AppliedRule]) -> list[str]:
    """A name of each rule, by its content and its number among equal ones, in any process."""
    seen, names = Counter[str](), list[str]()
    for applied in rules:
        if not applied.digest:
            applied.digest = hashlib.blake2b(msgspec.json.encode(applied.rule), digest_size=12).hexdigest()
        names.append(f"{applied.digest}-{seen[applied.digest]}")
        seen[applied.digest] += 1
    return names


class State(NamedTuple):
    """A session at one moment."""

    settings: SessionSettings
    rules: Sequence[AppliedRule]
    queue: Sequence[QueuedItem]
    counts: bytes
    plays: Sequence[int]
    requests: int


def check_settings(settings: SessionSettings) -> None:
    """Raise `SettingError` for settings that processes can't share."""
    if settings.clock != "server":
        raise SettingError(
            f"setting clock: {settings.clock!r} is a clock in one process, and this server shares its sessions with "
            "others: use the server's clock, or start it without --store"
        )


def state_of(session: Session) -> State:
    """The session now."""
    counts, plays = msgspec.json.encode(_counts(session)), session._store.plays
    return State(
        session.settings, list(session._rules.applied), list(session._queue), counts, list(plays), session._requests
    )


def changed_fields(session: Session, before: State) -> tuple[dict[str, bytes], Changes]:
    """The fields that changed since, and the changes of what the session keeps for later requests."""
    fields = dict[str, bytes]()
    if session.settings is not before.settings:
        check_settings(session.settings)
        fields[SETTINGS] = msgspec.json.encode(session.settings)
    if list(session._rules.applied) != list(before.rules):
        added = session._rules.applied[: len(before.rules)] == list(before.rules)
        for number, applied in enumerate(session._rules.applied):
            applied.stored = applied.stored or not added or number >= len(before.rules)
        stored = [StoredRule(applied.rule, applied.seed) for applied in session._rules.applied if applied.stored]
        after_own = added and any(not applied.stored for applied in session._rules.applied)
        fields[RULES] = msgspec.json.encode(StoredRules(stored, after_own or not before.rules))
    counts = msgspec.json.encode(_counts(session))
    if counts != before.counts:
        fields[COUNTS] = counts
    plays = session._store.plays
    if plays != before.plays:
        names = session._store.names
        for index, count in enumerate(plays):
            if count != (before.plays[index] if index < len(before.plays) else 0):
                fields[PLAYED + names[index]] = b"%d" % count
    return fields, _kept(session)


def restore(session: Session, before: State, kept: Changes | None = None) -> None:
    """Undo what changed since; `kept` is what `changed_fields` returned of it, if it was called."""
    session.settings, session._rules.applied[:] = before.settings, before.rules
    session._queue = deque(_queued(queued.stored) if queued.stored else queued for queued in before.queue)
    session._store.plays[: len(before.plays)] = before.plays
    session._requests = before.requests
    _restore(session, msgspec.json.decode(before.counts, type=Counts))
    for name in (_kept(session) if kept is None else kept).fields:
        _keeper(session, name).undo(name)


def note_saved(session: Session, kept: Changes) -> None:
    """Note that the store has these changes."""
    for name, value in kept.fields.items():
        _keeper(session, name).saved(name, value)
    for name in kept.forgotten:
        _keeper(session, name).tracked.known.pop(name, None)


def _kept(session: Session) -> Changes:
    changes = [keeper.changes() for keeper in _keepers(session).values()]
    return Changes(
        {name: value for each in changes for name, value in each.fields.items()},
        [name for each in changes for name in each.forgotten],
    )


def _keepers(session: Session) -> dict[tuple[str, ...], Shared]:
    """What keeps the fields whose names begin so."""
    stored, cache, files = session.stored, session.prompt_cache, session.files
    assert isinstance(stored, SharedAnswers)
    assert isinstance(cache, SharedPromptCache)
    assert isinstance(files, SharedFiles)
    return {(ANSWER, CONVERSATION): stored, (CONTENT, PREFIX): cache, (FILE, PART): files}


def _keeper(session: Session, name: str) -> Shared:
    """What keeps the field of this name."""
    return next(keeper for names, keeper in _keepers(session).items() if name.startswith(names))


def apply_fields(session: Session, fields: Mapping[str, bytes], own_settings: SessionSettings) -> list[StoredCassette]:
    """Change the session to what the store has; return the cassettes whose recordings are to be added."""
    if (given := fields.get(SETTINGS)) is not None:
        session.settings = own_settings if given == DELETED else _settings(given, session.settings)
    counts = _counts(session) if fields else Counts()
    if (given := fields.get(RULES)) is not None:
        found = msgspec.json.decode(given, type=StoredRules)
        own = [applied for applied in session._rules.applied if not applied.stored] if found.after_own else []
        session._rules.applied[:] = [*own, *(AppliedRule(one.rule, one.seed, stored=True) for one in found.rules)]
    if (given := fields.get(COUNTS)) is not None:
        counts = msgspec.json.decode(given, type=Counts)
    if RULES in fields or given is not None:
        _restore(session, counts)
    cassettes = [
        msgspec.json.decode(value, type=StoredCassette)
        for name, value in fields.items()
        if name.startswith(CASSETTE) and value != DELETED
    ]
    for name, value in fields.items():
        if name.startswith(KINDS):
            _keeper(session, name).apply(name, value)
    return cassettes


def apply_plays(session: Session, fields: Mapping[str, bytes]) -> None:
    """Set how often recordings were played; the counts of recordings that are not here are left out."""
    recordings = session._store
    played = {name: int(value or 0) for name, value in fields.items() if name.startswith(PLAYED)}
    if played:
        for index, name in enumerate(recordings.names):
            if (count := played.get(PLAYED + name)) is not None:
                recordings.plays[index] = count


class QueueChange(NamedTuple):
    """A change of the queue: its `first` item is taken, or replaced by `instead`; `new` ones are added to its end."""

    first: bytes
    taken: bool
    instead: bytes
    new: Sequence[bytes]


def queue_change(session: Session, before: State) -> QueueChange:
    """What changed of the queue since; its new items become stored ones."""
    first, taken, instead, queue = b"", False, b"", session._queue
    if before.queue and (stored := before.queue[0].stored):
        kept = bool(queue) and queue[0] is before.queue[0]
        now = _stored_form(item_number(stored), before.queue[0]) if kept else b""
        if now != stored:
            first, taken, instead = stored, not kept, now
    new = [place for place, queued in enumerate(queue) if not queued.stored]
    for number, place in enumerate(new, session._queued - len(new)):
        queue[place] = queue[place]._replace(stored=_stored_form(number, queue[place]))
    return QueueChange(first, taken, instead, [queue[place].stored for place in new])


def _stored_form(number: int, queued: QueuedItem) -> bytes:
    script, tape = (queued.item, None) if isinstance(queued.item, Script) else (None, queued.item)
    return msgspec.json.encode(StoredItem(number, queued.faults.seed, script, tape, queued.faults.counts))


def apply_queue(session: Session, items: Sequence[bytes]) -> None:
    """Make these the items of the queue."""
    known = {queued.stored: queued for queued in session._queue}
    session._queue = deque(known.get(item) or _queued(item) for item in items)


def take_number(session: Session, requests: int) -> None:
    """Give the session's next request the number that the store counted for it."""
    session._requests = requests - 1


def started_with(session: Session) -> tuple[list[Rule], list[Recording], list[QueueItem]]:
    """The rules, recordings and items of the queue that are not of files."""
    of_files = 0 if session.setup is None else len(session.setup.recordings)
    rules = [applied.rule for applied in session._rules.applied if not applied.of_file]
    return rules, list(session.recordings[of_files:]), [one.item for one in session._queue if not one.of_file]


def take_local(session: Session) -> list[QueuedItem]:
    """Take the items from the queue that the store does not have."""
    local = [queued for queued in session._queue if not queued.stored]
    session._queue = deque(queued for queued in session._queue if queued.stored)
    session._queued -= len(local)
    return local


def queue_local(session: Session, items: Sequence[QueuedItem]) -> None:
    """Add such items to the queue."""
    session._queue.extend(items)
    session._queued += len(items)


def item_number(item: bytes) -> int:
    """The number of an item as the store has it: earlier ones have lower numbers."""
    return msgspec.json.decode(item, type=StoredItem).number


def _queued(item: bytes) -> QueuedItem:
    found = msgspec.json.decode(item, type=StoredItem)
    faults = ConfiguredFaults(found.script.faults if found.script is not None else (), found.seed)
    faults.restore(found.counts)
    what = found.script if found.script is not None else found.tape
    assert what is not None
    return QueuedItem(what, faults, stored=item)


def _settings(given: bytes, before: SessionSettings) -> SessionSettings:
    """The settings, in which faults that stay are the same objects: so they keep their counts."""
    settings = msgspec.json.decode(given, type=SessionSettings)
    faults = list(settings.faults)
    for index, (old, new) in enumerate(zip(before.faults, settings.faults, strict=False)):
        if old != new:
            break
        faults[index] = old
    return msgspec.structs.replace(settings, faults=tuple(faults))


def _counts(session: Session) -> Counts:
    return Counts(
        queued=session._queued,
        rules={
            name: RuleCounts(applied.count, applied.faults.counts, [faults.counts for faults in applied.script_faults])
            for name, applied in zip(rule_names(session._rules.applied), session._rules.applied, strict=True)
            if applied.count
            or any(count.seen for faults in (applied.faults, *applied.script_faults) for count in faults.counts)
        },
        states=session._rules.states,
        faults=session.current_faults.counts,
        problems=list(session._problems),
        warnings=list(session._warnings),
    )


def _restore(session: Session, counts: Counts) -> None:
    session._queued = counts.queued
    session._rules.states = dict(counts.states)
    session._problems, session._warnings = dict.fromkeys(counts.problems), dict.fromkeys(counts.warnings)
    session.current_faults.restore(counts.faults)
    for name, applied in zip(rule_names(session._rules.applied), session._rules.applied, strict=True):
        found = counts.rules.get(name, RuleCounts(0, (), ()))
        applied.count = found.times
        applied.faults.restore(found.faults)
        for faults, given in zip(applied.script_faults, found.scripts, strict=False):
            faults.restore(given)
