"""Iterator trial: opens streams of scripted bytes through the adapter, plain or async."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import functools
import itertools
import re
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Iterable, Sequence
from typing import Any, Literal

from tokentape_conformance.case_registry import Case
from tokentape_conformance.iterator.adapter import lack
from tokentape_conformance.iterator.source import AsyncSource, Pause, Source, SyncSource
from tokentape_conformance.iterator.wires import encoded_frames, sample_request
from tokentape_conformance.trial import Prose, TimedFrame, Trial
from tokentape_fake_provider.script.model import Script
from tokentape_fake_provider.wires import EncodedFrame

Mode = Literal["sync", "async"]


class OpenedStream:
    """An open stream: the target's own (`stream`), its `source`, and what the adapter reads of both."""

    def __init__(self, trial: IteratorTrial, stream: Any, source: Source) -> None:
        self.trial = trial
        self.stream = stream
        self.source = source
        self._adapter = trial.adapter
        self._is_async = trial.is_async and isinstance(source, AsyncSource)
        self._loop: Any = None

    async def chunks(self) -> AsyncGenerator[Any, None]:
        """Loop over the stream; leaving this loop leaves the stream's own."""
        if self._is_async:
            loop = aiter(self.stream)
            try:
                while True:  # not `async for`, which would call `aiter` a second time
                    try:
                        chunk = await anext(loop)
                    except StopAsyncIteration:
                        break
                    yield chunk
            finally:
                if hasattr(loop, "aclose") and loop is not self.stream:
                    await loop.aclose()
        else:
            plain = iter(self.stream)
            try:
                for chunk in plain:
                    yield chunk
            finally:
                if hasattr(plain, "close") and plain is not self.stream:
                    plain.close()

    async def read(self, limit: int | None = None) -> list[Any]:
        """Loop over the stream, at most until `limit` chunks; the chunks."""
        got: list[Any] = []
        async with contextlib.aclosing(self.chunks()) as chunks:
            async for chunk in chunks:
                got.append(chunk)
                if len(got) == limit:
                    break
        return got

    async def text(self, limit: int | None = None) -> str:
        """Loop over the stream; the text of the chunks."""
        return self.joined(await self.read(limit))

    async def until_text(self, text: str) -> list[Any]:
        """Loop until the chunks have this text, then leave the loop; the chunks."""
        got: list[Any] = []
        async with contextlib.aclosing(self.chunks()) as chunks:
            async for chunk in chunks:
                got.append(chunk)
                if self.joined(got) == text:
                    break
        return got

    async def failure(self) -> tuple[list[Any], BaseException]:
        """Loop until the exception that must come; the chunks before it, and the exception."""
        got: list[Any] = []
        try:
            async for chunk in self.chunks():
                got.append(chunk)  # noqa: PERF401 - the chunks before the error are kept
        except Exception as error:
            return got, error
        return self.trial.fail(
            "the end of the loop", Prose(f"a normal end after {self.joined(got)!r}"), Prose("an error")
        )

    async def next(self) -> Any:
        """The next chunk, by `next` or `anext`; None at the end."""
        if self._loop is None:
            self._loop = aiter(self.stream) if self._is_async else iter(self.stream)
        return await anext(self._loop, None) if self._is_async else next(self._loop, None)

    async def close(self) -> None:
        """Close the stream."""
        if self._is_async:
            await self._adapter.aclose(self.stream)
        else:
            self._adapter.close(self.stream)

    def joined(self, chunks: Iterable[Any]) -> str:
        """The text of chunks."""
        return "".join(self._adapter.text(chunk) for chunk in chunks)

    @property
    def status(self) -> str:
        """Its status."""
        return self._adapter.status(self.stream)  # type: ignore[no-any-return]

    @property
    def output(self) -> Any:
        """Its output."""
        return self._adapter.output(self.stream)

    @property
    def message(self) -> Any:
        """The message of its output's first choice."""
        return self._adapter.messages(self.output)[0]

    @property
    def output_text(self) -> str:
        """The text of its output."""
        return self._adapter.message_text(self.message)  # type: ignore[no-any-return]

    @property
    def finish_reason(self) -> str | None:
        """Its finish reason."""
        return self._adapter.finish_reason(self.stream)  # type: ignore[no-any-return]

    @property
    def tool_calls(self) -> list[dict[str, Any]]:
        """The tool calls of its output."""
        return [dict(call) for call in self._adapter.message_tool_calls(self.message)]

    @property
    def usage(self) -> dict[str, int | None]:
        """Its usage."""
        return dict(self._adapter.usage(self.stream))

    def add_callback(self, function: Callable[[Any], Any]) -> None:
        """Add a callback."""
        self._adapter.add_callback(self.stream, function)


