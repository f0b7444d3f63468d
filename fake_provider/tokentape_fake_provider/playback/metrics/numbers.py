"""Named groups of numbers: in this process, or in memory that several processes share."""

from __future__ import annotations

import mmap
from array import array
from collections.abc import Iterator, Mapping
from struct import Struct
from typing import Final, TypeAlias

import msgspec

Name: TypeAlias = tuple[str, ...]
Group: TypeAlias = "array[float] | memoryview[float]"

_USED: Final = Struct("<Q")
_HEAD: Final = Struct("<II")
_NUMBER: Final = 8
_REGION: Final = 1 << 22  # of which the system gives only what is used


def shared_region() -> mmap.mmap:
    """Memory for the numbers of one process, which processes that are forked later share."""
    return mmap.mmap(-1, _REGION)


class Numbers:
    """Groups of numbers by name, which are 0 at first. One thread at a time may use it.

    With a `region` the groups that an earlier process has left there go on from their numbers. A group for which the
    region has no room is in this process.
    """

    def __init__(self, region: mmap.mmap | None = None) -> None:
        self._region = region
        self._groups: dict[Name, Group] = {} if region is None else dict(_groups(region))

    def group(self, name: Name, size: int = 1) -> Group:
        """The group of this name, whose numbers the caller may change."""
        found = self._groups.get(name)
        if found is None:
            found = None if self._region is None else _add(self._region, name, size)
            found = self._groups[name] = array("d", bytes(_NUMBER * size)) if found is None else found
        return found

    def groups(self) -> Mapping[Name, Group]:
        """All groups."""
        return self._groups


def groups_in(region: mmap.mmap) -> Mapping[Name, Group]:
    """The groups that a process has in its region, which it may go on to change."""
    return dict(_groups(region))


def _groups(region: mmap.mmap) -> Iterator[tuple[Name, Group]]:
    place = _USED.size
    end = place + _USED.unpack_from(region)[0]
    while place < end:
        length, size = _HEAD.unpack_from(region, place)
        place += _HEAD.size
        name = msgspec.json.decode(region[place : place + length], type=Name)
        place += length + -length % _NUMBER
        yield name, _view(region, place, size)
        place += _NUMBER * size


def _add(region: mmap.mmap, name: Name, size: int) -> Group | None:
    """Add a group, unless there is no room. It counts once it is there as a whole: the process may be killed."""
    key = msgspec.json.encode(name)
    used = _USED.unpack_from(region)[0]
    place = _USED.size + used
    numbers = place + _HEAD.size + len(key) + -len(key) % _NUMBER
    if numbers + _NUMBER * size > len(region):
        return None
    _HEAD.pack_into(region, place, len(key), size)
    region[place + _HEAD.size : place + _HEAD.size + len(key)] = key
    region[numbers : numbers + _NUMBER * size] = bytes(_NUMBER * size)
    _USED.pack_into(region, 0, numbers + _NUMBER * size - _USED.size)
    return _view(region, numbers, size)


def _view(region: mmap.mmap, place: int, size: int) -> Group:
    return memoryview(region)[place : place + _NUMBER * size].cast("d")
