"""Encodes the messages of one stream as the frames of a response; no I/O."""

from __future__ import annotations

from typing import Protocol

from tokentape.message import ChatMessage
from tokentape.web.frames import (
    Format,
    PlainFormat,
    end_frame,
    error_frame,
    heartbeat_frame,
    message_frame,
    output_of,
    stopped_frame,
)
from tokentape.web.ui_message_stream import UIMessageEncoder


class FrameEncoder(Protocol):
    """Encodes one stream; it is used for one stream alone, in the order of its messages."""

    def message(self, message: ChatMessage) -> list[bytes]:
        """Return the frames of a chunk, one for each event; none if there is nothing to send."""

    def end(self) -> list[bytes]:
        """Return the frames that mark the stream as complete."""

    def stopped(self) -> list[bytes]:
        """Return the frames that mark the stream as stopped on purpose; it may not be closed yet."""

    def error(self, error: BaseException) -> list[bytes]:
        """Return the frames that mark the stream as broken."""

    def heartbeat(self) -> bytes:
        """Return a frame without content that keeps the connection alive."""


class _PlainEncoder:
    """For the formats in which a frame depends on its message alone."""

    def __init__(self, format: PlainFormat, stream: object) -> None:  # noqa: A002 - the parameter's own name
        self._format = format
        self._stream = stream

    def message(self, message: ChatMessage) -> list[bytes]:
        return _frames(message_frame(message, self._format))

    def end(self) -> list[bytes]:
        return _frames(end_frame(output_of(self._stream), self._format))

    def stopped(self) -> list[bytes]:
        return _frames(stopped_frame(output_of(self._stream), self._format))

    def error(self, error: BaseException) -> list[bytes]:
        return [error_frame(error, self._format)]

    def heartbeat(self) -> bytes:
        return heartbeat_frame(self._format)


def frame_encoder(format: Format, stream: object) -> FrameEncoder:  # noqa: A002 - the parameter's own name
    """Return the encoder of a format for one stream, whose output and follow-ups it reads."""
    return UIMessageEncoder(stream) if format == "ui-message-stream" else _PlainEncoder(format, stream)


def _frames(frame: bytes) -> list[bytes]:
    return [frame] if frame else []
