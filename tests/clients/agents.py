"""The agent frameworks and helpers that run without a script: each by environment, driver, wire formats and cases."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

CHAT: Final = "openai_chat"
OPENAI: Final = (CHAT, "openai_responses")
ANTHROPIC: Final = "anthropic_messages"
LOOP: Final = ("loop",)
BOTH: Final = ("loop", "structured")


class Agent(NamedTuple):
    """A framework: what each of its `cases` does stands in the driver; those of `structured` give a `Report`."""

    package: str
    environment: str
    driver: str
    wires: tuple[str, ...]
    cases: tuple[str, ...]

    @property
    def runs(self) -> Iterator[tuple[str, str]]:
        """The wire formats with their cases."""
        return ((wire, case) for wire in self.wires for case in self.cases)


AGENTS: Final = (
    Agent(
        "openai-agents",
        "openai_agents",
        "openai_agents_driver",
        OPENAI,
        (*BOTH, "required", "handoff", "streamed"),
    ),
    Agent(
        "langgraph",
        "langgraph",
        "langgraph_driver",
        (*OPENAI, ANTHROPIC),
        (*BOTH, "structured natively", "graph", "function_calling", "json_schema"),
    ),
    Agent("langchain", "langgraph", "langgraph_driver", (CHAT,), ("json_mode",)),
    Agent(
        "pydantic-ai-slim",
        "pydantic_ai",
        "pydantic_ai_loop_driver",
        (*OPENAI, ANTHROPIC, "gemini"),
        (*BOTH, "structured natively", "structured by prompt"),
    ),
    Agent("smolagents", "smolagents", "smolagents_driver", (CHAT,), ("loop", "code")),
    Agent("strands-agents", "strands", "strands_driver", (CHAT, ANTHROPIC), BOTH),
    Agent("google-adk", "google_adk", "google_adk_driver", ("gemini",), BOTH),
    Agent("llama-index", "llama_index", "llama_index_driver", (CHAT,), (*BOTH, "react")),
    Agent("crewai", "crewai", "crewai_driver", (CHAT,), BOTH),
    Agent(
        "instructor",
        "instructor",
        "instructor_structured_driver",
        (CHAT,),
        ("tool_call", "json_mode", "json_schema_mode", "markdown_json_mode"),
    ),
    Agent(
        "instructor", "instructor", "instructor_structured_driver", (ANTHROPIC,), ("anthropic_tools", "anthropic_json")
    ),
)
