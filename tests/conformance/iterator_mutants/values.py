"""Broken in the values of a stream: usage, status, output, tool calls."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from tests.conformance.iterator_mutants.ground import Ground, broken
from tokentape import ChatMessage, ChatOutput, replay

replace = msgspec.structs.replace


def usage(name: str, fault: str, change: Callable[[dict[str, Any]], dict[str, Any]], *cases: str, wire: str) -> None:
    """A mutant that changes usage."""

    class Changed(Ground):
        def usage(self, stream: Any) -> Mapping[str, int | None]:
            return change(dict(super().usage(stream)))

    Changed.__name__, Changed.__doc__ = name, fault
    broken(*cases, wire=wire)(Changed)


def less(counts: dict[str, Any], whole: str, part: str) -> dict[str, Any]:
    """The counts with a part taken out of the whole."""
    return counts | {whole: (counts[whole] or 0) - (counts[part] or 0)}


usage(
    "UnknownUsageIsZero",
    "Usage that was not reported is 0.",
    lambda counts: {name: count or 0 for name, count in counts.items()},
    "usage/not-reported",
    "usage/none-before",
    wire="openai_chat",
)
usage(
    "ZeroUsageIsUnknown",
    "A count of 0 is taken for none.",
    lambda counts: {name: count or None for name, count in counts.items()},
    "usage/zero",
    wire="openai_chat",
)
usage(
    "CachedBeside",
    "Cached tokens are left out of the input.",
    lambda counts: less(counts, "input", "cached"),
    "usage/cached",
    "usage/each-field-for-itself",
    wire="anthropic_messages",
)
usage(
    "CacheWriteBeside",
    "Tokens written to a cache are left out of the input.",
    lambda counts: less(counts, "input", "cache_write"),
    "usage/cache-write",
    wire="anthropic_messages",
)
usage(
    "ReasoningBeside",
    "Reasoning tokens are left out of the output.",
    lambda counts: less(counts, "output", "reasoning"),
    "usage/reasoning",
    wire="gemini",
)
usage(
    "NoTotal",
    "There is no total where the provider gave none.",
    lambda counts: counts | {"total": None},
    "usage/counts",
    wire="anthropic_messages",
)


@broken("usage/chunks-keep-theirs")
class ChunksLoseUsage(Ground):
    """Chunks have no usage of their own."""

    def chunk_usage(self, chunk: ChatMessage) -> None:
        return None


@broken("usage/output-and-event", "follow-ups/combined-output")
class OutputLosesUsage(Ground):
    """The output has no usage."""

    def output_usage(self, output: ChatOutput) -> Mapping[str, int | None]:
        return dict.fromkeys(("input", "output", "total", "cached", "cache_write", "reasoning"))


@broken("finish/output-and-event", "choices/finish-reasons", "replay/output")
class OutputLosesTheFinishReason(Ground):
    """The finish reason is on the stream alone."""

    def message_finish_reason(self, message: ChatMessage) -> str | None:
        return None


@broken("finish/on-a-chunk")
class ChunksLoseTheFinishReason(Ground):
    """No chunk carries the finish reason."""

    def chunk_finish_reason(self, chunk: ChatMessage) -> str | None:
        return None


@broken("finish/unknown")
class LosesTheProvidersWord(Ground):
    """The provider's own word is lost."""

    def provider_finish_reason(self, stream: Any) -> str | None:
        return super().finish_reason(stream)


@broken("text/always-a-string", "text/concatenated")
class NoneForNoText(Ground):
    """A chunk without text has None."""

    def text(self, chunk: ChatMessage) -> str:
        return chunk.text or None  # type: ignore[return-value]


@broken("text/output", "text/reasoning-apart", "tool-calls/beside-text", "output/at-the-end-already")
class OutputOfTheFirstPiece(Ground):
    """The output holds the first piece only, and is a new object each time."""

    def output(self, stream: Any) -> ChatOutput:
        output = super().output(stream)
        first = output.messages[0].text.split(" ")[0]
        return replace(output, messages=(replace(output.messages[0], text=first), *output.messages[1:]))


@broken("text/zero-alone", "replay/text")
class OutputZeroIsEmpty(Ground):
    """An output of "0" is taken for empty."""

    def message_text(self, message: ChatMessage) -> str:
        return "" if message.text == "0" else message.text


@broken("lazy/inspecting-reads-nothing", "status/partial-output", "status/output-unread")
class OutputReadsOn(Ground):
    """Access to the output reads the stream to its end."""

    def output(self, stream: Any) -> ChatOutput:
        for _ in stream:
            pass
        return super().output(stream)


@broken("status/partial-output", "breaking/partial-output", "leaving/partial-output")
class OutputAtTheEndOnly(Ground):
    """There is no output before the stream is complete."""

    def output(self, stream: Any) -> ChatOutput:
        return super().output(stream) if stream.status == "complete" else ChatOutput()


@broken("status/output-unread")
class OutputOfAnUnreadStreamRaises(Ground):
    """The output of a stream that was not read raises."""

    def output(self, stream: Any) -> ChatOutput:
        if stream.status == "pending":
            raise RuntimeError("not read yet")
        return super().output(stream)


@broken("output/stable", "output/at-the-end-already", "event/output")
class OutputAnewEachTime(Ground):
    """Each access to the output creates a new one."""

    def output(self, stream: Any) -> ChatOutput:
        return replace(super().output(stream))


@broken("breaking/partial-output")
class OutputWithoutItsError(Ground):
    """The output of a stream that broke has no error."""

    def output_error(self, output: ChatOutput) -> BaseException | None:
        return None


