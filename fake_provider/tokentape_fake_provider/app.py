"""The fake provider as an ASGI application.

Requests to a provider's paths go directly to the resolver and to playback; a Starlette application handles the others
(control API, health).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from difflib import get_close_matches
from functools import lru_cache, partial
from typing import Any, Final, NamedTuple, TypeVar

from msgspec.structs import replace

from tokentape_fake_provider.answers.answer import Answer, HttpRequest, error_answer
from tokentape_fake_provider.answers.error_format import wire_for_errors
from tokentape_fake_provider.answers.model_list import delete_model, list_models
from tokentape_fake_provider.answers.not_served import not_served
from tokentape_fake_provider.answers.ollama_model_list import ollama_models
from tokentape_fake_provider.answers.resolver import plan_answer
from tokentape_fake_provider.answers.stored_endpoints import stored_answer
from tokentape_fake_provider.answers.websocket import answer_websocket, deny
from tokentape_fake_provider.config import AppConfig
from tokentape_fake_provider.control import CONTROL_PATH, HEALTH_PATH, METRICS_PATH, READY_PATH, control_routes
from tokentape_fake_provider.errors import StoreUnavailableError, UnknownSessionError
from tokentape_fake_provider.event_loops.turns import Turns
from tokentape_fake_provider.event_loops.worker_thread import run_in_thread
from tokentape_fake_provider.fault_injection.apply import apply_late_fault
from tokentape_fake_provider.faults.fault import Fault
from tokentape_fake_provider.http.access import ALLOW_IT, Access
from tokentape_fake_provider.http.api_key import WRONG_KEY, has_key
from tokentape_fake_provider.http.cors import (
    origin_of,
    preflight_headers,
    raw,
    raw_with_cors,
    send_preflight,
    sends_cors,
    value_of,
    with_cors,
)
from tokentape_fake_provider.http.http_protocol import refuse_in_json
from tokentape_fake_provider.http.request_body import BodyRefused, ClientLeft, parse_body, read_body
from tokentape_fake_provider.playback.connection import Connection, Message, RawHeaders, Receive, Send
from tokentape_fake_provider.playback.journal import Entry, Outcome
from tokentape_fake_provider.playback.player import is_untimed, play, step_control
from tokentape_fake_provider.playback.stepped_stream import HEADERS, StepControl, SteppedStream
from tokentape_fake_provider.playback.websocket import WebSocketConnection
from tokentape_fake_provider.sessions.exchange import Exchange
from tokentape_fake_provider.sessions.recording import requested_model
from tokentape_fake_provider.sessions.session import DEFAULT_SESSION, Session
from tokentape_fake_provider.sessions.variation import Outgoing, Vary, current_variation
from tokentape_fake_provider.tape import Frame, Tape, retry_after
from tokentape_fake_provider.timing import Instant
from tokentape_fake_provider.timing.clock import Clock
from tokentape_fake_provider.timing.schedule import retime
from tokentape_fake_provider.wires import ENDPOINTS, WIRES, Wire, served_at
from tokentape_fake_provider.wires.wire import ProviderRequest

# The time in s after which a warning reports a stream that nobody has stepped.
_UNSTEPPED_S: Final = 5.0
T = TypeVar("T")

LONG_SCRIPT: Final = 20_000
"""The most characters that are encoded (in about 50 ms) while the other requests wait."""

# The headers by which a browser names the page that sends a request.
_OF_PAGES: Final = frozenset((b"origin", b"sec-fetch-site"))
_PATHS: Final = ("/", HEALTH_PATH, METRICS_PATH, READY_PATH)
_logger: Final = logging.getLogger("tokentape_fake_provider")


def create_app(config: AppConfig | None = None) -> App:
    """Create the ASGI application, by default with its own configuration."""
    return App(config or AppConfig())


class _Repeated(NamedTuple):
    """What a recording answered, and the model that was requested."""

    answer: Answer
    model: str | None


class App:
    """Answers providers' requests. `create_app` creates it."""

    def __init__(self, config: AppConfig) -> None:
        self.config = config
        self.sessions = config.sessions
        self._store = config.store
        self.stopping = False
        self._rest = control_routes(config)
        self._paced = 0
        """The number of streams that are sent frame by frame."""
        self._turns = Turns()
        self._wire_for_path = lru_cache(maxsize=1024)(served_at)

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """ASGI 3."""
        if scope["type"] == "websocket":
            await self._answer_websocket(scope, WebSocketConnection(receive, send, scope))
            return
        path: str = scope["path"] if scope["type"] == "http" else ""
        headers: RawHeaders = scope.get("headers", [])
        access = self.config.access
        origin_refusal = origin = ""
        if not _OF_PAGES.isdisjoint([name for name, _ in headers]):
            origin_refusal = access.refusal(headers)
            origin = "" if origin_refusal else origin_of(headers)
        if origin and (preflight := preflight_headers(scope["method"], headers, access)) is not None:
            await send_preflight(preflight, send)
            return
        if not path or path.startswith(CONTROL_PATH) or path in _PATHS:
            await self._rest(scope, receive, sends_cors(send, origin, access) if origin else send)
            return
        session_id, path = _split_session(path)
        session, problem = await self._find_session(session_id)
        if origin_refusal:
            session = None  # a web page must change nothing, not even the journal
        elif session is not None and path in ("", "/") and scope["method"] in ("GET", "HEAD"):
            await self._rest({**scope, "path": "/"}, receive, sends_cors(send, origin, access) if origin else send)
            return
        clock = self._clock(session)
        began = clock.now()
        connection = Connection(receive, send, scope)
        # A request for a model's details may end like a method of Google's (ft:gpt-4o:acme).
        wire = None if scope["method"] != "POST" and "/models/" in path else self._wire_for_path(path)
        refused: BodyRefused | None = None
        try:
            body = await read_body(receive, headers, self.config.limits, arrived=connection.body_arrived)
        except ClientLeft:
            return
        except BodyRefused as error:
            body, refused = b"", error
        if self._wrong_key(scope):
            refused = BodyRefused(401, "invalid_api_key", WRONG_KEY)
        entry = self._entry(scope, session_id, path, body, wire, began)
        error_wire = wire or wire_for_errors(path, headers)
        if origin_refusal:
            answer = _foreign(error_wire, origin_refusal)
        elif session is None and refused is not None:
            answer = error_answer(error_wire, refused.status, refused.message, refused.code)
        elif session is None:
            answer = _no_session(session_id, error_wire, problem)
        else:
            if self._paced:  # a request takes up to a millisecond: frames that are due do not wait for many of them
                await self._turns.take()
            find_answer = partial(self._answer, session, entry, refused, error_wire, connection, clock.now())
            try:
                answer = await self._store.change(session, find_answer, entry)
            except (StoreUnavailableError, UnknownSessionError) as error:
                session, answer = None, _no_session(session_id, error_wire, error)
            except ClientLeft:
                self._begin(session, entry)
                self._end(session, entry, "client_left", clock)
                return
        self._begin(session, entry)
        answer = _noted(answer, entry, session)
        if origin:
            answer = _shown_to(answer, origin, access)
        sending = self._send(answer, session, entry, connection, clock, wire)
        del answer  # see `play`
        await sending

    async def _send(
        self,
        answer: Answer,
        session: Session | None,
        entry: Entry,
        connection: Connection,
        clock: Clock,
        wire: Wire | None,
    ) -> None:
        """Send the answer, and note how it ended. A stream of a session can be stepped while it is sent."""
        outcome: Outcome = "server_stopped"
        control = _step_control(answer)
        stream = warning_timer = None
        steps = answer.steps is not None and session is not None and not session.settings.hold
        entry.by_hand = answer.steps is not None
        if control is not None and session is not None:
            damage = partial(_damaged, entry, wire, answer.request)
            stream = SteppedStream(entry, entry.plan(answer.tape), control, damage)
            # It can be taken only once it waits: then a clock that is advanced knows its deadline.
            loop = asyncio.get_running_loop()
            loop.call_soon(session.streams.add, stream)
            if steps:
                warning_timer = loop.call_later(_UNSTEPPED_S, _warn_unstepped, stream, control)
        self._paced += control is not None
        try:
            playing = play(answer.tape, connection, clock, entry.arrived, entry, control)
            del answer  # see `play`
            outcome = await playing
        finally:
            self._paced -= control is not None
            if warning_timer is not None:
                warning_timer.cancel()
            if steps and control is not None and not control.moved and outcome == "client_left" and not self.stopping:
                entry.note = entry.note or "its timing is stepped, but nobody stepped it"
            outcome = self._end(session, entry, outcome, clock)
            if control is not None:
                control.note_end(outcome)
            if session is not None and stream is not None:
                session.streams.end(stream)

    async def _answer_websocket(self, scope: Message, connection: WebSocketConnection) -> None:
        session_id, path = _split_session(scope["path"])
        session, problem = await self._find_session(session_id)
        headers, wire = scope["headers"], self._wire_for_path(path)
        clock = self._clock(session)
        entry = self._entry(scope, session_id, path, b"", wire, clock.now())
        error_wire = wire or wire_for_errors(path, headers)
        origin_refusal = self.config.access.refusal(headers)
        if session is not None and not origin_refusal:
            try:
                await self._store.change(session, _nothing, entry)
            except (StoreUnavailableError, UnknownSessionError) as error:
                session, problem = None, error
        if origin_refusal:
            session = None
        self._begin(session, entry)
        outcome: Outcome = "server_stopped"
        try:
            if origin_refusal:
                outcome = await deny(_foreign(error_wire, origin_refusal), entry, connection)
            elif session is None:
                outcome = await deny(_no_session(session_id, error_wire, problem), entry, connection)
            elif self._wrong_key(scope):
                wrong = error_answer(error_wire, 401, WRONG_KEY, "invalid_api_key")
                outcome = await deny(wrong, entry, connection)
            else:
                outcome = await answer_websocket(session, entry, connection, clock, error_wire)
        finally:
            self._end(session, entry, outcome, clock)

    def _wrong_key(self, scope: Message) -> bool:
        keys = self.config.api_keys
        return bool(keys) and not has_key(keys, scope["headers"], scope["query_string"])

    def _begin(self, session: Session | None, entry: Entry) -> None:
        if session is not None:
            session.journal.add(entry)
        self.config.metrics.begin()

    def _end(self, session: Session | None, entry: Entry, outcome: Outcome, clock: Clock) -> Outcome:
        """Count and report a request whose response has ended; return how it did."""
        if outcome == "client_left" and self.stopping:
            outcome = "server_stopped"
        ended = clock.now() - entry.arrived
        self.config.metrics.end(entry, outcome)
        if session is None:
            entry.outcome, entry.ended = outcome, ended
        else:
            session.journal.finish(entry, outcome, ended)
        if self.config.ended is not None:
            self.config.ended(entry)
        return outcome

    def _entry(
        self, scope: Message, session_id: str, path: str, body: bytes, wire: Wire | None, arrived: float
    ) -> Entry:
        return Entry(
            session=session_id,
            time=self.config.wall(),
            method=scope.get("method", "GET"),
            path=path,
            query=scope["query_string"].decode("latin-1"),
            raw_headers=scope["headers"],
            raw_body=body,
            wire=wire.name if wire else None,
            http_version=scope.get("http_version", ""),
            arrived=arrived,
        )

    def clock_at(self, path: str) -> Clock:
        """Return the clock for a request to this path."""
        return self._clock(self.sessions.find(_split_session(path)[0]))

    def refuse(self, path: str, headers: RawHeaders, status: int, code: str, message: str) -> tuple[RawHeaders, bytes]:
        """Return the headers and the body of a refusal, in the error format of this path."""
        if path.startswith(CONTROL_PATH):
            answer, body = refuse_in_json(path, headers, status, code, message)
        else:
            session_id, path = _split_session(path)
            wire = self._wire_for_path(path)
            refused = error_answer(wire or wire_for_errors(path, headers), status, message, code)
            answer, body = raw(refused.tape.headers), refused.tape.body
            scope = {"method": "", "query_string": b"", "headers": headers}
            entry = self._entry(scope, session_id, path, b"", wire, self.config.clock.now())
            entry.status, entry.answered_by, entry.note = status, refused.by, refused.note
            self._begin(None, entry)
            self._end(None, entry, "complete", self.config.clock)
        origin, access = origin_of(headers), self.config.access
        if origin and not access.refusal(headers):
            answer = raw_with_cors(answer, origin, access)
        return answer, body

    def _clock(self, session: Session | None) -> Clock:
        return self.config.clock if session is None else session.clock or self.config.clock

    async def _answer(
        self,
        session: Session,
        entry: Entry,
        refused: BodyRefused | None,
        error_wire: Wire,
        connection: Connection,
        now: float,
    ) -> Answer:
        if refused is not None:
            return error_answer(error_wire, refused.status, refused.message, refused.code)
        try:
            return await self._find_answer(session, entry, error_wire, connection, now)
        except (ClientLeft, StoreUnavailableError):
            raise
        except RecursionError:
            return error_answer(error_wire, 400, "The request body is nested too deeply.", "invalid_request")
        except Exception as error:
            _logger.exception("failed to answer %s %s", entry.method, entry.path)
            message = f"The fake provider failed (see its log): {type(error).__name__}: {error}"
            return error_answer(error_wire, 500, message, "internal_error")

    async def _find_answer(
        self, session: Session, entry: Entry, error_wire: Wire, connection: Connection, now: float
    ) -> Answer:
        method, path, headers = entry.method, entry.path, connection.headers
        wire = None if entry.wire is None else error_wire
        content_type = value_of(headers, b"content-type")
        same = (method, path, entry.query, content_type, entry.raw_body)
        repeated = session.take_repeated(same)
        if isinstance(repeated, _Repeated):
            entry.model = repeated.model
            return repeated.answer
        value, problem = parse_body(entry.raw_body, content_type)
        entry.model = requested_model(entry.wire, path, value)
        listing = None if wire is not None else self._listing(session, method, path, headers, value)
        request = HttpRequest(
            *(method, path, value, wire, int(entry.time), problem, entry.query, headers, now),
            error_wire=error_wire,
            listed=listing is not None or method in ("HEAD", "OPTIONS"),
            raw=entry.raw_body,
        )
        listing = listing or stored_answer(session, request)
        plan = plan_answer(session, request)
        in_thread = self.config.threads and plan.size > LONG_SCRIPT
        work = partial(_finish_and_join, plan.finish)
        answer = (await _unless_client_leaves(connection, work) if in_thread else plan.finish()) or listing
        if answer is not None:
            if answer.content_of is not None:
                content = await self._store.file_content(session, answer.content_of)
                return replace(answer, tape=replace(answer.tape, frames=(Frame(0.0, content),)))
            if answer.repetition is not None and not answer.faults:
                kept = _Repeated(answer, entry.model)
                session.keep_repeated(same, kept, answer.repetition, len(entry.raw_body) + sum(answer.tape.sizes))
            return answer
        if wire is not None:
            return error_answer(
                wire,
                405,
                f"{method} {path}: send a POST request here.",
                "method_not_allowed",
                headers=(("allow", "POST"),),
            )
        if (answer := not_served(error_wire, method, path)) is not None:
            return answer
        return error_answer(error_wire, 404, f"Nothing is at {method} {path}. {_nearest_paths(path)}.", "unknown_path")

    def _listing(self, session: Session, method: str, path: str, headers: RawHeaders, body: Any) -> Answer | None:
        """Return the answer to a request about models; `None` for any other request."""
        if method in ("GET", "HEAD") and (listed := list_models(session, self.config.models, path, headers)):
            return listed
        if method == "DELETE" and (deleted := delete_model(path, headers)):
            return deleted
        return ollama_models(session, self.config.models, method, path, body)

    async def _find_session(self, session_id: str) -> tuple[Session | None, Exception | None]:
        """Return the session, if there is one, or why it can't be known."""
        try:
            return await self._store.find(session_id), None
        except StoreUnavailableError as error:
            return None, error


