"""Fake provider: one session of the server, as a test sees it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, overload

from tokentape_fake_provider.clock import ControlledClock
from tokentape_fake_provider.faults import Fault, Faults, as_fault, as_faults
from tokentape_fake_provider.hosting.provider import Provider
from tokentape_fake_provider.playback.journal import Entry, Journal
from tokentape_fake_provider.playback.stepped_stream import SteppedStream
from tokentape_fake_provider.script.model import Error, FinishReason, Item, Script, Usage
from tokentape_fake_provider.sessions.rule import Rule
from tokentape_fake_provider.sessions.session import Session
from tokentape_fake_provider.tape import Tape
from tokentape_fake_provider.timing import Profile, Recorded, Timing, parse_timing
from tokentape_fake_provider.wires.openai_dialects import DialectName
from tokentape_harness.cassettes.reader import read_cassette
from tokentape_harness.errors import CassetteNotFoundError, UsageError
from tokentape_harness.testing.client_assertions import ClientBehaviour
from tokentape_harness.testing.recordings import SUFFIXES, find_cassettes, load_recordings, recordings_as

if TYPE_CHECKING:
    import httpx2


class FakeProvider:
    """A session of its own on a fake provider: what the fixtures `fake_provider`, `fake_provider_in_process` give.

    `folders` are where relative cassette paths are looked up, in this order.
    """

    def __init__(self, server: Provider, session: Session, folders: Sequence[Path] = ()) -> None:
        self.server = server
        self.session = session
        self._folders = tuple(folders)

    @property
    def url(self) -> str:
        """The URL that the session's requests begin with."""
        return f"{self.server.url}/s/{self.session.id}"

    def base_url(self, wire: str = "openai_chat") -> str:
        """The base URL for an SDK of this wire format. Raises `UnknownWireError`."""
        return self.server.base_url(wire, self.session.id)

    def script(
        self,
        *said: str | Item | Script | Tape,
        finish_reason: FinishReason | None = None,
        usage: Usage | None = None,
        error: Error | None = None,
        model: str | None = None,
        faults: Faults | Fault | str | None = None,
    ) -> Script | Tape:
        """Queue one response: it answers the next request that nothing queued before it answers.

        `said` is text and other items that make up the response, or one whole `Script` or `Tape`. `faults` happen
        to it: `script("Hello", faults="overload@times=2")` is refused twice and then says it. Raises `UsageError`,
        `FaultError`.
        """
        options = {"finish_reason": finish_reason, "usage": usage, "error": error, "model": model, "faults": faults}
        made = _script(said, options)
        self.session.push(made)
        return made

    def rule(
        self,
        *said: str | Item | Script,
        wire: str | None = None,
        model: str | None = None,
        path: str | None = None,
        contains: str | None = None,
        matches: str | None = None,
        stream: bool | None = None,
        times: int | None = None,
        finish_reason: FinishReason | None = None,
        usage: Usage | None = None,
        error: Error | None = None,
        faults: Faults | Fault | str = (),
    ) -> Rule:
        """Answer every request that all conditions hold for (they are those of `Rule`).

        `said` and the options after the conditions are as in `script`; with `faults` alone it answers nothing, and
        they happen to whatever does. Raises `UsageError`, `FaultError`, or `ValueError` for a bad pattern.
        """
        options = {"finish_reason": finish_reason, "usage": usage, "error": error}
        scripts: tuple[Script, ...] = ()
        if said or not faults or any(value is not None for value in options.values()):
            made = _script(said, options)
            if isinstance(made, Tape):
                raise UsageError("rule: a rule answers with scripts; queue a tape with script()")
            scripts = (made,)
        rule = Rule(
            scripts,
            wire=wire,
            model=model,
            path=path,
            contains=contains,
            matches=matches,
            stream=stream,
            times=times,
            faults=as_faults(faults),
        )
        self.session.add_rule(rule)
        return rule

    def fault(self, fault: Fault | str, **parameters: Any) -> Fault:
        """Let a fault happen to all responses from now on, beside those set before; docs/faults.md lists them.

        It is a value, a specification (`fin@frame=5`) or a name with parameters as they are called in the struct:
        `fault("http_error", status=429, times=2)`. Raises `FaultError`.
        """
        made = as_fault(fault, **parameters)
        self.session.add_faults(made)
        return made

    def cassette(self, path: str | Path, *, speed: float | None = None, wire: str | None = None) -> int:
        """Load a cassette, or all in a folder, and return how many recordings it has.

        A relative path is looked up beside the test file, in `cassettes` there, and in the root folder. They
        replay at once; `speed` 1 keeps the recorded times of the whole session, 2 is twice as fast. `wire` plays
        what was recorded from other providers in this wire format, to any request with the same messages. Raises
        `CassetteError`, `UnknownWireError`.
        """
        files = find_cassettes([self._find(Path(path))])
        if wire is None:
            recordings = [recording for file in files for recording in load_recordings(file)]
        else:
            recordings = [recording for file in files for recording in recordings_as(read_cassette(file), wire)[0]]
        if speed is not None:
            self.timing(Recorded(speed))
        return self.session.add_recordings(recordings)

    def timing(self, timing: Timing | str) -> Timing:
        """Set when frames leave from now on, e.g. `synthetic:ttft=300ms,tps=50`. Raises `TimingError`.

        `profile:FILE` is looked up as a cassette is.
        """
        made = parse_timing(timing, read_profile=self._profile) if isinstance(timing, str) else timing
        self.session.configure(timing=made)
        return made

    def dialect(self, name: DialectName | None) -> None:
        """Answer `openai_chat` as this provider does: `azure`, `groq`, `mistral`, `openrouter`, `deepseek`, `xai`.

        `openai` is OpenAI's own; with `None` the path and the model decide. Raises `UnknownDialectError`.
        """
        self.session.configure(dialect=name)

    dress = dialect

    def strict(self, on: bool = True) -> None:
        """Refuse a request that nothing answers, instead of making text up."""
        self.session.configure(strict=on)

    def set_up(self, cassette: str | Path | None = None, *, speed: float | None = None, **settings: Any) -> None:
        """Load a cassette and change settings of the session, by their names in `SessionSettings`.

        This is what the marker `fake_provider` takes. Raises `UsageError`, `CassetteError` and `TimingError`.
        """
        known = type(self.session.settings).__struct_fields__
        unknown = settings.keys() - set(known)
        if unknown:
            names = ", ".join(("cassette", "speed", *known))
            raise UsageError(f"no setting {', '.join(sorted(unknown))}: the known ones are {names}")
        timing = settings.pop("timing", None)
        self.session.configure(**settings)
        if timing is not None:
            self.timing(timing)
        if speed is not None:
            self.timing(Recorded(speed))
        if cassette is not None:
            self.cassette(cassette)

    def next_stream(self, timeout: float = 10.0) -> SteppedStream:
        """The next stream that nobody has taken yet, in the order of the requests.

        With the timing `stepped` it waits at each frame for `step`; with any other but `instant` it goes by itself
        until it is held. Waits at most `timeout` s for a request. Raises `StepTimeoutError`.
        """
        return self.session.streams.next(timeout)

    async def anext_stream(self, timeout: float = 10.0) -> SteppedStream:  # noqa: ASYNC109
        """`next_stream` for coroutines."""
        return await self.session.streams.anext(timeout)

    @property
    def clock(self) -> ControlledClock:
        """The session's own clock, to advance. Raises `UsageError` where it keeps the server's time."""
        clock = self.session.clock
        if clock is None:
            raise UsageError(
                "this session keeps the server's time: give it a clock of its own with "
                "@pytest.mark.fake_provider(clock='controlled') or session.configure(clock='controlled')"
            )
        return clock

    @overload
    def transport(self) -> httpx2.BaseTransport: ...
    @overload
    def transport(self, package: ModuleType) -> Any: ...
    def transport(self, package: ModuleType | None = None) -> Any:
        """A transport for a sync client of httpx2, or of `package` (httpx), that needs no socket and no thread.

        `openai.OpenAI(base_url=..., http_client=httpx2.Client(transport=fake_provider.transport()))`.
        """
        return self.server.transport() if package is None else self.server.transport(package)

    @overload
    def async_transport(self) -> httpx2.AsyncBaseTransport: ...
    @overload
    def async_transport(self, package: ModuleType) -> Any: ...
    def async_transport(self, package: ModuleType | None = None) -> Any:
        """The same for an async client; the provider then runs in the client's event loop."""
        return self.server.async_transport() if package is None else self.server.async_transport(package)

    @property
    def streams(self) -> Sequence[SteppedStream]:
        """The streams that are not over, taken or not."""
        return self.session.streams.open

    @property
    def journal(self) -> Journal:
        """What was asked and what was sent when."""
        return self.session.journal

    @property
    def requests(self) -> Sequence[Entry]:
        """The requests so far, oldest first.

        What was sent when (`frames`, `outcome`) is whole a moment after the client has its last byte:
        `journal.wait()`, or `await journal.wait_async()`, gives the same once every response has ended.
        """
        return self.session.journal.entries

    @property
    def client(self) -> ClientBehaviour:
        """What the client did, as assertions: `client.assert_retried(2)`, `assert_no_duplicates()`, `assert_left(...)`.

        Each waits until the requests that it judges are over, for a limited time.
        """
        return ClientBehaviour(self.session.journal)

    def assert_all_played(self) -> None:
        """Raise `AssertionError` that names what was queued or loaded and never asked for."""
        unplayed = self.session.unplayed
        if not unplayed.empty:
            raise AssertionError(f"the fake provider was not asked for all: {unplayed}")

    def _profile(self, name: str) -> Profile:
        from tokentape_harness.profiles import read_profile

        places = [folder / name for folder in self._folders]
        return read_profile(next((place for place in places if place.exists()), Path(name)))

    def _find(self, path: Path) -> Path:
        if path.is_absolute():
            places = [path]
        else:
            places = [folder / path for folder in self._folders] or [path]
        for place in places:
            if place.exists():
                return place
            for suffix in SUFFIXES:
                named = place.with_name(place.name + suffix)
                if named.exists():
                    return named
        looked = ", ".join(dict.fromkeys(str(place.parent) for place in places))
        raise CassetteNotFoundError(f"no such cassette in {looked}: check the name", path=path)


def _script(said: Sequence[str | Item | Script | Tape], options: dict[str, Any]) -> Script | Tape:
    given = {name: value for name, value in options.items() if value is not None}
    whole = [item for item in said if isinstance(item, Script | Tape)]
    if whole and (len(said) > 1 or given):
        raise UsageError("a whole Script or Tape stands alone: give it by itself, or give items with their options")
    if whole:
        return whole[0]
    items: list[str | Item] = []
    for item in said:
        if not isinstance(item, str | Item):
            raise UsageError(f"{item!r} is not text, an item of a script, a Script or a Tape")
        items.append(item)
    return Script.of(*items, **given)
