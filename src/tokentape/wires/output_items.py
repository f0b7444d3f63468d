"""The output items of an OpenAI response, as far as they were received."""

from __future__ import annotations

from typing import Any

from tokentape.wires.json_document import as_text
from tokentape.wires.received_text import ReceivedText

CALLS = ("function_call", "custom_tool_call")


class OutputItem:
    """An output item that is being received.

    `number` is its content block and that of its first part; `blocks` has the block of each part, `received` the text
    that deltas added to each part, and `cited` the count of annotations of each. `arguments` is the argument text that
    deltas added to a call, and `announced` is True once the call's id and name were sent in a chunk. `ended` has the
    length of each part whose end was received.
    """

    __slots__ = ("announced", "arguments", "blocks", "cited", "done", "ended", "number", "received", "start")

    def __init__(self, start: dict[str, Any], number: int) -> None:
        self.start = start
        self.number = number
        self.blocks: dict[int, int] = {}
        self.received: dict[int, ReceivedText] = {}
        self.cited: dict[int, int] = {}
        self.arguments = ReceivedText()
        self.announced = False
        self.done = False
        self.ended: dict[int, int] = {}

    @property
    def kind(self) -> Any:
        """The provider's type name."""
        return self.start.get("type")

    def place_of(self, part: int, text: str, ends: dict[int, int]) -> tuple[int, int]:
        """Return the part whose received text is the start of this text, else `part` or an unused number, and where.

        Some providers number the parts of an item differently in deltas and in the finished item, or give several
        parts one number. `ends` has how much of each part the texts before this one are, and is updated.
        """
        rests = {number: received.text[ends.get(number, 0) :] for number, received in self.received.items()}
        open_ = sorted((number for number in rests if rests[number] or number not in ends), key=lambda n: n != part)
        fitting = [number for number in open_ if text.startswith(rests[number])]
        longer = [number for number in open_ if text and rests[number].startswith(text)]
        unused = part if part not in ends else max((part, *self.received, *ends)) + 1
        number = (*fitting, *longer, unused)[0]
        start = ends.get(number, 0)
        ends[number] = start + len(text)
        return number, start


class OutputItems:
    """The items of one response, found by id or else by position; `blocks` is the number of the next content block."""

    def __init__(self, blocks: int = 0) -> None:
        self.blocks = blocks
        self.started: list[OutputItem] = []
        self._by_id: dict[str | None, OutputItem] = {}
        self._by_index: dict[int | None, OutputItem] = {}

    def find(self, id: str | None, index: int | None) -> OutputItem | None:  # noqa: A002 - the field's own name
        """Return the item that has this id, else the last one that started at this position."""
        return self._by_id.get(id) or self._by_index.get(index)

    def add(self, start: dict[str, Any], index: int | None) -> OutputItem:
        """Add an item that starts."""
        item = OutputItem(start, self.blocks)
        self.blocks += 1
        self.started.append(item)
        if id_ := as_text(start.get("id")):
            self._by_id[id_] = item
        if index is not None:
            self._by_index[index] = item
        return item

    def item_of(self, final: dict[str, Any], index: int | None) -> OutputItem:
        """Return the item of which `final` is the finished form; one that is finished already is found only by id."""
        item = self._by_id.get(as_text(final.get("id")) or None)
        if item is not None:
            return item
        item = self._by_index.get(index)
        return self.add(final, index) if item is None or item.done else item

    def pairs(self, finals: list[dict[str, Any]]) -> list[tuple[OutputItem, dict[str, Any]]]:
        """Pair each item of the finished response with the received one: by id, else in order among its type.

        Some gateways give the finished items other ids. An item that was not received so far is added.
        """
        by_id = {id(final): self._by_id.get(as_text(final.get("id")) or None) for final in finals}
        taken = {id(item) for item in by_id.values()}
        pairs: list[tuple[OutputItem, dict[str, Any]]] = []
        for index, final in enumerate(finals):
            item = by_id[id(final)] or self._next_of(final, taken) or self.add(final, index)
            taken.add(id(item))
            pairs.append((item, final))
        return pairs

    def _next_of(self, final: dict[str, Any], taken: set[int]) -> OutputItem | None:
        free = [item for item in self.started if id(item) not in taken and item.kind == final.get("type")]
        called = final.get("call_id")
        same = [item for item in free if called is not None and item.start.get("call_id") == called]
        return next(iter(same or free), None)

    def block(self, item: OutputItem, part: int) -> int:
        """Return the content block of a part of an item."""
        block = item.blocks.get(part)
        if block is None:
            block = item.number
            if item.blocks:
                block = self.blocks
                self.blocks += 1
            item.blocks[part] = block
        return block

    def add_text(self, item: OutputItem, part: int, text: str) -> int:
        """Add a delta's text to a part; return the part's content block."""
        received = item.received.get(part)
        if received is None:
            received = item.received[part] = ReceivedText()
        received.add(text)
        return self.block(item, part)
