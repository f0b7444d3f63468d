"""The text that deltas have brought, for formats that repeat it at the end."""

from __future__ import annotations

from collections.abc import Sequence

from tokentape.message import ChatMessage


class ReceivedText:
    """What was received of one text; a run of chunks is kept as it is, so that nothing is copied for it."""

    __slots__ = ("_pieces",)

    def __init__(self) -> None:
        self._pieces: list[str | Sequence[ChatMessage]] = []

    def add(self, text: str) -> None:
        """Add a piece."""
        if text:
            self._pieces.append(text)

    def add_run(self, run: Sequence[ChatMessage]) -> None:
        """Add the text of chunks."""
        self._pieces.append(run if len(run) > 1 else run[0].text)

    @property
    def text(self) -> str:
        """All of it."""
        whole = "".join(
            piece if isinstance(piece, str) else "".join([chunk.text for chunk in piece]) for piece in self._pieces
        )
        self._pieces[:] = [whole] if whole else []
        return whole

    def unsaid(self, whole: str) -> str:
        """What the whole text has behind what was received; nothing if the two don't agree."""
        received = self.text
        return whole[len(received) :] if whole.startswith(received) else ""
