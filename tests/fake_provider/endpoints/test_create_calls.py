"""The create calls of the official SDKs, with the smallest valid body and with all parameters that go together."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, NamedTuple

import anthropic
import groq
import openai
import pytest

from tokentape_fake_provider import FakeProviderServer, Session

_NOT_OF_THE_BODY: Final = {"extra_headers", "extra_query", "extra_body", "timeout"}
_SCHEMA: Final = {
    "type": "object",
    "properties": {"n": {"type": "integer"}},
    "required": ["n"],
    "additionalProperties": False,
}
_FUNCTION: Final = {"name": "look", "description": "Look.", "parameters": _SCHEMA, "strict": True}
_MESSAGES: Final = [{"role": "user", "content": "Hi"}]
_CHAT: Final = {"model": "gpt-4o", "messages": _MESSAGES}
_CLAUDE: Final = {"model": "claude-opus-5", "messages": _MESSAGES}
_SAMPLING: Final = {
    "frequency_penalty": 0.5,
    "presence_penalty": 0.5,
    "temperature": 1,
    "top_p": 0.9,
    "seed": 1,
    "stop": ["\n\n\n"],
    "logit_bias": {"50256": -100},
    "user": "u",
}
_MAXIMAL_CHAT: Final = {
    **_CHAT,
    **_SAMPLING,
    "logprobs": True,
    "top_logprobs": 2,
    "max_completion_tokens": 99,
    "metadata": {"a": "b"},
    "n": 2,
    "store": True,
    "parallel_tool_calls": True,
    "service_tier": "auto",
    "tool_choice": "auto",
    "tools": [{"type": "function", "function": _FUNCTION}],
    "response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": _SCHEMA, "strict": True}},
}
_MAXIMAL_CLAUDE: Final = {
    **_CLAUDE,
    "cache_control": {"type": "ephemeral"},
    "system": [{"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral", "ttl": "1h"}}],
    "thinking": {"type": "enabled", "budget_tokens": 1024},
    "tool_choice": {"type": "auto", "disable_parallel_tool_use": True},
    "tools": [{"name": "look", "description": "Look.", "input_schema": _SCHEMA, "strict": True}],
}
_ANSWERED_CLAUDE: Final = {
    "max_tokens": 2048,
    "metadata": {"user_id": "u"},
    "service_tier": "auto",
    "stop_sequences": ["x"],
}


class Create(NamedTuple):
    """A call: its smallest and its largest valid body, and the parameters that neither has.

    These exclude another one, need a beta or an account, or name what was stored before.
    """

    method: Callable[[Any], Callable[..., Any]]
    minimal: Mapping[str, Any]
    maximal: Mapping[str, Any]
    left_out: str = ""


CALLS: Final[Mapping[str, Create]] = {
    "openai chat.completions": Create(
        lambda sdk: sdk.openai.chat.completions.create,
        _CHAT,
        {
            **_MAXIMAL_CHAT,
            "modalities": ["text"],
            "prediction": {"type": "content", "content": "Hi"},
            "prompt_cache_key": "k",
            "prompt_cache_retention": "24h",
            "safety_identifier": "s",
        },
        "audio function_call functions max_tokens moderation prompt_cache_options reasoning_effort stream "
        "stream_options verbosity web_search_options",
    ),
    "openai reasoning chat.completions": Create(
        lambda sdk: sdk.openai.chat.completions.create,
        {"model": "gpt-5", "messages": _MESSAGES},
        {"model": "gpt-5", "messages": _MESSAGES, "reasoning_effort": "low", "verbosity": "low"},
        "*",
    ),
    "openai responses": Create(
        lambda sdk: sdk.openai.responses.create,
        {"model": "gpt-5", "input": "Hi"},
        {
            "model": "gpt-4o",
            "input": _MESSAGES,
            "instructions": "Be brief.",
            "max_output_tokens": 99,
            "include": ["message.output_text.logprobs"],
            "max_tool_calls": 2,
            "metadata": {"a": "b"},
            "user": "u",
            "parallel_tool_calls": True,
            "prompt_cache_key": "k",
            "prompt_cache_retention": "24h",
            "safety_identifier": "s",
            "service_tier": "auto",
            "store": True,
            "background": False,
            "temperature": 1,
            "top_p": 0.9,
            "top_logprobs": 2,
            "tool_choice": "auto",
            "truncation": "auto",
            "text": {"format": {"type": "json_schema", "name": "n", "schema": _SCHEMA, "strict": True}},
            "tools": [{"type": "function", **_FUNCTION}],
        },
        "access_programs background_options context_management conversation image moderation previous_response_id "
        "prompt prompt_cache_options reasoning stream stream_options",
    ),
    "openai responses of a stored prompt": Create(
        lambda sdk: sdk.openai.responses.create,
        {"prompt": {"id": "pmpt_1"}},
        {"prompt": {"id": "pmpt_1", "version": "2", "variables": {"city": "Berlin"}}, "input": "Hi"},
        "*",
    ),
    "openai completions": Create(
        lambda sdk: sdk.openai.completions.create,
        {"model": "gpt-3.5-turbo-instruct", "prompt": "Hi"},
        {
            "model": "gpt-3.5-turbo-instruct",
            "prompt": ["Hi", "Ho"],
            "best_of": 2,
            "n": 2,
            "echo": True,
            **_SAMPLING,
            "logprobs": 2,
            "max_tokens": 9,
        },
        "stream stream_options suffix",
    ),
    "openai embeddings": Create(
        lambda sdk: sdk.openai.embeddings.create,
        {"model": "text-embedding-3-small", "input": "Hi"},
        {
            "model": "text-embedding-3-small",
            "input": ["Hi", "Ho"],
            "dimensions": 9,
            "encoding_format": "float",
            "user": "u",
        },
    ),
    "openai moderations": Create(
        lambda sdk: sdk.openai.moderations.create,
        {"input": "Hi"},
        {"input": [{"type": "text", "text": "Hi"}], "model": "omni-moderation-latest"},
    ),
    "openai responses.input_tokens": Create(
        lambda sdk: sdk.openai.responses.input_tokens.count,
        {},
        {
            "model": "gpt-5",
            "input": "Hi",
            "instructions": "Be brief.",
            "parallel_tool_calls": True,
            "reasoning": {"effort": "low"},
            "text": {"verbosity": "low"},
            "tool_choice": "auto",
            "tools": [{"type": "function", **_FUNCTION}],
            "truncation": "auto",
        },
        "conversation personality previous_response_id",
    ),
    "openai files": Create(
        lambda sdk: sdk.openai.files.create,
        {"file": b"x", "purpose": "user_data"},
        {"file": ("a.txt", b"x"), "purpose": "batch", "expires_after": {"anchor": "created_at", "seconds": 3600}},
    ),
    "openai conversations": Create(
        lambda sdk: sdk.openai.conversations.create, {}, {"items": _MESSAGES, "metadata": {"a": "b"}}
    ),
    "anthropic messages": Create(
        lambda sdk: sdk.anthropic.messages.create,
        {**_CLAUDE, "max_tokens": 9},
        {**_MAXIMAL_CLAUDE, **_ANSWERED_CLAUDE},
        "container diagnostics inference_geo output_config speed stream user_profile_id workspace_id",
    ),
    "anthropic messages.count_tokens": Create(
        lambda sdk: sdk.anthropic.messages.count_tokens,
        _CLAUDE,
        _MAXIMAL_CLAUDE,
        "output_config output_format speed user_profile_id workspace_id",
    ),
    "anthropic beta.messages": Create(
        lambda sdk: sdk.anthropic.beta.messages.create,
        {**_CLAUDE, "max_tokens": 9},
        {
            **_MAXIMAL_CLAUDE,
            **_ANSWERED_CLAUDE,
            "betas": ["mcp-client-2025-04-04"],
            "mcp_servers": [{"type": "url", "name": "m", "url": "https://m.test"}],
            "context_management": {"edits": [{"type": "clear_tool_uses_20250919"}]},
        },
        "billing_policy compaction container diagnostics fallback_credit_token fallbacks inference_geo output_config "
        "speed stream thread user_profile_id workspace_id",
    ),
    "anthropic beta.messages.count_tokens": Create(
        lambda sdk: sdk.anthropic.beta.messages.count_tokens,
        _CLAUDE,
        {
            **_MAXIMAL_CLAUDE,
            "betas": ["mcp-client-2025-04-04"],
            "mcp_servers": [{"type": "url", "name": "m", "url": "https://m.test"}],
            "context_management": {"edits": [{"type": "clear_tool_uses_20250919"}]},
        },
        "billing_policy compaction output_config speed user_profile_id workspace_id",
    ),
    "groq chat.completions": Create(
        lambda sdk: sdk.groq.chat.completions.create,
        {"model": "llama-3.3-70b-versatile", "messages": _MESSAGES},
        {**_MAXIMAL_CHAT, "model": "openai/gpt-oss-120b", "reasoning_effort": "low", "disable_tool_validation": False},
        "citation_options compound_custom documents exclude_domains function_call functions include_domains "
        "include_reasoning max_tokens reasoning_format search_settings stream",
    ),
    "groq embeddings": Create(
        lambda sdk: sdk.groq.embeddings.create,
        {"model": "nomic-embed-text-v1_5", "input": "Hi"},
        {"model": "nomic-embed-text-v1_5", "input": ["Hi"], "encoding_format": "float", "user": "u"},
    ),
}


class Sdks(NamedTuple):
    """One client of each."""

    openai: openai.OpenAI
    anthropic: anthropic.Anthropic
    groq: groq.Groq


@pytest.fixture(scope="module")
def sdks(server: FakeProviderServer) -> Iterator[Sdks]:
    """They share a session."""
    url = server.url
    with (
        openai.OpenAI(base_url=f"{url}/v1", api_key="k", max_retries=0) as one,
        anthropic.Anthropic(base_url=url, api_key="k", max_retries=0) as two,
        groq.Groq(base_url=url, api_key="k", max_retries=0) as three,
    ):
        yield Sdks(one, two, three)


@pytest.mark.parametrize("name", list(CALLS))
def test_each_create_call_is_answered(name: str, sdks: Sdks, session: Session) -> None:
    """With the smallest and with the largest body, and streamed where it can be."""
    call = CALLS[name]
    create = call.method(sdks)
    assert session
    for body in (call.minimal, call.maximal):
        assert create(**body) is not None
        if "stream" in inspect.signature(create).parameters:
            assert list(create(**body, stream=True))


@pytest.mark.parametrize("name", [name for name, call in CALLS.items() if call.left_out != "*"])
def test_the_largest_body_has_all_parameters(name: str, sdks: Sdks) -> None:
    """A new parameter of an SDK is tried, or left out on purpose."""
    call = CALLS[name]
    known = set(inspect.signature(call.method(sdks)).parameters) - _NOT_OF_THE_BODY
    assert known == {*call.maximal, *call.left_out.split()}
