"""Use a cassette: `vcr.use_cassette`, with streams that stay streams."""

from __future__ import annotations

import difflib
import functools
import inspect
import os
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from types import TracebackType
from typing import Any, TypeVar, cast

import msgspec
from vcr import VCR, matchers
from vcr.cassette import Cassette
from vcr.persisters.filesystem import FilesystemPersister
from vcr.record_mode import RecordMode

from tokentape_harness.errors import UnplayedRecordingError, UsageError
from tokentape_harness.recording.body_matcher import NAME, BodyMatcher, body
from tokentape_harness.recording.clock import Clock, SystemClock
from tokentape_harness.recording.patches import patched, replaced_patchers
from tokentape_harness.recording.persister import CassetteStore
from tokentape_harness.recording.recorder import Recorder
from tokentape_harness.recording.redactor import Redactor
from tokentape_harness.redaction import DEFAULT_RULES, RedactionRules, redacted_logs

DEFAULT_MATCH_ON = ("method", "scheme", "host", "port", "path", "query", NAME)
Function = TypeVar("Function", bound=Callable[..., Any])

_FILTERS = ("filter_headers", "filter_query_parameters", "filter_post_data_parameters")


class Options(msgspec.Struct, frozen=True):
    """What we add to the options of `vcr.use_cassette`.

    `speed` replays in recorded time, 2 twice as fast, `None` at once. `allow_truncated` ends a body where its
    recording was cut off. `all_played` fails at the end for recordings that were never asked for.
    """

    speed: float | None = None
    allow_truncated: bool = False
    all_played: bool = False
    rules: RedactionRules = DEFAULT_RULES
    clock: Clock = SystemClock()

    def __post_init__(self) -> None:
        if self.speed is not None and not self.speed > 0:
            raise UsageError(f"speed is {self.speed}: give a number above 0, or None to replay at once")


def use_cassette(
    path: str | os.PathLike[str],
    *,
    record_mode: str = "once",
    speed: float | None = None,
    match_on: Sequence[str] = DEFAULT_MATCH_ON,
    allow_truncated: bool = False,
    all_played: bool = False,
    rules: RedactionRules = DEFAULT_RULES,
    clock: Clock | None = None,
    **vcr_options: Any,
) -> StreamingCassette:
    """Record every request in a `with` or `async with` block, or replay it from the cassette; gives vcrpy's cassette.

    `record_mode` is vcrpy's: `once`, `new_episodes`, `none`, `all`. Other options are those of `vcr.use_cassette`
    (filters, hooks, ignored hosts). Entering raises `CassetteError` for a file that can't be read, leaving it as it
    is; a request that nothing answers raises `MismatchError`; leaving raises `CassetteWriteError`, and with
    `all_played` `UnplayedRecordingError`. Raises `UsageError` for an option that nobody knows.
    """
    options = Options(speed, allow_truncated, all_played, rules, clock or SystemClock())
    vcr = VCR()
    _check_options(vcr, vcr_options, record_mode, match_on)
    return StreamingCassette(vcr, path, {**vcr_options, "record_mode": record_mode, "match_on": match_on}, options)


def _check_options(vcr: VCR, given: Mapping[str, Any], record_mode: str, match_on: Sequence[str]) -> None:
    """vcrpy passes over what it does not know: a typing error would go unnoticed."""
    ours = Options.__struct_fields__
    known = {*ours, *inspect.signature(VCR).parameters, "allow_playback_repeats", "additional_matchers", "persister"}
    for name in given:
        if name not in known:
            near = difflib.get_close_matches(name, known, 1)
            raise UsageError(f"use_cassette has no option {name!r}" + (f": is it {near[0]!r}?" if near else ""))
    modes = [mode.value for mode in RecordMode]
    if record_mode not in modes:
        raise UsageError(f"record_mode is {record_mode!r}: give {', '.join(modes[:-1])} or {modes[-1]}")
    for name in match_on:
        if name not in (*vcr.matchers, NAME):
            raise UsageError(f"match_on has {name!r}, which is none of {', '.join((*vcr.matchers, NAME))}")


