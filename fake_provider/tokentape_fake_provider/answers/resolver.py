"""Resolves what answers a request.

In this order: the session's queue, its rules, its recordings, then the simulated model, or in a strict session an error
that names the nearest recording and the differences.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable, Mapping, Sequence
from functools import partial
from typing import Any, Final, TypeAlias

import msgspec
from msgspec.structs import replace

from tokentape_fake_provider.answers.answer import Answer, HttpRequest, error_answer, refused
from tokentape_fake_provider.answers.cached_contents import check_beside_content, with_cached_content
from tokentape_fake_provider.answers.declared_tools import undeclared_calls
from tokentape_fake_provider.answers.error_format import no_recording_status, wire_for_errors
from tokentape_fake_provider.answers.files import check_files, refers_to_files
from tokentape_fake_provider.answers.prompt_caching import cache_usage
from tokentape_fake_provider.answers.queue_message import queue_has_run_out
from tokentape_fake_provider.answers.response_context import (
    INPUT_TOKENS,
    RESPONSES,
    build_answer,
    is_background,
    is_stored,
    response_in,
    unfinished,
    with_context,
)
from tokentape_fake_provider.encoding.encode import conditions_of, encode, tape_of_reply
from tokentape_fake_provider.errors import (
    BadRequestError,
    FaultNotApplicableError,
    PatternTimeoutError,
    SchemaError,
    ScriptError,
)
from tokentape_fake_provider.fault_injection.active_faults import ActiveFault, ConfiguredFaults
from tokentape_fake_provider.fault_injection.apply import apply_fault
from tokentape_fake_provider.fault_injection.fault_context import output_tokens, reported_usage
from tokentape_fake_provider.fault_injection.quota import QuotaCounter, QuotaExceeded
from tokentape_fake_provider.faults.fault import HttpError, Overload
from tokentape_fake_provider.faults.specification import format_fault
from tokentape_fake_provider.playback.journal import AnsweredBy, TokenCounts
from tokentape_fake_provider.playback.near_miss import NearMiss
from tokentape_fake_provider.script.model import Error, Script, Usage, streamed_text
from tokentape_fake_provider.script.recently_used import RecentlyUsed
from tokentape_fake_provider.script.usage import count_all_output, count_input, resolve_usage
from tokentape_fake_provider.sessions.condition import IncomingRequest
from tokentape_fake_provider.sessions.recording import Recording
from tokentape_fake_provider.sessions.recording_store import Endpoint, Miss, Repetition
from tokentape_fake_provider.sessions.session import Session
from tokentape_fake_provider.sessions.settings import SessionSettings
from tokentape_fake_provider.sessions.stored_answers import Background
from tokentape_fake_provider.sessions.taken import Taken
from tokentape_fake_provider.simulation.model import simulate
from tokentape_fake_provider.simulation.results import computed
from tokentape_fake_provider.simulation.schema_values import LARGEST_COST
from tokentape_fake_provider.tape import Tape
from tokentape_fake_provider.timing import Instant, Stepped, retime
from tokentape_fake_provider.wires import ENDPOINTS, WIRES, served_named, wire_named
from tokentape_fake_provider.wires.endpoints.endpoint import Endpoint as ServedEndpoint
from tokentape_fake_provider.wires.openai_dialects import with_dialect
from tokentape_fake_provider.wires.prompt_reader import asks_in_messages_alone
from tokentape_fake_provider.wires.prompt_tokens import is_plain, tokens_besides_text
from tokentape_fake_provider.wires.reading.fields import OBJECT
from tokentape_fake_provider.wires.request_parts import json_type, texts_in
from tokentape_fake_provider.wires.tasks import Counting
from tokentape_fake_provider.wires.validation.check import betas_of, check_request
from tokentape_fake_provider.wires.wire import ProviderRequest, Wire

_SHOWN: Final = 5
_COMPUTED: Final = Usage()
_WORD_SIZE = 6
"""The characters of a word and the space before it."""
_COSTLY_SCHEMA: Final = re.compile(rb'"(?:pattern|patternProperties|min(?:Items|Length|Properties|Contains))"')
"""A keyword of a JSON Schema for which a value may take long to generate."""

_SimulationKey: TypeAlias = tuple[Hashable, ...]
# Clients of a load test and of a test suite send equal requests. Sizes are in bytes.
_SIMULATED: Final[RecentlyUsed[_SimulationKey, Script]] = RecentlyUsed(1_000_000)


class Plan(msgspec.Struct, frozen=True):
    """What answers a request, already taken from the session; `finish` encodes it, in any thread.

    `finish` returns `None` if the path belongs to no wire format and no recording has it. `size` is the number of
    characters to encode and to count.
    """

    finish: Callable[[], Answer | None]
    size: int = 0


def plan_answer(session: Session, http: HttpRequest) -> Plan:
    """Take what answers; call it in the order of the requests."""
    with session.lock:  # what files set up is not replaced meanwhile
        try:
            resolution = _Resolution(session, http)
            answer = resolution.answer()
        except PatternTimeoutError as error:
            wire = http.error_wire or wire_for_errors(http.path, http.headers)
            problem = error_answer(wire, no_recording_status(http.headers), str(error), "pattern_timeout")
            return Plan(lambda: problem)
    if answer is None or isinstance(answer, Answer):
        return Plan(lambda: resolution.finished(answer))
    return Plan(lambda: resolution.finished(answer()), resolution.size)


def find_answer(session: Session, http: HttpRequest) -> Answer | None:
    """The answer; `None` if the path belongs to no wire format and no recording has it."""
    return plan_answer(session, http).finish()


def _expectations(session: Session, incoming: IncomingRequest) -> str:
    """What the session expects in place of this request, in words; empty without rules for a number of times."""
    expected = session.expected(incoming)
    if not expected:
        return ""
    rules = [f"{miss.name} (here {'; '.join(map(str, miss.differences))})" for miss in expected[:_SHOWN]]
    more = f", and {len(expected) - _SHOWN} more" if len(expected) > _SHOWN else ""
    return f"This request is not expected. Expected: {', '.join(rules)}{more}."


class _Resolution:
    """Resolves one request."""

    _refusal: BadRequestError | None = None
    _unknown: BadRequestError | None = None
    _taken: Taken | None = None
    _script: Script | None = None
    _simulated_size = 0
    _firings: Sequence[ActiveFault] = ()
    _normalised: tuple[str, ...] = ()
    _repetition: Repetition | None = None
    _misses: tuple[NearMiss, ...] = ()

    def __init__(self, session: Session, http: HttpRequest) -> None:
        self._session = session
        self._http = http
        self._settings = session.settings
        self._wire = http.wire
        self._number = session.next_number()
        self._in_flight = session.journal.in_flight + 1
        self._request = self._read(self._wire) if self._wire is not None and http.method == "POST" else None
        self._incoming = None if self._request is None else IncomingRequest(self._request)
        if self._incoming is not None:
            self._firings = session.take_faults(self._incoming)

    def _read(self, wire: Wire) -> ProviderRequest | None:
        http, settings = self._http, self._settings
        if not isinstance(http.body, OBJECT):
            problem = http.problem or f"it is {json_type(http.body)}"
            self._refusal = BadRequestError(
                f"The request body is not a JSON object ({problem}): send one, as application/json."
            )
            return None
        body, seed = http.body, f"{settings.seed}:{self._number}"
        try:
            if wire.name in (RESPONSES, INPUT_TOKENS):
                body = with_context(self._session.stored, body)
            elif (inner := body.get("generateContentRequest")) is not None:
                body = {**body, "generateContentRequest": self._with_cached_content(inner)}
            else:
                body = self._with_cached_content(body)
        except BadRequestError as error:
            self._unknown = error
        try:
            request = wire.read(http.path, body, created=http.created, seed=seed)
            if http.query:
                request = replace(request, query=http.query)
            return with_dialect(request, settings.dialect, http.headers)
        except BadRequestError as error:
            self._refusal = error
            return None

    def _with_cached_content(self, body: Any) -> Any:
        """The body with the content of Gemini's that it names, if it names any."""
        if not isinstance(body, OBJECT) or body.get("cachedContent") is None:
            return body
        return with_cached_content(self._session.prompt_cache, body, self._http.now / 1000)

    def finished(self, answer: Answer | None) -> Answer | None:
        """The answer with its faults applied, and with the near misses."""
        if answer is None:
            return None
        if self._misses:
            answer = replace(answer, misses=self._misses)
        if answer.by in ("error", "fault"):
            return answer
        answer = self.with_faults(answer)
        if answer.instant or self._request is None:
            return answer
        return replace(answer, request=replace(self._request, body={}, text=""))

    @property
    def size(self) -> int:
        """The number of characters to encode and to count.

        They are those of the prompt, and those of the script that was taken or about those that the model generates.
        """
        what = None if self._taken is None else self._taken.what
        prompt = 0 if self._request is None else len(self._request.text)
        if self._request is not None and self._request.task is not None:
            return prompt + self._request.task.size
        if isinstance(what, Script):
            items = (item for choice in what.choices for item in choice.items)
            return prompt + sum(len(streamed_text(item)) for item in items)
        return prompt + self._simulated_size if self._simulated_size else 0

    def _simulated(
        self, script: Script | None, incoming: IncomingRequest, note: str, key: _SimulationKey | None
    ) -> Answer:
        """What the simulated model answers: `script`, if an equal request was answered before."""
        settings, request = self._settings, incoming.request
        if script is None:
            facts = served_named(request.wire).facts
            partial_calls = facts.argument_text and (request.stream or facts.complete_argument_text)
            try:
                script = simulate(
                    incoming.prompt,
                    settings.simulation,
                    seed=f"{settings.seed}",
                    locale=settings.locale,
                    partial_calls=partial_calls,
                )
            except (SchemaError, PatternTimeoutError) as error:
                message = f"The simulated model can't answer: {error}"
                return error_answer(served_named(request.wire), 400, message, "invalid_schema", request=request)
            if key is not None and not _SIMULATED.is_new(key):
                _SIMULATED.put(key, script, len(self._http.raw) + len(msgspec.json.encode(script)))
        if settings.simulation.caching:
            usage = cache_usage(request, self._session.prompt_cache, self._http.now / 1000)
            script = script if usage is None else replace(script, usage=usage)
        return self._from_script(script, request, "synthetic", note=note)

    def _computed(self, endpoint: ServedEndpoint, request: ProviderRequest, note: str) -> Answer:
        """The result that is computed from the request, unless the provider would refuse it."""
        try:
            if self._settings.validate:
                endpoint.check(request)
        except BadRequestError as error:
            return refused(endpoint, error, request)
        return self._from_script(Script(), request, "synthetic", note=note)

    def answer(self) -> Answer | Callable[[], Answer] | None:
        """The answer before its faults are applied, or a function that encodes it."""
        wire, request, session, http = self._wire, self._request, self._session, self._http
        if wire is not None and request is not None and self._incoming is not None:
            if (answer := self._refused_by_fault(wire, request)) is not None:
                return answer
            if problem := session.problem(self._incoming):
                status = self._no_recording_status()
                return error_answer(wire, status, problem, "unexpected_request", request=request)
            self._taken = session.take_queued(request.task) or session.take_by_rule(self._incoming)
        elif wire is None or http.method != "POST":
            self._taken = self._taken_for_any_path()
        elif wire.name in ENDPOINTS:
            self._taken = session.take_queued(tape=True)
        if self._taken is None:
            endpoint = Endpoint(http.method, http.path, wire.name if wire else None)
            recording = session.take_recording(endpoint, http.body, None if request is None else request.text)
            if isinstance(recording, Miss):
                return self._without_setup(recording)
            self._taken = self._taken_from(recording, endpoint)
        return partial(self._of, self._taken)

    def _taken_from(self, recording: Recording, endpoint: Endpoint) -> Taken:
        """What a recording answers: its tape with this request's values, or its script in another wire format."""
        session = self._session
        self._repetition = session.repetition
        tape, self._normalised = session.fitted(recording, endpoint, self._http.body)
        if self._request is None:
            self._firings = session.take_faults(None)
        script = None if self._request is None else recording.script
        faults = [] if script is None else ConfiguredFaults(script.faults).take()
        give_back = partial(session.give_back, recording)
        return Taken(tape if script is None else script, "recording", recording.label, faults, give_back)

    def _without_setup(self, miss: Miss) -> Answer | Callable[[], Answer] | None:
        """The answer where the session has none: an error, a computed result, or what the simulated model generates."""
        wire, request, settings = self._wire, self._request, self._settings
        self._misses = self._near(miss)
        if wire is None or self._http.method != "POST":
            return self._without_recording(self._http.error_wire, miss) if miss.nearest is not None else None
        if request is None or self._incoming is None:
            assert self._refusal is not None
            return refused(wire, self._refusal)
        if self._unknown is not None:
            return refused(wire, self._unknown)
        note = str(miss) if miss.recordings else ""
        if settings.strict:
            return self._without_recording(wire, miss)
        if request.task is not None:
            return partial(self._computed, ENDPOINTS[wire.name], request, note)
        key = self._simulation_key(request)
        script = None if key is None else _SIMULATED.get(key)
        if script is None and settings.validate:
            try:
                self._check(wire, request, self._incoming, keeps_files=key is None)
            except BadRequestError as error:
                return refused(wire, error, request)
        has_schema = script is None and not asks_in_messages_alone(request.body)
        costly = LARGEST_COST if has_schema and _COSTLY_SCHEMA.search(self._http.raw) else 0
        self._simulated_size = settings.simulation.words * request.choices * _WORD_SIZE + costly
        return partial(self._simulated, script, self._incoming, note, key)

    def _check(self, wire: Wire, request: ProviderRequest, incoming: IncomingRequest, *, keeps_files: bool) -> None:
        """Check what the provider would. Raises `BadRequestError`."""
        http = self._http
        check_beside_content(http.body)
        if wire.name in ENDPOINTS:
            ENDPOINTS[wire.name].check(request)
        check_request(request, incoming.prompt, http.headers)
        if keeps_files and refers_to_files(http.raw):
            check_files(self._session.files, request.wire, http.body)

    def _near(self, miss: Miss) -> tuple[NearMiss, ...]:
        """The nearest rule and the nearest recording, that with fewer differences first."""
        rule = None if self._incoming is None else self._session.nearest_rule(self._incoming)
        if rule is None and miss.nearest is None:
            return ()
        found = (near for near in (rule, miss.near) if near is not None)
        return tuple(sorted(found, key=lambda near: len(near.differences)))

    def _simulation_key(self, request: ProviderRequest) -> _SimulationKey | None:
        """All that the simulated model's script, and that it is not refused, depends on.

        `None` for a request that refers to what the session keeps, or whose bytes are not known.
        """
        http, settings = self._http, self._settings
        if request.body is not http.body or not http.raw or refers_to_files(http.raw):
            return None
        betas = betas_of(request, http.headers)
        own = (settings.simulation, settings.seed, settings.locale, settings.validate)
        return (http.raw, request.wire, http.path, http.query, request.dialect, betas, *own)

    def _without_recording(self, wire: Wire | None, miss: Miss) -> Answer | None:
        """The error of a strict session; `None` if it is not strict."""
        if wire is None or not self._settings.strict or self._http.listed:
            return None
        played = self._session.played
        reason = f"{miss}"
        if played and self._incoming is not None:
            run_out = queue_has_run_out(played, self._incoming)
            reason = f"{run_out} {miss}" if miss.recordings else run_out
        if self._incoming is not None and (expected := _expectations(self._session, self._incoming)):
            reason = f"{reason} {expected}" if miss.recordings else expected
        message = f"{reason} Queue a script, add a rule, load or record a cassette, or turn strict off."
        status = self._no_recording_status()
        return error_answer(wire, status, message, "no_recording", request=self._request)

    def _no_recording_status(self) -> int:
        http = self._http
        again = any(
            entry.status == 409
            and entry.answered_by == "error"
            and (entry.path, entry.raw_body) == (http.path, http.raw)
            for entry in self._session.journal.entries
        )
        return no_recording_status(http.headers, again=again)

    def _taken_for_any_path(self) -> Taken | None:
        """A queued tape, or a script of a rule that names the path: these answer any path."""
        session, http = self._session, self._http
        if http.listed:
            return None
        if (tape := session.take_queued(tape=True)) is not None:
            self._firings = session.take_faults(None)
            return tape
        if not session.has_paths or http.error_wire is None:
            return None
        for wire in dict.fromkeys((http.error_wire, *WIRES.values())):
            incoming = IncomingRequest(self._request_anywhere(wire))
            if (taken := session.take_by_rule(incoming, named=True)) is not None:
                self._request, self._firings = incoming.request, session.take_faults(incoming)
                return taken
        return None

    def _request_anywhere(self, wire: Wire) -> ProviderRequest:
        """The request as this wire format reads it, or as much of it as is known."""
        request, self._refusal = self._read(wire), None
        if request is not None:
            return request
        http = self._http
        body = http.body if isinstance(http.body, Mapping) else {}
        model = body.get("model")
        return ProviderRequest(
            wire=wire.name,
            model=model if isinstance(model, str) and model else "tokentape",
            stream=body.get("stream") is True,
            text="\n".join(texts_in([body.get(name) for name in ("system", "messages", "prompt", "input")])),
            created=http.created,
            seed=f"{self._settings.seed}:{self._number}",
            body=body,
            path=http.path,
            query=http.query,
        )

    def _refused_by_fault(self, wire: Wire, request: ProviderRequest) -> Answer | None:
        """The first fault that answers in place of anything else; nothing is taken for it."""
        for active in self._firings:
            tape: Tape | None = None
            if isinstance(active.fault, HttpError | Overload):
                tape = apply_fault(active.fault, Tape(), wire, request)
            elif active.quota is not None:
                spent = active.quota.charge_request(self._http.now, count_input(self._settings.usage, request.text))
                if spent is not None:
                    tape = self._beyond(spent, active.quota, wire, request)
            if tape is not None:
                specification = format_fault(active.fault)
                return Answer(tape, "fault", specification, faults=(specification,))
        return None

    def _beyond(self, spent: QuotaExceeded, count: QuotaCounter, wire: Wire, request: ProviderRequest) -> Tape:
        error = Error(429, spent.message(request.model), retry_after=spent.retry_after)
        limits = count.limits(self._http.now, float(request.created))
        return tape_of_reply(wire.encode_error(error, request)).with_headers(*wire.limit_headers(limits, request))

    def with_faults(self, answer: Answer) -> Answer:
        """The answer with its faults applied. What a fault of limited `times` broke can answer again."""
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
            specification = format_fault(active.fault)
            try:
                tape = apply_fault(active.fault, tape, self._wire, self._request, active.draw)
            except FaultNotApplicableError as error:
                notes.append(f"fault {specification} changed nothing: {error}")
                continue
            done.append(specification)
            passes = passes or active.passes
        if passes and self._taken is not None:
            self._taken.give_back()
        return replace(answer, tape=tape, instant=False, note="; ".join(notes), faults=tuple(done))

    def _counted(self, count: QuotaCounter, tape: Tape) -> Tape:
        """The tape with headers that report what remains of a quota, once its output is charged."""
        if self._wire is None or self._request is None:
            return tape
        script = self._script
        counts = None if script is None else resolve_usage(script, self._request.text, script.choices)
        count.charge_output(output_tokens(tape, self._wire) if counts is None else counts.output)
        limits = count.limits(self._http.now, float(self._request.created))
        return tape.with_headers(*self._wire.limit_headers(limits, self._request))

    def _of(self, taken: Taken) -> Answer:
        if isinstance(taken.what, Tape):
            answer = self._from_tape(taken.what, taken.by, taken.source)
            as_recorded = answer.tape is taken.what and answer.steps is None  # else its times may differ each time
            return replace(answer, normalised=self._normalised, repetition=self._repetition if as_recorded else None)
        assert self._request is not None
        warning = "" if taken.by == "recording" else undeclared_calls(taken.what, self._request.body)
        if warning:
            self._session.warn(warning)
        return self._from_script(taken.what, self._request, taken.by, taken.source, note=warning)

    def _from_tape(self, tape: Tape, by: AnsweredBy, source: str) -> Answer:
        timing, request = self._settings.timing, self._request
        if request is not None and request.wire == RESPONSES and is_stored(request):
            own = self._http.body
            self._session.stored.keep(lambda: build_answer(request, own, response_in(tape)))
            self._repetition = None
        steps = _steps(self._settings)
        usage = None if self._wire is None else partial(reported_usage, tape, self._wire)
        if isinstance(timing, Instant) and steps is not None:
            return Answer(retime(tape, timing), by, source, steps=steps, usage=usage)
        if isinstance(timing, Instant):
            # Frames that leave in their own writes are paced, like those with times.
            sent = retime(tape, timing) if tape.apart else tape
            return Answer(sent, by, source, instant=not tape.apart, usage=usage)
        prompt = "" if request is None else request.text
        conditions = conditions_of(timing, prompt, self._in_flight, self._settings.usage)
        timed = retime(tape, timing, stream=str(self._number), conditions=conditions)
        return Answer(timed, by, source, steps=steps, usage=usage)

    def _from_script(
        self, script: Script, request: ProviderRequest, by: AnsweredBy, source: str = "", *, note: str = ""
    ) -> Answer:
        wire, settings = served_named(request.wire), self._settings
        script = _with_usage(script, settings.usage)
        if request.task is None:
            script = _with_input(script, self._incoming or IncomingRequest(request))
        elif script.error is None:
            try:
                script = replace(script, result=computed(request.task, script.result))
            except BadRequestError as error:
                return refused(wire, error, request)
        try:
            tape = encode(script, request, settings.timing, in_flight=self._in_flight)
        except ScriptError as error:
            return error_answer(
                wire, 400, f"The script from the {by} can't be sent: {error}", "bad_script", request=request
            )
        self._script = script if script.error is None else None
        steps = _steps(settings)
        instant, usage = isinstance(settings.timing, Instant) and steps is None, _usage_of(script, request)
        answer = Answer(tape, by, source, instant, note, steps, usage=usage)
        return self._stored(answer, script, request) if is_stored(request) and script.error is None else answer

    def _stored(self, answer: Answer, script: Script, request: ProviderRequest) -> Answer:
        """The answer, kept for the requests that refer to it; a background response that is not streamed begins."""
        wire, settings, background, own = wire_named(request.wire), self._settings, None, self._http.body
        complete = partial(wire.encode_complete, script, replace(request, stream=False))
        if is_background(request):
            streamed = replace(request, stream=True)
            tape = (
                answer.tape if request.stream else encode(script, streamed, settings.timing, in_flight=self._in_flight)
            )
            background = Background(tape, self._http.now, request.stream)
        self._session.stored.keep(lambda: build_answer(request, own, complete(), background))
        if background is None or request.stream:
            return answer
        reply = complete()
        queued = unfinished(msgspec.json.decode(reply.body), "queued")
        tape = tape_of_reply(reply._replace(body=msgspec.json.encode(queued)))
        return replace(answer, tape=tape, instant=True, steps=None)


