"""Wire formats: to add one, write a module with an encoder and its facts, and give it a row here."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from importlib import import_module
from types import MappingProxyType

from tokentape_fake_provider.errors import UnknownWireError
from tokentape_fake_provider.script.usage import resolve_usage
from tokentape_fake_provider.wires.deltas import split_item
from tokentape_fake_provider.wires.document_paths import DocumentPaths
from tokentape_fake_provider.wires.endpoints.endpoint import Endpoint
from tokentape_fake_provider.wires.facts import ModelList, Provider, WireFacts
from tokentape_fake_provider.wires.registry import Registry
from tokentape_fake_provider.wires.request_parts import match_path
from tokentape_fake_provider.wires.wire import EncodedFrame, ProviderRequest, Reply, Wire

BUILT_IN: Mapping[str, str] = {
    "openai_chat": "OpenAIChat",
    "openai_responses": "OpenAIResponses",
    "openai_completions": "OpenAICompletions",
    "anthropic_messages": "AnthropicMessages",
    "bedrock_converse": "BedrockConverse",
    "bedrock_invoke": "BedrockInvoke",
    "gemini": "Gemini",
    "gemini_interactions": "GeminiInteractions",
    "ollama": "Ollama",
    "cohere_chat": "CohereChat",
}
"""The encoder's class by wire format, in the module of that name; paths are matched in this order."""
ENTRY_POINTS = "tokentape.fake_provider_wires"
"""The group of entry points whose objects are wire formats, each under its name."""
_WIRES: Mapping[str, Wire] = {
    name: getattr(import_module(f"{__name__}.{name}"), kind)() for name, kind in BUILT_IN.items()
}
WIRES: Mapping[str, Wire] = Registry(_WIRES, ENTRY_POINTS, Wire, UnknownWireError, attribute="name")
"""The wire formats of chats."""
ENDPOINT_MODULES = (
    *("ollama_embeddings", "openai_embeddings", "gemini_embeddings", "cohere_embeddings", "bedrock_endpoints"),
    *("rerank", "openai_moderations", "token_counts", "anthropic_complete", "cohere_chat_1"),
)
ENDPOINTS: Mapping[str, Endpoint] = {
    endpoint.name: endpoint
    for module in ENDPOINT_MODULES
    for endpoint in import_module(f"{__name__}.endpoints.{module}").ENDPOINTS
}
"""The endpoints other than chats, from the modules of these names; paths are matched in this order."""

__all__ = [
    "ENDPOINTS",
    "WIRES",
    "DocumentPaths",
    "EncodedFrame",
    "Endpoint",
    "ModelList",
    "Provider",
    "ProviderRequest",
    "Reply",
    "Wire",
    "WireFacts",
    "endpoint_for_path",
    "named_in_path",
    "resolve_usage",
    "served_at",
    "served_named",
    "served_names",
    "split_item",
    "wire_for_path",
    "wire_named",
]


def wire_named(name: str) -> Wire:
    """The wire format of this name. Raises `UnknownWireError` that lists the known ones."""
    try:
        return WIRES[name]
    except KeyError:
        raise UnknownWireError(f"no wire format {name!r}: the known ones are {', '.join(WIRES)}") from None


def wire_for_path(path: str) -> Wire | None:
    """The wire format of chats whose requests come to this path (below the session prefix), if any."""
    if endpoint_for_path(path) is not None:
        return None  # Bedrock's chats and embeddings have the same paths, but for the model
    return next((wire for wire in WIRES.values() if match_path(wire.paths, path) is not None), None)


@lru_cache(maxsize=1024)
def endpoint_for_path(path: str) -> Endpoint | None:
    """The endpoint other than a chat whose requests come to this path, if any."""
    return next((endpoint for endpoint in ENDPOINTS.values() if endpoint.serves(path)), None)


def served_at(path: str) -> Wire | None:
    """The endpoint or the wire format of chats whose requests come to this path, if any."""
    return endpoint_for_path(path) or wire_for_path(path)


def served_names() -> tuple[str, ...]:
    """The names of all wire formats of chats, then of all other endpoints."""
    return (*WIRES, *ENDPOINTS)


def served_named(name: str) -> Wire:
    """The endpoint or the wire format of this name. Raises `UnknownWireError` that lists the wire formats."""
    return _WIRES.get(name) or ENDPOINTS.get(name) or wire_named(name)


@lru_cache(maxsize=1024)
def named_in_path(wire: str | None, path: str) -> Mapping[str, str]:
    """What a path of this wire format names, such as its `model`; nothing for any other path."""
    known = (ENDPOINTS.get(wire) or WIRES.get(wire)) if wire else None
    return MappingProxyType((match_path(known.paths, path) if known else None) or {})
