"""The metadata of a chunk: what the provider sent beside the message, decoded at the first access."""

from __future__ import annotations

import copy
from collections.abc import Callable, ItemsView, Iterable, Iterator, KeysView, Mapping, Sequence, ValuesView
from itertools import repeat
from typing import Any, TypeVar, cast

import msgspec

EventT = TypeVar("EventT")


class ChunkMetadata(msgspec.Struct, gc=False, eq=False):
    """A read-only mapping over the JSON document of one event, or over other metadata.

    Most readers never use it, so the document is decoded at the first access: `read(document, position)`
    returns the metadata of the message at that position.
    """

    document: Any
    read: Callable[[Any, int], dict[str, Any]]
    position: int = 0
    _values: dict[str, Any] | None = None

    def _mapping(self) -> dict[str, Any]:
        if self._values is None:
            try:
                self._values = self.read(self.document, self.position)
            except ValueError:  # a part that typed decoding skipped is not JSON
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
        """Return the keys."""
        return self._mapping().keys()

    def values(self) -> ValuesView[Any]:
        """Return the values."""
        return self._mapping().values()

    def items(self) -> ItemsView[str, Any]:
        """Return the pairs of key and value."""
        return self._mapping().items()

    def __reduce__(self) -> tuple[type[dict[str, Any]], tuple[dict[str, Any]]]:
        return dict, (self._mapping(),)

    def __deepcopy__(self, memo: dict[int, Any]) -> dict[str, Any]:
        return copy.deepcopy(self._mapping(), memo)

    def __repr__(self) -> str:
        return repr(self._mapping())


Mapping.register(ChunkMetadata)
lazy_metadata = cast("Callable[..., Mapping[str, Any]]", ChunkMetadata)
"""`ChunkMetadata`, typed as the mapping that it is registered as."""


def with_metadata(
    events: Sequence[EventT], documents: Sequence[bytes], read: Callable[[bytes, int], dict[str, Any]]
) -> Iterable[tuple[EventT, Mapping[str, Any]]]:
    """Pair each event with the metadata of its chunk; the documents are those of the events, and maybe more."""
    return zip(events, metadata_of(documents, read), strict=False)


def metadata_of(
    documents: Sequence[bytes], read: Callable[[bytes, int], dict[str, Any]]
) -> Iterator[Mapping[str, Any]]:
    """Return the metadata of the chunks of events."""
    return map(lazy_metadata, documents, repeat(read))
