"""The faults of a response, as plain data.

A fault is a value that is tagged by its name: `{"fault": "fin", "frame": 5}` in JSON, `fin@frame=5` as a specification
(`specification`). The faults here are a closed union, which `fault_injection.apply` applies; a fault of another package
is a `CustomFault`, which has its own `apply`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Annotated, Any, ClassVar, Literal, TypeAlias, get_args

import msgspec
from msgspec import Meta

from tokentape_fake_provider.errors import FaultError
from tokentape_fake_provider.tape import Tape

Index: TypeAlias = int | Literal["random"]
Place: TypeAlias = int | Literal["random", "end"]
SweptPlaces: TypeAlias = Literal["between_frames", "each_frame", "each_event"]

_WORDS = re.compile(r"(?<=[a-z])(?=[A-Z])")


def _name(class_name: str) -> str:
    return _WORDS.sub("_", class_name).lower()


class FaultBase(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    forbid_unknown_fields=True,
    omit_defaults=True,
    tag_field="fault",
    tag=_name,
):
    """The fields of every fault: when it happens."""

    breaks: ClassVar[bool] = True
    """Whether the fault damages the response, so that a client would retry."""
    swept_places: ClassVar[SweptPlaces | None] = None
    """The places where a sweep tries it: each frame boundary, or each frame or event; `None` if it has no place."""
    swept_variants: ClassVar[Sequence[str]] = ("",)
    """The parameters with which a sweep tries it on the whole response, as in a specification."""

    times: Annotated[int | None, Meta(description="how often it happens at most; without it, always")] = None
    after: Annotated[int, Meta(description="how many responses come first without it")] = 0
    probability: Annotated[float, Meta(description="its probability, 0 to 1")] = 1.0
    seed: Annotated[int, Meta(description="the seed of its random numbers")] = 0

    def __post_init__(self) -> None:
        self._check(self.times is None or self.times >= 1, f"times is {self.times}: it must be 1 or more")
        self._check(self.after >= 0, f"after is {self.after}: it must be 0 or more")
        self._check(0 <= self.probability <= 1, f"probability is {self.probability:g}: it must be 0 to 1")

    def _check(self, valid: bool, problem: str) -> None:
        if not valid:
            raise FaultError(f"fault {fault_name(self)}: {problem}")

    def _check_wait(self, name: str, value: float | None, limit: str, unit: str = "") -> None:
        self._check(value is None or 0 <= value < float(limit), f"{name} is {value}{unit}: it must be 0 to {limit}")


class _Placed(FaultBase, frozen=True, kw_only=True):
    """A fault at a place between two bytes of the body; by default before the event that ends the answer."""

    swept_places = "between_frames"
    swept_variants: ClassVar[Sequence[str]] = ()

    frame: Annotated[Place | None, Meta(description="after this many frames; negative counts from the end")] = None
    event: Annotated[Place | None, Meta(description="after this many events; negative counts from the end")] = None
    byte: Annotated[Place | None, Meta(description="after this many bytes; negative counts from the end")] = None

    def __post_init__(self) -> None:
        super().__post_init__()
        given = [name for name in ("frame", "event", "byte") if getattr(self, name) is not None]
        self._check(len(given) < 2, f"{' and '.join(given)} are both given: keep one")


class HttpError(FaultBase, frozen=True):
    """An HTTP error in the provider's format, instead of the response; a 429 reports 0 remaining requests."""

    swept_variants = ("retry_after=0.001", "status=429,retry_after=0.001")

    status: Annotated[int, Meta(description="400 to 599")] = 500
    message: Annotated[str, Meta(description="the message")] = "The server had an error while processing your request."
    error_type: Annotated[str | None, Meta(description="the error's type, instead of the provider's own")] = None
    code: Annotated[str | None, Meta(description="the error's code, instead of the provider's own")] = None
    retry_after: Annotated[float | None, Meta(description="when the client may retry, in s")] = None

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check(400 <= self.status <= 599, f"status is {self.status}: it must be 400 to 599")
        self._check_wait("retry_after", self.retry_after, "1e9")


class Overload(FaultBase, frozen=True):
    """The provider's own error for an overloaded server (503, Anthropic's 529), instead of the response."""

    swept_variants = ("retry_after=0.001",)

    retry_after: Annotated[float | None, Meta(description="when the client may retry, in s")] = None

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check_wait("retry_after", self.retry_after, "1e9")


