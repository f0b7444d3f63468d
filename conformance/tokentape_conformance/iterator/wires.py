"""Wires: what each wire format can express, and the bytes of a script in it."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from types import MappingProxyType

import msgspec

from tokentape import ChatMessage
from tokentape_fake_provider.script.model import FinishReason, Script
from tokentape_fake_provider.wires import WIRES, Ask, Piece, wire_named
from tokentape_harness.conversion.sample_request import ask_of, request_for

MODEL = "model-1"
PROMPT = "How deep is the sea?"
_CREATED = 1_800_000_000

_SSE = "sse"
_FRAMING: Mapping[str, str] = MappingProxyType({"ollama": "ndjson", "bedrock_converse": "aws", "bedrock_invoke": "aws"})

FINISH_REASONS: Mapping[str, tuple[FinishReason, ...]] = MappingProxyType(
    {
        "openai_chat": ("stop", "length", "tool_calls", "content_filter"),
        "openai_responses": ("stop", "length", "content_filter"),
        "openai_completions": ("stop", "length", "content_filter"),
        "anthropic_messages": ("stop", "length", "tool_calls", "refusal", "pause"),
        "bedrock_converse": ("stop", "length", "tool_calls", "content_filter"),
        "bedrock_invoke": ("stop", "length"),
        "gemini": ("stop", "length", "content_filter"),
        "gemini_interactions": ("stop", "length"),
        "ollama": ("stop", "length"),
        "cohere_chat": ("stop", "length", "tool_calls", "content_filter", "error"),
    }
)
"""The finish reasons of a text response that each can express."""

_NOT_REPORTED: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        "bedrock_converse": frozenset({"reasoning"}),
        "cohere_chat": frozenset({"cache_write"}),
        "gemini": frozenset({"cache_write"}),
        "gemini_interactions": frozenset({"cache_write"}),
        "ollama": frozenset({"cached", "cache_write", "reasoning"}),
    }
)
"""The usage fields that each has no field for."""

ALL = tuple(WIRES)
TOOL_CALLS = tuple(wire for wire in ALL if wire != "openai_completions")
REASONING = tuple(wire for wire in ALL if wire != "openai_completions")
ARGUMENT_TEXT = tuple(wire for wire in TOOL_CALLS if wire not in ("gemini", "ollama"))
"""Those that send arguments as text fragments, which need not be valid JSON."""
REFUSALS = ("openai_chat", "openai_responses")
SEVERAL_CHOICES = ("openai_chat", "openai_completions", "gemini")
SSE = tuple(wire for wire in ALL if _FRAMING.get(wire, _SSE) == _SSE)
NDJSON = ("ollama",)
AWS = ("bedrock_converse", "bedrock_invoke")


def reporting(field: str) -> tuple[str, ...]:
    """The wire formats that report this field of usage."""
    return tuple(wire for wire in ALL if field not in _NOT_REPORTED.get(wire, frozenset()))


def with_finish_reason(reason: FinishReason) -> tuple[str, ...]:
    """The wire formats that can express this finish reason."""
    return tuple(wire for wire in ALL if reason in FINISH_REASONS[wire])


class SampleRequest(msgspec.Struct, frozen=True):
    """A request: as reports print it (`line`), and as encoders read it (`ask`)."""

    line: str
    ask: Ask


@cache
def sample_request(wire: str, choices: int = 1) -> SampleRequest:
    """The request whose response the cases encode."""
    request = request_for(wire, MODEL, [ChatMessage.user(PROMPT)], choices=choices)
    ask = ask_of(request, wire, created=_CREATED, seed="conformance")
    return SampleRequest(f"{request.method} {request.uri} {(request.body or b'').decode()}", ask)


def encoded_frames(wire: str, script: Script) -> list[Piece]:
    """The frames of this script; those with content have `tokens`."""
    ask = sample_request(wire, len(script.choices)).ask
    if not script.usage.report:
        ask = msgspec.structs.replace(ask, include_usage=False)
    return wire_named(wire).encode_stream(script, ask)
