"""Catalog: what answers a request.

In this order: the session's queue, its rules, its recordings, then synthetic text, or in a strict session an
error that names the nearest recording and what differs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple, TypeAlias

import msgspec

from tokentape_fake_provider.answers.synthetic import synthetic_script
from tokentape_fake_provider.encoding.encode import conditions_of, encode, tape_of_reply
from tokentape_fake_provider.errors import BadRequestError, FaultNotApplicableError, ScriptError
from tokentape_fake_provider.fault_injection.active_faults import ActiveFault, ConfiguredFaults
from tokentape_fake_provider.fault_injection.apply import apply_fault
from tokentape_fake_provider.fault_injection.fault_context import output_tokens
from tokentape_fake_provider.fault_injection.quota import QuotaCounter, QuotaExceeded
from tokentape_fake_provider.faults.fault import HttpError, Overload
from tokentape_fake_provider.faults.specification import format_fault
from tokentape_fake_provider.playback.journal import AnsweredBy
from tokentape_fake_provider.script.model import Error, Script, ToolCall, Usage
from tokentape_fake_provider.script.usage import count_input, resolve_usage
from tokentape_fake_provider.sessions.recording_store import Endpoint, Miss
from tokentape_fake_provider.sessions.session import Session, Taken
from tokentape_fake_provider.tape import Tape
from tokentape_fake_provider.timing import Instant, Stepped, Timing, retime
from tokentape_fake_provider.wires import WIRES, wire_named
from tokentape_fake_provider.wires.openai_dialects import dressed_for
from tokentape_fake_provider.wires.request_reading import json_type, texts_in
from tokentape_fake_provider.wires.wire import Ask, Wire

# 404 is what no official SDK retries; those of OpenAI and Anthropic also obey `x-should-retry`.
NO_ANSWER_STATUS = 404
NO_RETRY = (("x-should-retry", "false"),)

Headers: TypeAlias = tuple[tuple[str, str], ...]


class Request(NamedTuple):
    """A request below the session prefix.

    `body` is its JSON value, or its bytes where it is not JSON; `problem` then says why not. `created` is the
    unix time in s that the answer names, `now` the time in ms of the session's clock. `speaks` is the wire format that
    the client understands where none owns the path. With `listed` neither queue nor rules answer, as lists of models
    are asked for by clients unasked.
    """

    method: str
    path: str
    body: Any
    wire: Wire | None
    created: int = 0
    problem: str = ""
    query: str = ""
    headers: Sequence[tuple[bytes, bytes]] = ()
    now: float = 0.0
    speaks: Wire | None = None
    listed: bool = False


class Answer(NamedTuple):
    """What goes out; with `instant` the tape's times do not count, with `steps` it waits for the test's.

    `note` says why nothing better did, `faults` are those that happened to it.
    """

    tape: Tape
    by: AnsweredBy
    source: str = ""
    instant: bool = False
    note: str = ""
    steps: Stepped | None = None
    faults: tuple[str, ...] = ()


class Plan(NamedTuple):
    """What answers a request, taken from the session already; `finish` encodes it, from any thread.

    `finish` returns `None` if no wire format owns the path and no recording has it. `size` is how many characters are
    to be encoded.
    """

    finish: Callable[[], Answer | None]
    size: int = 0


def plan_answer(session: Session, request: Request) -> Plan:
    """Take what answers, in the order of the requests."""
    found = _Finding(session, request)
    made = found.answer()
    if made is None or isinstance(made, Answer):
        return Plan(lambda: found.finished(made))
    return Plan(lambda: found.finished(made()), found.size)


def find_answer(session: Session, request: Request) -> Answer | None:
    """What answers; `None` if no wire format owns the path and no recording has it."""
    return plan_answer(session, request).finish()


class _Finding:
    """The way of one request to its answer."""

    def __init__(self, session: Session, request: Request) -> None:
        self._session = session
        self._request = request
        self._settings = session.settings
        self._wire = request.wire
        self._number = session.next_number()
        self._in_flight = session.journal.in_flight + 1
        self._refusal: BadRequestError | None = None
        self._taken: Taken | None = None
        self._script: Script | None = None
        self._firings: list[ActiveFault] = []
        self._ask = self._read(self._wire) if self._wire is not None and request.method == "POST" else None
        if self._ask is not None:
            self._firings = session.take_faults(self._ask)

    def _read(self, wire: Wire) -> Ask | None:
        request, settings = self._request, self._settings
        if not isinstance(request.body, Mapping):
            problem = request.problem or f"it is {json_type(request.body)}"
            self._refusal = BadRequestError(
                f"The request body is not a JSON object ({problem}): send one, as application/json."
            )
            return None
        try:
            seed = f"{settings.seed}:{self._number}"
            ask = wire.read(request.path, request.body, created=request.created, seed=seed)
            ask = msgspec.structs.replace(ask, query=request.query)
            return dressed_for(ask, settings.dress, request.headers)
        except BadRequestError as error:
            self._refusal = error
            return None

    def finished(self, answer: Answer | None) -> Answer | None:
        """The answer, damaged by its faults."""
        return answer if answer is None or answer.by in ("error", "fault") else self.with_faults(answer)

    @property
    def size(self) -> int:
        """How many characters the script has that was taken."""
        what = None if self._taken is None else self._taken.what
        if not isinstance(what, Script):
            return 0
        items = (item for choice in what.choices for item in choice.items)
        return sum(len(item.arguments if isinstance(item, ToolCall) else item.text) for item in items)

    def answer(self) -> Answer | Callable[[], Answer] | None:
        """What answers, before any fault that damages it, or what makes that."""
        wire, ask, session, settings = self._wire, self._ask, self._session, self._settings
        if wire is not None and ask is not None:
            if (answer := self._refused_by_fault(wire, ask)) is not None:
                return answer
            self._taken = session.take_queued() or session.take_by_rule(ask)
        elif wire is None or self._request.method != "POST":
            self._taken = self._taken_for_any_path()
        if self._taken is not None:
            return partial(self._of, self._taken)
        request = self._request
        endpoint = Endpoint(request.method, request.path, wire.name if wire else None)
        recording = session.take_recording(endpoint, request.body, None if ask is None else ask.text)
        if not isinstance(recording, Miss):
            scripted = recording.script is not None and ask is not None
            what = recording.script if scripted and recording.script is not None else recording.tape
            if ask is None:
                self._firings = session.take_faults(None)
            own = ConfiguredFaults(what.faults).take() if isinstance(what, Script) else []
            self._taken = Taken(what, "recording", recording.label, own, partial(session.give_back, recording))
            return partial(self._of, self._taken)
        if wire is None or request.method != "POST":
            return None
        if ask is None:
            assert self._refusal is not None
            return refused(wire, self._refusal)
        note = str(recording) if recording.recordings else ""
        if settings.strict:
            advice = "Queue a script, add a rule, load or record a cassette, or turn strict off."
            return error_answer(wire, NO_ANSWER_STATUS, f"{recording} {advice}", "no_recording", ask=ask)
        script = synthetic_script(ask, seed=ask.seed, locale=settings.locale)
        return self._from_script(script, ask, "synthetic", note=note)

    def _taken_for_any_path(self) -> Taken | None:
        """A queued tape, or a script of a rule that names the path: they answer where no wire format does."""
        session, request = self._session, self._request
        if request.listed:
            return None
        if (tape := session.take_queued(tape=True)) is not None:
            self._firings = session.take_faults(None)
            return tape
        if not session.has_paths or request.speaks is None:
            return None
        for wire in dict.fromkeys((request.speaks, *WIRES.values())):
            ask = self._ask_anywhere(wire)
            if (taken := session.take_by_rule(ask, named=True)) is not None:
                self._ask, self._firings = ask, session.take_faults(ask)
                return taken
        return None

    def _ask_anywhere(self, wire: Wire) -> Ask:
        """The request as this wire format reads it, or what can be told of it."""
        ask, self._refusal = self._read(wire), None
        if ask is not None:
            return ask
        request = self._request
        body = request.body if isinstance(request.body, Mapping) else {}
        model = body.get("model")
        return Ask(
            wire=wire.name,
            model=model if isinstance(model, str) and model else "tokentape",
            stream=body.get("stream") is True,
            text="\n".join(texts_in([body.get(name) for name in ("system", "messages", "prompt", "input")])),
            created=request.created,
            seed=f"{self._settings.seed}:{self._number}",
            body=body,
            path=request.path,
            query=request.query,
        )

    def _refused_by_fault(self, wire: Wire, ask: Ask) -> Answer | None:
        """The first of the faults that answer instead of anything else; nothing is taken for it."""
        for active in self._firings:
            tape: Tape | None = None
            if isinstance(active.fault, HttpError | Overload):
                tape = apply_fault(active.fault, Tape(), wire, ask)
            elif active.quota is not None:
                spent = active.quota.charge_request(self._request.now, count_input(self._settings.usage, ask.text))
                if spent is not None:
                    tape = self._beyond(spent, active.quota, wire, ask)
            if tape is not None:
                said = format_fault(active.fault)
                return Answer(tape, "fault", said, faults=(said,))
        return None

    def _beyond(self, spent: QuotaExceeded, count: QuotaCounter, wire: Wire, ask: Ask) -> Tape:
        error = Error(429, spent.message(ask.model), retry_after=spent.retry_after)
        limits = count.limits(self._request.now, float(ask.created))
        return tape_of_reply(wire.encode_error(error, ask)).with_headers(*wire.limit_headers(limits, ask))

    def with_faults(self, answer: Answer) -> Answer:
        """The answer as its faults make it. What a passing fault broke is given back."""
        active_faults = [*(self._taken.active_faults if self._taken is not None else ()), *self._firings]
        if not active_faults:
            return answer
        tape = retime(answer.tape, Instant()) if answer.instant else answer.tape
        done, notes = [], [answer.note] if answer.note else []
        passes = False
        for active in active_faults:
            if active.quota is not None:
                tape = self._counted(active.quota, tape)
                continue
            said = format_fault(active.fault)
            try:
                tape = apply_fault(active.fault, tape, self._wire, self._ask, active.draw)
            except FaultNotApplicableError as error:
                notes.append(f"fault {said} changed nothing: {error}")
                continue
            done.append(said)
            passes = passes or active.passes
        if passes and self._taken is not None:
            self._taken.give_back()
        return answer._replace(tape=tape, instant=False, note="; ".join(notes), faults=tuple(done))

    def _counted(self, count: QuotaCounter, tape: Tape) -> Tape:
        """The tape with headers that say what remains of a quota, once its output is charged."""
        if self._wire is None or self._ask is None:
            return tape
        script = self._script
        counts = None if script is None else resolve_usage(script, self._ask.text, script.choices)
        count.charge_output(output_tokens(tape, self._wire) if counts is None else counts.output)
        limits = count.limits(self._request.now, float(self._ask.created))
        return tape.with_headers(*self._wire.limit_headers(limits, self._ask))

    def _of(self, taken: Taken) -> Answer:
        if isinstance(taken.what, Tape):
            return self._from_tape(taken.what, taken.by, taken.source)
        assert self._ask is not None
        return self._from_script(taken.what, self._ask, taken.by, taken.source)

    def _from_tape(self, tape: Tape, by: AnsweredBy, source: str) -> Answer:
        timing = self._settings.timing
        if isinstance(timing, Instant):
            # Frames that leave apart are paced, as those with times are.
            return Answer(retime(tape, timing) if tape.apart else tape, by, source, instant=not tape.apart)
        prompt = "" if self._ask is None else self._ask.text
        conditions = conditions_of(timing, prompt, self._in_flight, self._settings.usage)
        made = retime(tape, timing, stream=str(self._number), conditions=conditions)
        return Answer(made, by, source, steps=_steps(timing))

    def _from_script(self, script: Script, ask: Ask, by: AnsweredBy, source: str = "", *, note: str = "") -> Answer:
        wire, settings = wire_named(ask.wire), self._settings
        script = _with_usage(script, settings.usage)
        try:
            tape = encode(script, ask, settings.timing, in_flight=self._in_flight)
        except ScriptError as error:
            return error_answer(wire, 400, f"The script from the {by} can't be sent: {error}", "bad_script", ask=ask)
        self._script = script if script.error is None else None
        return Answer(tape, by, source, isinstance(settings.timing, Instant), note, _steps(settings.timing))


def refused(wire: Wire, error: BadRequestError) -> Answer:
    """The provider's own refusal of a request."""
    encoded = wire.encode_error(Error(error.status, error.message, code=error.code, param=error.param))
    return Answer(tape_of_reply(encoded), "error", note=error.message)


def error_answer(
    wire: Wire, status: int, message: str, code: str, *, ask: Ask | None = None, headers: Headers = ()
) -> Answer:
    """An error of this server in the provider's shape, that no SDK retries."""
    tape = tape_of_reply(wire.encode_error(Error(status, message, code=code), ask))
    return Answer(msgspec.structs.replace(tape, headers=(*tape.headers, *NO_RETRY, *headers)), "error", note=message)


def _steps(timing: Timing) -> Stepped | None:
    return timing if isinstance(timing, Stepped) else None


def _with_usage(script: Script, usage: Usage) -> Script:
    if usage == Usage():
        return script
    given = script.usage
    filled = {
        name: getattr(given, name) if getattr(given, name) is not None else getattr(usage, name)
        for name in ("input", "output", "total", "cached", "cache_write", "reasoning")
    }
    return msgspec.structs.replace(script, usage=Usage(**filled, report=given.report and usage.report))
