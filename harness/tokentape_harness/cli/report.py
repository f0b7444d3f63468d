"""Report: the chunks and outputs of a stream as text."""

from __future__ import annotations

from collections.abc import Iterator

from tokentape import ChatMessage, ChatOutput, ProviderPart, TokenUsage
from tokentape_harness.conversion.output_fields import USAGE
from tokentape_harness.profiles.stream_timing import StreamTiming
from tokentape_harness.terminal_text import dump, one_line, printable


def chunk_line(message: ChatMessage) -> str:
    """What one chunk adds, on one line."""
    items: list[str] = []
    if message.index:
        items.append(f"choice {message.index}")
    if message.reasoning:
        items.append(f"reasoning {message.reasoning!r}")
    if message.text:
        items.append(f"text {message.text!r}")
    if message.refusal:
        items.append(f"refusal {message.refusal!r}")
    for delta in message.tool_call_deltas:
        named = f" {delta.name}" if delta.name else ""
        items.append(f"tool call{named} {delta.arguments!r}")
    items += [f"finished {call.name}({call.raw_arguments})" for call in message.tool_calls]
    items += [f"part {part.kind}" for part in message.parts if isinstance(part, ProviderPart)]
    if message.finish_reason is not None:
        items.append(f"finish {message.finish_reason}")
    if message.usage is not None:
        items.append(usage_line(message.usage))
    return printable(", ".join(items)) or "(nothing to show)"


def output_lines(output: ChatOutput) -> Iterator[str]:
    """A whole output: the content and finish reason of each choice, and the usage."""
    for number, message in enumerate(output.messages):
        if len(output.messages) > 1:
            yield f"choice {number}"
        if message.reasoning:
            yield f"reasoning: {printable(message.reasoning)}"
        for part in message.parts:
            if isinstance(part, ProviderPart):
                yield f"{part.kind}: {one_line(dump(part.data), 200)}"
        if message.text:
            yield f"text: {printable(message.text)}"
        if message.refusal:
            yield f"refusal: {printable(message.refusal)}"
        for call in message.tool_calls:
            invalid = "" if call.valid else " (not valid JSON)"
            yield f"tool call: {one_line(f'{call.name}({call.raw_arguments})', 400)}{invalid}"
        if message.finish_reason is not None:
            own = message.provider_finish_reason
            named = f" ({printable(own)})" if own and own != message.finish_reason else ""
            yield f"finish reason: {message.finish_reason}{named}"
    yield usage_line(output.usage)


def usage_line(usage: TokenUsage) -> str:
    """Token counts on one line."""
    counts = [f"{name} {getattr(usage, name)}" for name in USAGE if getattr(usage, name) is not None]
    return f"usage: {', '.join(counts) or 'not reported'}"


def timing_line(timing: StreamTiming) -> str:
    """The figures of a stream on one line."""
    figures = [("time to first token", timing.ttft, "ms"), ("inter-token latency p50", timing.itl_p50, "ms")]
    figures += [("p95", timing.itl_p95, "ms"), ("total", timing.total, "ms"), ("", timing.tokens_per_s, "tokens/s")]
    known = [f"{name} {value:.0f} {unit}".strip() for name, value, unit in figures if value is not None]
    return f"timing: {', '.join(known)}"
