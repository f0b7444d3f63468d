"""The iterator suite, as the runner sees it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tokentape_conformance.case_registry import Case, import_cases, import_named, registered
from tokentape_conformance.iterator import cases
from tokentape_conformance.iterator.adapter import CAPABILITIES, lack
from tokentape_conformance.iterator.iterator_trial import IteratorTrial, Mode
from tokentape_conformance.iterator.wires import ALL
from tokentape_harness.errors import UsageError

MODES: tuple[Mode, ...] = ("sync", "async")


class IteratorSuite:
    """Cases about an iterator; each runs in every mode that the target and the case support."""

    name = "iterator"

    def cases(self) -> Sequence[Case]:
        """Every case."""
        import_cases(cases)
        return registered(self.name)

    def load(self, target: str, options: Mapping[str, str]) -> Any:
        """The adapter that `module:factory` returns. Raises `UsageError`."""
        del options
        name, colon, attribute = target.partition(":")
        if not (name and colon and attribute):
            raise UsageError(f"target {target!r}: give module:factory, such as my_adapter:adapter")
        factory = getattr(import_named(name, "target"), attribute, None)
        if not callable(factory):
            raise UsageError(f"target {target!r}: {name} has no function {attribute}")
        try:
            adapter = factory()
        except Exception as error:
            raise UsageError(f"target {target!r}: {attribute}() raised {type(error).__name__}: {error}") from error
        return checked(adapter, target)

    def wires(self, target: Any) -> Sequence[str]:
        """The wire formats that the adapter reads."""
        supported = getattr(target, "wires", None)
        return ALL if supported is None else [wire for wire in ALL if wire in supported]

    def lack(self, target: Any, need: str, wire: str) -> str | None:
        """Why the adapter lacks this capability; for `close`, either mode suffices."""
        del wire
        if need == "close" and lack(target, "aclose") is None:
            return None
        return lack(target, need)

    def versions(self, target: Any) -> dict[str, str]:
        """The versions that the adapter reports."""
        return dict(getattr(target, "versions", None) or {})

    def trials(self, target: Any, case: Case, wire: str, seed: int) -> Iterator[IteratorTrial]:
        """One trial per mode; a case that needs both runs once, on the event loop."""
        wanted: Sequence[Mode] = [mode for mode in MODES if mode in case.needs] or MODES
        if len(wanted) == len(MODES) and case.needs.issuperset(MODES):
            wanted = ("async",)
        for mode in wanted:
            closing = lack(target, "aclose" if mode == "async" else "close") if "close" in case.needs else None
            if lack(target, mode) is None and closing is None:
                yield IteratorTrial(case, wire, target, mode, seed=seed)


def checked(adapter: Any, name: str) -> Any:
    """The adapter, if it has the required methods and all names in it are known. Raises `UsageError`."""
    if lack(adapter, "text") or (lack(adapter, "sync") and lack(adapter, "async")):
        raise UsageError(f"target {name!r}: an adapter needs text(), and open() or aopen()")
    for capability in getattr(adapter, "lacks", None) or ():
        if capability not in CAPABILITIES:
            raise UsageError(f"target {name!r}: lacks {capability!r}, which is not one of {', '.join(CAPABILITIES)}")
    for wire in getattr(adapter, "wires", None) or ():
        if wire not in ALL:
            raise UsageError(f"target {name!r}: no wire format {wire!r}: the known ones are {', '.join(ALL)}")
    return adapter


SUITE = IteratorSuite()