async def _nothing() -> None:
    """Change nothing."""


def _no_session(session_id: str, wire: Wire, problem: Exception | None) -> Answer:
    if isinstance(problem, StoreUnavailableError):
        return error_answer(wire, 503, f"The sessions can't be read: {problem}.", "store_unavailable")
    return error_answer(
        wire,
        404,
        f"No session {session_id!r}: create it first (POST {CONTROL_PATH}/sessions), or leave "
        f"/s/{session_id} out of the base URL for the default session.",
        "unknown_session",
    )


def _noted(answer: Answer, entry: Entry, session: Session | None) -> Answer:
    """The answer as it is sent; the journal's entry has what it is."""
    entry.answered_by, entry.source, entry.note = answer.by, answer.source, answer.note
    entry.faults, entry.normalised, entry.misses = answer.faults, answer.normalised, answer.misses
    entry.counts = answer.usage
    if session is not None and (vary := current_variation()) is not None:
        answer = _varied(vary, answer, entry, session)
    entry.status, entry.frames_planned = answer.tape.status, len(answer.tape.frames)
    entry.response_headers = answer.tape.headers
    if entry.status >= 400:
        entry.retry_after = retry_after(answer.tape)
    return answer


def _shown_to(answer: Answer, origin: str, access: Access) -> Answer:
    """The answer, which pages of this origin may read."""
    tape = answer.tape
    return replace(answer, tape=replace(tape, headers=with_cors(tape.headers, origin, access)))


