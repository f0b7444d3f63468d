"""The clients: which driver asks in which wire format, and what each can't show."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

from tests.clients.environments import NODE, OWN

Counts = Mapping[str, int]


def as_said(counts: Counts) -> Counts:
    """Cached and written tokens inside input, reasoning inside output."""
    return counts


def cache_beside(counts: Counts) -> Counts:
    """Anthropic's and Bedrock's: input is what was neither read from nor written to the cache."""
    return {**counts, "input": counts["input"] - counts["cached"] - counts["cache_write"]}


def reasoning_beside(counts: Counts) -> Counts:
    """Gemini's: output is what is not reasoning."""
    return {**counts, "output": counts["output"] - counts["reasoning"]}


class Client(NamedTuple):
    """A client and one wire format that it speaks.

    `shows` are its own words for finish reasons, where they are not the provider's. `lacks` maps what it can't
    show to the reason why: "text", "reasoning", "tool_calls", "finish_reason", "usage", or one count as
    "usage.cached", or one case as "case:NAME"; with "stream:" or "complete:" before it only in that mode.
    `zero` are counts that it shows as nothing when they are 0.
    """

    name: str
    environment: str
    driver: str
    package: str
    wire: str
    model: str = "m"
    counts: Callable[[Counts], Counts] = as_said
    shows: Mapping[str, str] = {}
    lacks: Mapping[str, str] = {}
    zero: frozenset[str] = frozenset()

    def missing(self, what: str, *, stream: bool) -> str | None:
        """Why this client can't show it, if so."""
        mode = "stream" if stream else "complete"
        return self.lacks.get(what) or self.lacks.get(f"{mode}:{what}")


def _own(package: str, wire: str, **fields: Any) -> Client:
    name = f"{package}-{wire}"
    driver = fields.pop("driver", package.replace("-", "_") + "_driver")
    return Client(name, OWN, driver, package, wire, **fields)


MISTRAL: Final = "Mistral does not count reasoning tokens"

CLIENTS: Final[tuple[Client, ...]] = (
    _own("openai", "openai_chat"),
    _own("openai", "openai_responses"),
    _own("openai", "openai_completions"),
    _own("anthropic", "anthropic_messages", counts=cache_beside),
    _own("google-genai", "gemini", counts=reasoning_beside),
    _own("ollama", "ollama"),
    _own("cohere", "cohere_chat"),
    _own("mistralai", "openai_chat", model="magistral-small-latest", lacks={"usage.reasoning": MISTRAL}),
    _own("groq", "openai_chat"),
    _own("boto3", "bedrock_converse", model="anthropic.claude-v2:1", counts=cache_beside),
    _own("boto3", "bedrock_invoke", model="anthropic.claude-v2:1", counts=cache_beside),
)

__all__ = ["CLIENTS", "NODE", "Client"]
