"""Streams from an iterable of bytes in any wire format."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Iterable, Iterator

from tokentape.errors import DecodeError
from tokentape.message import ChatMessage
from tokentape.stream.asynchronous import AsyncStreamedChatMessageIterator
from tokentape.stream.closing import call_close
from tokentape.stream.context import StreamContext
from tokentape.stream.started_iterator import StartedIterator
from tokentape.stream.sync import StreamedChatMessageIterator
from tokentape.text_run import TextRun
from tokentape.wires import WireDecoder, wire_named
from tokentape.wires.event_decoder import EventDecoder


def stream_bytes(
    chunks: Iterable[bytes] | bytes,
    wire: str = "openai_chat",
    *,
    context: StreamContext | None = None,
    close: Callable[[], None] | None = None,
    keep_raw: bool = False,
    on_callback_error: Callable[[Exception], None] | None = None,
) -> StreamedChatMessageIterator:
    """Decode bytes, in pieces of any size, as a stream of the given wire format.

    The iterable is read lazily and closed once, by `close` or its own `close()`. `keep_raw=True` keeps the bytes of
    each wire event in `raw_events`. Raises `UnknownWireError` at once, and `DecodeError`, `TruncatedStreamError` and
    `ProviderError` in the loop.
    """
    decoder = wire_named(wire).decoder()
    decoder.raw_events = [] if keep_raw else None
    source = [bytes(chunks)] if isinstance(chunks, bytes | bytearray | memoryview) else chunks
    return StreamedChatMessageIterator(
        decoded(source, decoder),
        context=context,
        close=close or getattr(source, "close", None) or _nothing,
        raw_events=decoder.raw_events,
        on_callback_error=on_callback_error,
    )


def astream_bytes(
    chunks: AsyncIterable[bytes],
    wire: str = "openai_chat",
    *,
    context: StreamContext | None = None,
    close: Callable[[], Awaitable[None]] | None = None,
    keep_raw: bool = False,
    on_callback_error: Callable[[Exception], None] | None = None,
) -> AsyncStreamedChatMessageIterator:
    """`stream_bytes` for an async iterable, which is closed by `close` or its own `aclose()`."""
    decoder = wire_named(wire).decoder()
    decoder.raw_events = [] if keep_raw else None
    return AsyncStreamedChatMessageIterator(
        adecoded(chunks, decoder),
        context=context,
        close=close or getattr(chunks, "aclose", None) or _anothing,
        raw_events=decoder.raw_events,
        on_callback_error=on_callback_error,
    )


def decoded(chunks: Iterable[bytes], decoder: WireDecoder) -> Iterator[ChatMessage | TextRun]:
    """Yield the chunks that a decoder reads from bytes; stops reading at the terminal event."""
    feed = _feed(decoder)
    for data in chunks:
        found = feed(data if data.__class__ is bytes else _checked(data))
        if isinstance(found, ChatMessage):
            yield found
            continue
        yield from found
        if decoder.ended:
            return
    yield from decoder.end()


async def adecoded(chunks: AsyncIterable[bytes], decoder: WireDecoder) -> AsyncIterator[ChatMessage | TextRun]:
    """`decoded` for async bytes."""
    feed = _feed(decoder)
    iterator = aiter(chunks)
    try:
        async for data in StartedIterator(iterator):
            found = feed(data if data.__class__ is bytes else _checked(data))
            if isinstance(found, ChatMessage):
                yield found
                continue
            for message in found:
                yield message
            if decoder.ended:
                return
        for message in decoder.end():
            yield message
    finally:
        if iterator is not chunks:
            await call_close(getattr(iterator, "aclose", None))


def _feed(decoder: WireDecoder) -> Callable[[bytes], ChatMessage | Iterable[ChatMessage | TextRun]]:
    return decoder.feed_runs if isinstance(decoder, EventDecoder) else decoder.feed


def _checked(data: bytes) -> bytes:
    if isinstance(data, bytes | bytearray | memoryview):
        return bytes(data)
    raise DecodeError(f"the source gave {type(data).__name__}, not bytes: pass an iterable of bytes objects")


def _nothing() -> None:
    pass


async def _anothing() -> None:
    pass