def _varied(vary: Vary, answer: Answer, entry: Entry, session: Session) -> Answer:
    clock = session.clock
    stepped = answer.steps is not None or (clock is not None and not clock.automatic)
    tape = retime(answer.tape, Instant()) if answer.instant else answer.tape
    path = f"{entry.path}?{entry.query}" if entry.query else entry.path
    exchange = Exchange(entry.method, path, entry.headers, entry.raw_body, entry.wire, tape, entry.time)
    sent = vary(Outgoing(exchange, entry, stepped))
    return answer if sent is tape else replace(answer, tape=sent, instant=False)


def _foreign(wire: Wire, refusal: str) -> Answer:
    return error_answer(wire, 403, f"Refused: {refusal}; {ALLOW_IT}.", "foreign_origin")


def _damaged(
    entry: Entry, wire: Wire | None, request: ProviderRequest | None, fault: Fault, tape: Tape, sent: int | None
) -> Tape:
    """Apply a fault to what is not sent yet. `request` has no body: it is read again, for as long as it is needed."""
    body, _ = parse_body(entry.raw_body, "")
    if request is not None and isinstance(body, dict):
        request = replace(request, body=body)
    return apply_late_fault(fault, tape, sent, wire, request)


def _warn_unstepped(stream: SteppedStream, control: StepControl) -> None:
    """Warn about a stream that waits for its first step, because its client seems to hang."""
    if not control.moved:
        _logger.warning(
            "%r waits for a step: the timing is stepped, but nobody has stepped it for %g s. Take it with "
            "next_stream(), then step() or finish() it, or set another timing (docs/time.md).",
            stream,
            _UNSTEPPED_S,
        )


