"""Request: a scenario in each wire format's own words, as its provider's reference has them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote

import msgspec

from tokentape_conformance.provider.scenario import FUNCTION, PARAMETERS, Scenario

Body = dict[str, Any]
_WHAT = "The weather of a city"


class Request(msgspec.Struct, frozen=True):
    """A request below a server's base URL; `shown` is how it is told, without keys."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def shown(self) -> str:
        """One line."""
        return f"{self.method} {self.path} {self.body.decode(errors='replace')}"


class Speech(msgspec.Struct, frozen=True):
    """How a wire format asks: paths with and without streaming, and the body."""

    streamed: str
    whole: str
    body: Callable[[Scenario, str, bool], Body]
    asks: str
    """The field of the body without which there is no request."""
    auth: Callable[[str], Mapping[str, str]] = lambda key: {"authorization": f"Bearer {key}"}


def _function(scenario: Scenario, make: Callable[[Body], Body]) -> Body:
    return make({"name": FUNCTION, "description": _WHAT, "parameters": dict(PARAMETERS)}) if scenario.tool else {}


def _chat(scenario: Scenario, model: str, stream: bool) -> Body:
    body: Body = {"model": model, "messages": [{"role": "user", "content": scenario.prompt}]}
    body["max_tokens"] = scenario.limit
    if stream:
        body |= {"stream": True} | ({"stream_options": {"include_usage": True}} if scenario.usage else {})
    tools = _function(scenario, lambda f: {"tools": [{"type": "function", "function": f}], "tool_choice": "required"})
    return body | tools


def _completions(scenario: Scenario, model: str, stream: bool) -> Body:
    body: Body = {"model": model, "prompt": scenario.prompt, "max_tokens": scenario.limit}
    if stream:
        body |= {"stream": True} | ({"stream_options": {"include_usage": True}} if scenario.usage else {})
    return body


def _responses(scenario: Scenario, model: str, stream: bool) -> Body:
    body: Body = {"model": model, "input": scenario.prompt, "max_output_tokens": max(16, scenario.limit)}
    body |= {"stream": True} if stream else {}
    body |= {"reasoning": {"summary": "auto"}} if scenario.reasoning else {}
    return body | _function(scenario, lambda f: {"tools": [{"type": "function", **f}], "tool_choice": "required"})


def _claude(scenario: Scenario) -> Body:
    body: Body = {"max_tokens": scenario.limit, "messages": [{"role": "user", "content": scenario.prompt}]}
    body |= {"thinking": {"type": "enabled", "budget_tokens": 1024}} if scenario.reasoning else {}
    tools = {
        "tools": [{"name": FUNCTION, "description": _WHAT, "input_schema": dict(PARAMETERS)}],
        "tool_choice": {"type": "any"},
    }
    return body | (tools if scenario.tool else {})


def _messages(scenario: Scenario, model: str, stream: bool) -> Body:
    return {"model": model, **_claude(scenario)} | ({"stream": True} if stream else {})


def _invoke(scenario: Scenario, model: str, stream: bool) -> Body:
    del model, stream
    return {"anthropic_version": "bedrock-2023-05-31", **_claude(scenario)}


def _converse(scenario: Scenario, model: str, stream: bool) -> Body:
    del model, stream
    body: Body = {
        "messages": [{"role": "user", "content": [{"text": scenario.prompt}]}],
        "inferenceConfig": {"maxTokens": scenario.limit},
    }
    spec = {"name": FUNCTION, "description": _WHAT, "inputSchema": {"json": dict(PARAMETERS)}}
    tools = {"toolConfig": {"tools": [{"toolSpec": spec}], "toolChoice": {"any": {}}}}
    return body | (tools if scenario.tool else {})