class Quota(FaultBase, frozen=True, kw_only=True):
    """Limits on requests and tokens: headers report what remains, and a request beyond a limit gets a 429."""

    swept_variants = ()

    requests: Annotated[int | None, Meta(description="requests in a window")] = None
    tokens: Annotated[int | None, Meta(description="input and output tokens in a window")] = None
    input_tokens: Annotated[int | None, Meta(description="input tokens in a window")] = None
    output_tokens: Annotated[int | None, Meta(description="output tokens in a window")] = None
    window_ms: Annotated[float, Meta(description="how long a window is")] = 60_000.0

    def __post_init__(self) -> None:
        super().__post_init__()
        limits = (self.requests, self.tokens, self.input_tokens, self.output_tokens)
        self._check(
            any(limit is not None for limit in limits),
            "it has no limit: set requests, tokens, input_tokens or output_tokens",
        )
        self._check(all(limit is None or limit >= 0 for limit in limits), "a limit is negative: it must be 0 or more")
        self._check(
            0 < self.window_ms < 1e15, f"window is {self.window_ms:g} ms: it must be more than 0, and less than 1e15"
        )


class SlowHeaders(FaultBase, frozen=True):
    """The headers come late, and everything after them."""

    swept_variants = ("for=ever",)

    for_ms: Annotated[float | None, Meta(description="how late (`for=ever`: nothing is sent at all)")] = 1000.0

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check_wait("for", self.for_ms, "1e15", " ms")


class Stall(_Placed, frozen=True, kw_only=True):
    """The stream stalls at a place."""

    for_ms: Annotated[float | None, Meta(description="how long (`for=ever`: until the client leaves)")] = None

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check_wait("for", self.for_ms, "1e15", " ms")


class _Closed(_Placed, frozen=True, kw_only=True):
    """The connection ends at a place."""

    swept_variants = ("before_headers",)

    before_headers: Annotated[bool, Meta(description="nothing is sent before")] = False

    def __post_init__(self) -> None:
        super().__post_init__()
        placed = any(place is not None for place in (self.frame, self.event, self.byte))
        self._check(
            not (self.before_headers and placed), "before_headers is a place already: remove frame, event or byte"
        )


class Fin(_Closed, frozen=True, kw_only=True):
    """The connection is closed at a place, without the end of the body (in chunked coding: the last chunk)."""


class Rst(_Closed, frozen=True, kw_only=True):
    """The connection is reset at a place, after the client has received what comes before it."""


class CleanEnd(_Placed, frozen=True, kw_only=True):
    """The body ends at a place like a complete one, but without its terminal event."""


class HalfEvent(FaultBase, frozen=True, kw_only=True):
    """The first half of an event, and then the end."""

    swept_places = "each_event"
    swept_variants = ()

    event: Annotated[
        Index | None, Meta(description="which, from 0; by default the last before the one that ends the answer")
    ] = None
    then: Annotated[
        Literal["clean_end", "fin", "rst", "stall"], Meta(description="what follows: clean_end, fin, rst or stall")
    ] = "clean_end"


class InBandError(_Placed, frozen=True, kw_only=True):
    """The provider's error event inside a stream; nothing follows it."""

    status: Annotated[int, Meta(description="the HTTP status of such an error")] = 500
    message: Annotated[str, Meta(description="the message")] = "The server had an error while processing your request."
    error_type: Annotated[str | None, Meta(description="the error's type, instead of the provider's own")] = None
    code: Annotated[str | None, Meta(description="the error's code, instead of the provider's own")] = None

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check(400 <= self.status <= 599, f"status is {self.status}: it must be 400 to 599")


class MalformedJson(FaultBase, frozen=True, kw_only=True):
    """An event whose JSON is truncated, in a complete frame."""

    swept_places = "each_event"
    swept_variants = ()

    event: Annotated[
        Index | None, Meta(description="which, from 0; by default the last before the one that ends the answer")
    ] = None


class WrongOrder(FaultBase, frozen=True, kw_only=True):
    """An event changes places with the next one."""

    swept_places = "each_event"
    swept_variants = ()

    event: Annotated[Index, Meta(description="which, from 0")] = 0


class _Picked(FaultBase, frozen=True, kw_only=True):
    """A fault of one frame or one event."""

    swept_places = "each_frame"
    swept_variants = ()

    frame: Annotated[Index | None, Meta(description="which frame, from 0")] = None
    event: Annotated[
        Index | None, Meta(description="which event, from 0; by default the last before the one that ends the answer")
    ] = None

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check(self.frame is None or self.event is None, "frame and event are both given: keep one")


class Duplicate(_Picked, frozen=True, kw_only=True):
    """A frame or event is sent twice."""


class Lose(_Picked, frozen=True, kw_only=True):
    """A frame or event is left out."""


