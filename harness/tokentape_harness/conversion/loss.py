"""Loss: what did not come through when a response was said in another wire format."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Literal

import msgspec

Change = Literal["left out", "changed", "made up"]


# Every provider has its own words for these.
LABELS = ("metadata", "provider's finish reason", "spacing of arguments")


class Loss(msgspec.Struct, frozen=True):
    """`count` things of one kind that are `left out`, `changed`, or `made up` since the format demands them.

    `what` names the kind (`signature`, `usage.cached`, `provider part web_search_call`), `where` the place (`choice
    0`, `request`), `note` says more in words.
    """

    what: str
    change: Change
    where: str = ""
    count: int = 1
    note: str = ""

    @property
    def is_content(self) -> bool:
        """Whether something that was said or asked is gone or different, and not only what the provider calls it."""
        return self.change != "made up" and self.what not in LABELS

    def at(self, place: str) -> Loss:
        """The same loss, with a place in front of its own."""
        return msgspec.structs.replace(self, where=f"{place}, {self.where}" if self.where else place)


def counted(losses: Iterable[Loss]) -> tuple[Loss, ...]:
    """Equal losses as one, with their counts added; each kind stands where it came first."""
    found: dict[tuple[str, str, str, str], Loss] = {}
    for loss in losses:
        key = (loss.what, loss.change, loss.where, loss.note)
        known = found.get(key)
        found[key] = loss if known is None else msgspec.structs.replace(known, count=known.count + loss.count)
    return tuple(found.values())


def differing(what: str, recorded: object, said: object, where: str) -> Iterator[Loss]:
    """The loss, if there is one, of a value that is `None` where there is none."""
    if recorded == said:
        return
    if said is None:
        yield Loss(what, "left out", where, note=f"was {recorded}")
    elif recorded is None:
        yield Loss(what, "made up", where, note=f"now {said}")
    else:
        yield Loss(what, "changed", where, note=f"was {recorded}, now {said}")
