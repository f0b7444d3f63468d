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

from tokentape_fake_provider.sessions.matching.machine import this_machine
from tokentape_fake_provider.sessions.matching.normaliser import Normaliser
from tokentape_harness.cassettes.age import parse_age
from tokentape_harness.errors import UnplayedRecordingError, UsageError
from tokentape_harness.recording.body_matcher import NAME, BodyMatcher, body
from tokentape_harness.recording.clock import RecordingClock, SystemClock
from tokentape_harness.recording.patches import patched, skipped_patchers
from tokentape_harness.recording.path_matcher import NAME as PATH
from tokentape_harness.recording.path_matcher import llm_path
from tokentape_harness.recording.persister import CassettePersister
from tokentape_harness.recording.recorder import Recorder
from tokentape_harness.recording.redactor import Redactor
from tokentape_harness.recording.search import search_by_first_difference
from tokentape_harness.redaction import DEFAULT_RULES, RedactionRules, redacted_logs
from tokentape_harness.testing.project_settings import Normalise, project_ignored_parts

DEFAULT_MATCH_ON = ("method", "scheme", "host", "port", "path", "query", NAME)
Function = TypeVar("Function", bound=Callable[..., Any])

_FILTERS = ("filter_headers", "filter_query_parameters", "filter_post_data_parameters")


class Options(msgspec.Struct, frozen=True):
    """The options that tokentape adds to those of `vcr.use_cassette`.

    `speed` replays in recorded time, 2 twice as fast, `None` at once. `allow_truncated` ends a body where its
    recording was cut off. `all_played` fails at the end for recordings that no request replayed. `expires` is the age,
    such as `30d`, from which on a new recording is to be recorded again. `normalise`, `ignore_path` and `ignore_text`
    say what is ignored where no recording is exactly the same; the project's settings are the default.
    """

    speed: float | None = None
    allow_truncated: bool = False
    all_played: bool = False
    rules: RedactionRules = DEFAULT_RULES
    clock: RecordingClock = SystemClock()
    expires: str | None = None
    normalise: Normalise = None
    ignore_path: str | Sequence[str] = ()
    ignore_text: str | Sequence[str] = ()

    def normaliser(self) -> Normaliser:
        """What compares requests with recordings. Raises `UsageError`."""
        settings = project_ignored_parts(self.normalise, self.ignore_path, self.ignore_text)
        return Normaliser(settings, this_machine())

    def __post_init__(self) -> None:
        if self.speed is not None and not self.speed > 0:
            raise UsageError(f"speed is {self.speed}: give a number above 0, or None to replay at once")
        if self.expires is not None:
            parse_age(self.expires)


def use_cassette(
    path: str | os.PathLike[str],
    *,
    record_mode: str = "once",
    speed: float | None = None,
    match_on: Sequence[str] = DEFAULT_MATCH_ON,
    allow_truncated: bool = False,
    all_played: bool = False,
    rules: RedactionRules = DEFAULT_RULES,
    clock: RecordingClock | None = None,
    expires: str | None = None,
    normalise: Normalise = None,
    ignore_path: str | Sequence[str] = (),
    ignore_text: str | Sequence[str] = (),
    **vcr_options: Any,
) -> StreamingCassette:
    """Record every request in a `with` or `async with` block, or replay it; the block's target is vcrpy's cassette.

    `record_mode` is vcrpy's: `once`, `new_episodes`, `none`, `all`. Other options are those of `vcr.use_cassette`
    (filters, hooks, ignored hosts). `normalise` is false, or switches classes of volatile text off
    (`{"dates": False}`); `ignore_path` and `ignore_text` ignore more (see docs/recording.md). Raises `UsageError` for
    an unknown option. Entering raises `CassetteError` for a file that can't be read, which is not changed. A request
    without a recording raises `MismatchError`. Leaving raises `CassetteWriteError`, and with `all_played`
    `UnplayedRecordingError`.
    """
    options = Options(
        speed, allow_truncated, all_played, rules, clock or SystemClock(), expires, normalise, ignore_path, ignore_text
    )
    vcr = VCR()
    _check_options(vcr, vcr_options, record_mode, match_on)
    return StreamingCassette(vcr, path, {**vcr_options, "record_mode": record_mode, "match_on": match_on}, options)


