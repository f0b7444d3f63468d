"""From a script to a tape: the one way that a scripted response gets its bytes and its times."""

from __future__ import annotations

import msgspec

from tokentape_fake_provider.errors import ScriptError
from tokentape_fake_provider.script import Script
from tokentape_fake_provider.tape import Frame, Tape
from tokentape_fake_provider.timing import Instant, Timing, schedule
from tokentape_fake_provider.wires import wire_named
from tokentape_fake_provider.wires.wire import Ask, Reply, Wire


def encode(script: Script, ask: Ask, timing: Timing) -> Tape:
    """The response to `ask` that says `script`: streamed, whole, or an HTTP error (which comes at once).

    What is not streamed leaves when the last frame of a stream would. Raises `ScriptError` if the script
    can't be said in this wire format.
    """
    wire = wire_named(ask.wire)
    try:
        return _encode(script, ask, timing, wire)
    except UnicodeEncodeError as error:
        raise ScriptError(
            f"the script has half a surrogate pair, {error.object[error.start]!r}, which no UTF-8 can carry"
        ) from error


def _encode(script: Script, ask: Ask, timing: Timing, wire: Wire) -> Tape:
    if script.error is not None and not (script.error.in_stream and ask.stream):
        return tape_of_reply(wire.encode_error(script.error, ask))
    if ask.stream:
        frames = schedule(wire.encode_stream(script, ask), timing, stream=ask.seed)
        return Tape(frames, headers=wire.stream_headers(ask), start=frames[0].at, end_at=frames[-1].at)
    at = 0.0
    if not isinstance(timing, Instant):
        pieces = wire.encode_stream(script, msgspec.structs.replace(ask, stream=True))
        at = schedule(pieces, timing, stream=ask.seed)[-1].at
    return tape_of_reply(wire.encode_complete(script, ask), at)


def tape_of_reply(reply: Reply, at: float = 0.0) -> Tape:
    """A response of one frame, `at` ms after the request."""
    headers = (*reply.headers, ("content-length", str(len(reply.body))))
    return Tape((Frame(at, reply.body),), reply.status, headers, start=at, end_at=at)
