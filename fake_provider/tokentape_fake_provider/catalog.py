"""Catalog: what answers a request.

In this order: the session's queue, its rules, its recordings, then synthetic text, or in a strict session an
error that names the nearest recording and what differs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

import msgspec

from tokentape_fake_provider.encode import conditions_of, encode, tape_of_reply
from tokentape_fake_provider.errors import BadRequestError, ScriptError
from tokentape_fake_provider.journal import AnsweredBy
from tokentape_fake_provider.script import Error, Script, Usage
from tokentape_fake_provider.session import Session, SessionSettings
from tokentape_fake_provider.shelf import Endpoint, Miss
from tokentape_fake_provider.synthetic import synthetic_script
from tokentape_fake_provider.tape import Tape
from tokentape_fake_provider.timing import Instant, Stepped, Timing, retime
from tokentape_fake_provider.wires.openai_dresses import dressed_for
from tokentape_fake_provider.wires.request import json_type
from tokentape_fake_provider.wires.wire import Ask, Wire

# 404 is what no official SDK retries; those of OpenAI and Anthropic also obey `x-should-retry`.
NO_ANSWER_STATUS = 404
NO_RETRY = (("x-should-retry", "false"),)

Headers: TypeAlias = tuple[tuple[str, str], ...]


class Request(NamedTuple):
    """A request below the session prefix.

    `body` is its JSON value, or its bytes where it is not JSON; `problem` then says why not. `created` is the
    unix time in s that the answer names.
    """

    method: str
    path: str
    body: Any
    wire: Wire | None
    created: int = 0
    problem: str = ""
    query: str = ""
    headers: Sequence[tuple[bytes, bytes]] = ()


class Answer(NamedTuple):
    """What goes out; with `instant` the tape's times do not count, with `steps` it waits for the test's.

    `note` says why nothing better did.
    """

    tape: Tape
    by: AnsweredBy
    source: str = ""
    instant: bool = False
    note: str = ""
    steps: Stepped | None = None


def find_answer(session: Session, request: Request) -> Answer | None:
    """What answers; `None` if no wire format owns the path and no recording has it."""
    settings, wire = session.settings, request.wire
    number = session.next_number()
    in_flight = session.journal.in_flight + 1
    endpoint = Endpoint(request.method, request.path, wire.name if wire else None)
    if wire is None or request.method != "POST":
        taken = session.take_recording(endpoint, request.body)
        return (
            None
            if isinstance(taken, Miss)
            else _from_tape(taken.tape, settings, number, in_flight, "", "recording", taken.label)
        )

    seed = f"{settings.seed}:{number}"
    ask: Ask | None = None
    refusal: BadRequestError | None = None
    if isinstance(request.body, Mapping):
        try:
            ask = wire.read(request.path, request.body, created=request.created, seed=seed)
            ask = msgspec.structs.replace(ask, query=request.query)
            ask = dressed_for(ask, settings.dress, request.headers)
        except BadRequestError as error:
            refusal = error
    else:
        problem = request.problem or f"it is {json_type(request.body)}"
        refusal = BadRequestError(f"The request body is not a JSON object ({problem}): send one, as application/json.")

    if ask is not None:
        queued = session.take_queued()
        if isinstance(queued, Tape):
            return _from_tape(queued, settings, number, in_flight, ask.text, "queue")
        if queued is not None:
            return _from_script(queued, ask, wire, settings, in_flight, "queue")
        ruled = session.take_by_rule(ask)
        if ruled is not None:
            return _from_script(ruled[1], ask, wire, settings, in_flight, "rule", f"rule {ruled[0]}")

    taken = session.take_recording(endpoint, request.body, None if ask is None else ask.text)
    if not isinstance(taken, Miss):
        if taken.script is not None and ask is not None:
            return _from_script(taken.script, ask, wire, settings, in_flight, "recording", taken.label)
        prompt = "" if ask is None else ask.text
        return _from_tape(taken.tape, settings, number, in_flight, prompt, "recording", taken.label)
    if ask is None:
        assert refusal is not None
        return refused(wire, refusal)
    note = str(taken) if taken.recordings else ""
    if settings.strict:
        advice = "Queue a script, add a rule, load or record a cassette, or turn strict off."
        return error_answer(wire, NO_ANSWER_STATUS, f"{taken} {advice}", "no_recording", ask=ask)
    script = synthetic_script(ask, seed=seed, locale=settings.locale)
    return _from_script(script, ask, wire, settings, in_flight, "synthetic", note=note)


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


def _from_tape(
    tape: Tape,
    settings: SessionSettings,
    number: int,
    in_flight: int,
    prompt: str,
    by: AnsweredBy,
    source: str = "",
) -> Answer:
    if isinstance(settings.timing, Instant):
        return Answer(tape, by, source, instant=True)
    conditions = conditions_of(settings.timing, prompt, in_flight, settings.usage)
    made = retime(tape, settings.timing, stream=str(number), conditions=conditions)
    return Answer(made, by, source, steps=_steps(settings.timing))


def _steps(timing: Timing) -> Stepped | None:
    return timing if isinstance(timing, Stepped) else None


def _from_script(
    script: Script,
    ask: Ask,
    wire: Wire,
    settings: SessionSettings,
    in_flight: int,
    by: AnsweredBy,
    source: str = "",
    *,
    note: str = "",
) -> Answer:
    try:
        tape = encode(_with_usage(script, settings.usage), ask, settings.timing, in_flight=in_flight)
    except ScriptError as error:
        return error_answer(wire, 400, f"The script from the {by} can't be sent: {error}", "bad_script", ask=ask)
    return Answer(tape, by, source, isinstance(settings.timing, Instant), note, _steps(settings.timing))


def _with_usage(script: Script, usage: Usage) -> Script:
    if usage == Usage():
        return script
    given = script.usage
    filled = {
        name: getattr(given, name) if getattr(given, name) is not None else getattr(usage, name)
        for name in ("input", "output", "total", "cached", "cache_write", "reasoning")
    }
    return msgspec.structs.replace(script, usage=Usage(**filled, report=given.report and usage.report))
