"""Stored answers: responses, chat completions and conversations that later requests of a session refer to by id."""

from __future__ import annotations

import threading
from collections import OrderedDict, deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Literal, TypeAlias

import msgspec

from tokentape_fake_provider.tape import Tape

Kind: TypeAlias = Literal["response", "chat.completion"]
Item: TypeAlias = Mapping[str, Any]

MOST: Final = 1000
"""How many answers, and how many conversations, a session keeps; the oldest are forgotten."""


class Background(msgspec.Struct):
    """How a background response goes on: `tape` is its stream, which began at `began`, in ms of the session's clock.

    `resumable` is whether its stream can be read again. `cancelled` is when it was cancelled, in ms of the same clock.
    """

    tape: Tape
    began: float
    resumable: bool
    cancelled: float | None = None

    def status(self, now: float) -> str | None:
        """The status at this time, in ms of the session's clock; `None` once it has ended by itself."""
        elapsed = now - self.began
        if self.cancelled is not None:
            return "cancelled"
        if elapsed < self.tape.start:
            return "queued"
        return "in_progress" if elapsed < (self.tape.end_at or 0.0) else None


class StoredAnswer(msgspec.Struct):
    """One answer: `whole` is its object, as a request without streaming gets it; `body` that of its request.

    `input` are the input items of its request, `context` those that came before them: input and output of the
    responses or of the conversation that the request continues.
    """

    kind: Kind
    whole: dict[str, Any]
    body: Mapping[str, Any]
    input: Sequence[Item] = ()
    context: Sequence[Item] = ()
    background: Background | None = None

    @property
    def id(self) -> str:
        """Its id."""
        return str(self.whole.get("id"))


class Conversation(msgspec.Struct):
    """A conversation: its items, the oldest first. `created` is the unix time in s."""

    id: str
    created: int
    items: list[Item]
    metadata: Mapping[str, str]


class StoredAnswers:
    """The answers and the conversations of a session. Safe from any thread.

    Most answers are never referred to: an answer is built only when something is looked up.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._new: deque[Callable[[], StoredAnswer | None]] = deque(maxlen=MOST)
        self._answers: OrderedDict[str, StoredAnswer] = OrderedDict()
        self._conversations: OrderedDict[str, Conversation] = OrderedDict()

    def keep(self, build: Callable[[], StoredAnswer | None]) -> None:
        """Keep the answer that `build` returns, if any."""
        self._new.append(build)

    def find(self, kind: Kind, answer_id: str) -> StoredAnswer | None:
        """The answer of this id."""
        with self._lock:
            found = self._built().get(answer_id)
        return found if found is not None and found.kind == kind else None

    def all(self, kind: Kind) -> list[StoredAnswer]:
        """All answers of a kind, the oldest first."""
        with self._lock:
            return [answer for answer in self._built().values() if answer.kind == kind]

    def delete(self, answer_id: str) -> None:
        """Forget an answer."""
        with self._lock:
            self._built().pop(answer_id, None)

    def open(self, conversation: Conversation) -> None:
        """Keep a conversation."""
        with self._lock:
            self._conversations[conversation.id] = conversation
            while len(self._conversations) > MOST:
                self._conversations.popitem(last=False)

    def conversation(self, conversation_id: str) -> Conversation | None:
        """The conversation of this id, with the items of all answers in it."""
        with self._lock:
            self._built()
            return self._conversations.get(conversation_id)

    def close(self, conversation_id: str) -> None:
        """Forget a conversation."""
        with self._lock:
            self._conversations.pop(conversation_id, None)

    def _built(self) -> OrderedDict[str, StoredAnswer]:
        while self._new:
            answer = self._new.popleft()()
            if answer is None:
                continue
            self._answers[answer.id] = answer
            name = conversation_of(answer.body)
            if name in self._conversations:
                self._conversations[name].items += (*answer.input, *answer.whole.get("output", ()))
        while len(self._answers) > MOST:
            self._answers.popitem(last=False)
        return self._answers


def conversation_of(body: Mapping[str, Any]) -> str:
    """The id of the conversation that a request names; empty if it names none."""
    named = body.get("conversation")
    found = named.get("id") if isinstance(named, Mapping) else named
    return found if isinstance(found, str) else ""
