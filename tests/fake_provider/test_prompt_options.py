"""The prompt of a request: output formats, limits, reasoning, verbosity and modalities."""

from __future__ import annotations

from typing import Any

import pytest

from tests.fake_provider.prompts import JSON_SCHEMA, OPENAPI, SCHEMA, prompt_of
from tokentape_fake_provider.wires.prompt import OutputFormat


@pytest.mark.parametrize(
    ("wire", "fields", "output"),
    [
        ("openai_chat", {"response_format": {"type": "text"}}, OutputFormat()),
        ("openai_chat", {"response_format": {"type": "json_object"}}, OutputFormat("json")),
        ("openai_chat", {"response_format": JSON_SCHEMA}, OutputFormat("schema", SCHEMA, "place", True)),
        (
            "openai_responses",
            {"text": {"format": {"type": "json_schema", "name": "place", "schema": SCHEMA, "strict": True}}},
            OutputFormat("schema", SCHEMA, "place", True),
        ),
        ("openai_responses", {"text": {"format": {"type": "json_object"}}}, OutputFormat("json")),
        (
            "anthropic_messages",
            {"output_config": {"format": {"type": "json_schema", "schema": SCHEMA}}},
            OutputFormat("schema", SCHEMA),
        ),
        (
            "anthropic_messages",
            {"output_format": {"type": "json_schema", "schema": SCHEMA}},
            OutputFormat("schema", SCHEMA),
        ),
        (
            "bedrock_converse",
            {
                "outputConfig": {
                    "textFormat": {
                        "type": "json_schema",
                        "structure": {"jsonSchema": {"schema": '{"type":"object"}', "name": "n"}},
                    }
                }
            },
            OutputFormat("schema", {"type": "object"}, "n"),
        ),
        (
            "bedrock_invoke",
            {"output_config": {"format": {"type": "json_schema", "schema": SCHEMA}}},
            OutputFormat("schema", SCHEMA),
        ),
        ("gemini", {"generationConfig": {"responseMimeType": "application/json"}}, OutputFormat("json")),
        (
            "gemini",
            {"generationConfig": {"responseMimeType": "application/json", "responseJsonSchema": SCHEMA}},
            OutputFormat("schema", SCHEMA, strict=True),
        ),
        (
            "gemini",
            {"generation_config": {"response_mime_type": "application/json", "response_schema": OPENAPI}},
            OutputFormat("schema", SCHEMA, strict=True),
        ),
        (
            "gemini",
            {"generationConfig": {"responseMimeType": "text/x.enum", "responseSchema": {"type": "STRING"}}},
            OutputFormat("enum", {"type": "string"}),
        ),
        (
            "gemini_interactions",
            {"response_format": {"type": "text", "mime_type": "application/json", "schema": SCHEMA}},
            OutputFormat("schema", SCHEMA),
        ),
        ("ollama", {"format": "json"}, OutputFormat("json")),
        ("ollama", {"format": SCHEMA}, OutputFormat("schema", SCHEMA, strict=True)),
        ("cohere_chat", {"response_format": {"type": "json_object"}}, OutputFormat("json")),
        (
            "cohere_chat",
            {"response_format": {"type": "json_object", "json_schema": SCHEMA}},
            OutputFormat("schema", SCHEMA),
        ),
    ],
    ids=str,
)
def test_output_formats(wire: str, fields: dict[str, Any], output: OutputFormat) -> None:
    """Every word for JSON reads as one form."""
    assert prompt_of(wire, **fields).output == output


@pytest.mark.parametrize(
    ("wire", "fields"),
    [
        ("openai_chat", {"max_completion_tokens": 7, "max_tokens": ..., "stop": "END", "seed": 3}),
        ("openai_chat", {"max_tokens": 7, "stop": ["END"], "random_seed": 3}),
        ("openai_completions", {"max_tokens": 7, "stop": ["END", ""], "seed": 3}),
        ("anthropic_messages", {"max_tokens": 7, "stop_sequences": ["END"], "seed": 3}),
        ("bedrock_converse", {"inferenceConfig": {"maxTokens": 7, "stopSequences": ["END"]}, "seed": 3}),
        ("gemini", {"generationConfig": {"maxOutputTokens": 7, "stopSequences": ["END"], "seed": 3}}),
        ("gemini", {"generation_config": {"max_output_tokens": 7, "stop_sequences": ["END"], "seed": 3}}),
        ("gemini_interactions", {"generation_config": {"max_output_tokens": 7, "stop_sequences": ["END"], "seed": 3}}),
        ("ollama", {"max_tokens": ..., "options": {"num_predict": 7, "stop": ["END"], "seed": 3}}),
        ("cohere_chat", {"max_tokens": 7, "stop_sequences": ["END"], "seed": 3}),
    ],
    ids=str,
)
def test_limits(wire: str, fields: dict[str, Any]) -> None:
    """Limits, stop sequences and the seed have one place in a prompt."""
    prompt = prompt_of(wire, **fields)
    assert (prompt.max_tokens, prompt.stop, prompt.seed) == (7, ("END",), 3)