def _step_control(answer: Answer) -> StepControl | None:
    """Return the control that paces this answer; `None` if it is sent at once."""
    if answer.steps is not None:
        return step_control(answer.tape, 0 if answer.steps.headers else HEADERS)
    if answer.instant or (is_untimed(answer.tape) and not answer.tape.apart):
        return None
    return step_control(answer.tape)


async def _unless_client_leaves(connection: Connection, work: Callable[[], T]) -> T:
    """Run work in a thread and return its result. Raises `ClientLeft` if the client leaves before."""
    working, gone = asyncio.ensure_future(run_in_thread(work)), asyncio.ensure_future(connection.wait_gone())
    try:
        await asyncio.wait({working, gone}, return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            raise ClientLeft
        return working.result()
    finally:
        working.cancel()
        gone.cancel()


def _finish_and_join(finish: Callable[[], Answer | None]) -> Answer | None:
    """Return the answer. If it is sent at once, join its body here, because that takes long for a long one."""
    answer = finish()
    if answer is not None and answer.instant:
        _ = answer.tape.body, answer.tape.sizes
    return answer


def _nearest_paths(path: str) -> str:
    """Return the nearest paths as a sentence; without any, one path of each wire format."""
    served = (*WIRES.values(), *ENDPOINTS.values())
    known = dict.fromkeys(known for wire in served for known in wire.paths if "*" not in known)
    near = get_close_matches(path, [*known, "/v1/models", "/api/tags"], 3, 0.6)
    if near:
        return f"The nearest paths are {', '.join(near)}"
    return f"The wire formats are at {', '.join(dict.fromkeys(wire.paths[0] for wire in WIRES.values()))}"


def _split_session(path: str) -> tuple[str, str]:
    """Return the session in a path's prefix, and the path below it."""
    if not path.startswith("/s/"):
        return DEFAULT_SESSION, path
    session_id, slash, rest = path[3:].partition("/")
    return session_id, slash + rest


__all__ = ["App", "AppConfig", "create_app"]
