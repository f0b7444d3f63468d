"""Changes the bytes of a tape but not its times, or the times but not the bytes."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import msgspec

from tokentape_fake_provider.tape import Frame, Tape, TapeEnd


class Edit(NamedTuple):
    """The new data for the bytes from `start` to `stop`."""

    start: int
    stop: int
    data: bytes


def splice(tape: Tape, edits: Sequence[Edit]) -> Tape:
    """Return the tape with these edits, which are in order and don't overlap.

    New bytes are sent at the time of the first of the replaced bytes. Bytes that are inserted between two frames
    are a separate frame, which is sent at the time of the next one.
    """
    frames: list[Frame] = []
    waiting = iter(edits)
    edit = next(waiting, None)
    position = 0
    for at, data in tape.frames:
        begins, ends = position, position + len(data)
        position = ends
        kept: list[bytes] = []
        cursor = begins
        while edit is not None and edit.start < ends:
            if edit.start <= begins and edit.start == edit.stop:
                frames.append(Frame(at, edit.data))
            else:
                kept.append(data[cursor - begins : max(edit.start, begins) - begins])
                if edit.start >= begins:
                    kept.append(edit.data)
                cursor = max(cursor, min(edit.stop, ends))
            if edit.stop > ends:
                break
            edit = next(waiting, None)
        if cursor == begins and not kept:
            frames.append(Frame(at, data))
        elif rest := b"".join((*kept, data[cursor - begins :])):
            frames.append(Frame(at, rest))
    last = tape.frames[-1].at if tape.frames else tape.start
    while edit is not None:
        if edit.data and edit.start >= position:
            frames.append(Frame(last, edit.data))
        edit = next(waiting, None)
    return msgspec.structs.replace(tape, frames=tuple(frames))


def cut(tape: Tape, byte: int, end: TapeEnd = "complete") -> Tape:
    """Return the tape up to a byte, with this end at the time of the next byte."""
    index = frame_at(tape, byte)
    if index >= len(tape.frames):
        return msgspec.structs.replace(tape, end=end)
    at, data = tape.frames[index]
    kept = data[: byte - tape.boundaries[index]]
    frames = (*tape.frames[:index], Frame(at, kept)) if kept else tape.frames[:index]
    return msgspec.structs.replace(tape, frames=frames, end=end, end_at=at)


def split(tape: Tape, places: Iterable[int]) -> Tape:
    """Return the tape with frames split before each of these bytes (ascending); each frame is a separate write."""
    frames: list[Frame] = []
    cuts = iter(places)
    cut_at = next(cuts, None)
    position = 0
    for at, data in tape.frames:
        begins, start = position, 0
        position += len(data)
        while cut_at is not None and cut_at < position:
            if cut_at - begins > start:
                frames.append(Frame(at, data[start : cut_at - begins]))
                start = cut_at - begins
            cut_at = next(cuts, None)
        frames.append(Frame(at, data[start:]))
    return msgspec.structs.replace(tape, frames=tuple(frames), apart=True)


def delay(tape: Tape, byte: int, milliseconds: float) -> Tape:
    """Return the tape with everything from a byte on delayed, including the end."""
    delayed = msgspec.structs.replace(split(tape, [byte]), apart=tape.apart)
    first = frame_at(delayed, byte)
    late = (Frame(frame.at + milliseconds, frame.data) for frame in delayed.frames[first:])
    last = max(delayed.start, delayed.frames[-1].at if delayed.frames else 0.0)
    ends = last if delayed.end_at is None else delayed.end_at
    return msgspec.structs.replace(delayed, frames=(*delayed.frames[:first], *late), end_at=ends + milliseconds)


def delay_all(tape: Tape, milliseconds: float) -> Tape:
    """Return the tape with everything delayed, including the headers."""
    frames = tuple(Frame(frame.at + milliseconds, frame.data) for frame in tape.frames)
    end_at = None if tape.end_at is None else tape.end_at + milliseconds
    return msgspec.structs.replace(tape, frames=frames, start=tape.start + milliseconds, end_at=end_at)


def frame_at(tape: Tape, byte: int) -> int:
    """Return the number of the frame that contains a byte; beyond the last one, the count of frames."""
    return bisect_right(tape.boundaries, byte) - 1
