"""An answer to a request, and the request as it came."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final, TypeAlias

import msgspec

from tokentape_fake_provider.encoding.encode import tape_of_reply
from tokentape_fake_provider.errors import BadRequestError
from tokentape_fake_provider.playback.journal import AnsweredBy, TokenCounts
from tokentape_fake_provider.playback.near_miss import NearMiss
from tokentape_fake_provider.script.model import Error, Script
from tokentape_fake_provider.sessions.recording_store import Repetition
from tokentape_fake_provider.sessions.stored_files import StoredFile
from tokentape_fake_provider.tape import Tape
from tokentape_fake_provider.timing import Stepped
from tokentape_fake_provider.wires.wire import ProviderRequest, Wire

Headers: TypeAlias = tuple[tuple[str, str], ...]

# The SDKs of OpenAI and Anthropic obey it.
_NO_RETRY: Final[Headers] = (("x-should-retry", "false"),)


class HttpRequest(msgspec.Struct, frozen=True):
    """A request below the session prefix.

    `body` is its JSON value, or its bytes if it is not JSON; then `problem` is the reason. `raw` are the bytes of the
    body, by which an equal request is known again. `created` is the unix time
    in s that the answer reports, `now` the time in ms of the session's clock. `error_wire` is the wire format for
    errors, also where the path belongs to none. With `listed`, neither queue nor rules answer: clients request lists of
    models by themselves.
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
    error_wire: Wire | None = None
    listed: bool = False
    raw: bytes = b""


class Answer(msgspec.Struct, frozen=True):
    """The response; with `instant` the tape's times are ignored, with `steps` it waits for the test's steps.

    `note` is why nothing better answered, `misses` the nearest rule and recording if neither did; `faults` are those
    that were applied; `normalised` is what was ignored when the request was compared with its recording. `usage`
    counts its tokens.
    """

    tape: Tape
    by: AnsweredBy
    source: str = ""
    instant: bool = False
    note: str = ""
    steps: Stepped | None = None
    faults: tuple[str, ...] = ()
    normalised: tuple[str, ...] = ()
    request: ProviderRequest | None = None
    misses: tuple[NearMiss, ...] = ()
    usage: TokenCounts | Callable[[], TokenCounts | None] | None = None
    repetition: Repetition | None = None
    """Set if an equal request gets the same answer, which then need not be found anew."""
    content_of: StoredFile | None = None
    """The file whose content the body has to be."""
    script: Script | None = None
    """What was encoded, by which quotas count; `None` for an error and for a recorded tape."""


class Plan(msgspec.Struct, frozen=True):
    """What answers a request, already taken from the session; `finish` encodes it, in any thread.

    `finish` returns `None` if the path belongs to no wire format and no recording has it. `size` is the number of
    characters to encode and to count: those of the prompt, and those of the script that was taken or about those that
    the model generates.
    """

    finish: Callable[[], Answer | None]
    size: int = 0


def ready(answer: Answer | None) -> Plan:
    """The plan of an answer that is encoded already."""
    return Plan(lambda: answer)


def refused(wire: Wire, error: BadRequestError, request: ProviderRequest | None = None) -> Answer:
    """The provider's own refusal of a request."""
    refusal = Error(error.status, error.message, type=error.type, code=error.code, param=error.param)
    encoded = wire.encode_error(refusal, request)
    return Answer(tape_of_reply(encoded), "error", note=error.message)


def error_answer(
    wire: Wire, status: int, message: str, code: str, *, request: ProviderRequest | None = None, headers: Headers = ()
) -> Answer:
    """An error of this server in the provider's format, which no SDK retries."""
    tape = tape_of_reply(wire.encode_error(Error(status, message, code=code), request))
    return Answer(msgspec.structs.replace(tape, headers=(*tape.headers, *_NO_RETRY, *headers)), "error", note=message)
