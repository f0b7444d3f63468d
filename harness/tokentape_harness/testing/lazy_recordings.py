"""Lazy recordings: a cassette whose responses stay on the disk until one of them is requested."""

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
from tokentape_harness.testing.recordings import recorded_request, recordings_of


def lazy_recordings(path: Path, report: Callable[[str], None]) -> list[Recording]:
    """The recordings of a cassette file; their tapes are read later if its index gives the requests.

    `report` receives one message if the file can't be read later. Raises `CassetteError` for what is wrong already.
    """
    data = read_file(path)
    requests = indexed_requests(data)
    if requests is None:
        return recordings_of(parse_cassette(data, path))
    cassette = _UnreadCassette(path, report)
    cassette.indexed = [recorded_request(request, str(path), number) for number, request in enumerate(requests)]
    return [msgspec.structs.replace(one, read=cassette.reader(number)) for number, one in enumerate(cassette.indexed)]


class _UnreadCassette:
    """A cassette file that is read at most once, and then checked against the requests of its index."""

    def __init__(self, path: Path, report: Callable[[str], None]) -> None:
        self.indexed: list[Recording] = []
        self._path = path
        self._report = report

    def reader(self, number: int) -> Callable[[], Recording]:
        """A function that reads the recording of this interaction."""

        def read() -> Recording:
            if isinstance(self._recordings, str):
                raise UnreadableRecordingError(self._recordings)
            return self._recordings[number]

        return read

    @cached_property
    def _recordings(self) -> list[Recording] | str:
        """The recordings, or why there are none."""
        try:
            found = recordings_of(read_cassette(self._path))
        except CassetteError as error:
            reason = str(error)
        else:
            if [_without_tape(one) for one in found] == [_without_tape(one) for one in self.indexed]:
                return found
            reason = f"{self._path}: its requests have changed since it was loaded: load it again"
        self._report(f"warning: skipped: {reason}")
        return reason


def _without_tape(recording: Recording) -> Recording:
    return msgspec.structs.replace(recording, tape=Tape(), read=None, fill=None)
