"""Facts: what clients, converters and judges must know of a wire format, as data."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, Literal, NamedTuple

import msgspec

from tokentape_fake_provider.script.model import FinishReason

_CREATED: Final = 1_735_689_600


class Provider(msgspec.Struct, frozen=True):
    """Who serves a wire format: its origin, its official Python SDK, and the variables that SDKs read.

    `{region}` in the origin is a region of Amazon's. The first of the variables for a base URL counts most.
    `key_header` is the header that carries the key, in `authorization` after the scheme `Bearer`.
    """

    name: str
    origin: str
    sdk: str = ""
    base_urls: tuple[str, ...] = ()
    keys: tuple[str, ...] = ()
    key_header: str = "authorization"


class ModelList(NamedTuple):
    """How a provider describes a model, and a list of such descriptions."""

    model: Callable[[str], dict[str, Any]]
    listed: Callable[[list[dict[str, Any]]], dict[str, Any]]


OPENAI_MODELS: Final = ModelList(
    lambda model: {"id": model, "object": "model", "created": _CREATED, "owned_by": "tokentape"},
    lambda data: {"object": "list", "data": data},
)


def option_paths(
    holder: str = "",
    *,
    max_tokens: str = "max_tokens",
    top_p: str = "top_p",
    stop: str = "stop",
) -> Mapping[str, str]:
    """Where a request has the common options: the names of its fields, in a field that holds them if there is one."""
    names = {"max_tokens": max_tokens, "temperature": "temperature", "top_p": top_p, "stop": stop}
    return {option: f"{holder}.{name}" if holder else name for option, name in names.items() if name}


class WireFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What is true of a wire format, whoever speaks it; paths of fields are dotted."""

    provider: Provider
    framing: Literal["sse", "ndjson", "aws"] = "sse"

    # Requests
    client_settings: Mapping[str, Any] = {}
    """What the library's client needs beside a model, a key and a base URL."""
    unknown_model_settings: Mapping[str, Any] = {}
    """What it needs besides where the model's name is not enough."""
    sample_model: str = "model-1"
    option_paths: Mapping[str, str] = {}
    """Where a request has the common options; those that are missing it does not have."""
    choices_path: str = ""
    """Where a request has the number of choices; empty if there is only one."""
    prompt_required: bool = True
    """Whether a request without its prompt is refused."""

    # Responses
    named_events: bool = False
    """Whether the name of a server-sent event is the type in its data."""
    terminal_event: bool = False
    """Whether nothing can come after its last event, so that a reader need not wait for the end of the body."""
    response_id: bool = False
    """Whether a response has an id of its own from the first event on."""
    model_reported: bool = True
    usage_on_request: bool = False
    """Whether usage is streamed only if it is requested."""
    tool_calls: bool = True
    tool_call_ids: bool = True
    argument_text: bool = True
    """Whether arguments are text, in fragments, and so may be no JSON."""
    complete_argument_text: bool = True
    """Whether they are text, and so may be no JSON, in a response that does not stream."""
    reasoning: bool = True
    refusals: bool = False
    """Whether a refusal has a place of its own beside the text."""
    finish_words: Mapping[FinishReason, str] = {}
    """The word for each finish reason that has one of its own."""
    text_finish_reasons: tuple[FinishReason, ...] = ("stop",)
    """What can be read from the stream of a text of why it ended."""
    input_usage: tuple[str, ...] = ()
    """The counts that are all of the input, in a usage object."""
    output_usage: tuple[str, ...] = ()
    """The counts that are all of the output."""
    cached_usage: str = ""
    reasoning_usage: str = ""
    unreported_usage: frozenset[Literal["cached", "cache_write", "reasoning"]] = frozenset()
    """The parts of usage that have no place in it."""

    # Errors and lists
    error_fields: tuple[str, ...] = ()
    """The strings that an error has."""
    retry_after: bool = True
    """Whether a 429 has a header with the time to wait."""
    error_paths: str = ""
    """How paths begin that belong to no wire format, but whose clients read its errors: a regular expression."""
    error_headers: tuple[tuple[bytes, bytes], ...] = ()
    """Headers of clients that read its errors, and how their values begin, in lower case."""
    model_list: ModelList = OPENAI_MODELS
