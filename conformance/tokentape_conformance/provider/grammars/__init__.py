"""Grammars: one module a wire format. To add one: a module with a `GRAMMAR`, and a row here."""

from __future__ import annotations

from collections.abc import Mapping

from tokentape_conformance.provider.grammar import Grammar
from tokentape_conformance.provider.grammars import (
    anthropic_messages,
    bedrock_converse,
    bedrock_invoke,
    cohere_chat,
    gemini,
    gemini_interactions,
    ollama,
    openai_chat,
    openai_completions,
    openai_responses,
)
from tokentape_fake_provider.wires.registry import Registry
from tokentape_harness.errors import UsageError

_MODULES = (
    openai_chat,
    openai_responses,
    openai_completions,
    anthropic_messages,
    bedrock_converse,
    bedrock_invoke,
    gemini,
    gemini_interactions,
    ollama,
    cohere_chat,
)

ENTRY_POINTS = "tokentape.grammars"
"""The group of entry points whose objects are grammars, each under the name of its wire format."""
GRAMMARS: Mapping[str, Grammar] = Registry(
    {module.GRAMMAR.wire: module.GRAMMAR for module in _MODULES}, ENTRY_POINTS, Grammar, UsageError
)
