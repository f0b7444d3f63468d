"""Hot reload: when a served file changes, the new state is put in place whole, or the old one stays."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

import msgspec

from tokentape_fake_provider.errors import FakeProviderError
from tokentape_harness.errors import HarnessError
from tokentape_harness.served_files.state import ServedFiles, State

_STEP_MS: Final = 50
"""A change is read once nothing else has changed for this long: editors write in steps, people save several files."""
_GROUPED_MS: Final = 400
_POLL_MS: Final = 500


class Reload(msgspec.Struct, frozen=True):
    """What became of a change: whether the new state is in place, what there is to say, and the changed files."""

    ok: bool
    message: str
    files: Sequence[str]


class Reloader:
    """Reads the files again when they change, in a thread of its own.

    `apply` puts a state in place; `report` receives what became of each change. Use it as a context manager.
    """

    def __init__(self, files: ServedFiles, apply: Callable[[State], None], report: Callable[[Reload], None]) -> None:
        self._files, self._apply, self.report = files, apply, report
        self._failed: str | None = None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="tokentape-reload", daemon=True)

    def __enter__(self) -> Reloader:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(5)

    def check(self) -> Reload | None:
        """Read the files that changed since they were read last; `None` if there is nothing new to say."""
        before, failed = self._files.stamps, self._failed
        try:
            state = self._files.load()
        except (HarnessError, FakeProviderError, OSError) as error:
            self._failed = str(error)
            changed = _changed(before, self._files.stamps) or self._files.gone
            return Reload(False, self._failed, changed) if changed and self._failed != failed else None
        self._failed = None
        changed = _changed(before, self._files.stamps)
        if not changed and failed is None:
            return None
        self._apply(state)
        return Reload(True, describe(state), changed)

    def _watch(self) -> None:
        while not self._stop.is_set():
            folders = self._files.folders
            try:
                self._watch_folders(folders)
            except FileNotFoundError:  # one is gone since
                self._stop.wait(_POLL_MS / 1000)

    def _watch_folders(self, folders: frozenset[Path]) -> None:
        """Check the files after each change, until there are other folders to watch."""
        from watchfiles import watch  # takes 0.1 s

        fresh = True
        for changes in watch(
            *folders,
            stop_event=self._stop,
            recursive=False,
            debounce=_GROUPED_MS,
            step=_STEP_MS,
            rust_timeout=_POLL_MS,
            yield_on_timeout=True,
            raise_interrupt=False,
            ignore_permission_denied=True,
        ):
            if changes or fresh:  # at first: what changed before the watch began
                fresh = False
                found = self.check()
                if found is not None:
                    self.report(found)
                if self._files.folders != folders:
                    return


def describe(state: State) -> str:
    """What is served, in words."""
    counts = [(state.rules, "rule"), (state.recordings, "recording"), (len(state.cassettes), "cassette")]
    shown = [f"{count} {noun}{'' if count == 1 else 's'}" for count, noun in counts if count]
    return ", ".join(shown) or "nothing"


def _changed(before: Mapping[Path, object], after: Mapping[Path, object]) -> list[str]:
    """The files that are new, other ones, or gone."""
    return sorted(str(path) for path in before.keys() | after.keys() if before.get(path) != after.get(path))