def test_no_limit_of_ollama() -> None:
    """Ollama's -1 is no limit."""
    assert prompt_of("ollama", max_tokens=..., options={"num_predict": -1}).max_tokens is None


@pytest.mark.parametrize(
    ("wire", "fields", "enabled", "effort", "budget", "visible"),
    [
        ("openai_chat", {"reasoning_effort": "high"}, True, "high", None, None),
        ("openai_chat", {"reasoning_effort": "none"}, False, "none", None, None),
        ("openai_chat", {"reasoning": {"max_tokens": 900, "exclude": True}}, True, None, 900, False),  # OpenRouter
        ("openai_chat", {"thinking": {"type": "disabled"}}, False, None, None, None),  # DeepSeek
        ("openai_chat", {"reasoning_format": "hidden"}, None, None, None, False),  # Groq
        ("openai_responses", {"reasoning": {"effort": "low", "summary": "auto"}}, True, "low", None, True),
        ("openai_responses", {"reasoning": {"effort": "low"}}, True, "low", None, False),
        ("anthropic_messages", {"thinking": {"type": "enabled", "budget_tokens": 1024}}, True, None, 1024, None),
        (
            "anthropic_messages",
            {"thinking": {"type": "adaptive", "display": "omitted"}, "output_config": {"effort": "max"}},
            True,
            "max",
            None,
            False,
        ),
        (
            "bedrock_converse",
            {"additionalModelRequestFields": {"thinking": {"type": "enabled", "budget_tokens": 2000}}},
            True,
            None,
            2000,
            None,
        ),
        (
            "gemini",
            {"generationConfig": {"thinkingConfig": {"thinkingBudget": 512, "includeThoughts": True}}},
            True,
            None,
            512,
            True,
        ),
        ("gemini", {"generationConfig": {"thinkingConfig": {"thinkingBudget": 0}}}, False, None, None, False),
        ("gemini", {"generationConfig": {"thinkingConfig": {"thinkingLevel": "LOW"}}}, True, "low", None, False),
        ("gemini", {"generation_config": {"thinking_config": {"thinking_budget": -1}}}, True, None, None, False),
        (
            "gemini_interactions",
            {"generation_config": {"thinking_level": "high", "thinking_summaries": "auto"}},
            True,
            "high",
            None,
            True,
        ),
        ("ollama", {"think": True}, True, None, None, None),
        ("ollama", {"think": "medium"}, True, "medium", None, None),
        ("ollama", {"think": False}, False, None, None, None),
        ("cohere_chat", {"thinking": {"type": "enabled", "token_budget": 300}}, True, None, 300, None),
    ],
    ids=str,
)
def test_reasoning(wire: str, fields: dict[str, Any], enabled: Any, effort: Any, budget: Any, visible: Any) -> None:
    """Switches, efforts, budgets and what of it is shown."""
    reasoning = prompt_of(wire, **fields).reasoning
    assert (reasoning.enabled, reasoning.effort, reasoning.budget, reasoning.visible) == (
        enabled,
        effort,
        budget,
        visible,
    )


def test_verbosity_and_modalities() -> None:
    """How much text, and what besides text."""
    assert prompt_of("openai_chat", verbosity="low").verbosity == "low"
    assert prompt_of("openai_responses", text={"verbosity": "high"}).verbosity == "high"
    assert prompt_of("openai_chat", modalities=["text", "audio"]).modalities == ("audio",)
    assert prompt_of("gemini", generationConfig={"responseModalities": ["TEXT", "IMAGE"]}).modalities == ("image",)
