"""Fake provider: one session of the server, as tests use it."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, overload

from tokentape_fake_provider.faults import Fault, Faults, as_fault, as_faults
from tokentape_fake_provider.hosting.provider import Provider
from tokentape_fake_provider.playback.journal import Entry, Journal
from tokentape_fake_provider.playback.stepped_stream import SteppedStream
from tokentape_fake_provider.script.model import Error, FinishReason, Item, Script, Usage
from tokentape_fake_provider.sessions.condition import Condition
from tokentape_fake_provider.sessions.queue_item import queue_items
from tokentape_fake_provider.sessions.rule import Rule
from tokentape_fake_provider.sessions.rules_file import RulesFile
from tokentape_fake_provider.sessions.session import DEFAULT_SESSION, Session
from tokentape_fake_provider.tape import Tape
from tokentape_fake_provider.timing import Profile, Recorded, Timing, parse_timing
from tokentape_fake_provider.timing.clock import ControlledClock
from tokentape_fake_provider.wires.openai_dialects import DialectName
from tokentape_harness.cassettes.files import find_cassettes, locate_cassette
from tokentape_harness.cassettes.reader import read_cassette
from tokentape_harness.errors import ScriptWarning, UsageError
from tokentape_harness.served_files.rules_files import load_rules
from tokentape_harness.testing.client_assertions import ClientBehaviour
from tokentape_harness.testing.conversation import Step, checked_scripts
from tokentape_harness.testing.expectations import Expectations, ExpectedRequest
from tokentape_harness.testing.project_settings import project_settings
from tokentape_harness.testing.recordings import load_recordings, recordings_as
from tokentape_harness.testing.remote import RemoteSession

if TYPE_CHECKING:
    import httpx2


class FakeProvider:
    """A separate session of a fake provider: the fixtures `fake_provider` and `fake_provider_in_process` return it.

    `folders` are where relative cassette paths are looked up, in this order.
    """

    def __init__(self, server: Provider, session: Session, folders: Sequence[Path] = ()) -> None:
        self.server = server
        self.session = session
        self._folders = tuple(folders)
        self._reported: set[str] = set()
        self._expected = Expectations(session)

    @property
    def url(self) -> str:
        """The URL at which the session's requests begin."""
        return f"{self.server.url}/s/{self.session.id}"

    def base_url(self, wire: str = "openai_chat") -> str:
        """The base URL for an SDK of this wire format. Raises `UnknownWireError`."""
        return self.server.base_url(wire, self.session.id)

    def script(
        self,
        *content: str | Item | Script | Tape,
        finish_reason: FinishReason | None = None,
        usage: Usage | None = None,
        error: Error | None = None,
        model: str | None = None,
        faults: Faults | Fault | str | None = None,
    ) -> Script | Tape:
        """Queue one response, for the next request after those that the queue already answers.

        `content` is the text and other items of the response, or one whole `Script` or `Tape`. `faults` are injected
        into it: `script("Hello", faults="overload@times=2")` refuses two requests, then sends the text. Raises
        `UsageError`, `FaultError`.
        """
        options = {"finish_reason": finish_reason, "usage": usage, "error": error, "model": model, "faults": faults}
        response = _script(content, options)
        self.session.push(response)
        return response

    def conversation(self, *steps: Step) -> None:
        """Queue the model's side of a conversation: each step answers one request.

        A request after tool calls must hold their results:

        `conversation(call("get_weather", city="Paris").returns("18 C"), "It is 18 C in Paris.")`

        If it does not, it gets an error that states the difference, as does `assert_all_played` and the end of the
        test. A list is a response of several items, such as parallel calls. Raises `UsageError`.
        """
        for script, check in checked_scripts(steps):
            self.session.push(script, check=check)

    def rule(
        self,
        *content: str | Item | Script,
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
        """Answer every request that meets all conditions; they are those of `Rule`.

        `content` and the options after the conditions are as in `script`. With `faults` alone the rule answers
        nothing, but injects them into the response. Raises `UsageError`, `FaultError`, or `ValueError` for a bad
        pattern.
        """
        options = {"finish_reason": finish_reason, "usage": usage, "error": error}
        scripts: tuple[Script, ...] = ()
        if content or not faults or any(value is not None for value in options.values()):
            response = _script(content, options)
            if isinstance(response, Tape):
                raise UsageError("rule: a rule answers with scripts; queue a tape with script()")
            scripts = (response,)
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

    def expect_request(self, *, ordered: bool = False, times: int = 1, **conditions: Any) -> ExpectedRequest:
        """Expect a request that meets these conditions, which are those of `Condition`, and answer it:

        `expect_request(last_user="weather").respond_with("Sunny.")`

        Expected requests may come in any order, each `times` times; with `ordered` they must come one after the other.
        The session becomes strict: any other request gets an error that lists what is expected, and the end of the test
        raises it, as it does for what never came. Raises `UsageError` for wrong conditions.
        """
        if times < 1:
            raise UsageError(f"expect_request: times is {times}: it must be 1 or more")
        try:
            condition = Condition(**conditions)
        except (TypeError, ValueError) as error:
            raise UsageError(f"expect_request: {error}") from None
        return ExpectedRequest(lambda script: self._expected.add(condition, script, times, ordered=ordered), _script)

    def fault(self, fault: Fault | str, **parameters: Any) -> Fault:
        """Inject a fault into all responses from now on, in addition to earlier ones; docs/faults.md lists them.

        It is a value, a specification (`fin@frame=5`) or a name with the parameters of its struct:
        `fault("http_error", status=429, times=2)`. Raises `FaultError`.
        """
        added = as_fault(fault, **parameters)
        self.session.add_faults(added)
        return added

    def cassette(self, path: str | Path, *, speed: float | None = None, wire: str | None = None) -> int:
        """Load a cassette, or all cassettes of a folder, and return the number of recordings.

        A relative path is looked up beside the test file, in `cassettes` there, and in the root folder. Recordings
        are replayed at once; `speed` 1 replays all of the session's recordings in recorded time, 2 twice as fast.
        `wire` converts the recordings of other providers to this wire format, and matches requests by their messages.
        Raises `CassetteError`, `UnknownWireError`.
        """
        files = find_cassettes([locate_cassette(Path(path), self._folders)])
        if speed is not None:
            self.timing(Recorded(speed))
        if wire is None and isinstance(self.session, RemoteSession):
            return self.session.add_cassettes(files)
        if wire is None:
            recordings = [recording for file in files for recording in load_recordings(file)]
        else:
            recordings = [recording for file in files for recording in recordings_as(read_cassette(file), wire)[0]]
        return self.session.add_recordings(recordings)

    def load(self, path: str | Path, session: str = DEFAULT_SESSION) -> RulesFile:
        """Set up what a rules file has: settings, rules, queue and cassettes of its default session, or of another.

        They are added to what is there; a setting replaces the one before. A relative path is looked up like that of a
        cassette. Returns the content of the file. Raises `RulesFileError`, `UsageError`, `CassetteError`.
        """
        places = [folder / path for folder in self._folders] or [Path(path)]
        found = next((place for place in places if place.is_file()), None)
        if found is None:
            searched = ", ".join(dict.fromkeys(str(place.parent) for place in places))
            raise UsageError(f"{path}: no such rules file in {searched}: check the name")
        file = load_rules(found)
        if session not in file.setups:
            raise UsageError(f"{found} has no session {session!r}: it has {', '.join(file.setups)}")
        setup = file.setups[session]
        if session != DEFAULT_SESSION:
            self.session.configure(**file.rules.settings.changes)
        self.session.configure(**setup.settings.changes)
        for rule in setup.rules:
            self.session.add_rule(rule)
        self.session.push(*queue_items(setup.queue))
        for _, cassette in file.cassettes[session]:
            self.cassette(cassette)
        return file.rules

    def timing(self, timing: Timing | str) -> Timing:
        """Set the timing of all streams from now on, e.g. `synthetic:ttft=300ms,tps=50`. Raises `TimingError`.

        The file of `profile:FILE` is looked up like a cassette.
        """
        parsed = parse_timing(timing, read_profile=self._profile) if isinstance(timing, str) else timing
        self.session.configure(timing=parsed)
        return parsed

    def dialect(self, name: DialectName | None) -> None:
        """Send `openai_chat` in this dialect: `azure`, `groq`, `mistral`, `openrouter`, `deepseek`, `xai` or `openai`.

        `None` chooses it by the path and the model of the request. Raises `UnknownDialectError`.
        """
        self.session.configure(dialect=name)

    dress = dialect

    def strict(self, on: bool = True) -> None:
        """Refuse a request that nothing answers, instead of generating text."""
        self.session.configure(strict=on)

    def set_up(
        self,
        cassette: str | Path | None = None,
        *,
        rules: str | Path | None = None,
        speed: float | None = None,
        **settings: Any,
    ) -> None:
        """Load a cassette and a rules file, and change settings of the session, by their names in `SessionSettings`.

        The marker `fake_provider` takes the same arguments. Settings win over those of the file. Raises `UsageError`,
        `CassetteError`, `RulesFileError` and `TimingError`.
        """
        known = type(self.session.settings).__struct_fields__
        unknown = settings.keys() - set(known)
        if unknown:
            names = ", ".join(("cassette", "rules", "speed", *known))
            raise UsageError(f"no setting {', '.join(sorted(unknown))}: the known ones are {names}")
        if rules is not None:
            self.load(rules)
        timing = settings.pop("timing", None)
        self.session.configure(**settings)
        if timing is not None:
            self.timing(timing)
        if speed is not None:
            self.timing(Recorded(speed))
        if cassette is not None:
            self.cassette(cassette)

    def next_stream(self, timeout: float = 10.0) -> SteppedStream:
        """The next stream that was not returned yet, in the order of the requests.

        With the timing `stepped` it waits at each frame for `step`; with other timings, except `instant`, it is sent
        until it is held. Waits at most `timeout` s for a request. Raises `StepTimeoutError`.
        """
        return self.session.streams.next(timeout)

    async def anext_stream(self, timeout: float = 10.0) -> SteppedStream:  # noqa: ASYNC109
        """`next_stream` for coroutines."""
        return await self.session.streams.anext(timeout)

    @property
    def clock(self) -> ControlledClock:
        """The session's own clock, which a test can advance. Raises `UsageError` if it has the server's time."""
        clock = self.session.clock
        if clock is None:
            raise UsageError(
                "this session has the server's time: give it a clock of its own with "
                "@pytest.mark.fake_provider(clock='controlled') or session.configure(clock='controlled')"
            )
        return clock

    @overload
    def transport(self) -> httpx2.BaseTransport: ...
    @overload
    def transport(self, package: ModuleType) -> Any: ...
    def transport(self, package: ModuleType | None = None) -> Any:
        """A transport without socket or thread, for a sync client of httpx2, or of `package` (httpx).

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
        """The streams that have not ended, whether `next_stream` has returned them or not."""
        return self.session.streams.open

    @property
    def journal(self) -> Journal:
        """The requests, and what was sent when."""
        return self.session.journal

    @property
    def requests(self) -> Sequence[Entry]:
        """The requests so far, oldest first.

        `frames` and `outcome` are complete a moment after the client has received the last byte: `journal.wait()`,
        or `await journal.wait_async()`, returns the same requests once every response has ended.
        """
        return self.session.journal.entries

    @property
    def client(self) -> ClientBehaviour:
        """Assertions about the client: `client.assert_resilient()`, `assert_retried(2)`, `assert_left(...)`.

        Each waits, for a limited time, until the requests that it judges have ended.
        """
        folder = self._folders[0] if self._folders else Path.cwd()
        return ClientBehaviour(self.session.journal, project_settings(folder).report, self._now_ms)

    def _now_ms(self) -> float:
        return self.server.now_ms(self.session)

    def assert_all_played(self) -> None:
        """Raise an `AssertionError` that names the queued and loaded responses that were never requested.

        If a request was not what a `conversation` or `expect_request` expects, the error states that first.
        """
        self._raise_problems()
        unplayed = self.session.unplayed
        if not unplayed.empty:
            raise AssertionError(f"some responses of the fake provider were never requested: {unplayed}")

    def finish(self) -> None:
        """End a test: give the warnings about scripts, and raise what `assert_all_played` has not raised yet."""
        for message in self.session.warnings:
            warnings.warn(message, ScriptWarning, stacklevel=2)
        self._raise_problems()

    def _raise_problems(self) -> None:
        """Raise an `AssertionError` if requests were not what was expected, or never came, once for each."""
        problems = (*self.session.problems, *self._expected.problems)
        new = [problem for problem in problems if problem not in self._reported]
        self._reported.update(new)
        if new:
            raise AssertionError("\n".join(new))

    def _profile(self, name: str) -> Profile:
        from tokentape_harness.profiles import read_profile

        places = [folder / name for folder in self._folders]
        return read_profile(next((place for place in places if place.exists()), Path(name)))


def _script(content: Sequence[str | Item | Script | Tape], options: dict[str, Any]) -> Script | Tape:
    given = {name: value for name, value in options.items() if value is not None}
    whole = [item for item in content if isinstance(item, Script | Tape)]
    if whole and (len(content) > 1 or given):
        raise UsageError("a whole Script or Tape takes no items or options: give it alone, or give items with options")
    if whole:
        return whole[0]
    items: list[str | Item] = []
    for item in content:
        if not isinstance(item, str | Item):
            raise UsageError(f"{item!r} is not text, an item of a script, a Script or a Tape")
        items.append(item)
    return Script.of(*items, **given)
