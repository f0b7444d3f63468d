"""Output fields: the chunks and outputs of a stream as JSON."""

from __future__ import annotations

from typing import Any, Final

from tokentape import ChatMessage, ChatOutput, TokenUsage
from tokentape_harness.terminal_text import builtins

USAGE: Final = ("input", "output", "total", "cached", "cache_write", "reasoning")
"""The counts of tokens that every provider may report."""


def message_fields(message: ChatMessage) -> dict[str, Any]:
    """A chunk or a message as JSON: `text` and its other fields; plain text is not repeated as parts."""
    fields: dict[str, Any] = {"text": message.text, **builtins(message)}
    parts = fields.pop("parts", [])
    if any(part.keys() - {"type", "text"} for part in parts) or len(parts) > 2:
        fields["parts"] = parts
    if message.usage is not None:
        fields["usage"] = usage_fields(message.usage)
    return fields


def output_fields(output: ChatOutput) -> dict[str, Any]:
    """A whole output as JSON: its messages, usage, model and error."""
    fields: dict[str, Any] = {
        "messages": [message_fields(message) for message in output.messages],
        "usage": usage_fields(output.usage),
        "finish_reason": output.finish_reason,
        "model": output.model,
    }
    if output.metadata:
        fields["metadata"] = builtins(output.metadata)
    if output.error is not None:
        fields["error"] = builtins(output.error)
    return fields


def usage_fields(usage: TokenUsage) -> dict[str, Any]:
    """Token counts that were reported, and the provider's own."""
    fields: dict[str, Any] = {name: getattr(usage, name) for name in USAGE if getattr(usage, name) is not None}
    if usage.raw:
        fields["raw"] = builtins(usage.raw)
    return fields
