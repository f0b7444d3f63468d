"""Subject: the recording that a sweep damages."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from tokentape import ChatOutput, TokentapeError, stream_bytes
from tokentape_fake_provider.fault_injection.fault_context import reports_end
from tokentape_fake_provider.sessions.recording import Recording
from tokentape_fake_provider.tape import Tape
from tokentape_fake_provider.wires import WIRES, Wire, wire_named
from tokentape_harness.errors import SweepError
from tokentape_harness.testing.recordings import load_recordings


class Subject(NamedTuple):
    """A cassette's recordings, and the number of the damaged one."""

    label: str
    recordings: Sequence[Recording]
    number: int

    @property
    def tape(self) -> Tape:
        """The recording that is damaged."""
        return self.recordings[self.number].tape

    @property
    def wire(self) -> Wire:
        """Its wire format."""
        return wire_named(str(self.recordings[self.number].wire))

    @property
    def output(self) -> ChatOutput:
        """Its output."""
        stream = stream_bytes(self.tape.body, wire=self.wire.name)
        for _ in stream:
            pass
        return stream.get_chat_output()


def read_subject(path: str | Path, interaction: int | None = None, label: str = "") -> Subject:
    """Read a cassette and pick its first complete stream, or that interaction.

    Raises `CassetteError`, and `SweepError` if there is no complete stream.
    """
    recordings = load_recordings(path)
    numbers = range(len(recordings)) if interaction is None else [interaction]
    number = next((number for number in numbers if 0 <= number < len(recordings) and _whole(recordings[number])), None)
    if number is None:
        which = "no response is" if interaction is None else f"interaction {interaction} is not"
        raise SweepError(f"{path}: {which} a complete stream: a sweep needs one")
    subject = Subject(label or str(path), recordings, number)
    try:
        _ = subject.output
    except TokentapeError as error:
        raise SweepError(f"{path}: its stream can't be read without any fault: {error}") from error
    return subject


def _whole(recording: Recording) -> bool:
    tape = recording.tape
    if (
        recording.wire is None
        or recording.wire not in WIRES
        or tape.status != 200
        or tape.end != "complete"
        or not tape.frames
    ):
        return False
    kind = tape.header("content-type").partition(";")[0].strip().lower()
    return kind != "application/json" and reports_end(tape, WIRES[recording.wire])
