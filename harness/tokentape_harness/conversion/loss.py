"""Loss: what a response loses when it is converted to another wire format."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Literal

import msgspec

from tokentape_fake_provider.tape import WebSocket

Change = Literal["left out", "changed", "made up"]


# Each provider has its own values for these.
LABELS = ("metadata", "provider's finish reason", "spacing of arguments")


class Loss(msgspec.Struct, frozen=True):
    """`count` things of one kind that are `left out`, `changed`, or `made up` because the format requires them.

    `what` names the kind (`signature`, `usage.cached`, `provider part web_search_call`), `where` the place (`choice
    0`, `request`), and `note` gives the details.
    """

    what: str
    change: Change
    where: str = ""
    count: int = 1
    note: str = ""

    @property
    def is_content(self) -> bool:
        """Whether generated or requested content is missing or different, not only a provider's own label."""
        return self.change != "made up" and self.what not in LABELS

    def at(self, place: str) -> Loss:
        """The same loss, with a place before its own."""
        return msgspec.structs.replace(self, where=f"{place}, {self.where}" if self.where else place)


def websocket_loss(websocket: WebSocket, where: str) -> Loss:
    """The loss of a WebSocket in a format that has none."""
    return Loss("WebSocket frame", "left out", where, len(websocket.frames))


def counted(losses: Iterable[Loss]) -> tuple[Loss, ...]:
    """Equal losses merged, with their counts added, in the order of their first occurrence."""
    found: dict[tuple[str, str, str, str], Loss] = {}
    for loss in losses:
        key = (loss.what, loss.change, loss.where, loss.note)
        known = found.get(key)
        found[key] = loss if known is None else msgspec.structs.replace(known, count=known.count + loss.count)
    return tuple(found.values())


def differing(what: str, before: object, after: object, where: str = "") -> Iterator[Loss]:
    """The loss of a value that differs; `None` is a missing value."""
    if before == after:
        return
    if after is None:
        yield Loss(what, "left out", where, note=f"was {before}")
    elif before is None:
        yield Loss(what, "made up", where, note=f"now {after}")
    else:
        yield Loss(what, "changed", where, note=f"was {before}, now {after}")
