"""Wires: what can be said in each wire format, and its bytes."""

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
"""What each can say of why an answer of text ended."""

_SILENT: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        "bedrock_converse": frozenset({"reasoning"}),
        "cohere_chat": frozenset({"cache_write"}),
        "gemini": frozenset({"cache_write"}),
        "gemini_interactions": frozenset({"cache_write"}),
        "ollama": frozenset({"cached", "cache_write", "reasoning"}),
    }
)
"""The fields of usage that each has no place for."""

ALL = tuple(WIRES)
TOOL_CALLS = tuple(wire for wire in ALL if wire != "openai_completions")
REASONING = tuple(wire for wire in ALL if wire != "openai_completions")
ARGUMENT_TEXT = tuple(wire for wire in TOOL_CALLS if wire not in ("gemini", "ollama"))
"""Those that send arguments as text, in fragments, and so can send text that is no JSON."""
REFUSALS = ("openai_chat", "openai_responses")
SEVERAL_CHOICES = ("openai_chat", "openai_completions", "gemini")
SSE = tuple(wire for wire in ALL if _FRAMING.get(wire, _SSE) == _SSE)
NDJSON = ("ollama",)
AWS = ("bedrock_converse", "bedrock_invoke")


def reporting(field: str) -> tuple[str, ...]:
    """The wire formats that have a place for this field of usage."""
    return tuple(wire for wire in ALL if field not in _SILENT.get(wire, frozenset()))


def ending(reason: FinishReason) -> tuple[str, ...]:
    """The wire formats that can say this of why an answer ended."""
    return tuple(wire for wire in ALL if reason in FINISH_REASONS[wire])


class Asked(msgspec.Struct, frozen=True):
    """A request: as it is shown, and as encoders read it."""

    line: str
    ask: Ask


@cache
def asked(wire: str, choices: int = 1) -> Asked:
    """The request whose answers the cases make up."""
    request = request_for(wire, MODEL, [ChatMessage.user(PROMPT)], choices=choices)
    ask = ask_of(request, wire, created=_CREATED, seed="conformance")
    return Asked(f"{request.method} {request.uri} {(request.body or b'').decode()}", ask)


def pieces(wire: str, script: Script) -> list[Piece]:
    """The frames that say this script: those that carry what is said have tokens."""
    ask = asked(wire, len(script.choices)).ask
    if not script.usage.report:
        ask = msgspec.structs.replace(ask, include_usage=False)
    return wire_named(wire).encode_stream(script, ask)
