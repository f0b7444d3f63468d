"""Streams from the objects of other libraries: open HTTP responses, and the streams of official SDKs."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from urllib.parse import urlsplit

from tokentape.errors import TokentapeError, UnknownWireError
from tokentape.http.open_response import AsyncResponse, SyncResponse, open_response
from tokentape.sources.request_context import provider_of, request_context
from tokentape.sources.response_stream import StreamOptions, accepted_stream, lazy_astream
from tokentape.sources.sdk_stream import SDKStream, closing_both, response_of, typed_astream, typed_stream
from tokentape.stream.asynchronous import AsyncStreamedChatMessageIterator
from tokentape.stream.context import StreamContext
from tokentape.stream.sync import StreamedChatMessageIterator
from tokentape.wires import longest_match, wire_named, wire_names

AnyStream = StreamedChatMessageIterator | AsyncStreamedChatMessageIterator


def stream_response(
    response: Any,
    wire: str | None = None,
    *,
    context: StreamContext | None = None,
    keep_raw: bool = False,
) -> Any:
    """Stream an open response of httpx2, httpx, requests or aiohttp.

    Returns a StreamedChatMessageIterator for a sync response and an AsyncStreamedChatMessageIterator for an
    async one. Bytes are read as they arrive, content-encoding is decoded, and the response is closed once,
    when the stream ends or is left. `wire` can be omitted if the URL determines it; without `context` it has what the
    response knows of its request.

    An error status raises ProviderError: at once for a sync response, at the first step for an async one. Raises
    TokentapeError for any other object or a body that was read already, and UnknownWireError.
    """
    opened = open_response(response)
    name = wire or _wire_of_url(opened.url)
    if name is None:
        _close_unread(opened)
        raise UnknownWireError(
            f"unknown wire format for the URL path {urlsplit(opened.url).path!r}: pass wire=, one of "
            f"{', '.join(wire_names())}"
        )
    return _stream(opened, name, context or request_context(response, opened.url), keep_raw)


def wrap(
    sdk_stream: Any,
    wire: str | None = None,
    *,
    context: StreamContext | None = None,
    keep_raw: bool = False,
) -> Any:
    """Stream what an official SDK returned: a stream of openai, anthropic, groq, mistralai, google-genai, ollama,
    cohere or boto3, a helper stream, a raw or streaming response, or any (async) iterable of their typed events.

    The received bytes are read if the SDK's object gives access to them, so fields that the SDK drops are kept;
    otherwise its typed events are read. So are those of an object that an instrumentation has wrapped, since its
    telemetry is of what is read through it. Don't read the SDK's object yourself at the same time. Sync objects give a
    StreamedChatMessageIterator, async ones an AsyncStreamedChatMessageIterator. Raises TokentapeError for any other
    object.
    """
    if wire is not None:
        wire_named(wire)
    found: SDKStream | None = response_of(sdk_stream)
    if found is not None:
        opened = closing_both(open_response(found.response), found.close)
        name = wire or _wire_of_url(opened.url) or _wire_of_type(sdk_stream)
        context = context or request_context(found.response, opened.url, provider_of(sdk_stream))
        if _is_instrumented(found.owner):
            typed: Any = typed_stream if isinstance(opened, SyncResponse) else typed_astream
            return typed(found.owner, name, _wire_of_type, context, keep_raw, to_end=True)
        if name is None:
            raise UnknownWireError(
                f"unknown wire format of a {type(sdk_stream).__qualname__}: pass wire=, one of "
                f"{', '.join(wire_names())}"
            )
        return _stream(opened, name, context, keep_raw)
    # Iterating a whole response (a pydantic model) would yield its fields.
    if (
        isinstance(sdk_stream, str | bytes | dict)
        or hasattr(sdk_stream, "model_dump")
        or not (hasattr(sdk_stream, "__iter__") or hasattr(sdk_stream, "__aiter__"))
    ):
        raise TokentapeError(_not_a_stream(sdk_stream))
    context = context or StreamContext(provider=provider_of(sdk_stream))
    if hasattr(sdk_stream, "__aiter__"):
        return typed_astream(sdk_stream, wire, _wire_of_type, context, keep_raw)
    return typed_stream(sdk_stream, wire, _wire_of_type, context, keep_raw)


def _stream(opened: SyncResponse | AsyncResponse, wire: str, context: StreamContext, keep_raw: bool) -> AnyStream:
    wire_named(wire)
    options = StreamOptions(wire, context, keep_raw)
    if isinstance(opened, SyncResponse):
        return accepted_stream(opened, options)
    return lazy_astream(opened, options)


def _wire_of_url(url: str) -> str | None:
    path = urlsplit(url).path.rstrip("/")
    return longest_match("request_paths", path.endswith)


def _wire_of_type(value: object) -> str | None:
    if isinstance(value, dict):
        return longest_match("sdk_event_keys", value.__contains__) if len(value) == 1 else None
    return _wire_of_classes(type(value).__mro__)


def _wire_of_classes(classes: Iterable[type]) -> str | None:
    modules = tuple(f"{kind.__module__}." for kind in classes)
    return longest_match("sdk_modules", lambda name: any(module.startswith(f"{name}.") for module in modules))


def _is_instrumented(owner: Any) -> bool:
    """Whether a class of another package is around the SDK's stream: a proxy, a subclass, or an object that has it."""
    if getattr(owner, "_observer", None) is not None:
        return True  # Anthropic's SDK records a span of its own
    kind = type(owner)
    if _wire_of_classes([kind]) or not (hasattr(owner, "__next__") or hasattr(owner, "__anext__")):
        return False
    held = [getattr(owner, "__wrapped__", None), *getattr(owner, "__dict__", {}).values()]
    return _wire_of_classes([*kind.__mro__, *map(type, held)]) is not None


def _close_unread(opened: SyncResponse | AsyncResponse) -> None:
    """Close a sync response; an async one can't be closed here, so its owner must."""
    if isinstance(opened, SyncResponse):
        opened.close()


def _not_a_stream(value: Any) -> str:
    name = f"{type(value).__module__}.{type(value).__qualname__}"
    hint = ""
    if hasattr(value, "__await__"):
        hint = "; await it first"
    elif hasattr(value, "__enter__") or hasattr(value, "__aenter__"):
        hint = "; enter it first: `with ... as stream: wrap(stream)`"
    elif hasattr(value, "model_dump"):
        hint = "; was the request made with stream=True?"
    return f"can't wrap a {name}: pass the stream object of an official SDK, or an iterable of its events{hint}"
