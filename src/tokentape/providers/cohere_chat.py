"""The client for Cohere's chat, version 2."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import httpx2

from tokentape.errors import ConfigurationError
from tokentape.providers.base import CLIENT_DEFAULT, ChatProvider, ClientDefault, Timeout
from tokentape.providers.cohere_request import cohere_messages
from tokentape.providers.messages import Message, Tools
from tokentape.providers.openai_request import openai_tools
from tokentape.providers.settings import credential, setting

DEFAULT_BASE_URL = "https://api.cohere.com"


class CohereChat(ChatProvider):
    """A client for POST /v2/chat.

    Arguments that are not passed come from the variables of the official SDK: CO_API_KEY and CO_API_URL.
    `client_name` is sent to Cohere in a header. Raises `ConfigurationError` without an API key.
    """

    provider: ClassVar[str] = "cohere"
    wire: ClassVar[str] = "cohere_chat"
    path: ClassVar[str] = "/v2/chat"

    def __init__(
        self,
        model: str,
        *,
        api_key: str | None = None,
        base_url: str | None = None,
        client_name: str | None = None,
        headers: Mapping[str, str] | None = None,
        http_client: httpx2.Client | None = None,
        async_http_client: httpx2.AsyncClient | None = None,
        timeout: Timeout | ClientDefault = CLIENT_DEFAULT,
        **default_options: Any,
    ) -> None:
        key = setting(api_key, "CO_API_KEY")
        if key is None:
            raise ConfigurationError("no API key for Cohere: set CO_API_KEY, or pass api_key=")
        key = credential(key, "the Cohere API key")
        auth_headers = {"authorization": f"Bearer {key}"}
        if client_name:
            auth_headers["x-client-name"] = client_name
        super().__init__(
            model,
            base_url=setting(base_url, "CO_API_URL") or DEFAULT_BASE_URL,
            headers={**auth_headers, **(headers or {})},
            secrets=(key,),
            http_client=http_client,
            async_http_client=async_http_client,
            timeout=timeout,
            default_options=default_options,
        )

    def request_body(
        self, messages: Sequence[Message], *, stream: bool, tools: Tools | None, options: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Build the request body."""
        body: dict[str, Any] = {"model": self.model, "messages": cohere_messages(messages), "stream": stream}
        if tools is not None:
            body["tools"] = openai_tools(tools)
        return {**body, **options}
