"""Encodes a script as a tape: the bytes and the times of a scripted response."""

from __future__ import annotations

from typing import Final

import msgspec

from tokentape_fake_provider.encoding.kept_encodings import encode_stream
from tokentape_fake_provider.encoding.token_grouping import group_tokens
from tokentape_fake_provider.errors import ScriptError
from tokentape_fake_provider.script.model import Script, Usage
from tokentape_fake_provider.script.usage import count_input
from tokentape_fake_provider.tape import Frame, Tape
from tokentape_fake_provider.timing import Conditions, Instant, Stepped, Timing, headers_at, profile_of, schedule
from tokentape_fake_provider.wires import served_named
from tokentape_fake_provider.wires.wire import ProviderRequest, Reply, Wire

_AT_ONCE: Final = (Instant, Stepped)


def encode(script: Script, request: ProviderRequest, timing: Timing, *, in_flight: int = 1) -> Tape:
    """Encode the scripted response to a request: streamed, whole, or an HTTP error (which is sent at once).

    A response that is not streamed is sent when the last frame of a stream would be. `in_flight` counts the responses
    being sent, including this one. Raises `ScriptError` if the wire format can't express the script.
    """
    wire = served_named(request.wire)
    try:
        return _encode(script, request, timing, wire, in_flight)
    except UnicodeEncodeError as error:
        raise ScriptError(
            f"the script has half a surrogate pair, {error.object[error.start]!r}, which UTF-8 can't encode: remove it"
        ) from error


def conditions_of(timing: Timing, prompt: str, in_flight: int, usage: Usage) -> Conditions:
    """Return the conditions that a profile's times depend on; the prompt's tokens are counted only if they matter."""
    profile = profile_of(timing)
    if profile is None or not profile.ttft.counts_input:
        return Conditions(in_flight=in_flight)
    return Conditions(count_input(usage, prompt), usage.cached or 0, in_flight)


def _encode(script: Script, request: ProviderRequest, timing: Timing, wire: Wire, in_flight: int) -> Tape:
    if script.error is not None and not (script.error.in_stream and request.stream):
        return tape_of_reply(wire.encode_error(script.error, request))
    if request.stream and isinstance(timing, _AT_ONCE):
        frames = encode_stream(script, request, wire).frames
        return Tape(frames, headers=wire.stream_headers(request), end_at=0.0)
    conditions = conditions_of(timing, request.text, in_flight, script.usage)
    profile = profile_of(timing)
    if profile is not None and profile.tokens_per_event:
        script = group_tokens(script, profile.tokens_per_event, seed=f"{profile.seed}:{request.seed}")
    if request.stream:
        encoded = encode_stream(script, request, wire)
        timed = schedule(encoded.pieces, timing, stream=request.seed, conditions=conditions, data=encoded.data)
        return Tape(timed, headers=wire.stream_headers(request), start=headers_at(timed, timing), end_at=timed[-1].at)
    at = 0.0
    if not isinstance(timing, Instant):
        pieces = wire.encode_stream(script, msgspec.structs.replace(request, stream=True))
        at = schedule(pieces, timing, stream=request.seed, conditions=conditions)[-1].at
    return tape_of_reply(wire.encode_complete(script, request), at)


def tape_of_reply(reply: Reply, at: float = 0.0) -> Tape:
    """Return a response of one frame, sent `at` ms after the request."""
    headers = (*reply.headers, ("content-length", str(len(reply.body))))
    return Tape((Frame(at, reply.body),), reply.status, headers, start=at, end_at=at)
