"""The client for Ollama's own API."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar
from urllib.parse import urlsplit

import httpx2

from tokentape.errors import ConfigurationError
from tokentape.providers.base import CLIENT_DEFAULT, ChatProvider, ClientDefault, Timeout
from tokentape.providers.messages import Message, Tools
from tokentape.providers.ollama_request import ollama_messages
from tokentape.providers.openai_request import openai_tools
from tokentape.providers.settings import credential, setting

DEFAULT_HOST = "127.0.0.1"
DEFAULT_PORT = 11434


class Ollama(ChatProvider):
    """A client for POST /api/chat.

    Arguments that are not passed come from the variables of the official client: OLLAMA_HOST (a URL, or a host with or
    without a port) and OLLAMA_API_KEY, which only Ollama's cloud requires. Options are the request's own fields, such
    as `think=True` or `options={"temperature": 0}`.
    """

    provider: ClassVar[str] = "ollama"
    wire: ClassVar[str] = "ollama"
    path: ClassVar[str] = "/api/chat"

    def __init__(
        self,
        model: str,
        *,
        api_key: str | None = None,
        base_url: str | None = None,
        headers: Mapping[str, str] | None = None,
        http_client: httpx2.Client | None = None,
        async_http_client: httpx2.AsyncClient | None = None,
        timeout: Timeout | ClientDefault = CLIENT_DEFAULT,
        **default_options: Any,
    ) -> None:
        auth_headers: dict[str, str] = {}
        key = setting(api_key, "OLLAMA_API_KEY")
        if key is not None:
            key = credential(key, "the Ollama API key")
            auth_headers["authorization"] = f"Bearer {key}"
        super().__init__(
            model,
            base_url=host_url(setting(base_url, "OLLAMA_HOST") or ""),
            headers={**auth_headers, **(headers or {})},
            secrets=(key,) if key else (),
            http_client=http_client,
            async_http_client=async_http_client,
            timeout=timeout,
            default_options=default_options,
        )

    def request_body(
        self, messages: Sequence[Message], *, stream: bool, tools: Tools | None, options: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Build the request body. It always has `stream`, because Ollama streams unless it is false."""
        body: dict[str, Any] = {"model": self.model, "messages": ollama_messages(messages), "stream": stream}
        if tools is not None:
            body["tools"] = openai_tools(tools)
        return {**body, **options}


def host_url(host: str) -> str:
    """Return the base URL for a value of OLLAMA_HOST, like the official client (0.6.3). Raises ConfigurationError.

    The default port is 11434 without a scheme, and the scheme's own with one.
    """
    scheme, separator, rest = host.strip().partition("://")
    if not separator:
        scheme, rest = "http", host.strip()
    try:
        split = urlsplit(f"{scheme}://{rest}")
        name, port = split.hostname or DEFAULT_HOST, split.port
    except ValueError as error:
        raise ConfigurationError(f"OLLAMA_HOST or base_url= is not a host or URL: {error}") from error
    if port is None and not separator:
        port = DEFAULT_PORT
    name = f"[{name}]" if ":" in name else name
    return f"{scheme}://{name}{'' if port is None else f':{port}'}{split.path.rstrip('/')}"
