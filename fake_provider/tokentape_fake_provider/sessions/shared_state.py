"""What the processes of one store keep together: stored answers, the prompt cache and files."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final, NamedTuple

import msgspec

from tokentape_fake_provider.sessions.prompt_cache import CachedContent, PromptCache
from tokentape_fake_provider.sessions.stored_answers import (
    Conversation,
    Kind,
    StoredAnswer,
    StoredAnswers,
    conversation_of,
)
from tokentape_fake_provider.sessions.stored_files import StoredFile, StoredFiles, part_names

ANSWER: Final = "answer:"
CONVERSATION: Final = "conversation:"
CONTENT: Final = "content:"
PREFIX: Final = "prefix:"
FILE: Final = "file:"
PART: Final = "part:"
"""A part of a file: only the store has it, until a process needs it."""
KINDS: Final = (ANSWER, CONVERSATION, CONTENT, PREFIX, FILE)

DELETED: Final = b""


class Changes(NamedTuple):
    """Fields that changed, and those that were forgotten because there are too many."""

    fields: dict[str, bytes]
    forgotten: list[str]

    @property
    def alone(self) -> bool:
        """Whether they are the same whatever another process changes meanwhile: new answers, used prefixes."""
        return all(name.startswith((ANSWER, PREFIX)) and value != DELETED for name, value in self.fields.items())


class _Tracked:
    """Remembers which fields may have changed, and how the store has them."""

    def __init__(self) -> None:
        self.touched: dict[str, None] = {}
        self.known: dict[str, bytes] = {}

    def changes(self, values: Mapping[str, Any]) -> Changes:
        """What changed, as the store is to have it. A value that is absent was deleted, or forgotten if untouched."""
        fields = dict[str, bytes]()
        for name in self.touched:
            value = values.get(name)
            # The frames of a tape may be any sequence.
            encoded = DELETED if value is None else msgspec.json.encode(value, enc_hook=tuple)
            if encoded != self.known.get(name, DELETED):
                fields[name] = encoded
        self.touched.clear()
        forgotten = list[str]()
        if len(self.known) + len(fields) > len(values):
            gone = [name for name, value in self.known.items() if value != DELETED and name not in values]
            forgotten = [name for name in gone if name not in fields]
        return Changes(fields, forgotten)


class Shared(ABC):
    """What a session keeps and other processes keep as well."""

    def __init__(self) -> None:
        super().__init__()
        self.tracked = _Tracked()

    @abstractmethod
    def changes(self) -> Changes:
        """What changed since the last call."""

    @abstractmethod
    def apply(self, name: str, value: bytes) -> None:
        """Take a field from the store."""

    def undo(self, name: str) -> None:
        """Make a field again what the store has."""
        self.apply(name, self.tracked.known.pop(name, DELETED))

    def saved(self, name: str, value: bytes) -> None:
        """Note that the store has this value of a field."""
        self.tracked.known[name] = value


class SharedAnswers(Shared, StoredAnswers):
    """Stored answers and conversations that other processes store as well."""

    def keep(self, build: Callable[[], StoredAnswer | None]) -> None:
        """Keep the answer that `build` returns, if any."""

        def noted() -> StoredAnswer | None:
            answer = build()
            if answer is not None:
                self.tracked.touched[ANSWER + answer.id] = None
                if name := conversation_of(answer.body):
                    self.tracked.touched[CONVERSATION + name] = None
            return answer

        super().keep(noted)

    def find(self, kind: Kind, answer_id: str) -> StoredAnswer | None:
        """The answer of this id, which the caller may change."""
        self.tracked.touched[ANSWER + answer_id] = None
        return super().find(kind, answer_id)

    def delete(self, answer_id: str) -> None:
        """Forget an answer."""
        self.tracked.touched[ANSWER + answer_id] = None
        super().delete(answer_id)

    def open(self, conversation: Conversation) -> None:
        """Keep a conversation."""
        self.tracked.touched[CONVERSATION + conversation.id] = None
        super().open(conversation)

    def conversation(self, conversation_id: str) -> Conversation | None:
        """The conversation of this id, which the caller may change."""
        self.tracked.touched[CONVERSATION + conversation_id] = None
        return super().conversation(conversation_id)

    def close(self, conversation_id: str) -> None:
        """Forget a conversation."""
        self.tracked.touched[CONVERSATION + conversation_id] = None
        super().close(conversation_id)

    def changes(self) -> Changes:
        """What changed since the last call."""
        with self._lock:
            if not self._new and not self.tracked.touched:
                return Changes({}, [])
            self._built()
            values: dict[str, Any] = {ANSWER + name: answer for name, answer in self._answers.items()}
            values |= {CONVERSATION + name: one for name, one in self._conversations.items()}
            return self.tracked.changes(values)

    def apply(self, name: str, value: bytes) -> None:
        """Take a field from the store."""
        if value == self.tracked.known.get(name):
            return
        self.tracked.known[name] = value
        with self._lock:
            if name.startswith(ANSWER):
                self._answers.pop(name.removeprefix(ANSWER), None)
                if value != DELETED:
                    answer = msgspec.json.decode(value, type=StoredAnswer)
                    self._answers[answer.id] = answer
            elif value == DELETED:
                self._conversations.pop(name.removeprefix(CONVERSATION), None)
            else:
                found = msgspec.json.decode(value, type=Conversation)
                self._conversations[found.id] = found


class SharedPromptCache(Shared, PromptCache):
    """A prompt cache that other processes fill as well."""

    def longest(self, keys: Iterable[bytes], now: float) -> bytes | None:
        """The first of these keys, the longest prefix first, that lives; its lifetime begins anew."""
        found = super().longest(keys, now)
        if found is not None:
            self.tracked.touched[PREFIX + found.hex()] = None
        return found

    def keep(self, keys: Iterable[bytes], lifetime: float, now: float) -> None:
        """Hold these keys for `lifetime` s."""
        keys = list(keys)
        self.tracked.touched |= dict.fromkeys(PREFIX + key.hex() for key in keys)
        super().keep(keys, lifetime, now)

    def hold(self, content: CachedContent) -> None:
        """Keep a content, or replace the one of its name."""
        self.tracked.touched[CONTENT + content.name] = None
        super().hold(content)

    def drop(self, name: str) -> None:
        """Forget a content."""
        self.tracked.touched[CONTENT + name] = None
        super().drop(name)

    def changes(self) -> Changes:
        """What changed since the last call."""
        with self._lock:
            if not self.tracked.touched:
                return Changes({}, [])
            return self.tracked.changes(dict(self._values()))

    def apply(self, name: str, value: bytes) -> None:
        """Take a field from the store."""
        if value == self.tracked.known.get(name):
            return
        self.tracked.known[name] = value
        with self._lock:
            if name.startswith(PREFIX):
                self._entries.pop(key := bytes.fromhex(name.removeprefix(PREFIX)), None)
                if value != DELETED:
                    self._entries[key] = msgspec.json.decode(value, type=tuple[float, float])
            elif value == DELETED:
                self._contents.pop(name.removeprefix(CONTENT), None)
            else:
                content = msgspec.json.decode(value, type=CachedContent)
                self._contents[content.name] = content

    def _values(self) -> Iterator[tuple[str, Any]]:
        yield from ((PREFIX + key.hex(), entry) for key, entry in self._entries.items())
        yield from ((CONTENT + name, content) for name, content in self._contents.items())


class SharedFiles(Shared, StoredFiles):
    """Files that other processes store as well. Their parts are here only until the store has them."""

    def __init__(self) -> None:
        super().__init__()
        self._gone: list[str] = []

    def begin(self, file: StoredFile) -> None:
        """Keep a file whose parts follow."""
        self.tracked.touched[FILE + file.id] = None
        super().begin(file)

    def add(self, file_id: str, part: bytes, *, last: bool) -> StoredFile:
        """Add a part to a file that was begun."""
        self.tracked.touched[FILE + file_id] = None
        return super().add(file_id, part, last=last)

    def delete(self, file_id: str) -> None:
        """Forget a file."""
        with self._lock:
            self.tracked.touched[FILE + file_id] = None
            file = self._files.get(file_id)
            self._gone += () if file is None else part_names(file)
            super().delete(file_id)

    def changes(self) -> Changes:
        """What changed since the last call."""
        with self._lock:
            if not self.tracked.touched:
                return Changes({}, [])
            fields, forgotten = self.tracked.changes({FILE + name: file for name, file in self._files.items()})
            gone, self._gone = self._gone, []
            fields |= {PART + name: part for name, part in self._parts.items()}
            return Changes(fields, [*forgotten, *(PART + name for name in gone if PART + name not in fields)])

    def undo(self, name: str) -> None:
        """Make a field again what the store has."""
        if not self._drop_part(name):
            super().undo(name)

    def saved(self, name: str, value: bytes) -> None:
        """Note that the store has this value of a field."""
        if not self._drop_part(name):
            super().saved(name, value)

    def _drop_part(self, name: str) -> bool:
        if name.startswith(PART):
            self._parts.pop(name.removeprefix(PART), None)
        return name.startswith(PART)

    def apply(self, name: str, value: bytes) -> None:
        """Take a field from the store."""
        if value == self.tracked.known.get(name):
            return
        self.tracked.known[name] = value
        with self._lock:
            self._files.pop(name.removeprefix(FILE), None)
            if value != DELETED:
                file = msgspec.json.decode(value, type=StoredFile)
                self._files[file.id] = file
