"""Trial of an iterator: opens streams of scripted bytes through the adapter, plain or async."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import functools
import itertools
import re
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Coroutine, Iterable, Sequence
from typing import Any, Literal

from tokentape_conformance.case import Case
from tokentape_conformance.iterator.adapter import lack
from tokentape_conformance.iterator.source import AsyncSource, Pause, Source, SyncSource
from tokentape_conformance.iterator.wires import asked, pieces
from tokentape_conformance.trial import Frame, Trial, Words
from tokentape_fake_provider.script.model import Script
from tokentape_fake_provider.wires import Piece

Mode = Literal["sync", "async"]


class Opened:
    """An open stream: the target's own (`stream`), its `source`, and the adapter's views of it."""

    def __init__(self, trial: IteratorTrial, stream: Any, source: Source) -> None:
        self.trial = trial
        self.stream = stream
        self.source = source
        self._adapter = trial.adapter
        self._is_async = trial.is_async and isinstance(source, AsyncSource)
        self._loop: Any = None

    async def chunks(self) -> AsyncGenerator[Any, None]:
        """The stream's own loop; leaving this one leaves that."""
        if self._is_async:
            loop = aiter(self.stream)
            try:
                async for chunk in _Begun(loop):
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
        """A loop over the stream: its chunks. Leaves the loop after `limit` of them."""
        got: list[Any] = []
        async with contextlib.aclosing(self.chunks()) as chunks:
            async for chunk in chunks:
                got.append(chunk)
                if len(got) == limit:
                    break
        return got

    async def text(self, limit: int | None = None) -> str:
        """The text that a loop sees, of the first choice."""
        return self.joined(await self.read(limit))

    async def until_text(self, text: str) -> list[Any]:
        """A loop that is left as soon as so much text was seen, and its chunks."""
        got: list[Any] = []
        async with contextlib.aclosing(self.chunks()) as chunks:
            async for chunk in chunks:
                got.append(chunk)
                if self.joined(got) == text:
                    break
        return got

    async def failure(self) -> tuple[list[Any], BaseException]:
        """A loop that must end in an exception: the chunks before it, and the exception."""
        got: list[Any] = []
        try:
            async for chunk in self.chunks():
                got.append(chunk)  # noqa: PERF401 - what came before the error counts
        except Exception as error:
            return got, error
        return self.trial.fail(
            "the end of the loop", Words(f"a normal end after {self.joined(got)!r}"), Words("an error")
        )

    async def next(self) -> Any:
        """One chunk, by `next` or `anext`; None at the end."""
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
    """What a case of the iterator suite gets. Cases are coroutine functions that run in both modes."""

    def __init__(self, case: Case, wire: str, adapter: Any, mode: Mode, *, seed: int = 0) -> None:
        super().__init__(case, wire, seed=seed, label=mode)
        self.adapter = adapter
        self.mode = mode
        self.is_async = mode == "async"
        self.opened: list[Opened] = []
        self._contexts = contextlib.ExitStack()

    @property
    def frames(self) -> list[Frame]:
        """The frames of every stream that was opened."""
        return [frame for opened in self.opened for frame in opened.source.frames]

    def has(self, capability: str) -> bool:
        """Whether the target has a capability that the case can do without."""
        return lack(self.adapter, capability) is None

    def say(self, *items: Any, **fields: Any) -> list[bytes]:
        """The frames that say this, in this wire format: a `Script`, or what `Script.of` takes."""
        return [piece.data for piece in self.pieces(*items, **fields)]

    def pieces(self, *items: Any, **fields: Any) -> list[Piece]:
        """The same with what each frame carries: `tokens` is 0 for protocol."""
        script = self.script(*items, **fields)
        self.request = asked(self.wire, len(script.choices)).line
        return pieces(self.wire, script)

    def script(self, *items: Any, **fields: Any) -> Script:
        """A `Script`, or what `Script.of` makes of it."""
        return items[0] if items and isinstance(items[0], Script) else Script.of(*items, **fields)

    def readable(self, frame: bytes) -> bytes:
        """A frame, with the base64 undone that InvokeModel's documents are in."""
        return re.sub(rb'"bytes":"([^"]*)"', lambda found: base64.b64decode(found[1]), frame)

    def open(self, frames: Sequence[bytes | BaseException | Pause], **options: Any) -> Opened:
        """A stream of these bytes; each is one read of its source."""
        if self.is_async:
            asynchronous = AsyncSource(frames)
            return self._opened(self.adapter.aopen(asynchronous, self.wire, **options), asynchronous)
        return self.open_plain(frames, **options)

    def open_plain(self, frames: Sequence[bytes | BaseException | Pause], **options: Any) -> Opened:
        """A stream of these bytes under `for`, in either mode."""
        plain = SyncSource(frames)
        return self._opened(self.adapter.open(plain, self.wire, **options), plain)

    def tell(self, *items: Any, **fields: Any) -> Opened:
        """A stream that says this: `open(say(...))`."""
        return self.open(self.say(*items, **fields))

    def _opened(self, stream: Any, source: Source) -> Opened:
        opened = Opened(self, stream, source)
        self.opened.append(opened)
        return opened

    def listen(self, handler: Callable[[str, Any], Any] | None = None) -> list[tuple[str, Any]]:
        """Hear the events of all streams until the trial is over: a list of their kinds and themselves."""
        heard: list[tuple[str, Any]] = []
        own = handler or (lambda kind, event: heard.append((kind, event)))
        self._contexts.enter_context(self.adapter.listen(own))
        return heard

    def callback(self, function: Callable[[Any], Any]) -> Callable[[Any], Any]:
        """A callback in the manner of the loop: a coroutine function for async ones."""
        if not self.is_async:
            return function

        @functools.wraps(function)
        async def waited(message: Any) -> Any:
            await asyncio.sleep(0)
            return function(message)

        return waited

    def expect_closed_once(self, opened: Opened) -> None:
        """The source was closed exactly once, and not read or begun again."""
        self.expect("how often the source was closed", opened.source.closed, 1)
        self.expect("misuse of the source", opened.source.misuse, [])

    def run(self, function: Callable[..., Any]) -> None:
        """Run the case: on an event loop, or, where nothing can wait, to its end at once."""
        value = function(self)
        if not isinstance(value, Coroutine):
            return
        if self.is_async:
            with asyncio.Runner() as runner:
                # What a target leaves behind on the loop is no part of the case: a closed source is asked for.
                runner.get_loop().set_exception_handler(lambda _loop, _context: None)
                runner.run(value)
            return
        with contextlib.suppress(StopIteration):
            value.send(None)
            value.close()
            raise RuntimeError("a case waited in sync mode")

    def close(self) -> None:
        """Stop listening."""
        self._contexts.close()


class _Begun:
    """An async iterator that is not asked to begin a second time."""

    def __init__(self, iterator: AsyncIterator[Any]) -> None:
        self._iterator = iterator

    def __aiter__(self) -> AsyncIterator[Any]:
        return self._iterator


async def together(*cases: Callable[[], Awaitable[None]]) -> None:
    """Run these at once, each as a task."""
    await asyncio.gather(*(case() for case in cases))


def cut(data: bytes, *ends: int) -> list[bytes]:
    """Data in pieces that end there."""
    edges = [0, *sorted(ends), len(data)]
    return [data[start:end] for start, end in itertools.pairwise(edges)]


def carrying(pieces: Sequence[Piece]) -> list[int]:
    """The numbers of the frames that carry what is said."""
    return [number for number, piece in enumerate(pieces) if piece.tokens]
