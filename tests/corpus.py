"""The recorded provider streams beside the repository, read in place."""

from __future__ import annotations

import functools
import json
import os
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pytest

ROOT = Path(os.environ.get("TOKENTAPE_CORPUS", Path(__file__).parents[2] / "shared" / "corpus"))

OPENAI_CHAT_FAMILY = (
    "openai_chat",
    "azure_openai_chat",
    "openrouter_chat",
    "groq_chat",
    "deepseek_chat",
    "xai_chat",
    "mistral_chat",
    "together_chat",
    "openai_compat_other",
)
ANTHROPIC_FAMILY = ("anthropic_messages", "vertex_anthropic_messages")
GEMINI_FAMILY = (
    "gemini_generate_content",
    "gemini_generate_content_json_array",
    "vertex_gemini_generate_content",
    "vertex_gemini_generate_content_json_array",
)


class Item(NamedTuple):
    """One recorded response."""

    id: str
    wire_format: str
    kind: str
    features: tuple[str, ...]
    status: int
    content_type: str
    size: int
    body_path: Path
    meta_path: Path

    @property
    def body(self) -> bytes:
        """The raw body."""
        return self.body_path.read_bytes()

    @property
    def meta(self) -> dict[str, Any]:
        """Request, response and summary."""
        return json.loads(self.meta_path.read_bytes())

    @property
    def wire(self) -> str:
        """The wire format of ours that reads it."""
        return WIRES[self.wire_format]


WIRES = (
    dict.fromkeys(OPENAI_CHAT_FAMILY, "openai_chat")
    | dict.fromkeys(ANTHROPIC_FAMILY, "anthropic_messages")
    | dict.fromkeys(GEMINI_FAMILY, "gemini")
    | {"gemini_interactions": "gemini_interactions"}
    | {"ollama_chat": "ollama", "ollama_generate": "ollama"}
    | {"cohere_chat_v2": "cohere_chat", "cohere_v1": "cohere_v1"}
    | {"openai_responses": "openai_responses", "openai_completions": "openai_completions"}
    | {"bedrock_converse_stream": "bedrock_converse", "bedrock_invoke_stream": "bedrock_invoke"}
)


@functools.cache
def all_items() -> tuple[Item, ...]:
    """Every item; empty where the folder is absent."""
    index = ROOT / "streams.jsonl"
    if not index.exists():
        return ()
    rows = map(json.loads, index.read_text().splitlines())
    return tuple(
        Item(
            row["id"],
            row["wire_format"],
            row["kind"],
            tuple(row.get("features", ())),
            row["status"],
            row["content_type"] or "",
            row["body_bytes"],
            ROOT / row["body"],
            ROOT / row["meta"],
        )
        for row in rows
    )


def each(chosen: Sequence[Any]) -> Sequence[Any]:
    """These items as a parameter set; where the folder is absent one set that is skipped with that reason."""
    if all_items():
        return chosen
    reason = f"no recorded streams at {ROOT}: set TOKENTAPE_CORPUS"
    return [pytest.param(None, marks=pytest.mark.skip(reason), id="no recorded streams")]


def sampled(chosen: Sequence[Item], features: Collection[str] | None = None) -> Sequence[Any]:
    """As `each`, but the fast suite has the smallest items that have each feature (of these) of each format.

    Bodies of more than 20 kB are left to the slow suite.
    """

    def found(item: Item) -> set[tuple[str, str]]:
        of_item = item.features if features is None else set(item.features).intersection(features)
        return {(item.wire_format, feature) for feature in (*of_item, item.kind, item.content_type)}

    small = sorted((item for item in chosen if item.size <= 20_000), key=lambda item: item.size)
    missing = set().union(*map(found, small))
    sample: set[str] = set()
    for item in small:
        new = found(item) & missing
        if new:
            missing -= new
            sample.add(item.id)
    return each([item if item.id in sample else pytest.param(item, marks=pytest.mark.slow) for item in chosen])


def items(*wire_formats: str, kind: str = "stream") -> list[Item]:
    """The items of these wire formats; skips the test with a reason where the folder is absent."""
    if not all_items():
        pytest.skip(f"no recorded streams at {ROOT}: set TOKENTAPE_CORPUS")
    return [item for item in all_items() if item.wire_format in wire_formats and item.kind == kind]
