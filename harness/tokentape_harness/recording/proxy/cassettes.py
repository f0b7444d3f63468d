"""Cassettes: one for each upstream, saved while they grow."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Final
from urllib.parse import urlsplit

from vcr.patch import PATCHER_NAMES
from vcr.request import Request

from tokentape_harness.cassettes.reader import read_cassette
from tokentape_harness.errors import CassetteError, HarnessError
from tokentape_harness.recording.body_matcher import NAME as BODY
from tokentape_harness.recording.clock import RecordingClock
from tokentape_harness.recording.path_matcher import NAME as PATH
from tokentape_harness.recording.playback import Playback
from tokentape_harness.recording.proxy.upstream import NAME, Upstream, http_uri
from tokentape_harness.recording.recorder import Recorder
from tokentape_harness.recording.response_recorder import ResponseRecorder
from tokentape_harness.recording.use_cassette import use_cassette
from tokentape_harness.redaction import DEFAULT_RULES, RedactionRules
from tokentape_harness.testing.project_settings import Normalise

# Each save writes the whole file. The pause after it is this many times as long, which limits the share of saving.
_PAUSE: Final = 9

# Without the origin: a recording answers whatever upstream it is from.
_MATCH_ON: Final = ("method", PATH, "query", BODY)


class CassetteFolder:
    """The cassettes `NAME.yaml` of these upstreams in a folder; enter it to load them, leave it to save them.

    Entering raises `CassetteError` for a file that can't be read, leaving raises `CassetteWriteError`. Meanwhile a
    thread saves what has ended, and calls `report` with a message if that fails.
    """

    def __init__(
        self,
        folder: Path,
        names: Iterable[str],
        *,
        mode: str,
        clock: RecordingClock | None = None,
        speed: float | None = None,
        rules: RedactionRules = DEFAULT_RULES,
        normalise: Normalise = None,
        report: Callable[[str], None],
        expires: str | None = None,
    ) -> None:
        self.paths = {name: folder / f"{name}.yaml" for name in names}
        self._mode = mode
        self._clock = clock
        self._speed = speed
        self._rules = rules
        self._expires = expires
        self._normalise = normalise
        self._report = report
        self._stack = ExitStack()
        self._recorders: dict[str, Recorder] = {}
        self._changed = threading.Event()
        self._leaving = threading.Event()
        self._saver = threading.Thread(target=self._save_as_it_grows, name="tokentape-save", daemon=True)

    def __enter__(self) -> CassetteFolder:
        with ExitStack() as stack:
            for name, path in self.paths.items():
                # The proxy calls the recorder itself: no client in this process is patched.
                cassette = use_cassette(
                    path,
                    record_mode=self._mode,
                    match_on=_MATCH_ON,
                    clock=self._clock,
                    speed=self._speed,
                    rules=self._rules,
                    expires=self._expires,
                    normalise=self._normalise,
                    skip_patchers=PATCHER_NAMES,
                )
                stack.enter_context(cassette)
                self._recorders[name] = cassette.recorder
            self._stack = stack.pop_all()
        self._saver.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._leaving.set()
        self._changed.set()
        self._saver.join()
        self._stack.__exit__(kind, error, trace)

    def answer(self, name: str, request: Request) -> Playback | ResponseRecorder | None:
        """The playback or recorder for a request to this upstream; see `Recorder.answer`."""
        return self._recorders[name].answer(request)

    def recorder(self, name: str) -> Recorder:
        """The recorder of this upstream's cassette."""
        return self._recorders[name]

    async def end(self, end: Callable[..., None], *arguments: object) -> None:
        """End a recording in a thread, since redaction must not block other streams; it is saved soon."""

        def run() -> None:
            end(*arguments)
            self._changed.set()

        await asyncio.to_thread(run)

    def _save_as_it_grows(self) -> None:
        failed = False
        while self._changed.wait() and not self._leaving.is_set():
            self._changed.clear()
            began = time.perf_counter()
            try:
                for recorder in self._recorders.values():
                    recorder.save()
                failed = False
            except (HarnessError, OSError) as error:
                if not failed:
                    self._report(f"warning: not saved yet: {error}")
                failed = True
            self._leaving.wait(_PAUSE * (time.perf_counter() - began))


def recorded_upstreams(folder: Path) -> dict[str, Upstream]:
    """An upstream for each cassette in a folder, by name. Raises `CassetteError` for a file that can't be read."""
    upstreams: dict[str, Upstream] = {}
    for path in sorted(folder.glob("*.yaml")):
        if NAME.fullmatch(path.stem) and (interactions := read_cassette(path).interactions):
            parts = urlsplit(http_uri(interactions[0].request.uri))
            upstreams[path.stem] = Upstream(path.stem, f"{parts.scheme}://{parts.netloc}")
    return upstreams


def check_replayable(paths: Iterable[Path], folder: Path) -> None:
    """Raise `CassetteError` if a folder has no cassette to replay."""
    if not any(path.exists() for path in paths):
        raise CassetteError("no cassettes here to replay: record them first (--mode new_episodes)", path=folder)
