"""Sample request: the request that the library's client sends, in each wire format that it has a client for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any
from urllib.parse import unquote, urlsplit

import msgspec

from tokentape import ChatMessage, ConfigurationError, providers
from tokentape.providers import ChatProvider, Tool
from tokentape.providers.messages import encode_body
from tokentape_fake_provider.wires import ProviderRequest, wire_named
from tokentape_fake_provider.wires.registry import Registry
from tokentape_harness.cassettes.model import Request
from tokentape_harness.errors import UsageError

ENTRY_POINTS = "tokentape.providers"
"""The group of entry points whose objects are subclasses of `ChatProvider`, each under the name of its wire format."""
_BUILT_IN = {
    kind.wire: kind
    for kind in (getattr(providers, name) for name in providers.__all__)
    if isinstance(kind, type) and issubclass(kind, ChatProvider) and kind is not ChatProvider
}
_CLIENTS: Mapping[str, type[ChatProvider]] = Registry(_BUILT_IN, ENTRY_POINTS, ChatProvider, UsageError, classes=True)


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
    """The request that the library's client sends; `options` are fields of its body.

    Raises `UnknownWireError`, `UsageError`, `ConfigurationError`.
    """
    facts = wire_named(wire).facts
    client = client_for(wire, model)
    given = tuple(tools)
    merged = {**client.default_options, **options}
    if facts.choices_path and choices > 1:
        holder, dot, field = facts.choices_path.partition(".")
        merged[holder] = {**merged.get(holder, {}), field: choices} if dot else choices
    body = client.request_body(messages, stream=stream, tools=given or None, options=merged)
    headers = (("content-type", "application/json"),)
    return Request("POST", str(client.request_url(stream=stream)), headers, encode_body(body))


def read_request(request: Request, wire: str, *, created: int, seed: str) -> ProviderRequest:
    """The request as the fake provider reads it.

    Raises `UnknownWireError`, and `BadRequestError` for a request that is not of that wire format.
    """
    parts = urlsplit(request.uri)
    body = msgspec.json.decode(request.body or b"{}")
    read = wire_named(wire).read(unquote(parts.path), body, created=created, seed=seed)
    return msgspec.structs.replace(read, query=parts.query)


def client_for(wire: str, model: str, **settings: Any) -> ChatProvider:
    """The library's client for a wire format, set up without reading this machine's environment.

    Raises `ConfigurationError`, and `UsageError` if there is no client.
    """
    if wire not in _CLIENTS:
        raise UsageError(f"no request is known for the wire format {wire}: take {' or '.join(_CLIENTS)}")
    known = wire_named(wire)
    base_url = known.facts.provider.origin.format(region="us-east-1") + known.base_path
    client_type: Any = _CLIENTS[wire]
    settings = {"api_key": "-", "base_url": base_url, **known.facts.client_settings, **settings}
    try:
        return client_type(model, **settings)  # type: ignore[no-any-return]
    except ConfigurationError:
        if not known.facts.unknown_model_settings:
            raise
        return client_type(model, **known.facts.unknown_model_settings, **settings)  # type: ignore[no-any-return]
