"""Sample request: what a client sends for messages, in each wire format that the library has a client for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any
from urllib.parse import unquote, urlsplit

import msgspec

from tokentape import ChatMessage, ConfigurationError, providers
from tokentape.providers import Tool
from tokentape.providers.base import ChatProvider
from tokentape.providers.messages import encode_body
from tokentape_fake_provider.wires import Ask, wire_named
from tokentape_harness.cassettes.model import Request
from tokentape_harness.errors import UsageError

# Named here, as clients else take them from the environment.
_ORIGINS = {
    "openai_chat": "https://api.openai.com/v1",
    "openai_responses": "https://api.openai.com/v1",
    "openai_completions": "https://api.openai.com/v1",
    "anthropic_messages": "https://api.anthropic.com",
    "gemini": "https://generativelanguage.googleapis.com",
    "gemini_interactions": "https://generativelanguage.googleapis.com",
    "bedrock_converse": "https://bedrock-runtime.us-east-1.amazonaws.com",
    "bedrock_invoke": "https://bedrock-runtime.us-east-1.amazonaws.com",
    "cohere_chat": "https://api.cohere.com",
    "ollama": "http://localhost:11434",
}
# What a client would otherwise look for on this machine.
_SETTINGS: Mapping[str, Mapping[str, Any]] = {
    "anthropic_messages": {"max_tokens": 1024},
    "gemini": {"api_version": "v1beta"},
    "gemini_interactions": {"api_version": "v1beta"},
    "bedrock_converse": {"region": "us-east-1"},
    "bedrock_invoke": {"region": "us-east-1"},
}

_SEVERAL_CHOICES: Mapping[str, Callable[[int], Mapping[str, Any]]] = {
    "openai_chat": lambda choices: {"n": choices},
    "openai_completions": lambda choices: {"n": choices},
    "gemini": lambda choices: {"generationConfig": {"candidateCount": choices}},
}


def sample_request(wire: str, model: str, prompt: str) -> Request:
    """A streaming request for one prompt. Raises `UnknownWireError`, `UsageError` where there is no client."""
    return request_for(wire, model, [ChatMessage.user(prompt)])


def request_for(
    wire: str,
    model: str,
    messages: Sequence[ChatMessage],
    *,
    tools: Iterable[Tool] = (),
    stream: bool = True,
    choices: int = 1,
    options: Mapping[str, Any] = MappingProxyType({}),
) -> Request:
    """The request that the library's client makes; `options` are fields of its body.

    Raises `UnknownWireError`, `UsageError`, `ConfigurationError`.
    """
    wire_named(wire)
    client = client_for(wire, model)
    given = tuple(tools)
    several = _SEVERAL_CHOICES.get(wire)
    asked = several(choices) if several is not None and choices > 1 else {}
    merged = {**client.default_options, **options}
    for name, value in asked.items():
        merged[name] = {**merged[name], **value} if isinstance(merged.get(name), Mapping) else value
    body = client.request_body(messages, stream=stream, tools=given or None, options=merged)
    headers = (("content-type", "application/json"),)
    return Request("POST", str(client.request_url(stream=stream)), headers, encode_body(body))


def ask_of(request: Request, wire: str, *, created: int, seed: str) -> Ask:
    """What a request asks. Raises `UnknownWireError`, and `BadRequestError` if it is none of that wire format."""
    parts = urlsplit(request.uri)
    body = msgspec.json.decode(request.body or b"{}")
    ask = wire_named(wire).read(unquote(parts.path), body, created=created, seed=seed)
    return msgspec.structs.replace(ask, query=parts.query)


def client_for(wire: str, model: str, **settings: Any) -> ChatProvider:
    """The library's client of a wire format, with what it would otherwise look for on this machine.

    Raises `UsageError` where there is none, `ConfigurationError`.
    """
    kinds = {kind.wire: kind for kind in _client_types()}
    if wire not in kinds:
        raise UsageError(f"no request is known for the wire format {wire}: take {' or '.join(kinds)}")
    base_url = _ORIGINS.get(wire, "https://provider.invalid")
    made: Any = kinds[wire]
    settings = {"api_key": "-", "base_url": base_url, **_SETTINGS.get(wire, {}), **settings}
    try:
        return made(model, **settings)  # type: ignore[no-any-return]
    except ConfigurationError:
        if wire != "bedrock_invoke":
            raise
        # A model of another provider: its name does not say what body it takes.
        return made(model, family="anthropic", **settings)  # type: ignore[no-any-return]


def _client_types() -> list[type[ChatProvider]]:
    found = (getattr(providers, name) for name in providers.__all__)
    return [kind for kind in found if isinstance(kind, type) and issubclass(kind, ChatProvider)]
