"""Any body is taken or refused: what providers take, and odd values in place of one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from itertools import islice, product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fake_provider.asks import BODIES, BODY, PATHS, ask_of
from tests.fake_provider.prompts import CONVERSATIONS, FORCED, VALUES, WORDS
from tests.fake_provider.refused_requests import CACHED, CALL, HI, RESULT, USE, refusal, spec, tool, with_thinking
from tokentape_fake_provider.answers.prompt_caching import cache_usage
from tokentape_fake_provider.encoding.encode import encode
from tokentape_fake_provider.errors import BadRequestError, SchemaError, ScriptError
from tokentape_fake_provider.sessions.prompt_cache import PromptCache
from tokentape_fake_provider.simulation.model import simulate
from tokentape_fake_provider.simulation.settings import Simulation
from tokentape_fake_provider.timing import Instant
from tokentape_fake_provider.wires import WIRES, ProviderRequest, wire_named
from tokentape_fake_provider.wires.prompt_reader import read_prompt
from tokentape_fake_provider.wires.validation.check import check_request

TAKEN: list[tuple[str, dict[str, Any]]] = [
    *((wire, BODIES.get(wire, BODY)) for wire in PATHS),
    *((wire, fields) for wire, fields in CONVERSATIONS.items() if wire not in ("bedrock_converse", "cohere_chat")),
    *((wire, fields) for wire, cases in FORCED.items() for fields in cases),
    ("bedrock_converse", {**CONVERSATIONS["bedrock_converse"], "toolConfig": {"tools": [spec("weather")]}}),
    ("cohere_chat", CONVERSATIONS["cohere_chat"]),
    ("openai_chat", {"temperature": 2, "top_p": 0, "stop": list("abcd"), "logprobs": True, "top_logprobs": 20}),
    ("openai_chat", {"messages": [{"role": "user", "content": "In JSON."}],
     "response_format": {"type": "json_object"}}),
    ("openai_chat", {"tools": [{"type": "custom", "custom": {"name": "sql"}}], "parallel_tool_calls": False}),
    ("openai_chat", {"messages": [HI, {"role": "assistant", "content": None, "function_call": CALL["function"]},
                                  {"role": "function", "name": "f", "content": "1"}]}),
    ("openai_responses", {"previous_response_id": "r", "input": [
        {"type": "function_call_output", "call_id": "call_1", "output": "1"}]}),
    ("openai_responses", {"text": {"format": {"type": "json_object"}}, "instructions": "Answer in JSON."}),
    ("openai_responses", {"tools": [{"type": "web_search"}], "tool_choice": {"type": "web_search"}}),
    ("anthropic_messages", with_thinking(1999, temperature=1, tools=[tool()], tool_choice={"type": "auto"})),
    ("anthropic_messages", {"tools": [{"type": "web_search_20250305", "name": "web_search"}]}),
    ("anthropic_messages", {"messages": [HI, {"role": "assistant", "content": ""}]}),
    ("anthropic_messages", {"system": [CACHED], "tools": [{**tool(), "cache_control": CACHED["cache_control"]}],
                            "messages": [{"role": "user", "content": [CACHED, CACHED]}, HI]}),
    ("anthropic_messages", {"messages": [{"role": "user", "content": [RESULT]}],
                            "thread": {"type": "continue", "previous_message_id": "msg_1"}}),
    ("anthropic_messages", {"messages": [HI, {"role": "assistant", "content": [{"type": "text", "text": " "}, USE]},
                                         {"role": "user", "content": [RESULT, {"type": "text", "text": "Go on."}]}]}),
    ("gemini", {"contents": [{"parts": [{"text": "Hi"}]}, {"role": "model", "parts": [
        {"functionCall": {"name": "f"}, "thoughtSignature": "a"}, {"functionCall": {"name": "g"}}]},
        {"role": "function", "parts": [{"function_response": {"name": "f", "response": {}}},
                                       {"functionResponse": {"name": "g", "response": {}}}]}]}),
    # A stream sent each call, and the end, in a chunk of its own.
    ("gemini", {"contents": [{"parts": [{"text": "Hi"}]}, {"role": "model", "parts": [{"functionCall": {"name": "f"}}]},
                             {"role": "model", "parts": [{"functionCall": {"name": "g"}}]},
                             {"role": "model", "parts": [{"text": ""}]},
                             {"role": "user", "parts": [{"functionResponse": {"name": "f", "response": {}}},
                                                        {"functionResponse": {"name": "g", "response": {}}}]}]}),
    *(("openai_chat", {"model": model, "max_tokens": tokens})
      for model, tokens in [("gpt-4.5-preview", 16_384), ("gpt-4-32k", 32_000), ("gpt-3.5-turbo-16k", 8000),
                            ("gpt-5-pro", 272_000)]),
    ("openai_responses", {"tools": [{"type": "mcp", "server_label": "s", "server_url": "https://s.example"}],
                          "tool_choice": {"type": "mcp", "server_label": "s", "name": "t"}}),
    ("ollama", {"messages": [{"role": "user", "content": "Hi", "images": ["iVBORw0K\nGgo=\n"]}]}),
    ("ollama", {"options": {"temperature": 9, "num_predict": -1}, "format": ""}),
    ("ollama", {"messages": [{"role": "tool", "content": "1", "tool_name": "f"}]}),
]  # fmt: skip


@pytest.mark.parametrize(("wire", "fields"), TAKEN, ids=str)
def test_what_the_providers_take_is_taken(wire: str, fields: dict[str, Any]) -> None:
    """Bounds themselves, whole conversations, tools of every kind."""
    assert refusal(wire, **fields) is None


@given(st.sampled_from(sorted(WIRES)), st.dictionaries(st.sampled_from(WORDS), VALUES, max_size=6))
def test_any_body_can_be_checked(wire: str, body: dict[str, Any]) -> None:
    """A body of any form is taken or refused, whatever its fields hold."""
    request = ProviderRequest(wire, "anthropic.m", False, body=body)
    try:
        check_request(request, read_prompt(request))
    except BadRequestError as error:
        assert error.message


def _places(value: Any, place: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The keys that lead to each value in a body."""
    yield place
    for key, inner in value.items() if isinstance(value, dict) else enumerate(value if isinstance(value, list) else ()):
        yield from _places(inner, (*place, key))


