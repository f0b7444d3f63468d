"""The text received in deltas, for formats that repeat it at the end."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from tokentape.message import ChatMessage


class ReceivedText:
    """One text, as far as it was received. A run of chunks is kept as it is, so its text is not copied."""

    __slots__ = ("_pieces", "add")

    def __init__(self) -> None:
        self._pieces: list[str | Sequence[ChatMessage]] = []
        self.add: Callable[[str], None] = self._pieces.append
        """Add a piece."""

    def add_run(self, run: Sequence[ChatMessage]) -> None:
        """Add the text of chunks."""
        self._pieces.append(run)

    @property
    def text(self) -> str:
        """The whole text received so far."""
        whole = "".join(
            piece if isinstance(piece, str) else "".join([chunk.text for chunk in piece]) for piece in self._pieces
        )
        self._pieces[:] = [whole] if whole else []
        return whole

    def missing_from(self, whole: str, start: int = 0) -> str:
        """Return the part of the whole text that was not received from `start` on; empty if the two do not agree."""
        received = self.text[start:]
        return whole[len(received) :] if whole.startswith(received) else ""
