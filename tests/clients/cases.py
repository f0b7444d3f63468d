"""What every client is sent: scripts, and what each wire format can carry of them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from tokentape_fake_provider.script.model import Error, FinishReason, Reasoning, Script, Text, ToolCall, Usage

HARD_TEXT: Final = 'Zürich: 日本語, مرحبا, 👩\u200d👩\u200d👧\n\ndata: [DONE]\n\n"quoted" \\ 0'
FORECAST: Final = {"city": "Zürich 🌧", "days": 3}
OTHER_FORECAST: Final = {"city": 'New "York"', "days": 0}


class Wire(NamedTuple):
    """A wire format as its provider documents it.

    `words` are its own words for the finish reasons it can tell apart, `usage` the token counts it reports.
    """

    words: Mapping[FinishReason, str]
    usage: frozenset[str]
    reasoning: bool = True
    tools: bool = True


_COUNTS = frozenset({"input", "output"})

WIRES: Final[Mapping[str, Wire]] = {
    "openai_chat": Wire(
        {"stop": "stop", "length": "length", "tool_calls": "tool_calls", "content_filter": "content_filter"},
        _COUNTS | {"cached", "reasoning"},
    ),
    "openai_responses": Wire(
        {
            "stop": "completed",
            "length": "max_output_tokens",
            "tool_calls": "completed",
            "content_filter": "content_filter",
        },
        _COUNTS | {"cached", "reasoning"},
    ),
    "openai_completions": Wire(
        {"stop": "stop", "length": "length", "content_filter": "content_filter"},
        _COUNTS | {"cached", "reasoning"},
        reasoning=False,
        tools=False,
    ),
    "anthropic_messages": Wire(
        {
            "stop": "end_turn",
            "length": "max_tokens",
            "tool_calls": "tool_use",
            "refusal": "refusal",
            "pause": "pause_turn",
        },
        _COUNTS | {"cached", "cache_write", "reasoning"},
    ),
    "gemini": Wire(
        {
            "stop": "STOP",
            "length": "MAX_TOKENS",
            "tool_calls": "STOP",
            "content_filter": "SAFETY",
            "other": "OTHER",
        },
        _COUNTS | {"cached", "reasoning"},
    ),
    "gemini_interactions": Wire(
        {"stop": "completed", "length": "incomplete", "tool_calls": "requires_action", "error": "failed"},
        _COUNTS | {"cached", "reasoning"},
    ),
    "bedrock_converse": Wire(
        {
            "stop": "end_turn",
            "length": "max_tokens",
            "tool_calls": "tool_use",
            "content_filter": "content_filtered",
            "error": "malformed_model_output",
        },
        _COUNTS | {"cached", "cache_write"},
    ),
    "bedrock_invoke": Wire(
        {"stop": "end_turn", "length": "max_tokens", "tool_calls": "tool_use", "refusal": "refusal"},
        _COUNTS | {"cached", "cache_write", "reasoning"},
    ),
    "ollama": Wire({"stop": "stop", "length": "length", "tool_calls": "stop"}, _COUNTS),
    "cohere_chat": Wire(
        {"stop": "COMPLETE", "length": "MAX_TOKENS", "tool_calls": "TOOL_CALL", "error": "ERROR"},
        _COUNTS | {"cached", "reasoning"},
    ),
}


class Case(NamedTuple):
    """One request to each client: what is sent, and whether the request declares tools."""

    name: str
    script: Script
    tools: bool = False

    @property
    def needs(self) -> frozenset[str]:
        """What a client must be able to show for the case to make sense at all."""
        items = self.script.choices[0].items
        kinds = {Text: "text", Reasoning: "reasoning", ToolCall: "tool_calls"}
        return frozenset(kinds[type(item)] for item in items if type(item) in kinds)


_USAGE = Usage(input=120, output=45, cached=30, reasoning=12)

_CASES: Final = (
    Case("text", Script.of(HARD_TEXT, usage=Usage(input=9, output=17))),
    # Not the end of a line to SSE or NDJSON, but to str.splitlines().
    Case("line_separators", Script.of("one\u2028two\x85three\u2029four", usage=Usage(input=9, output=8))),
    Case(
        "reasoning",
        Script.of(Reasoning("First, the sky. Then:\n 日本語.", signature="c2lnbmF0dXJl"), "It rains.", usage=_USAGE),
    ),
    Case(
        "one_tool",
        Script.of(ToolCall.of("weather", FORECAST), usage=Usage(input=70, output=21)),
        tools=True,
    ),
    Case(
        "parallel_tools",
        Script.of(
            "Let me look.",
            ToolCall.of("weather", FORECAST, id="call_1"),
            ToolCall.of("weather", OTHER_FORECAST, id="call_2"),
            ToolCall.of("now", {}, id="call_3"),
            usage=Usage(input=70, output=64),
        ),
        tools=True,
    ),
    Case("cache", Script.of("Cached.", usage=Usage(input=200, output=3, cached=150))),
)


def cases(wire: str) -> list[Case]:
    """The cases for a wire format; each of its finish reasons is one of them."""
    facts = WIRES[wire]
    listed = [
        case
        for case in _CASES
        if (facts.reasoning or "reasoning" not in case.needs) and (facts.tools or not case.tools)
    ]
    if "cache_write" in facts.usage:
        usage = Usage(input=200, output=3, cached=150, cache_write=40)
        listed.append(Case("cache_write", Script.of("Written to the cache.", usage=usage)))
    for reason in facts.words:
        if reason not in ("stop", "tool_calls"):
            usage = Usage(input=5, output=4)
            listed.append(Case(f"finish_{reason}", Script.of("It was cut", finish_reason=reason, usage=usage)))
    message = "This model is not for you."
    listed.append(Case("error", Script(error=Error(status=403, message=message))))
    return listed


def expected(case: Case) -> dict[str, Any]:
    """What the script says, in a driver's terms; its finish reason in ours."""
    (choice,) = case.script.choices
    usage = case.script.usage
    counts = {name: getattr(usage, name) or 0 for name in ("input", "output", "cached", "cache_write", "reasoning")}
    return {
        "text": "".join(item.text for item in choice.items if isinstance(item, Text)),
        "reasoning": "".join(item.text for item in choice.items if isinstance(item, Reasoning)),
        "tool_calls": [
            {"name": item.name, "arguments": json.loads(item.arguments)}
            for item in choice.items
            if isinstance(item, ToolCall)
        ],
        "finish_reason": choice.ended,
        "usage": counts,
    }


__all__ = ["WIRES", "Case", "Wire", "cases", "expected"]
