"""A script or a tape becomes an answer: encoded, with its times and its usage, and stored if the provider stores it."""

from __future__ import annotations

from functools import partial
from typing import Final

import msgspec
from msgspec.structs import replace

from tokentape_fake_provider.answers.answer import Answer, Plan, error_answer, refused
from tokentape_fake_provider.answers.declared_tools import undeclared_calls
from tokentape_fake_provider.answers.received_request import ReceivedRequest
from tokentape_fake_provider.answers.response_context import (
    RESPONSES,
    build_answer,
    is_background,
    is_stored,
    response_in,
    unfinished,
)
from tokentape_fake_provider.encoding.encode import conditions_of, encode, tape_of_reply
from tokentape_fake_provider.errors import BadRequestError, ScriptError
from tokentape_fake_provider.fault_injection.fault_context import reported_usage
from tokentape_fake_provider.playback.journal import AnsweredBy, TokenCounts
from tokentape_fake_provider.script.model import Script, Usage, streamed_text
from tokentape_fake_provider.script.usage import count_all_output, count_input
from tokentape_fake_provider.sessions.condition import IncomingRequest
from tokentape_fake_provider.sessions.settings import SessionSettings
from tokentape_fake_provider.sessions.stored_answers import Background
from tokentape_fake_provider.sessions.taken import Taken
from tokentape_fake_provider.simulation.results import computed
from tokentape_fake_provider.tape import Tape
from tokentape_fake_provider.timing import Instant, Stepped, retime
from tokentape_fake_provider.wires import served_named, wire_named
from tokentape_fake_provider.wires.prompt_tokens import is_plain, tokens_besides_text
from tokentape_fake_provider.wires.tasks import Counting
from tokentape_fake_provider.wires.wire import ProviderRequest

_COMPUTED: Final = Usage()


def plan_taken(received: ReceivedRequest, taken: Taken) -> Plan:
    """The answer that was taken from what is set up."""
    return Plan(partial(_answer_of, received, taken), _size(received.request, taken.what))


def _size(request: ProviderRequest | None, what: Script | Tape) -> int:
    prompt = 0 if request is None else len(request.text)
    if request is not None and request.task is not None:
        return prompt + request.task.size
    if isinstance(what, Script):
        items = (item for choice in what.choices for item in choice.items)
        return prompt + sum(len(streamed_text(item)) for item in items)
    return 0


def _answer_of(received: ReceivedRequest, taken: Taken) -> Answer:
    if isinstance(taken.what, Tape):
        return _answer_of_tape(received, taken.what, taken)
    assert received.incoming is not None
    warning = "" if taken.by == "recording" else undeclared_calls(taken.what, received.incoming.request.body)
    if warning:
        received.session.warn(warning)
    return answer_of_script(received, taken.what, taken.by, taken.source, note=warning)


def _answer_of_tape(received: ReceivedRequest, tape: Tape, taken: Taken) -> Answer:
    settings, request, own = received.settings, received.request, received.http.body
    timing, steps, repetition, instant = settings.timing, _steps(settings), taken.repetition, False
    if request is not None and request.wire == RESPONSES and is_stored(request):
        received.session.stored.keep(lambda: build_answer(request, own, response_in(tape)))
        repetition = None
    if not isinstance(timing, Instant):
        prompt = "" if request is None else request.text
        conditions = conditions_of(timing, prompt, received.in_flight, settings.usage)
        sent = retime(tape, timing, stream=str(received.number), conditions=conditions)
    else:
        # Frames that leave in their own writes are paced, like those with times.
        sent = retime(tape, timing) if steps is not None or tape.apart else tape
        instant = steps is None and not tape.apart
    return Answer(
        *(sent, taken.by, taken.source, instant),
        steps=steps,
        normalised=taken.normalised,
        usage=None if received.http.wire is None else partial(reported_usage, tape, received.http.wire),
        repetition=repetition if sent is tape and steps is None else None,  # else its times may differ each time
    )


def answer_of_script(
    received: ReceivedRequest, script: Script, by: AnsweredBy, source: str = "", *, note: str = ""
) -> Answer:
    """The answer that is encoded from a script; an error if the wire format or the endpoint can't send it."""
    settings, incoming = received.settings, received.incoming
    assert incoming is not None
    request, wire = incoming.request, served_named(incoming.request.wire)
    script = _with_usage(script, settings.usage)
    if request.task is None:
        script = _with_input(script, incoming)
    elif script.error is None:
        try:
            script = replace(script, result=computed(request.task, script.result))
        except BadRequestError as error:
            return refused(wire, error, request)
    try:
        tape = encode(script, request, settings.timing, in_flight=received.in_flight)
    except ScriptError as error:
        message = f"The script from the {by} can't be sent: {error}"
        return error_answer(wire, 400, message, "bad_script", request=request)
    steps, sent = _steps(settings), script if script.error is None else None
    instant, usage = isinstance(settings.timing, Instant) and steps is None, _usage_of(script, request)
    answer = Answer(tape, by, source, instant, note, steps, usage=usage, script=sent)
    return answer if sent is None or not is_stored(request) else _stored(received, answer, script, request)


def _stored(received: ReceivedRequest, answer: Answer, script: Script, request: ProviderRequest) -> Answer:
    """The answer, kept for the requests that refer to it; a background response that is not streamed begins."""
    wire, settings, background, own = wire_named(request.wire), received.settings, None, received.http.body
    complete = partial(wire.encode_complete, script, replace(request, stream=False))
    if is_background(request):
        streamed = replace(request, stream=True)
        tape = (
            answer.tape if request.stream else encode(script, streamed, settings.timing, in_flight=received.in_flight)
        )
        background = Background(tape, received.http.now, request.stream)
    received.session.stored.keep(lambda: build_answer(request, own, complete(), background))
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
