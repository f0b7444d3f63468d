"""From a script to a tape: the one way that a scripted response gets its bytes and its times."""

from __future__ import annotations

from tokentape_fake_provider.errors import BadRequestError
from tokentape_fake_provider.script import Error, Script
from tokentape_fake_provider.tape import Frame, Tape
from tokentape_fake_provider.timing import Instant, Recorded, Synthetic, Timing, schedule
from tokentape_fake_provider.wires import wire_named
from tokentape_fake_provider.wires.wire import Ask, Reply


def encode(script: Script, ask: Ask, timing: Timing) -> Tape:
    """The response to `ask` that says `script`: streamed, whole, or an HTTP error.

    What is not streamed leaves when a stream's last frame would, an HTTP error when its first would. Raises
    `ScriptError` if the script can't be said in this wire format.
    """
    wire = wire_named(ask.wire)
    if script.error is not None and not (script.error.in_stream and ask.stream):
        return tape_of_reply(wire.encode_error(script.error, ask), _first_byte(timing))
    frames = schedule(wire.encode_stream(script, ask), timing, stream=ask.seed)
    if not ask.stream:
        return tape_of_reply(wire.encode_complete(script, ask), frames[-1].at)
    return Tape(frames, headers=wire.stream_headers(ask), start=frames[0].at, end_at=frames[-1].at)


def tape_of_reply(reply: Reply, at: float = 0.0) -> Tape:
    """A response of one frame, `at` ms after the request."""
    return Tape((Frame(at, reply.body),), reply.status, reply.headers, start=at, end_at=at)


def error_of(error: BadRequestError) -> Error:
    """A refused request as the script of its HTTP error."""
    return Error(error.status, error.message, code=error.code, param=error.param)


def _first_byte(timing: Timing) -> float:
    match timing:
        case Synthetic():
            return timing.ttft_ms
        case Instant() | Recorded():
            return 0.0
