"""The faults of an answer, and what remains of the quotas that it is charged to."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from tokentape_fake_provider.answers.answer import Answer
from tokentape_fake_provider.answers.received_request import ReceivedRequest
from tokentape_fake_provider.encoding.encode import tape_of_reply
from tokentape_fake_provider.errors import FaultNotApplicableError
from tokentape_fake_provider.fault_injection.active_faults import ActiveFault
from tokentape_fake_provider.fault_injection.apply import apply_fault
from tokentape_fake_provider.fault_injection.fault_context import output_tokens
from tokentape_fake_provider.fault_injection.quota import QuotaCounter, QuotaExceeded
from tokentape_fake_provider.faults.fault import HttpError, Overload
from tokentape_fake_provider.faults.specification import format_fault
from tokentape_fake_provider.script.model import Error, Script
from tokentape_fake_provider.script.usage import count_input, resolve_usage
from tokentape_fake_provider.sessions.taken import Taken
from tokentape_fake_provider.tape import Tape
from tokentape_fake_provider.timing import Instant, retime
from tokentape_fake_provider.wires.wire import ProviderRequest, Wire


def refused_by_fault(
    received: ReceivedRequest, wire: Wire, request: ProviderRequest, faults: Sequence[ActiveFault]
) -> Answer | None:
    """The first fault that answers in place of anything else; nothing is taken for it."""
    for active in faults:
        tape: Tape | None = None
        if isinstance(active.fault, HttpError | Overload):
            tape = apply_fault(active.fault, Tape(), wire, request)
        elif active.quota is not None:
            now, tokens = received.http.now, count_input(received.settings.usage, request.text)
            if (spent := active.quota.charge_request(now, tokens)) is not None:
                tape = _beyond(spent, active.quota, now, wire, request)
        if tape is not None:
            specification = format_fault(active.fault)
            return Answer(tape, "fault", specification, faults=(specification,))
    return None


def _beyond(spent: QuotaExceeded, count: QuotaCounter, now: float, wire: Wire, request: ProviderRequest) -> Tape:
    error = Error(429, spent.message(request.model), retry_after=spent.retry_after)
    limits = count.limits(now, float(request.created))
    return tape_of_reply(wire.encode_error(error, request)).with_headers(*wire.limit_headers(limits, request))


def with_faults(
    received: ReceivedRequest, answer: Answer, taken: Taken | None, faults: Sequence[ActiveFault]
) -> Answer:
    """The answer with its faults applied. What a fault of limited `times` broke can answer again."""
    active_faults = [*(taken.active_faults if taken is not None else ()), *faults]
    if not active_faults:
        return answer
    tape = retime(answer.tape, Instant()) if answer.instant else answer.tape
    done, notes = [], [answer.note] if answer.note else []
    passes = False
    for active in active_faults:
        if active.quota is not None:
            tape = _counted(active.quota, tape, answer.script, received)
            continue
        specification = format_fault(active.fault)
        try:
            tape = apply_fault(active.fault, tape, received.http.wire, received.request, active.draw)
        except FaultNotApplicableError as error:
            notes.append(f"fault {specification} changed nothing: {error}")
            continue
        done.append(specification)
        passes = passes or active.passes
    if passes and taken is not None:
        taken.give_back()
    return replace(answer, tape=tape, instant=False, note="; ".join(notes), faults=tuple(done))


def _counted(count: QuotaCounter, tape: Tape, script: Script | None, received: ReceivedRequest) -> Tape:
    """The tape with headers that report what remains of a quota, once its output is charged."""
    wire, request = received.http.wire, received.request
    if wire is None or request is None:
        return tape
    counts = None if script is None else resolve_usage(script, request.text, script.choices)
    count.charge_output(output_tokens(tape, wire) if counts is None else counts.output)
    limits = count.limits(received.http.now, float(request.created))
    return tape.with_headers(*wire.limit_headers(limits, request))
