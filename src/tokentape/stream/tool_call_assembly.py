"""Assembly of tool calls from fragments."""

from __future__ import annotations

from collections import defaultdict

from tokentape.message import ToolCall, ToolCallDelta

NO_ID = "null"
"""Mistral's clients and servers write this where a call has no id."""
_PLACEHOLDERS = ("{}", "null")
_LONGEST_PLACEHOLDER = 8  # with white space


class OpenCall:
    """A tool call as far as it was received; `copy` if it turned out to be one that is there already."""

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
        """The call as it stands."""
        return self.done or ToolCall.parse(self.id, self.name, self.arguments)

    @property
    def arguments(self) -> str:
        """The argument text so far."""
        if len(self.fragments) > 1:
            self.fragments[:] = ["".join(self.fragments)]
        return self.fragments[0] if self.fragments else ""

    def add_arguments(self, delta: ToolCallDelta) -> None:
        """Add a fragment's arguments, unless they repeat what is there; what only held their place goes."""
        given = delta.arguments
        if self.fragments and given.lstrip()[:1] == "{":
            if self.size <= _LONGEST_PLACEHOLDER and self.arguments.strip() in _PLACEHOLDERS:
                self._clear()
            elif self._is_repeated_by(delta):
                return
            elif _names_its_call(delta) and len(given) > self.size and _completes(given, self.arguments):
                self._clear()
        self.fragments.append(given)
        self.size += len(given)

    def _clear(self) -> None:
        self.fragments.clear()
        self.size = 0

    def _is_repeated_by(self, delta: ToolCallDelta) -> bool:
        """Whether a fragment has the whole arguments that are there already; one with a name may format them."""
        given = delta.arguments
        if len(given) != self.size and not _names_its_call(delta):
            return False
        before = ToolCall.parse("", "", self.arguments)
        if not before.valid:
            return False
        again = ToolCall.parse("", "", given)
        return given == self.arguments or (again.valid and again.arguments == before.arguments)

    def goes_on_with(self, delta: ToolCallDelta) -> bool:
        """Whether a fragment that names no call can only be the rest of this one's arguments."""
        if delta.id or delta.name or self.done is not None or delta.arguments.lstrip()[:1] in ("", "{"):
            return False
        return bool(self.fragments) and not ToolCall.parse("", "", self.arguments).valid


class ToolCallAssembly:
    """The tool calls of one choice, from fragments that may be interleaved, or from whole calls.

    Fragments belong together by index, and without one by id, else the fragment goes to the last call. Under an index
    that is taken a new id begins a new call if it comes with a name (servers exist that number every call 0); without
    one it is the same call (servers exist that give each fragment an id). A fragment under an index of its own that
    only goes on with the last call's arguments belongs to that call. Arguments `{}` before others hold their place
    only, and a call that comes twice, whole, with the same id is one call.
    """

    def __init__(self) -> None:
        self.begun: list[OpenCall] = []
        self._by_index: dict[int, OpenCall] = {}
        self._by_id: defaultdict[str, list[OpenCall]] = defaultdict(list)

    @property
    def calls(self) -> tuple[ToolCall, ...]:
        """Every call so far, in the order they began; an unfinished one with the arguments it has."""
        return tuple(call.call for call in self.begun if not call.copy)

    def add_delta(self, delta: ToolCallDelta) -> OpenCall:
        """Add a fragment, and return the call it belongs to."""
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
        index, last = delta.index, self.begun[-1] if self.begun else None
        if index is not None:
            call = self._by_index.get(index)
            if call is not None and not _is_other(delta, call):
                return call
            if call is not None and not delta.name:
                # Of calls under one number, the id tells which goes on.
                known = self._by_id.get(delta.id)
                return known[-1] if known else call
            if call is None and last is not None and last.goes_on_with(delta):
                self._by_index[index] = last
                return last
        elif delta.id and delta.id != NO_ID:
            if self._by_id.get(delta.id):
                return self._by_id[delta.id][-1]
        elif last is not None and not (delta.name and last.name):
            return last
        call = OpenCall(index, delta.id)
        self.begun.append(call)
        if index is not None:
            self._by_index[index] = call
        self._note_id(call)
        return call

    def _note_id(self, call: OpenCall) -> None:
        if call.id and call.id != NO_ID:
            self._by_id[call.id].append(call)

    def add_call(self, call: ToolCall) -> bool:
        """Add a whole call, or let it finish the open one that has its id; False if it is there already."""
        known = self._by_id.get(call.id, ())
        if any(other.done == call for other in known):
            return False
        opened = next((other for other in known if other.done is None), None)
        if opened is None:
            opened = OpenCall(None, call.id)
            self.begun.append(opened)
            self._note_id(opened)
        opened.done = call
        return True

    def finish(self, calls: list[OpenCall] | None = None) -> tuple[ToolCall, ...]:
        """Finish these calls, or every open one, and return those that were not finished before."""
        finished: list[ToolCall] = []
        for call in self.begun if calls is None else calls:
            if call.done is not None:
                continue
            call.done = call.call
            if self._is_copy(call):
                call.copy = True
            else:
                finished.append(call.done)
        return tuple(finished)

    def _is_copy(self, call: OpenCall) -> bool:
        return any(other is not call and other.done == call.done for other in self._by_id.get(call.id, ()))


def _is_other(delta: ToolCallDelta, call: OpenCall) -> bool:
    """Whether the fragment has another id than the call."""
    return bool(delta.id and call.id and delta.id != call.id)


def _names_its_call(delta: ToolCallDelta) -> bool:
    return bool(delta.id and delta.name)


def _completes(given: str, before: str) -> bool:
    """Whether these are whole arguments of which the text before is a part."""
    return given.startswith(before) and ToolCall.parse("", "", given).valid
