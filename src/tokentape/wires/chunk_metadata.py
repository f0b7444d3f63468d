"""What a provider said in a chunk beside the message, decoded when it is asked for."""

from __future__ import annotations

import copy
from collections.abc import Callable, ItemsView, Iterator, KeysView, Mapping, Sequence, ValuesView
from itertools import repeat
from typing import Any

import msgspec


class ChunkMetadata(msgspec.Struct, gc=False, eq=False):
    """A read-only mapping over the JSON document of one event.

    Most readers never look at it, so the document is decoded at the first access: `read(document, position)`
    picks from it what belongs to the message at that position.
    """

    document: bytes
    read: Callable[[bytes, int], dict[str, Any]]
    position: int = 0
    _values: dict[str, Any] | None = None

    def _mapping(self) -> dict[str, Any]:
        if self._values is None:
            try:
                self._values = self.read(self.document, self.position)
            except ValueError:  # what typed decoding skipped is not JSON
                self._values = {}
        return self._values

    def __getitem__(self, key: str) -> Any:
        return self._mapping()[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._mapping())

    def __len__(self) -> int:
        return len(self._mapping())

    def __bool__(self) -> bool:
        return True

    def __contains__(self, key: object) -> bool:
        return key in self._mapping()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Mapping) and self._mapping() == dict(other)

    __hash__ = None  # type: ignore[assignment]

    def get(self, key: str, default: Any = None) -> Any:
        """Return the value of `key`, or `default`."""
        return self._mapping().get(key, default)

    def keys(self) -> KeysView[str]:
        """The keys."""
        return self._mapping().keys()

    def values(self) -> ValuesView[Any]:
        """The values."""
        return self._mapping().values()

    def items(self) -> ItemsView[str, Any]:
        """The pairs of key and value."""
        return self._mapping().items()

    def __reduce__(self) -> tuple[type[dict[str, Any]], tuple[dict[str, Any]]]:
        return dict, (self._mapping(),)

    def __deepcopy__(self, memo: dict[int, Any]) -> dict[str, Any]:
        return copy.deepcopy(self._mapping(), memo)

    def __repr__(self) -> str:
        return repr(self._mapping())


Mapping.register(ChunkMetadata)


def chunk_metadata(
    documents: Sequence[bytes], read: Callable[[bytes, int], dict[str, Any]]
) -> Iterator[Mapping[str, Any]]:
    """The metadata of one chunk for each document."""
    return map(ChunkMetadata, documents, repeat(read))  # type: ignore[arg-type]