@broken("output/response-id")
class OutputWithoutMetadata(Ground):
    """The output has no metadata."""

    def output_metadata(self, output: ChatOutput) -> Mapping[str, Any]:
        return {}


@broken("output/raw-events")
class AlwaysKeepsEvents(Ground):
    """Raw events are kept without the option."""

    def kept_events(self, stream: Any) -> Sequence[bytes] | None:
        return stream.raw_events or []


@broken("output/raw-events")
class NeverKeepsEvents(Ground):
    """Raw events are not kept."""

    def kept_events(self, stream: Any) -> Sequence[bytes] | None:
        return None


def status(name: str, reported: Mapping[str, str], *cases: str) -> None:
    """A mutant that reports another status."""

    class Changed(Ground):
        def status(self, stream: Any) -> str:
            return reported.get(stream.status, stream.status)

    Changed.__name__ = name
    Changed.__doc__ = "; ".join(f"{true} is reported as {false}" for true, false in reported.items()) + "."
    broken(*cases)(Changed)


status("NeverPending", {"pending": "streaming"}, "status/pending")
status("NeverStreaming", {"streaming": "pending"}, "status/streaming")
status("NeverComplete", {"complete": "streaming"}, "status/complete", "status/complete-for-listeners")
status("FailedIsComplete", {"failed": "complete"}, "status/failed")
status("CancelledIsComplete", {"cancelled": "complete"}, "status/cancelled")


class Calls(Ground):
    """Tool calls are changed."""

    def message_tool_calls(self, message: ChatMessage) -> Sequence[Mapping[str, Any]]:
        return [self.call(dict(call)) for call in super().message_tool_calls(message)]

    def call(self, call: dict[str, Any]) -> dict[str, Any]:
        """One call."""
        return call


@broken("tool-calls/no-object", "tool-calls/invalid-json")
class EveryCallIsValid(Calls):
    """No call is marked invalid."""

    def call(self, call: dict[str, Any]) -> dict[str, Any]:
        return call | {"valid": True}


@broken("tool-calls/no-object")
class AnyJsonIsValid(Calls):
    """Arguments that are JSON, but no object, are valid."""

    def call(self, call: dict[str, Any]) -> dict[str, Any]:
        import json

        try:
            return call | {"valid": bool(json.loads(call["raw"] or "{}")) or call["valid"]}
        except ValueError:
            return call


@broken("tool-calls/invalid-json", "tool-calls/no-object")
class LosesInvalidArguments(Calls):
    """The text of an invalid call is lost."""

    def call(self, call: dict[str, Any]) -> dict[str, Any]:
        return call if call["valid"] else call | {"raw": ""}


@broken("tool-calls/no-arguments")
class NoArgumentsIsInvalid(Calls):
    """A call without arguments is marked invalid."""

    def call(self, call: dict[str, Any]) -> dict[str, Any]:
        return call | {"valid": bool(call["raw"])}


@broken("tool-calls/values")
class DropsFalsyArguments(Calls):
    """Arguments that are 0, false or null are dropped."""

    def call(self, call: dict[str, Any]) -> dict[str, Any]:
        return call | {"arguments": {name: value for name, value in call["arguments"].items() if value}}


@broken("tool-calls/large")
class CutsLongArguments(Calls):
    """Arguments longer than 32 KiB are cut, and so invalid."""

    def call(self, call: dict[str, Any]) -> dict[str, Any]:
        return call if len(call["raw"]) < 32768 else call | {"arguments": {}, "valid": False}


@broken("tool-calls/once-across-chunks")
class RepeatsCalls(Ground):
    """The finish chunk repeats the calls of earlier chunks."""

    def __init__(self) -> None:
        self.earlier: list[Mapping[str, Any]] = []

    def chunk_tool_calls(self, chunk: ChatMessage) -> Sequence[Mapping[str, Any]]:
        found = super().chunk_tool_calls(chunk)
        again, self.earlier = self.earlier, [*self.earlier, *found]
        return [*again, *found]


@broken("choices/chunks")
class ChunksLoseTheirChoice(Ground):
    """Every chunk belongs to choice 0."""

    def choice(self, chunk: ChatMessage) -> int:
        return 0


@broken("replay/text", "replay/callbacks-and-event")
class NoReplayOfShortTexts(Ground):
    """A text is replayed as nothing."""

    def replay(self, text: str) -> Any:
        stream = replay("")
        stream.close()
        return stream


def replayed(name: str, fault: str, change: Callable[[ChatOutput], ChatOutput], *cases: str) -> None:
    """A mutant that replays something else."""

    class Changed(Ground):
        def replay_output(self, output: ChatOutput) -> Any:
            return replay(change(output))

    Changed.__name__, Changed.__doc__ = name, fault
    broken(*cases)(Changed)


def only_text(output: ChatOutput) -> ChatOutput:
    """The output with nothing but its text."""
    return ChatOutput((ChatMessage(output.text, finish_reason=output.finish_reason),), output.usage, error=output.error)


replayed(
    "ReplaysTextOnly", "Tool calls and reasoning are not replayed.", only_text, "replay/tool-calls", "replay/reasoning"
)
replayed(
    "ReplaysWithoutUsage",
    "Usage is not replayed.",
    lambda output: ChatOutput((replace(output.message, usage=None),), error=output.error),
    "replay/output",
)
replayed(
    "ReplaysToTheEnd",
    "A stream that broke replays as complete.",
    lambda output: replace(output, error=None),
    "replay/error",
)