def _gemini(scenario: Scenario, model: str, stream: bool) -> Body:
    del model, stream
    options: Body = {"maxOutputTokens": scenario.limit}
    options |= {"thinkingConfig": {"includeThoughts": True}} if scenario.reasoning else {}
    body: Body = {
        "contents": [{"role": "user", "parts": [{"text": scenario.prompt}]}],
        "generationConfig": options,
    }
    mode = {"toolConfig": {"functionCallingConfig": {"mode": "ANY"}}}
    return body | _function(scenario, lambda f: {"tools": [{"functionDeclarations": [f]}], **mode})


def _interactions(scenario: Scenario, model: str, stream: bool) -> Body:
    options: Body = {"max_output_tokens": scenario.limit} | ({"tool_choice": "any"} if scenario.tool else {})
    body: Body = {"model": model, "input": scenario.prompt, "generation_config": options}
    body |= {"stream": True} if stream else {}
    return body | _function(scenario, lambda f: {"tools": [{"type": "function", **f}]})


def _ollama(scenario: Scenario, model: str, stream: bool) -> Body:
    body: Body = {"model": model, "messages": [{"role": "user", "content": scenario.prompt}], "stream": stream}
    body |= {"options": {"num_predict": scenario.limit}} | ({"think": True} if scenario.reasoning else {})
    return body | _function(scenario, lambda f: {"tools": [{"type": "function", "function": f}]})


def _cohere(scenario: Scenario, model: str, stream: bool) -> Body:
    body: Body = {"model": model, "messages": [{"role": "user", "content": scenario.prompt}], "stream": stream}
    body["max_tokens"] = scenario.limit
    choice = {"tool_choice": "REQUIRED"}
    return body | _function(scenario, lambda f: {"tools": [{"type": "function", "function": f}], **choice})


def _anthropic_key(key: str) -> Mapping[str, str]:
    return {"x-api-key": key, "anthropic-version": "2023-06-01"}


SPEECHES: Mapping[str, Speech] = {
    "openai_chat": Speech("/v1/chat/completions", "/v1/chat/completions", _chat, "messages"),
    "openai_responses": Speech("/v1/responses", "/v1/responses", _responses, "input"),
    "openai_completions": Speech("/v1/completions", "/v1/completions", _completions, "prompt"),
    "anthropic_messages": Speech("/v1/messages", "/v1/messages", _messages, "messages", _anthropic_key),
    "bedrock_converse": Speech("/model/{model}/converse-stream", "/model/{model}/converse", _converse, "messages"),
    "bedrock_invoke": Speech(
        "/model/{model}/invoke-with-response-stream", "/model/{model}/invoke", _invoke, "messages"
    ),
    "gemini": Speech(
        "/v1beta/models/{model}:streamGenerateContent?alt=sse",
        "/v1beta/models/{model}:generateContent",
        _gemini,
        "contents",
        lambda key: {"x-goog-api-key": key},
    ),
    "gemini_interactions": Speech(
        "/v1beta/interactions",
        "/v1beta/interactions",
        _interactions,
        "input",
        lambda key: {"x-goog-api-key": key},
    ),
    "ollama": Speech("/api/chat", "/api/chat", _ollama, "messages"),
    "cohere_chat": Speech("/v2/chat", "/v2/chat", _cohere, "messages"),
}


def path_of(wire: str, model: str, *, stream: bool = True) -> str:
    """The path of a request, with its query."""
    speech = SPEECHES[wire]
    return (speech.streamed if stream else speech.whole).format(model=quote(model, safe=""))


def request_of(wire: str, scenario: Scenario, model: str, *, stream: bool = True) -> Request:
    """A scenario as a request, without keys."""
    return raw_request(wire, json.dumps(SPEECHES[wire].body(scenario, model, stream)).encode(), model, stream=stream)


def raw_request(wire: str, body: bytes, model: str, *, stream: bool = True) -> Request:
    """A request of this body, whatever it is."""
    headers = {"content-type": "application/json", "accept-encoding": "identity"}
    return Request("POST", path_of(wire, model, stream=stream), headers, body)
