"""The faults that each client meets, and what our own client makes of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from tests.faults.readers import Reading, error_name
from tokentape import (
    AuthenticationError,
    BadRequestError,
    ConnectionFailedError,
    DecodeError,
    OverloadedError,
    ProviderError,
    RateLimitError,
    RequestTimeoutError,
    ServerError,
    TruncatedStreamError,
)

TEXT: Final = "Grüße an 世界, all of you, and more"

WHOLE: Final = ("whole",)
ANY: Final = ("whole", "partial", "changed", "nothing")


class Ours(NamedTuple):
    """What our own client raises, or `None`, and how much of the text it has then."""

    error: type[Exception] | None
    text: Sequence[str] = ANY


FAULTS: Final[Mapping[str, Ours]] = {
    "http_error": Ours(ServerError, ("nothing",)),
    "http_error@status=429,retry_after=2": Ours(RateLimitError, ("nothing",)),
    "http_error@status=400": Ours(BadRequestError, ("nothing",)),
    "http_error@status=401": Ours(AuthenticationError, ("nothing",)),
    "overload": Ours(OverloadedError, ("nothing",)),
    "quota@requests=0": Ours(RateLimitError, ("nothing",)),
    "fin": Ours(ConnectionFailedError, WHOLE),
    "fin@frame=1": Ours(ConnectionFailedError, ("nothing", "partial")),
    "fin@before_headers": Ours(ConnectionFailedError, ("nothing",)),
    "rst": Ours(ConnectionFailedError, WHOLE),
    "rst@before_headers": Ours(ConnectionFailedError, ("nothing",)),
    "clean_end": Ours(TruncatedStreamError, WHOLE),
    "clean_end@frame=1": Ours(TruncatedStreamError, ("nothing", "partial")),
    "half_event": Ours(TruncatedStreamError, ("partial", "whole")),
    "half_event@event=1": Ours(TruncatedStreamError, ("nothing", "partial")),
    "half_event@then=fin": Ours(ConnectionFailedError, ("partial", "whole")),
    "half_event@then=rst": Ours(ConnectionFailedError, ("partial", "whole")),
    "in_band_error": Ours(ProviderError, WHOLE),
    "in_band_error@status=429": Ours(ProviderError, WHOLE),
    "malformed_json": Ours(DecodeError, ("partial", "whole")),
    "wrong_order": Ours(None),
    "wrong_order@event=2": Ours(None),
    "duplicate": Ours(None),
    "duplicate@event=0": Ours(None),
    "lose": Ours(None),
    "lose@event=0": Ours(None),
    "no_usage": Ours(None, WHOLE),
    "empty_stream": Ours(TruncatedStreamError, ("nothing",)),
    "tiny_chunks": Ours(None, WHOLE),
    "split@inside=utf8": Ours(None, WHOLE),
    "split@inside=crlf": Ours(None, WHOLE),
    "split@inside=event": Ours(None, WHOLE),
    "comments": Ours(None, WHOLE),
    "pings": Ours(None, WHOLE),
    "giant_event@size=200000": Ours(None, WHOLE),
    "content_type": Ours(DecodeError, ("nothing",)),
    "gzip": Ours(None, WHOLE),
    "gzip@flush=false": Ours(None, WHOLE),
    "slow_headers@for=1ms": Ours(None, WHOLE),
    "stall@for=1ms": Ours(None, WHOLE),
}
"""Each fault, and how our own client takes it."""

ENDLESS: Final[Mapping[str, Ours]] = {
    "stall": Ours(RequestTimeoutError, ANY),
    "slow_headers@for=ever": Ours(RequestTimeoutError, ("nothing",)),
}
"""Faults that a client ends by its timeout."""

AWS_ONLY: Final[Mapping[str, Ours]] = {"bit_flip@byte=-40": Ours(DecodeError, ("partial", "whole"))}
"""A frame of AWS has a checksum."""

NOT_APPLICABLE: Final[Mapping[str, Sequence[str]]] = {
    "pings": [
        "openai_chat",
        "openai_responses",
        "openai_completions",
        "gemini",
        "gemini_interactions",
        "ollama",
        "cohere_chat",
        "bedrock_converse",
        "bedrock_invoke",
    ],
    "comments": ("ollama", "bedrock_converse", "bedrock_invoke"),
    "split@inside=crlf": ("bedrock_converse", "bedrock_invoke"),
}
"""Wire formats that a fault can't happen to."""


def specs_of(wire: str) -> Mapping[str, Ours]:
    """The faults of a wire format that a client needs no patience for."""
    chosen = {spec: ours for spec, ours in FAULTS.items() if wire not in NOT_APPLICABLE.get(spec, ())}
    return chosen | dict(AWS_ONLY if wire.startswith("bedrock") else {})


def amount(text: str) -> str:
    """How much of the text that is."""
    if text == TEXT:
        return "whole"
    if not text:
        return "nothing"
    return "partial" if TEXT.startswith(text) else "changed"


def described(reading: Reading) -> str:
    """A reading in words: `partial, openai.APIConnectionError`."""
    return amount(reading.text) + ("" if reading.error is None else f", {error_name(reading.error)}")
