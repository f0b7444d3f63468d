"""A fake LLM provider: a server for official SDKs, which sends the responses that a test scripts.

with FakeProviderServer() as server:
    server.default.push(Script.of("Hello"))
    client = openai.OpenAI(base_url=server.base_url("openai_chat"), api_key="any")
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tokentape_fake_provider import errors
from tokentape_fake_provider.errors import lazy_exports

if TYPE_CHECKING:
    from tokentape_fake_provider.app import create_app
    from tokentape_fake_provider.config import AppConfig
    from tokentape_fake_provider.encoding.encode import encode
    from tokentape_fake_provider.errors import StepTimeoutError, StreamOverError
    from tokentape_fake_provider.fault_injection.fault_context import FaultContext
    from tokentape_fake_provider.faults import CustomFault, Fault, parse_fault
    from tokentape_fake_provider.hosting import InProcessProvider
    from tokentape_fake_provider.hosting.server import FakeProviderServer
    from tokentape_fake_provider.playback.stepped_stream import SteppedStream
    from tokentape_fake_provider.script.model import (
        Audio,
        Choice,
        Citation,
        Error,
        Reasoning,
        Refusal,
        Script,
        ServerTool,
        Source,
        Text,
        ToolCall,
        Usage,
    )
    from tokentape_fake_provider.script.results import Embeddings, Moderation, Ranking, TokenCount
    from tokentape_fake_provider.sessions.condition import Condition, TextMatch, ToolResultMatch
    from tokentape_fake_provider.sessions.recording import Recording
    from tokentape_fake_provider.sessions.rule import Rule
    from tokentape_fake_provider.sessions.session import Session
    from tokentape_fake_provider.sessions.settings import SessionSettings
    from tokentape_fake_provider.tape import Frame, Tape
    from tokentape_fake_provider.timing import (
        FirstToken,
        Instant,
        InterToken,
        Load,
        Pauses,
        Profile,
        Recorded,
        Stepped,
        Synthetic,
        parse_timing,
    )
    from tokentape_fake_provider.timing.clock import ControlledClock

__all__ = [
    "AppConfig",
    "Audio",
    "Choice",
    "Citation",
    "Condition",
    "ControlledClock",
    "CustomFault",
    "Embeddings",
    "Error",
    "FakeProviderServer",
    "Fault",
    "FaultContext",
    "FirstToken",
    "Frame",
    "InProcessProvider",
    "Instant",
    "InterToken",
    "Load",
    "Moderation",
    "Pauses",
    "Profile",
    "Ranking",
    "Reasoning",
    "Recorded",
    "Recording",
    "Refusal",
    "Rule",
    "Script",
    "ServerTool",
    "Session",
    "SessionSettings",
    "Source",
    "StepTimeoutError",
    "Stepped",
    "SteppedStream",
    "StreamOverError",
    "Synthetic",
    "Tape",
    "Text",
    "TextMatch",
    "TokenCount",
    "ToolCall",
    "ToolResultMatch",
    "Usage",
    "create_app",
    "encode",
    "errors",
    "parse_fault",
    "parse_timing",
]

# Names are imported at first use, because the command line and the pytest plugin import this package in every run.
_LAZY = {
    "AppConfig": "config",
    "Audio": "script.model",
    "Choice": "script.model",
    "Citation": "script.model",
    "Condition": "sessions.condition",
    "ControlledClock": "timing.clock",
    "CustomFault": "faults",
    "Embeddings": "script.results",
    "Error": "script.model",
    "FakeProviderServer": "hosting.server",
    "Fault": "faults",
    "FaultContext": "fault_injection.fault_context",
    "FirstToken": "timing",
    "Frame": "tape",
    "InProcessProvider": "hosting",
    "Instant": "timing",
    "InterToken": "timing",
    "Load": "timing",
    "Moderation": "script.results",
    "Pauses": "timing",
    "Profile": "timing",
    "Ranking": "script.results",
    "Reasoning": "script.model",
    "Recorded": "timing",
    "Recording": "sessions.recording",
    "Refusal": "script.model",
    "Rule": "sessions.rule",
    "Script": "script.model",
    "ServerTool": "script.model",
    "Session": "sessions.session",
    "SessionSettings": "sessions.settings",
    "Source": "script.model",
    "StepTimeoutError": "errors",
    "Stepped": "timing",
    "SteppedStream": "playback.stepped_stream",
    "StreamOverError": "errors",
    "Synthetic": "timing",
    "Tape": "tape",
    "Text": "script.model",
    "TextMatch": "sessions.condition",
    "TokenCount": "script.results",
    "ToolCall": "script.model",
    "ToolResultMatch": "sessions.condition",
    "Usage": "script.model",
    "create_app": "app",
    "encode": "encoding.encode",
    "parse_fault": "faults",
    "parse_timing": "timing",
}

__getattr__, __dir__ = lazy_exports(__name__, _LAZY, "fake-provider")
