"""Recordings on demand: of a cassette whose responses stay on the disk until one of them is asked for."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from pathlib import Path

import msgspec

from tokentape_fake_provider.errors import UnreadableRecordingError
from tokentape_fake_provider.sessions.recording import Recording
from tokentape_fake_provider.tape import Tape
from tokentape_harness.cassettes.index import indexed_requests
from tokentape_harness.cassettes.reader import parse_cassette, read_cassette, read_file
from tokentape_harness.errors import CassetteError
from tokentape_harness.testing.recordings import asked_for, recordings_of


def recordings_on_demand(path: Path, report: Callable[[str], None]) -> list[Recording]:
    """The recordings of a cassette file, without their tapes where its requests can be found without reading it all.

    `report` is told, once, if it can't be read later. Raises `CassetteError` for what can be seen at once.
    """
    data = read_file(path)
    requests = indexed_requests(data)
    if requests is None:
        return recordings_of(parse_cassette(data, path))
    cassette = _UnreadCassette(path, report)
    asked = [asked_for(request, str(path), number) for number, request in enumerate(requests)]
    cassette.outlined = asked
    return [msgspec.structs.replace(one, read=cassette.reader(number)) for number, one in enumerate(asked)]


class _UnreadCassette:
    """A cassette file that is read at most once, and checked against what was taken from its outline."""

    def __init__(self, path: Path, report: Callable[[str], None]) -> None:
        self.outlined: list[Recording] = []
        self._path = path
        self._report = report

    def reader(self, number: int) -> Callable[[], Tape]:
        """What reads the tape of this interaction."""

        def read() -> Tape:
            if isinstance(self._recordings, str):
                raise UnreadableRecordingError(self._recordings)
            return self._recordings[number].tape

        return read

    @cached_property
    def _recordings(self) -> list[Recording] | str:
        """The recordings, or why there are none."""
        try:
            found = recordings_of(read_cassette(self._path))
        except CassetteError as error:
            told = str(error)
        else:
            if [_asked(one) for one in found] == [_asked(one) for one in self.outlined]:
                return found
            told = f"{self._path}: its requests are not those that were found when it was loaded: load it again"
        self._report(f"warning: skipped: {told}")
        return told


def _asked(recording: Recording) -> Recording:
    """All but the tape."""
    return msgspec.structs.replace(recording, tape=Tape(), read=None)
