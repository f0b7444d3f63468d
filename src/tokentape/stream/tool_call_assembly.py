"""Assembly of tool calls from fragments."""

from __future__ import annotations

from collections import defaultdict

from tokentape.message import ToolCall, ToolCallDelta


class OpenCall:
    """A tool call as far as it was received; `copy` if it turned out to be one that is there already."""

    __slots__ = ("copy", "done", "fragments", "id", "index", "name")

    def __init__(self, index: int | None, id: str) -> None:  # noqa: A002 - the field's own name
        self.index = index
        self.id = id
        self.name = ""
        self.fragments: list[str] = []
        self.done: ToolCall | None = None
        self.copy = False

    @property
    def call(self) -> ToolCall:
        """The call as it stands."""
        return self.done or ToolCall.parse(self.id, self.name, "".join(self.fragments))


class ToolCallAssembly:
    """The tool calls of one choice, from fragments that may be interleaved, or from whole calls.

    Fragments belong together by index; a new id under an index that is taken begins a new call (servers exist
    that number every call 0), and without an index the id decides, else the fragment goes to the last call.
    A call that comes twice, whole, with the same id is one call.
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
            self._by_id[delta.id].append(call)
        if delta.name and not call.name:
            call.name = delta.name
        elif delta.name and not delta.id and delta.name != call.name and not call.fragments:
            call.name += delta.name
        if delta.arguments and not self._repeats(call, delta):
            call.fragments.append(delta.arguments)
        return call

    def _repeats(self, call: OpenCall, delta: ToolCallDelta) -> bool:
        """Whether the fragment says again, under the same id, all that its call has said."""
        if not delta.id or not call.fragments or delta.arguments[:1] != "{":
            return False
        said = "".join(call.fragments)
        return said == delta.arguments and ToolCall.parse("", "", said).valid

    def _call_of(self, delta: ToolCallDelta) -> OpenCall:
        if delta.index is not None:
            call = self._by_index.get(delta.index)
            if call is not None and not (delta.id and call.id and delta.id != call.id):
                return call
        elif delta.id:
            if self._by_id[delta.id]:
                return self._by_id[delta.id][-1]
        elif self.begun and not (delta.name and self.begun[-1].name):
            return self.begun[-1]
        call = OpenCall(delta.index, delta.id)
        self.begun.append(call)
        if delta.index is not None:
            self._by_index[delta.index] = call
        if delta.id:
            self._by_id[delta.id].append(call)
        return call

    def add_call(self, call: ToolCall) -> bool:
        """Add a whole call, or let it finish the open one that has its id; False if it is there already."""
        known = self._by_id[call.id] if call.id else []
        if any(other.done == call for other in known):
            return False
        opened = next((other for other in known if other.done is None), None)
        if opened is None:
            opened = OpenCall(None, call.id)
            self.begun.append(opened)
            known.append(opened)
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
