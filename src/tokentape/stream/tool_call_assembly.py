"""Assembles tool calls from fragments."""

from __future__ import annotations

from collections import defaultdict

from tokentape.message import ToolCall, ToolCallDelta

ABSENT_ID = "null"
"""The value that Mistral's clients and servers write when a call has no id."""
_PLACEHOLDERS = ("{}", "null")
_LONGEST_PLACEHOLDER = 8  # characters, with white space


class OpenCall:
    """A tool call, as far as it was received. `copy` is True if it repeats another call."""

    __slots__ = ("copy", "done", "fragments", "id", "index", "name", "size")

    def __init__(self, index: int | None, id: str) -> None:  # noqa: A002 - the field's own name
        self.index = index
        self.id = id
        self.name = ""
        self.fragments: list[str] = []
        self.size = 0
        self.done: ToolCall | None = None
        self.copy = False

    @property
    def call(self) -> ToolCall:
        """The call in its current state."""
        return self.done or ToolCall.parse(self.id, self.name, self.arguments)

    @property
    def arguments(self) -> str:
        """The argument text received so far."""
        if len(self.fragments) > 1:
            self.fragments[:] = ["".join(self.fragments)]
        return self.fragments[0] if self.fragments else ""

    def add_arguments(self, delta: ToolCallDelta) -> None:
        """Add a fragment's arguments, unless they repeat the present ones; they replace a placeholder."""
        arguments = delta.arguments
        if self.fragments and arguments.lstrip()[:1] == "{":
            if self.size <= _LONGEST_PLACEHOLDER and self.arguments.strip() in _PLACEHOLDERS:
                self._clear()
            elif self._is_repeated_by(delta):
                return
            elif _names_its_call(delta) and len(arguments) > self.size and _completes(arguments, self.arguments):
                self._clear()
        self.fragments.append(arguments)
        self.size += len(arguments)

    def _clear(self) -> None:
        self.fragments.clear()
        self.size = 0

    def _is_repeated_by(self, delta: ToolCallDelta) -> bool:
        """Whether a fragment repeats the present arguments whole. One with a name may format them differently."""
        arguments = delta.arguments
        if len(arguments) != self.size and not _names_its_call(delta):
            return False
        before = ToolCall.parse("", "", self.arguments)
        if not before.valid:
            return False
        again = ToolCall.parse("", "", arguments)
        return arguments == self.arguments or (again.valid and again.arguments == before.arguments)

    def is_continued_by(self, delta: ToolCallDelta) -> bool:
        """Return whether the arguments of a fragment can only be the rest of this call's arguments."""
        if self.done is not None or delta.arguments.lstrip()[:1] in ("", "{"):
            return False
        return bool(self.fragments) and not ToolCall.parse("", "", self.arguments).valid


class ToolCallAssembly:
    """The tool calls of one choice, assembled from whole calls or from fragments that may be interleaved.

    Fragments with the same index belong together; without an index, those with the same id; without both, a fragment
    belongs to the last call. If an index is in use, a new id with a name starts a new call (some servers number every
    call 0), and a new id without a name continues the call (some servers give each fragment an id). Arguments that can
    only continue those of the call with the same name, or with a new index those of the last call, belong to that call.
    Arguments `{}` before others are a placeholder, also as a call of their own with the same id and name, and a call
    that is sent twice, whole, with the same id counts once.
    """

    def __init__(self) -> None:
        self.started: list[OpenCall] = []
        self._by_index: dict[int, OpenCall] = {}
        self._by_id: defaultdict[str, list[OpenCall]] = defaultdict(list)

    @property
    def calls(self) -> tuple[ToolCall, ...]:
        """Every call so far, in the order in which they started; an unfinished one has its arguments so far."""
        return tuple(call.call for call in self.started if not call.copy)

    def add_delta(self, delta: ToolCallDelta) -> OpenCall:
        """Add a fragment and return the call that it belongs to."""
        call = self._call_of(delta)
        if delta.id and not call.id:
            call.id = delta.id
            self._note_id(call)
        if delta.name and not call.name:
            call.name = delta.name
        elif delta.name and not delta.id and delta.name != call.name and not call.fragments:
            call.name += delta.name
        if delta.arguments:
            call.add_arguments(delta)
        return call

    def _call_of(self, delta: ToolCallDelta) -> OpenCall:
        index, last = delta.index, self.started[-1] if self.started else None
        if index is not None:
            call = self._by_index.get(index)
            if call is not None and not _is_other(delta, call):
                return call
            if call is not None and not delta.name:
                # Of several calls with one index, the fragment continues the one with its id.
                known = self._by_id.get(delta.id)
                return known[-1] if known else call
            if call is not None and delta.name == call.name and call.is_continued_by(delta):
                return call
            nameless = not delta.id and not delta.name
            if call is None and last is not None and nameless and last.is_continued_by(delta):
                self._by_index[index] = last
                return last
        elif delta.id and delta.id != ABSENT_ID:
            if self._by_id.get(delta.id):
                return self._by_id[delta.id][-1]
        elif last is not None and not (delta.name and last.name):
            return last
        call = OpenCall(index, delta.id)
        self.started.append(call)
        if index is not None:
            self._by_index[index] = call
        self._note_id(call)
        return call

    def _note_id(self, call: OpenCall) -> None:
        if call.id and call.id != ABSENT_ID:
            self._by_id[call.id].append(call)

    def add_call(self, call: ToolCall) -> bool:
        """Add a whole call, or finish the open call that has its id; return False if the same call is there already."""
        known = self._by_id.get(call.id, ())
        if any(other.done == call for other in known):
            return False
        opened = next((other for other in known if other.done is None), None)
        if opened is None:
            opened = OpenCall(None, call.id)
            self.started.append(opened)
            self._note_id(opened)
        opened.done = call
        return True

    def finish(self, calls: list[OpenCall] | None = None) -> tuple[ToolCall, ...]:
        """Finish these calls, or all; return those that were not finished before."""
        finished: list[ToolCall] = []
        for call in self.started if calls is None else calls:
            if call.done is not None:
                continue
            call.done = call.call
            if self._is_copy(call):
                call.copy = True
            else:
                finished.append(call.done)
                for other in self._by_id.get(call.id, ()):
                    other.copy = other.copy or _holds_the_place_of(other, call)
        return tuple(finished)

    def _is_copy(self, call: OpenCall) -> bool:
        return any(other is not call and other.done == call.done for other in self._by_id.get(call.id, ()))


def _holds_the_place_of(other: OpenCall, call: OpenCall) -> bool:
    """Whether a call without arguments has the id and name of a later one that has some."""
    if other is call or other.done is None or call.done is None or other.name != call.name:
        return False
    return other.done.valid and not other.done.arguments and bool(call.done.arguments)


def _is_other(delta: ToolCallDelta, call: OpenCall) -> bool:
    """Whether the fragment and the call have different ids."""
    return bool(delta.id and call.id and delta.id != call.id)


def _names_its_call(delta: ToolCallDelta) -> bool:
    return bool(delta.id and delta.name)


def _completes(arguments: str, before: str) -> bool:
    """Whether this text is whole arguments that start with the text before."""
    return arguments.startswith(before) and ToolCall.parse("", "", arguments).valid
