"""The stream objects of official SDKs: reads their HTTP response, else their typed events."""

from __future__ import annotations

import json
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Iterable, Iterator
from typing import Any, NamedTuple

import msgspec

from tokentape.errors import TokentapeError, UnknownWireError
from tokentape.http.open_response import AsyncResponse, SyncResponse
from tokentape.message import ChatMessage
from tokentape.sources.request_context import provider_of
from tokentape.stream.asynchronous import AsyncStreamedChatMessageIterator
from tokentape.stream.context import StreamContext
from tokentape.stream.sync import StreamedChatMessageIterator
from tokentape.wires import WireDecoder, wire_named, wire_names

WireOf = Callable[[object], str | None]

_NOT_SENT = {"sdk_http_response"}
"""Fields that google-genai adds to the events it received."""
_AWS_EVENT_STREAM = "application/vnd.amazon.eventstream"


class SDKStream(NamedTuple):
    """The HTTP response inside an SDK's object, the object that reads it, and its own close, sync or async."""

    response: Any
    owner: Any
    close: Callable[[], Any] | None


def response_of(sdk_stream: Any) -> SDKStream | None:
    """Return the response that the SDK's object reads; None if it has none that can be read."""
    # The helper streams of openai and anthropic wrap a plain one.
    owner = getattr(sdk_stream, "_raw_stream", sdk_stream)
    for name in ("response", "http_response", "_response"):
        response = getattr(owner, name, None)
        if response is None or not hasattr(response, "status_code") or not hasattr(response, "iter_bytes"):
            continue
        if response.headers.get("content-type", "").startswith(_AWS_EVENT_STREAM):
            return None  # left to the SDK's own decoder
        return SDKStream(response, owner, getattr(sdk_stream, "close", None))
    return None


def closing_both(opened: SyncResponse | AsyncResponse, close: Callable[[], Any] | None) -> SyncResponse | AsyncResponse:
    """Return the response with a close that also closes the SDK's object, which may track it."""
    if close is None:
        return opened
    if isinstance(opened, SyncResponse):
        close_response = opened.close

        def close_both() -> None:
            try:
                close_response()
            finally:
                close()

        return opened._replace(close=close_both)
    aclose_response = opened.close

    async def aclose_both() -> None:
        try:
            await aclose_response()
        finally:
            closing = close()
            if hasattr(closing, "__await__"):
                await closing

    return opened._replace(close=aclose_both)


def typed_stream(
    events: Iterable[Any],
    wire: str | None,
    wire_of: WireOf,
    context: StreamContext,
    keep_raw: bool,
    *,
    to_end: bool = False,
) -> StreamedChatMessageIterator:
    """Create a stream of typed events; without `wire`, the first event determines the format.

    With `to_end` events are taken beyond the terminal one, for who counts on the end of their iterator.
    """
    raw: list[bytes] | None = [] if keep_raw else None

    def source() -> Iterator[ChatMessage]:
        decoder: WireDecoder | None = None
        for event in events:
            if decoder is not None and decoder.ended:
                continue
            if decoder is None:
                decoder = _decoder(event, wire, wire_of, raw)
                context.provider = context.provider or provider_of(event)
            yield from decoder.event(_document(event))
            if decoder.ended and not to_end:
                return
        if decoder is not None:
            yield from decoder.end()

    return StreamedChatMessageIterator(
        source(), context=context, close=getattr(events, "close", _nothing), raw_events=raw
    )


def typed_astream(
    events: AsyncIterable[Any],
    wire: str | None,
    wire_of: WireOf,
    context: StreamContext,
    keep_raw: bool,
    *,
    to_end: bool = False,
) -> AsyncStreamedChatMessageIterator:
    """`typed_stream` for async events."""
    raw: list[bytes] | None = [] if keep_raw else None

    async def source() -> AsyncIterator[ChatMessage]:
        decoder: WireDecoder | None = None
        async for event in events:
            if decoder is not None and decoder.ended:
                continue
            if decoder is None:
                decoder = _decoder(event, wire, wire_of, raw)
                context.provider = context.provider or provider_of(event)
            for message in decoder.event(_document(event)):
                yield message
            if decoder.ended and not to_end:
                return
        if decoder is not None:
            for message in decoder.end():
                yield message

    close = getattr(events, "aclose", None) or getattr(events, "close", None)

    async def aclose() -> None:
        closing: Awaitable[None] | None = close() if close is not None else None
        if closing is not None:
            await closing

    return AsyncStreamedChatMessageIterator(source(), context=context, close=aclose, raw_events=raw)


def _decoder(event: Any, wire: str | None, wire_of: WireOf, raw: list[bytes] | None) -> WireDecoder:
    name = wire or wire_of(event)
    if name is None:
        raise UnknownWireError(
            f"unknown wire format of a {type(event).__qualname__}: pass wire=, one of {', '.join(wire_names())}"
        )
    decoder = wire_named(name).decoder()
    decoder.raw_events = raw
    return decoder


def _document(event: Any) -> bytes:
    """Return an event as the JSON that was received, as far as its type kept it."""
    dump = getattr(event, "model_dump", None)
    if dump is not None:
        # Not as JSON: pydantic writes bytes in the URL-safe alphabet, unlike any provider, and no lone surrogates.
        event = dump(by_alias=True, exclude_unset=True, exclude=_NOT_SENT, warnings=False)
        if isinstance(event, dict) and event.keys() == {"data"} and isinstance(event["data"], dict):
            event = event["data"]  # mistralai wraps each chunk in an event
    if isinstance(event, dict | msgspec.Struct):
        try:
            return msgspec.json.encode(event)
        except UnicodeEncodeError:
            return json.dumps(event, default=msgspec.to_builtins).encode()
    raise TokentapeError(
        f"can't read a {type(event).__qualname__} as an event: wrap() takes typed events of an SDK or dicts"
    )


def _nothing() -> None:
    pass