class IteratorTrial(Trial):
    """The argument of the iterator suite's cases, which are coroutine functions that run in both modes."""

    def __init__(self, case: Case, wire: str, adapter: Any, mode: Mode, *, seed: int = 0) -> None:
        super().__init__(case, wire, seed=seed, label=mode)
        self.adapter = adapter
        self.mode = mode
        self.is_async = mode == "async"
        self.opened: list[OpenedStream] = []
        self._contexts = contextlib.ExitStack()

    @property
    def frames(self) -> list[TimedFrame]:
        """The frames of every stream that was opened."""
        return [frame for opened in self.opened for frame in opened.source.frames]

    def has(self, capability: str) -> bool:
        """Whether the target has a capability that the case uses but does not need."""
        return lack(self.adapter, capability) is None

    def encode(self, *items: Any, **fields: Any) -> list[bytes]:
        """The frames of a response in this wire format; the arguments are a `Script`, or those of `Script.of`."""
        return [frame.data for frame in self.encoded_frames(*items, **fields)]

    def encoded_frames(self, *items: Any, **fields: Any) -> list[EncodedFrame]:
        """The same frames with the number of `tokens` in each: 0 if it has no content."""
        script = self.script(*items, **fields)
        self.request = sample_request(self.wire, len(script.choices)).line
        return encoded_frames(self.wire, script)

    def script(self, *items: Any, **fields: Any) -> Script:
        """A `Script` as it is, or `Script.of` these arguments."""
        return items[0] if items and isinstance(items[0], Script) else Script.of(*items, **fields)

    def readable(self, frame: bytes) -> bytes:
        """A frame whose base64, if it is InvokeModel's, is decoded."""
        return re.sub(rb'"bytes":"([^"]*)"', lambda found: base64.b64decode(found[1]), frame)

    def open(self, frames: Sequence[bytes | BaseException | Pause], **options: Any) -> OpenedStream:
        """Open a stream of these frames; each is one read of its source."""
        if self.is_async:
            asynchronous = AsyncSource(frames)
            return self._opened(self.adapter.aopen(asynchronous, self.wire, **options), asynchronous)
        return self.open_plain(frames, **options)

    def open_plain(self, frames: Sequence[bytes | BaseException | Pause], **options: Any) -> OpenedStream:
        """Open a stream of these frames for a plain `for`, in either mode."""
        plain = SyncSource(frames)
        return self._opened(self.adapter.open(plain, self.wire, **options), plain)

    def stream(self, *items: Any, **fields: Any) -> OpenedStream:
        """Open a stream of this response: `open(encode(...))`."""
        return self.open(self.encode(*items, **fields))

    say, pieces, tell = encode, encoded_frames, stream  # the former names, which still work

    def _opened(self, stream: Any, source: Source) -> OpenedStream:
        opened = OpenedStream(self, stream, source)
        self.opened.append(opened)
        return opened

    def listen(self, handler: Callable[[str, Any], Any] | None = None) -> list[tuple[str, Any]]:
        """Receive the events of all streams until the trial ends; without a `handler`, the list has (kind, event)."""
        received: list[tuple[str, Any]] = []
        handler = handler or (lambda kind, event: received.append((kind, event)))
        self._contexts.enter_context(self.adapter.listen(handler))
        return received

    def callback(self, function: Callable[[Any], Any]) -> Callable[[Any], Any]:
        """The function as a callback that fits the mode: a coroutine function for async."""
        if not self.is_async:
            return function

        @functools.wraps(function)
        async def callback(message: Any) -> Any:
            await asyncio.sleep(0)
            return function(message)

        return callback

    def expect_closed_once(self, opened: OpenedStream) -> None:
        """Check that the source was closed exactly once, and neither read nor started again."""
        self.expect("how often the source was closed", opened.source.closed, 1)
        self.expect("misuse of the source", opened.source.misuse, [])

    def run(self, function: Callable[..., Any]) -> None:
        """Run the case: on an event loop in async mode, else in one step, with `RuntimeError` raised if it awaits."""
        value = function(self)
        if not isinstance(value, Coroutine):
            return
        if self.is_async:
            with asyncio.Runner() as runner:
                # What a target leaves on the loop is not judged here: cases check that the source is closed.
                runner.get_loop().set_exception_handler(lambda _loop, _context: None)
                runner.run(value)
            return
        with contextlib.suppress(StopIteration):
            value.send(None)
            value.close()
            raise RuntimeError("a case awaited something in sync mode")

    def close(self) -> None:
        """Stop listening."""
        self._contexts.close()


async def together(*cases: Callable[[], Awaitable[None]]) -> None:
    """Run these concurrently, each as a task."""
    await asyncio.gather(*(case() for case in cases))


def split_at(data: bytes, *offsets: int) -> list[bytes]:
    """Data split at these offsets."""
    edges = [0, *sorted(offsets), len(data)]
    return [data[start:end] for start, end in itertools.pairwise(edges)]


def content_indexes(frames: Sequence[EncodedFrame]) -> list[int]:
    """The indexes of the frames that have content."""
    return [number for number, frame in enumerate(frames) if frame.tokens]
