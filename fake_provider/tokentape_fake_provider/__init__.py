"""A fake LLM provider: a server that official SDKs talk to, and that says what you tell it to.

with FakeProviderServer() as server:
    server.default.push(Script.of("Hello"))
    client = openai.OpenAI(base_url=server.base_url("openai_chat"), api_key="any")
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tokentape_fake_provider import errors
from tokentape_fake_provider.faults import Fault, parse_fault
from tokentape_fake_provider.script import Choice, Error, Reasoning, Refusal, Script, Text, ToolCall, Usage
from tokentape_fake_provider.tape import Frame, Tape

if TYPE_CHECKING:
    from tokentape_fake_provider.app import AppConfig, create_app
    from tokentape_fake_provider.clock import ControlledClock
    from tokentape_fake_provider.gate import SteppedStream
    from tokentape_fake_provider.in_process import InProcessProvider
    from tokentape_fake_provider.recording import Recording
    from tokentape_fake_provider.rule import Rule
    from tokentape_fake_provider.server import FakeProviderServer
    from tokentape_fake_provider.session import Session
    from tokentape_fake_provider.session_settings import SessionSettings
    from tokentape_fake_provider.timing import Instant, Profile, Recorded, Stepped, Synthetic, parse_timing

__all__ = [
    "AppConfig",
    "Choice",
    "ControlledClock",
    "Error",
    "FakeProviderServer",
    "Fault",
    "Frame",
    "InProcessProvider",
    "Instant",
    "Profile",
    "Reasoning",
    "Recorded",
    "Recording",
    "Refusal",
    "Rule",
    "Script",
    "Session",
    "SessionSettings",
    "Stepped",
    "SteppedStream",
    "Synthetic",
    "Tape",
    "Text",
    "ToolCall",
    "Usage",
    "create_app",
    "errors",
    "parse_fault",
    "parse_timing",
]

# The server brings uvicorn and starlette: who only writes scripts does not wait for them.
_LAZY = {
    "AppConfig": "app",
    "ControlledClock": "clock",
    "FakeProviderServer": "server",
    "InProcessProvider": "in_process",
    "Instant": "timing",
    "Profile": "timing",
    "Recorded": "timing",
    "Recording": "recording",
    "Rule": "rule",
    "Session": "session",
    "SessionSettings": "session_settings",
    "Stepped": "timing",
    "SteppedStream": "gate",
    "Synthetic": "timing",
    "create_app": "app",
    "parse_timing": "timing",
}


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(f"{__name__}.{_LAZY[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