class NoUsage(FaultBase, frozen=True):
    """No event reports usage."""

    breaks = False


class EmptyStream(FaultBase, frozen=True):
    """Status and headers of a successful response, and an empty body."""


class TinyChunks(FaultBase, frozen=True):
    """The body leaves a few bytes at a time, each in its own write."""

    breaks = False

    size: Annotated[int, Meta(description="bytes of each write")] = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check(self.size >= 1, f"size is {self.size}: it must be 1 or more")


class Split(FaultBase, frozen=True):
    """Frames are split at difficult places, and the parts leave each in its own write."""

    breaks = False
    swept_variants = ("inside=utf8", "inside=crlf", "inside=event")

    inside: Annotated[
        Literal["utf8", "crlf", "event"],
        Meta(description="utf8: within characters; crlf: between the CR and LF of line ends; event: within events"),
    ] = "utf8"


class Comments(FaultBase, frozen=True):
    """SSE comments between the events, as servers and proxies send to keep a connection open."""

    breaks = False

    text: Annotated[str, Meta(description="their text")] = "keep-alive"
    every: Annotated[int, Meta(description="the number of events between two of them")] = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check(self.every >= 1, f"every is {self.every}: it must be 1 or more")
        self._check(not re.search(r"[\r\n]", self.text), "text has a line break: a comment is one line")


class Pings(FaultBase, frozen=True):
    """The provider's own pings between the events, if it sends any."""

    breaks = False

    every: Annotated[int, Meta(description="the number of events between two of them")] = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check(self.every >= 1, f"every is {self.every}: it must be 1 or more")


class GiantEvent(FaultBase, frozen=True, kw_only=True):
    """An event with a large field that has no meaning."""

    breaks = False

    event: Annotated[Index, Meta(description="which, from 0")] = 0
    size: Annotated[int, Meta(description="roughly how many bytes are added")] = 1_000_000

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check(0 <= self.size <= 100_000_000, f"size is {self.size}: it must be 0 to 100000000")


class ContentType(FaultBase, frozen=True):
    """A content type that does not match the body."""

    value: Annotated[str, Meta(description="the content type")] = "text/html; charset=utf-8"

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check(
            bool(re.fullmatch(r"[\x20-\x7e]+", self.value)),
            f"value {self.value!r} can't be sent in a header: use visible ASCII characters",
        )


class Gzip(FaultBase, frozen=True):
    """The body is compressed with gzip."""

    breaks = False
    swept_variants = ("", "flush=false")

    flush: Annotated[
        bool, Meta(description="each frame can be decoded at once; else frames wait until a block is full")
    ] = True


class BitFlip(FaultBase, frozen=True, kw_only=True):
    """One bit of the body is wrong."""

    byte: Annotated[Index, Meta(description="which byte, from 0")] = "random"
    bit: Annotated[int, Meta(description="which bit of it, 0 to 7")] = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check(0 <= self.bit <= 7, f"bit is {self.bit}: it must be 0 to 7")


class CustomFault(FaultBase, frozen=True, kw_only=True):
    """A fault of another package, found by its entry point in the group `tokentape.faults`.

    `tokentape faults` shows its docstring; each field is `Annotated` with a description.
    """

    def apply(self, context: Any) -> Tape:
        """Return the damaged tape, from a `FaultContext`. Pure: the same context gives the same tape.

        Raises `FaultNotApplicableError` with the reason if the fault changes nothing.
        """
        raise NotImplementedError


Refusal: TypeAlias = HttpError | Overload | Quota
Placed: TypeAlias = Stall | Fin | Rst | CleanEnd | InBandError
BuiltInFault: TypeAlias = (
    HttpError
    | Overload
    | Quota
    | SlowHeaders
    | Stall
    | Fin
    | Rst
    | CleanEnd
    | HalfEvent
    | InBandError
    | MalformedJson
    | WrongOrder
    | Duplicate
    | Lose
    | NoUsage
    | EmptyStream
    | TinyChunks
    | Split
    | Comments
    | Pings
    | GiantEvent
    | ContentType
    | Gzip
    | BitFlip
)
Fault: TypeAlias = BuiltInFault | CustomFault
"""A fault of a response, with the requests that it applies to."""


def fault_name(fault: FaultBase | type[FaultBase]) -> str:
    """Return the name of a fault in the catalogue."""
    kind = fault if isinstance(fault, type) else type(fault)
    return _name(kind.__name__)


FAULTS: dict[str, type[Fault]] = {fault_name(kind): kind for kind in get_args(BuiltInFault)}
"""The built-in kinds of faults by name."""