def _steps(settings: SessionSettings) -> Stepped | None:
    """How the response waits for steps; `None` if it does not."""
    if isinstance(settings.timing, Stepped):
        return settings.timing
    return Stepped() if settings.hold else None


def _usage_of(script: Script, request: ProviderRequest) -> TokenCounts | None:
    """The tokens of a scripted response; `None` for an error, for a script that reports none, and for a count alone."""
    if isinstance(request.task, Counting):
        return None
    if script.error is not None or not script.usage.report:
        return None
    alike = script.choices * request.choices if len(script.choices) == 1 else script.choices
    return TokenCounts(count_input(script.usage, request.text), count_all_output(script.usage, alike))


def _with_input(script: Script, incoming: IncomingRequest) -> Script:
    """The script with the input tokens of what the request has besides text, unless it has its own count."""
    usage, request = script.usage, incoming.request
    if usage.input is not None or not usage.report or is_plain(request.body):
        return script
    more = tokens_besides_text(incoming.prompt, request.wire)
    counted = replace(usage, input=count_input(usage, request.text, more))
    return replace(script, usage=counted) if more else script


def _with_usage(script: Script, usage: Usage) -> Script:
    if usage == _COMPUTED:
        return script
    given = script.usage
    filled = {
        name: getattr(given, name) if getattr(given, name) is not None else getattr(usage, name)
        for name in ("input", "output", "total", "cached", "cache_write", "reasoning", "cache_write_1h")
    }
    return replace(script, usage=Usage(**filled, report=given.report and usage.report))
