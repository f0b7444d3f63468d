"""Resolves what answers a request.

In this order: the session's queue, its rules, its recordings, then the simulated model, or in a strict session an error
that names the nearest recording and the differences.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from msgspec.structs import replace

from tokentape_fake_provider.answers.answer import Answer, HttpRequest, Plan, error_answer, ready, refused
from tokentape_fake_provider.answers.answer_faults import refused_by_fault, with_faults
from tokentape_fake_provider.answers.encoded_answer import plan_taken
from tokentape_fake_provider.answers.error_format import no_recording_status, wire_for_errors
from tokentape_fake_provider.answers.no_recording import near_misses, no_recording_answer, status_for
from tokentape_fake_provider.answers.received_request import ReceivedRequest, receive
from tokentape_fake_provider.answers.simulated_answer import plan_simulated
from tokentape_fake_provider.errors import PatternTimeoutError
from tokentape_fake_provider.fault_injection.active_faults import ActiveFault, ConfiguredFaults
from tokentape_fake_provider.playback.near_miss import NearMiss
from tokentape_fake_provider.sessions.condition import IncomingRequest
from tokentape_fake_provider.sessions.recording import Recording
from tokentape_fake_provider.sessions.recording_store import Endpoint, Miss
from tokentape_fake_provider.sessions.session import Session
from tokentape_fake_provider.sessions.taken import Taken
from tokentape_fake_provider.wires import ENDPOINTS, WIRES


def plan_answer(session: Session, http: HttpRequest) -> Plan:
    """Take what answers; call it in the order of the requests."""
    with session.lock:  # what files set up is not replaced meanwhile
        try:
            return _plan(receive(session, http))
        except PatternTimeoutError as error:
            wire = http.error_wire or wire_for_errors(http.path, http.headers)
            return ready(error_answer(wire, no_recording_status(http.headers), str(error), "pattern_timeout"))


def find_answer(session: Session, http: HttpRequest) -> Answer | None:
    """The answer; `None` if the path belongs to no wire format and no recording has it."""
    return plan_answer(session, http).finish()


def _plan(received: ReceivedRequest) -> Plan:
    session, http, incoming = received.session, received.http, received.incoming
    wire, taken = http.wire, None
    faults: Sequence[ActiveFault] = () if incoming is None else session.take_faults(incoming)
    if wire is not None and incoming is not None:
        request = incoming.request
        if (answer := refused_by_fault(received, wire, request, faults)) is not None:
            return ready(answer)
        if problem := session.problem(incoming):
            return ready(error_answer(wire, status_for(received), problem, "unexpected_request", request=request))
        taken = session.take_queued(request.task) or session.take_by_rule(incoming)
    elif wire is None or http.method != "POST":
        received, taken, faults = _take_for_any_path(received)
    elif wire.name in ENDPOINTS:
        taken = session.take_queued(tape=True)
    if taken is None:
        endpoint = Endpoint(http.method, http.path, wire.name if wire else None)
        recording = session.take_recording(endpoint, http.body, None if incoming is None else incoming.request.text)
        if isinstance(recording, Miss):
            misses = near_misses(received, recording)
            plan = _plan_without_setup(received, recording)
            return replace(plan, finish=partial(_finished, received, plan.finish, taken, faults, misses))
        taken = _taken_from(received, recording, endpoint)
        if incoming is None:
            faults = session.take_faults(None)
    plan = plan_taken(received, taken)
    return replace(plan, finish=partial(_finished, received, plan.finish, taken, faults))


def _take_for_any_path(received: ReceivedRequest) -> tuple[ReceivedRequest, Taken | None, Sequence[ActiveFault]]:
    """A queued tape, or a script of a rule that names the path: these answer any path.

    With the request as it is read for that rule, and the faults.
    """
    session, http = received.session, received.http
    if http.listed:
        return received, None, ()
    if (tape := session.take_queued(tape=True)) is not None:
        return received, tape, session.take_faults(None)
    if not session.has_paths or http.error_wire is None:
        return received, None, ()
    for wire in dict.fromkeys((http.error_wire, *WIRES.values())):
        incoming = IncomingRequest(received.read_anyway(wire))
        if (taken := session.take_by_rule(incoming, named=True)) is not None:
            return replace(received, incoming=incoming), taken, session.take_faults(incoming)
    return received, None, ()


def _taken_from(received: ReceivedRequest, recording: Recording, endpoint: Endpoint) -> Taken:
    """What a recording answers: its tape with this request's values, or its script in another wire format."""
    session, repetition = received.session, received.session.repetition
    tape, normalised = session.fitted(recording, endpoint, received.http.body)
    script = None if received.incoming is None else recording.script
    faults = [] if script is None else ConfiguredFaults(script.faults).take()
    give_back = partial(session.give_back, recording)
    what = tape if script is None else script
    return Taken(what, "recording", recording.label, faults, give_back, normalised, repetition)


def _plan_without_setup(received: ReceivedRequest, miss: Miss) -> Plan:
    """The answer where the session has none: an error, a computed result, or what the simulated model generates."""
    http, incoming = received.http, received.incoming
    if http.wire is None or http.method != "POST":
        return ready(no_recording_answer(received, http.error_wire, miss) if miss.nearest is not None else None)
    if received.refusal is not None:
        return ready(refused(http.wire, received.refusal))
    if received.settings.strict:
        return ready(no_recording_answer(received, http.wire, miss))
    assert incoming is not None
    return plan_simulated(received, http.wire, incoming, str(miss) if miss.recordings else "")


def _finished(
    received: ReceivedRequest,
    finish: Callable[[], Answer | None],
    taken: Taken | None,
    faults: Sequence[ActiveFault],
    misses: tuple[NearMiss, ...] = (),
) -> Answer | None:
    """The answer with its faults applied, and with the near misses."""
    answer = finish()
    if answer is None:
        return None
    if misses:
        answer = replace(answer, misses=misses)
    if answer.by in ("error", "fault"):
        return answer
    answer = with_faults(received, answer, taken, faults)
    if answer.instant or received.incoming is None:
        return answer
    return replace(answer, request=replace(received.incoming.request, body={}, text=""), script=None)
