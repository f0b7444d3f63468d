"""Assembly of tool calls from fragments."""

from __future__ import annotations

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
        self._by_id: dict[str, OpenCall] = {}

    @property
    def calls(self) -> tuple[ToolCall, ...]:
        """Every call so far, in the order they began; an unfinished one with the arguments it has."""
        return tuple(call.call for call in self.begun if not call.copy)

    def add_delta(self, delta: ToolCallDelta) -> OpenCall:
        """Add a fragment, and return the call it belongs to."""
        call = self._call_of(delta)
        if delta.id and not call.id:
            call.id = delta.id
            self._by_id.setdefault(delta.id, call)
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
            call = self._by_id.get(delta.id)
            if call is not None:
                return call
        elif self.begun and not (delta.name and self.begun[-1].name):
            return self.begun[-1]
        call = OpenCall(delta.index, delta.id)
        self.begun.append(call)
        if delta.index is not None:
            self._by_index[delta.index] = call
        if delta.id:
            self._by_id.setdefault(delta.id, call)
        return call

    def add_call(self, call: ToolCall) -> bool:
        """Add a whole call; False if it is there already. One with a known id replaces it."""
        known = self._by_id.get(call.id) if call.id else None
        if known is not None:
            new = known.done != call
            known.done = call
            return new
        made = OpenCall(None, call.id)
        made.done = call
        self.begun.append(made)
        if call.id:
            self._by_id[call.id] = made
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
        first = self._by_id.get(call.id) if call.id else None
        return first is not None and first is not call and first.done == call.done