def _check_options(vcr: VCR, options: Mapping[str, Any], record_mode: str, match_on: Sequence[str]) -> None:
    """Raise `UsageError` for an unknown option, which vcrpy would ignore."""
    ours = Options.__struct_fields__
    known = {*ours, *inspect.signature(VCR).parameters, "allow_playback_repeats", "additional_matchers", "persister"}
    for name in options:
        if name not in known:
            near = difflib.get_close_matches(name, known, 1) or [one for one in sorted(known) if name in one]
            raise UsageError(f"use_cassette has no option {name!r}" + (f": is it {near[0]!r}?" if near else ""))
    modes = [mode.value for mode in RecordMode]
    if record_mode not in modes:
        raise UsageError(f"record_mode is {record_mode!r}: give {', '.join(modes[:-1])} or {modes[-1]}")
    for name in match_on:
        if name not in (*vcr.matchers, NAME, PATH):
            raise UsageError(f"match_on has {name!r}, which is not one of {', '.join((*vcr.matchers, NAME, PATH))}")


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
        """What to do about a request without a recording."""
        self.failed = False  # set by a caller, such as pytest, whose failure `__exit__` does not see
        self._stack: ExitStack | None = None
        self._recorder: Recorder | None = None

    def __enter__(self) -> Cassette:
        if self._stack is not None:
            raise UsageError(f"{os.fspath(self._path)}: this cassette is open already: create another one")
        with ExitStack() as stack:
            stack.enter_context(_entered(os.fspath(self._path)))
            return self._open(stack)

    def _open(self, stack: ExitStack) -> Cassette:
        matcher, redactor = BodyMatcher(self._options.normaliser()), Redactor(self._options.rules)
        skip = tuple(self._vcr_options.get("skip_patchers", self._vcr.skip_patchers))
        stack.enter_context(redacted_logs(self._options.rules))
        options = self._merged(matcher, redactor, skip)
        cassette = stack.enter_context(self._use(os.fspath(self._path), **options))
        redactor.watch(cassette)
        search_by_first_difference(cassette, matcher, matcher.key)
        recorder = Recorder(
            cassette,
            redactor=redactor,
            clock=self._options.clock,
            speed=self._options.speed,
            allow_truncated=self._options.allow_truncated,
            body_matcher=matcher,
            matches_bodies=NAME in options["match_on"],
            lifetime=None if self._options.expires is None else parse_age(self._options.expires),
            advice=self.advice,
        )
        # On leaving, the patches are removed, open recordings end, and vcrpy saves: in this order.
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
            # A run that failed early may not have used every recording: keep them all.
            cassette.drop_unused_requests = False
        stack.__exit__(kind, error, traceback)
        if self._options.all_played and not failed:
            _check_all_played(cassette)

    def __call__(self, function: Function) -> Function:
        """Decorate a function or a coroutine function: each call opens the cassette again."""
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
        """The recorder of the open cassette."""
        if self._recorder is None:
            raise UsageError(f"{os.fspath(self._path)}: this cassette is not open yet: enter it first")
        return self._recorder

    def _merged(self, matcher: BodyMatcher, redactor: Redactor, skip: tuple[str, ...]) -> dict[str, Any]:
        options = dict(self._vcr_options)
        vcr = self._vcr
        vcr.register_matcher(NAME, matcher)
        vcr.register_matcher(PATH, llm_path)
        if vcr.matchers["body"] is matchers.body:
            vcr.register_matcher("body", body)
        match_on = tuple(options.pop("match_on", vcr.match_on))
        hooks = options.pop("before_record_request", options.pop("before_record", vcr.before_record_request)) or ()
        hooks = (hooks,) if callable(hooks) else tuple(hooks)
        if options.get("persister", vcr.persister) is FilesystemPersister:
            options["persister"] = CassettePersister(redactor, self._extra_paths)
        for name in _FILTERS:
            filters = options.get(name, getattr(vcr, name)) or ()
            options[name] = [redactor.keeping(entry) for entry in filters]
        return {
            **options,
            "match_on": match_on,
            "before_record_request": (*hooks, redactor.request),
            "skip_patchers": skipped_patchers(skip),
        }


_OPEN: list[tuple[int, str]] = []  # thread and path
_OPENING = threading.Lock()


@contextmanager
def _entered(path: str) -> Iterator[None]:
    """Raise `UsageError` if another thread has a cassette open.

    The clients are patched for the whole process: a thread that leaves first would remove patches of the other one.
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
            f"{cassette.path}: not replayed: {', '.join(unplayed)} (delete them, or record the cassette again)"
        )
