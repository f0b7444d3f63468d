"""Wires: what each wire format can express, and the bytes of a script in it."""

from __future__ import annotations

from functools import cache

import msgspec

from tokentape import ChatMessage
from tokentape_conformance.case_registry import having
from tokentape_fake_provider.script.model import FinishReason, Script
from tokentape_fake_provider.wires import WIRES, EncodedFrame, ProviderRequest, wire_named
from tokentape_harness.conversion.sample_request import read_request, request_for

MODEL = "model-1"
PROMPT = "How deep is the sea?"
_CREATED = 1_800_000_000

ALL = tuple(WIRES)
TOOL_CALLS = having(lambda facts: facts.tool_calls)
REASONING = having(lambda facts: facts.reasoning)
ARGUMENT_TEXT = having(lambda facts: facts.tool_calls and facts.argument_text)
REFUSALS = having(lambda facts: facts.refusals)
SEVERAL_CHOICES = having(lambda facts: facts.choices_path)
SSE = having(lambda facts: facts.framing == "sse")
NDJSON = having(lambda facts: facts.framing == "ndjson")
AWS = having(lambda facts: facts.framing == "aws")


def reporting(field: str) -> list[str]:
    """The wire formats that have a place for this field of usage."""
    return having(lambda facts: field not in facts.unreported_usage)


def with_finish_reason(reason: FinishReason) -> list[str]:
    """The wire formats that can express this finish reason for a text response."""
    return having(lambda facts: reason in facts.text_finish_reasons)


class SampleRequest(msgspec.Struct, frozen=True):
    """A request: as reports print it (`line`), and as encoders read it (`parsed`)."""

    line: str
    parsed: ProviderRequest


@cache
def sample_request(wire: str, choices: int = 1) -> SampleRequest:
    """The request whose response the cases encode."""
    request = request_for(wire, MODEL, [ChatMessage.user(PROMPT)], choices=choices)
    parsed = read_request(request, wire, created=_CREATED, seed="conformance")
    return SampleRequest(f"{request.method} {request.uri} {(request.body or b'').decode()}", parsed)


def encoded_frames(wire: str, script: Script) -> list[EncodedFrame]:
    """The frames of this script; those with content have `tokens`."""
    request = sample_request(wire, len(script.choices)).parsed
    if not script.usage.report:
        request = msgspec.structs.replace(request, include_usage=False)
    return wire_named(wire).encode_stream(script, request)
