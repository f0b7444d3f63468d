"""The output items of a response of OpenAI's, as far as they were received."""

from __future__ import annotations

from typing import Any


class OutputItem:
    """An output item that is being received.

    `number` is its content block, and that of its first part; `blocks` numbers all of its parts, `spoken` holds those
    of them that deltas have filled, and `cited` counts the annotations of each. `argued` says that deltas have brought
    the arguments of a call.
    """

    __slots__ = ("argued", "blocks", "cited", "done", "number", "spoken", "start")

    def __init__(self, start: dict[str, Any], number: int) -> None:
        self.start = start
        self.number = number
        self.blocks: dict[int, int] = {}
        self.spoken: dict[int, int] = {}
        self.cited: dict[int, int] = {}
        self.argued = False
        self.done = False


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
        if isinstance(start.get("id"), str):
            self._by_id[start["id"]] = item
        if index is not None:
            self._by_index[index] = item
        return item

    def ending(self, final: dict[str, Any], index: int | None) -> OutputItem:
        """The item that ends as `final`; one that ends twice is found by its id alone."""
        id_ = final.get("id")
        found = self._by_id.get(id_) if isinstance(id_, str) else None
        if found is not None:
            return found
        found = self._by_index.get(index)
        return self.begin(final, index) if found is None or found.done else found

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

    def speak(self, item: OutputItem, part: int) -> int:
        """The content block of a part that a delta fills."""
        block = item.spoken[part] = self.block(item, part)
        return block