class StreamingCassette:
    """A context manager, sync and async, and a decorator: a cassette of this `VCR`, with our patches inside it."""

    def __init__(
        self,
        vcr: VCR,
        path: str | os.PathLike[str],
        vcr_options: dict[str, Any],
        options: Options,
        *,
        use: Callable[..., Any] | None = None,
        extra_paths: Sequence[str] = (),
    ) -> None:
        self._vcr = vcr
        self._use = use or vcr.use_cassette
        self._path = path
        self._vcr_options = vcr_options
        self._options = options
        self._extra_paths = extra_paths
        self.advice = "record_mode='new_episodes' adds it"
        """What to do about a request that nothing answers."""
        self.failed = False  # whether what used the cassette failed, for a caller that knows better than `__exit__`
        self._stack: ExitStack | None = None
        self._recorder: Recorder | None = None

    def __enter__(self) -> Cassette:
        if self._stack is not None:
            raise UsageError(f"{os.fspath(self._path)}: this cassette is open already: make another one")
        with ExitStack() as stack:
            stack.enter_context(_entered(os.fspath(self._path)))
            return self._open(stack)

    def _open(self, stack: ExitStack) -> Cassette:
        matcher, redactor = BodyMatcher(), Redactor(self._options.rules)
        skip = tuple(self._vcr_options.get("skip_patchers", self._vcr.skip_patchers))
        stack.enter_context(redacted_logs(self._options.rules))
        options = self._merged(matcher, redactor, skip)
        cassette = stack.enter_context(self._use(os.fspath(self._path), **options))
        redactor.watch(cassette)
        recorder = Recorder(
            cassette,
            redactor=redactor,
            clock=self._options.clock,
            speed=self._options.speed,
            allow_truncated=self._options.allow_truncated,
            body_matcher=matcher if NAME in options["match_on"] else None,
            advice=self.advice,
        )
        # The patches go first, then what is open is ended, and then vcrpy saves.
        stack.callback(recorder.seal)
        stack.enter_context(patched(recorder, skip))
        self._stack, self._recorder = stack.pop_all(), recorder
        return cassette

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        assert self._stack is not None
        assert self._recorder is not None
        stack, self._stack = self._stack, None
        cassette = self._recorder.cassette
        failed = self.failed or error is not None
        if failed:
            # A run that failed early has not used all that it would have: that drops nothing.
            cassette.drop_unused_requests = False
        stack.__exit__(kind, error, traceback)
        if self._options.all_played and not failed:
            _check_all_played(cassette)

    def __call__(self, function: Function) -> Function:
        """Decorate a function or a coroutine function: each call opens the cassette anew."""
        if inspect.iscoroutinefunction(function):

            @functools.wraps(function)
            async def call_async(*args: Any, **kwargs: Any) -> Any:
                with self._another():
                    return await function(*args, **kwargs)

            return cast("Function", call_async)

        @functools.wraps(function)
        def call(*args: Any, **kwargs: Any) -> Any:
            with self._another():
                return function(*args, **kwargs)

        return cast("Function", call)

    def _another(self) -> StreamingCassette:
        return StreamingCassette(
            self._vcr,
            self._path,
            self._vcr_options,
            self._options,
            use=self._use,
            extra_paths=self._extra_paths,
        )

    async def __aenter__(self) -> Cassette:
        return self.__enter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.__exit__(kind, error, traceback)

    @property
    def records(self) -> bool:
        """Whether it may record, and not only replay."""
        return RecordMode(self._vcr_options.get("record_mode", self._vcr.record_mode)) is not RecordMode.NONE

    @property
    def recorder(self) -> Recorder:
        """What answers and records while the cassette is open."""
        if self._recorder is None:
            raise UsageError(f"{os.fspath(self._path)}: this cassette is not open yet: enter it first")
        return self._recorder

    def _merged(self, matcher: BodyMatcher, redactor: Redactor, skip: tuple[str, ...]) -> dict[str, Any]:
        given = dict(self._vcr_options)
        vcr = self._vcr
        vcr.register_matcher(NAME, matcher)
        if vcr.matchers["body"] is matchers.body:
            vcr.register_matcher("body", body)
        match_on = tuple(given.pop("match_on", vcr.match_on))
        hooks = given.pop("before_record_request", given.pop("before_record", vcr.before_record_request)) or ()
        hooks = (hooks,) if callable(hooks) else tuple(hooks)
        if given.get("persister", vcr.persister) is FilesystemPersister:
            given["persister"] = CassetteStore(redactor, self._extra_paths)
        for name in _FILTERS:
            filters = given.get(name, getattr(vcr, name)) or ()
            given[name] = [redactor.keeping(entry) for entry in filters]
        return {
            **given,
            "match_on": match_on,
            "before_record_request": (*hooks, redactor.request),
            "skip_patchers": (*skip, *(name for name in replaced_patchers() if name not in skip)),
        }


_OPEN: list[tuple[int, str]] = []  # by whom, and what
_OPENING = threading.Lock()


@contextmanager
def _entered(path: str) -> Iterator[None]:
    """Keep other threads from opening a cassette meanwhile: of threads that end in another order requests are lost.

    The clients are patched for the whole process, and what one thread puts back is what another one still needs.
    """
    mine = threading.get_ident(), path
    with _OPENING:
        other = next((name for thread, name in _OPEN if thread != mine[0]), None)
        if other is not None:
            raise UsageError(
                f"{path}: another thread has {other} open, and requests of all threads go to one cassette: "
                "open it once, around the threads"
            )
        _OPEN.append(mine)
    try:
        yield
    finally:
        with _OPENING:
            _OPEN.remove(mine)


def _check_all_played(cassette: Cassette) -> None:
    recorded_now = {id(response) for response in cassette.responses if not cassette.rewound}
    unplayed = [
        f"interaction {number} ({request.method} {request.uri})"
        for number, (request, response) in enumerate(zip(cassette.requests, cassette.responses, strict=True))
        if not cassette.play_counts[number] and id(response) not in recorded_now
    ]
    if unplayed:
        raise UnplayedRecordingError(
            f"{cassette.path}: not asked for: {', '.join(unplayed)} (delete them, or record the cassette again)"
        )
