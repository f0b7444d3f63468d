"""Scenario: a request to a server, and the response that a scripted server gives."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import msgspec

from tokentape_fake_provider.script.model import Error, FinishReason, Reasoning, Script, Text, ToolCall, Usage

FUNCTION = "forecast"
PARAMETERS: Mapping[str, Any] = MappingProxyType(
    {
        "type": "object",
        "properties": {"city": {"type": "string"}},
        "required": ["city"],
    }
)
COUNTS = Usage(input=120, output=34, cached=20, reasoning=10)


class Scenario(msgspec.Struct, frozen=True):
    """A request that is independent of the wire format.

    `script` is the response of a scripted server. Other servers receive the `prompt`, and options that make such a
    response likely: a tool that must be called, a token limit, reasoning. `needs` is the capability that it requires.
    """

    name: str
    prompt: str
    script: Script
    needs: str = ""
    tool: bool = False
    reasoning: bool = False
    limit: int = 200
    usage: bool = True
    """Whether usage is requested, where a provider reports it only then."""
    slow: bool = False
    """A scripted server sends slowly: about 4 ms per token."""


_MIXED = Text(
    'One, two: naïve café, 深い海 🌊 — "0"\\n',
    pieces=("One", ", two: na", "ïve café, 深い", "海 🌊", ' — "', "0", '"\\n'),
)
TEXT = Scenario(
    "text", "Say a sentence about the sea.", Script.of(_MIXED, usage=Usage(input=120, output=34, cached=20))
)
WITHOUT_USAGE = Scenario(
    "without-usage",
    "Say a sentence about the sea.",
    Script.of("The sea is deep.", usage=Usage(input=12, output=5)),
    usage=False,
)
TOOL = Scenario(
    "tool",
    "How is the weather in Lisbon? Use the tool.",
    Script.of(ToolCall.of(FUNCTION, {"city": "Lisbon"}), usage=Usage(input=120, output=34)),
    needs="tool_calls",
    tool=True,
)
TOOLS = Scenario(
    "tools",
    "How is the weather in Lisbon and in Kraków? Call the tool twice, once for each city, at once.",
    Script.of(
        Text("I look at both."),
        ToolCall.of(FUNCTION, {"city": "Lisbon"}),
        ToolCall.of(FUNCTION, {"city": "Kraków"}),
        usage=Usage(input=120, output=34),
    ),
    needs="parallel_tool_calls",
    tool=True,
)
REASONING = Scenario(
    "reasoning",
    "What is 27 times 43? Think first.",
    Script.of(Reasoning("27 times 43 is 27 times 40 and 81.", signature="c2lnbmVk"), Text("1161."), usage=COUNTS),
    needs="reasoning",
    reasoning=True,
    limit=2000,
)
LENGTH = Scenario(
    "length",
    "Count from one to one hundred in words.",
    Script.of("One two three", finish_reason="length", usage=Usage(input=12, output=3)),
    limit=3,
)
LONG = Scenario(
    "long",
    "Tell a long story about the sea.",
    Script.of(Text("".join(f"wave {n} " for n in range(30))), usage=Usage(input=12, output=80)),
    limit=80,
    slow=True,
)
STREAMED = (TEXT, WITHOUT_USAGE, TOOL, TOOLS, REASONING, LENGTH)
"""The scenarios whose streams are judged by the grammar."""


def ended(reason: FinishReason) -> Scenario:
    """A short response with this finish reason."""
    script = Script.of("The first half", finish_reason=reason, usage=Usage(input=12, output=3))
    return Scenario(f"ended-{reason}", "Go on.", script, needs="scripted")


def refused(status: int) -> Scenario:
    """A request that is refused with this status."""
    script = Script.of(error=Error(status, "Slow down, the tide is out.", retry_after=2))
    return Scenario(f"refused-{status}", "Go on.", script, needs="scripted")


BREAKS = Scenario(
    "breaks",
    "Go on.",
    Script.of("This far, and", error=Error(529, "The tide is out.", in_stream=True)),
    needs="scripted",
)
