"""The output items of a response of OpenAI's, as far as they were received."""

from __future__ import annotations

from typing import Any

from tokentape.wires.json_document import as_text
from tokentape.wires.received_text import ReceivedText

CALLS = ("function_call", "custom_tool_call")


class OutputItem:
    """An output item that is being received.

    `number` is its content block, and that of its first part; `blocks` numbers all of its parts, `received` holds the
    text of each part that deltas have filled, and `cited` counts the annotations of each. `arguments` is what deltas
    have brought of a call's, and `announced` says that its id and name were handed on.
    """

    __slots__ = ("announced", "arguments", "blocks", "cited", "done", "number", "received", "start")

    def __init__(self, start: dict[str, Any], number: int) -> None:
        self.start = start
        self.number = number
        self.blocks: dict[int, int] = {}
        self.received: dict[int, ReceivedText] = {}
        self.cited: dict[int, int] = {}
        self.arguments = ReceivedText()
        self.announced = False
        self.done = False

    @property
    def kind(self) -> Any:
        """The provider's own type name."""
        return self.start.get("type")

    def part_of(self, part: int, text: str, taken: set[int]) -> int:
        """The part that deltas have filled with the begin of this text; else `part`, or one that is free.

        Providers exist whose deltas number the parts of an item otherwise than the finished item does.
        """
        for number in (part, *self.received):
            received = self.received.get(number)
            if received is not None and number not in taken and text.startswith(received.text):
                return number
        return part if part not in taken else max((part, *self.received, *taken)) + 1


class OutputItems:
    """The items of one response, found by id and else by position; `blocks` is the next content block's number."""

    def __init__(self, blocks: int = 0) -> None:
        self.blocks = blocks
        self.begun: list[OutputItem] = []
        self._by_id: dict[str | None, OutputItem] = {}
        self._by_index: dict[int | None, OutputItem] = {}

    def find(self, id: str | None, index: int | None) -> OutputItem | None:  # noqa: A002 - the field's own name
        """The item that has this id, else the last one that was begun at this position."""
        return self._by_id.get(id) or self._by_index.get(index)

    def begin(self, start: dict[str, Any], index: int | None) -> OutputItem:
        """An item begins."""
        item = OutputItem(start, self.blocks)
        self.blocks += 1
        self.begun.append(item)
        if named := as_text(start.get("id")):
            self._by_id[named] = item
        if index is not None:
            self._by_index[index] = item
        return item

    def ending(self, final: dict[str, Any], index: int | None) -> OutputItem:
        """The item that ends as `final`; one that ends twice is found by its id alone."""
        found = self._by_id.get(as_text(final.get("id")) or None)
        if found is not None:
            return found
        found = self._by_index.get(index)
        return self.begin(final, index) if found is None or found.done else found

    def pairs(self, finals: list[dict[str, Any]]) -> list[tuple[OutputItem, dict[str, Any]]]:
        """Each item of the finished response with the one that it is the end of: by id, else in order of its type.

        Gateways exist that give the finished items other ids. An item of which nothing has come begins here.
        """
        found = {id(final): self._by_id.get(as_text(final.get("id")) or None) for final in finals}
        taken = {id(item) for item in found.values()}
        pairs: list[tuple[OutputItem, dict[str, Any]]] = []
        for index, final in enumerate(finals):
            item = found[id(final)] or self._next_of(final, taken) or self.begin(final, index)
            taken.add(id(item))
            pairs.append((item, final))
        return pairs

    def _next_of(self, final: dict[str, Any], taken: set[int]) -> OutputItem | None:
        free = [item for item in self.begun if id(item) not in taken and item.kind == final.get("type")]
        called = final.get("call_id")
        same = [item for item in free if called is not None and item.start.get("call_id") == called]
        return next(iter(same or free), None)

    def block(self, item: OutputItem, part: int) -> int:
        """The content block of a part of an item."""
        found = item.blocks.get(part)
        if found is None:
            found = item.number
            if item.blocks:
                found = self.blocks
                self.blocks += 1
            item.blocks[part] = found
        return found

    def speak(self, item: OutputItem, part: int, text: str) -> int:
        """The content block of a part that a delta adds this text to."""
        received = item.received.get(part)
        if received is None:
            received = item.received[part] = ReceivedText()
        received.add(text)
        return self.block(item, part)