def _with(value: Any, place: tuple[Any, ...], other: Any) -> Any:
    """A copy of the body with another value at a place."""
    if not place:
        return other
    copy = dict(value) if isinstance(value, dict) else list(value)
    copy[place[0]] = _with(value[place[0]], place[1:], other)
    return copy


ODD: list[Any] = [None, True, -1, 2**70, 0.5, "", "x", [], [[]], [None], {}, {"type": {}}, [{"type": []}], ["x", 1]]
CUSTOM = {"type": "custom", "custom": {"name": "sql", "format": {"type": "text"}}}


@pytest.mark.parametrize(
    ("wire", "fields"),
    [
        *CONVERSATIONS.items(),
        *((wire, cases[0]) for wire, cases in FORCED.items()),
        ("openai_chat", {"tools": [CUSTOM], "tool_choice": "required"}),
    ],
    ids=str,
)
@pytest.mark.parametrize("step", [3, pytest.param(1, marks=pytest.mark.slow)])
def test_a_value_of_another_type_is_refused_or_answered(wire: str, fields: dict[str, Any], step: int) -> None:
    """Whatever stands in place of one value of a request, it is refused or the model answers it."""
    whole = ask_of(wire, **fields)
    for place, odd in islice(product(filter(None, _places(whole.body)), ODD), 0, None, step):
        try:
            body = _with(whole.body, place, odd)
            request = wire_named(wire).read(PATHS[wire], body, created=0, seed="0")
        except BadRequestError:
            continue
        prompt = read_prompt(request)
        with suppress(BadRequestError):
            check_request(request, prompt)
        with suppress(SchemaError, ScriptError):
            encode(simulate(prompt, Simulation(), seed="0", locale="en"), request, Instant())
        cache_usage(request, PromptCache(), 0.0)
