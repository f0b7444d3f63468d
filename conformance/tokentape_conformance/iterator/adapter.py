"""Adapter: how the iterator suite reaches the implementation under test.

The target of `tokentape conformance iterator my_module:factory` is what `factory()` returns: any object with the
methods below, of which only `open` or `aopen`, and `text`, are required. Each other method is a capability of that
name: cases that need it are skipped if it is missing. These capabilities have no method; a target has them unless
its `lacks` names them:

    request              `open(..., request={...})`: the event has these fields
    raw_events           `open(..., keep_raw=True)`
    callback_errors      `open(..., on_callback_error=function)`: it receives what callbacks raise
    second_loop          a loop after the first replays what was received
    two_loops            concurrent loops, in threads or tasks, each see everything
    with_block           `with stream:`, `async with stream:`
    follow_ups           a callback may return a stream, which goes on in the same loop
    several_choices      n > 1
    tool_calls           messages and chunks have tool calls

Values are plain Python: usage as a mapping of `input`, `output`, `total`, `cached`, `cache_write` and `reasoning` to
ints or None; a tool call as a mapping of `id`, `name`, `arguments` (a dict), `raw` (the text as received), `valid`.
Streams, chunks, messages, outputs and events are the implementation's own objects.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol

from tokentape_conformance.iterator.source import AsyncSource, SyncSource

ASSUMED = (
    "request",
    "raw_events",
    "callback_errors",
    "second_loop",
    "two_loops",
    "with_block",
    "follow_ups",
    "several_choices",
    "tool_calls",
)
"""The capabilities without a method of their own name."""


class Adapter(Protocol):
    """The implementation under test; only `text`, and `open` or `aopen`, are required."""

    wires: Sequence[str]
    """The wire formats that it reads; all by default."""
    lacks: Mapping[str, str]
    """The capabilities that it lacks, each with the reason; {} by default."""
    versions: Mapping[str, str]
    """Names and versions for the report; {} by default."""

    def open(self, source: SyncSource, wire: str, **options: Any) -> Any:
        """A stream under `for`, of a one-pass iterable of bytes that has a `close()`."""

    def aopen(self, source: AsyncSource, wire: str, **options: Any) -> Any:
        """A stream under `async for`, of a one-pass async iterable of bytes that has an `aclose()`."""

    def text(self, chunk: Any) -> str:
        """The text that a chunk adds."""

    def reasoning(self, chunk: Any) -> str:
        """The reasoning that a chunk adds."""

    def choice(self, chunk: Any) -> int:
        """The choice that a chunk belongs to, from 0."""

    def chunk_usage(self, chunk: Any) -> Mapping[str, int | None] | None:
        """The usage that a chunk reports."""

    def chunk_finish_reason(self, chunk: Any) -> str | None:
        """The finish reason that a chunk reports."""

    def chunk_tool_calls(self, chunk: Any) -> Sequence[Mapping[str, Any]]:
        """The tool calls that a chunk completes."""

    def status(self, stream: Any) -> str:
        """`pending`, `streaming`, `complete`, `failed` or `cancelled`."""

    def usage(self, stream: Any) -> Mapping[str, int | None]:
        """Usage as last reported."""

    def finish_reason(self, stream: Any) -> str | None:
        """One of stop, length, tool_calls, content_filter, refusal, pause, error, other; None if not known yet."""

    def provider_finish_reason(self, stream: Any) -> str | None:
        """The provider's own word for it."""

    def thread_id(self, stream: Any) -> str:
        """The id of the request thread."""

    def close(self, stream: Any) -> None:
        """Stop reading."""

    async def aclose(self, stream: Any) -> None:
        """Stop reading; the twin of `close` for streams of `aopen`."""

    def output(self, stream: Any) -> Any:
        """The output received so far, without reading more."""

    def messages(self, output: Any) -> Sequence[Any]:
        """The messages of an output, one per choice."""

    def output_usage(self, output: Any) -> Mapping[str, int | None]:
        """The usage of an output."""

    def output_error(self, output: Any) -> BaseException | None:
        """The error that broke the stream; None if none did."""

    def output_metadata(self, output: Any) -> Mapping[str, Any]:
        """What the provider reported beside the message, such as the response's id."""

    def combined_output(self, stream: Any) -> Any:
        """The output of a stream and its follow-ups as one."""

    def message_text(self, message: Any) -> str:
        """A whole message's text."""

    def message_reasoning(self, message: Any) -> str:
        """A whole message's reasoning."""

    def message_refusal(self, message: Any) -> str:
        """A whole message's refusal, if the provider sends it apart from text."""

    def message_tool_calls(self, message: Any) -> Sequence[Mapping[str, Any]]:
        """A whole message's tool calls."""

    def message_finish_reason(self, message: Any) -> str | None:
        """Why a message ended."""

    def add_callback(self, stream: Any, function: Callable[[Any], Any]) -> None:
        """Have `function` called with the complete message."""

    def add_inherited_callback(self, stream: Any, function: Callable[[Any], Any]) -> None:
        """The same, also for follow-up streams."""

    def listen(self, handler: Callable[[str, Any], Any]) -> AbstractContextManager[Any]:
        """Call `handler("completed" or "failed", event)` for each stream that ends, while the context is open."""

    def event_fields(self, event: Any) -> Mapping[str, Any]:
        """`thread_id`, `output`, `operation_type`, `provider`, `model`, `configuration`, `input`, `tags`, `metadata`;
        `error` if it failed."""

    def kept_events(self, stream: Any) -> Sequence[bytes] | None:
        """The raw bytes of each wire event; None without `keep_raw`."""

    def replay(self, text: str) -> Any:
        """A stream under `for` of a finished text."""

    def replay_output(self, output: Any) -> Any:
        """A stream under `for` of a finished output."""

    def replace(self, stream: Any, phrase: str, by: str) -> Any:
        """The stream, which shows `by` instead of each `phrase`, wherever chunks split it."""

    def stop_at(self, stream: Any, phrase: str, text: str) -> Any:
        """The stream, which ends at `phrase` with the finish reason `content_filter` and shows `text` instead."""

    def unfiltered_output(self, output: Any) -> Any:
        """The output of a filtered stream as the provider sent it."""

    def measure(self, stream: Any, now: Callable[[], float]) -> Any:
        """The stream, which notes when chunks come; `now` returns unix time in s."""

    def timing(self, stream: Any) -> Mapping[str, Any]:
        """`time_to_first_token`, `inter_token_latencies` (a sequence) and `total` of a measured stream, in s."""

    def limit_time(self, stream: Any, clock: Any, idle: float | None, total: float | None) -> Any:
        """The stream, which fails if nothing comes for `idle` s, or `total` s after the first read, on this clock."""

    def smooth(self, stream: Any) -> Any:
        """The stream, whose text leaves evenly, a few ms late."""

    def output_buffer(self, sink: Any, auto_flush: str | None) -> Any:
        """An output buffer in front of a sink with `write` and `flush`. It has `write`, `start()` (a context manager),
        `flush`, `end_flush`, `end_clean`, `get_clean`, `write_stream` and `awrite_stream`; `auto_flush` is `message`,
        `stream` or None."""


CAPABILITIES = (
    "sync",
    "async",
    *ASSUMED,
    *(name for name, member in vars(Adapter).items() if callable(member) and not name.startswith("_")),
)
"""Every name that `needs` and `lacks` accept."""


def has(adapter: Any, capability: str) -> bool:
    """Whether an adapter defines a method of this name."""
    found = getattr(adapter, capability, None)
    return callable(found) and getattr(found, "__func__", found) is not getattr(Adapter, capability, None)


def lack(adapter: Any, capability: str) -> str | None:
    """Why an adapter lacks this capability; None if it has it."""
    declared: Mapping[str, str] = getattr(adapter, "lacks", None) or {}
    if capability in declared:
        return f"{capability}: {declared[capability]}"
    method = {"sync": "open", "async": "aopen"}.get(capability, capability)
    if capability in ASSUMED or has(adapter, method):
        return None
    return f"{capability}: the target has no {method}()"
