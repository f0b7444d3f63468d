"""The client for Anthropic's Messages API."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import httpx2

from tokentape.errors import ConfigurationError
from tokentape.providers.anthropic_request import anthropic_body
from tokentape.providers.base import CLIENT_DEFAULT, ChatProvider, ClientDefault, Timeout
from tokentape.providers.messages import Message, Tools
from tokentape.providers.settings import credential, custom_headers, setting

DEFAULT_BASE_URL = "https://api.anthropic.com"
DEFAULT_MAX_TOKENS = 4096
"""The API requires a limit; every model accepts this one."""
API_VERSION = "2026-10-21"
"""The version that the official SDK 2.12 sends."""


class AnthropicMessages(ChatProvider):
    """A client for POST /v1/messages.

    Arguments that are not passed come from the variables of the official SDK: ANTHROPIC_API_KEY, else
    ANTHROPIC_AUTH_TOKEN, ANTHROPIC_BASE_URL, ANTHROPIC_CUSTOM_HEADERS. System messages go to the top-level
    `system`. `betas` are names of beta features, for the client or one call. Raises `ConfigurationError` unless there
    is exactly one credential.
    """

    provider: ClassVar[str] = "anthropic"
    wire: ClassVar[str] = "anthropic_messages"
    path: ClassVar[str] = "/v1/messages"

    def __init__(
        self,
        model: str,
        *,
        api_key: str | None = None,
        auth_token: str | None = None,
        base_url: str | None = None,
        betas: Sequence[str] = (),
        anthropic_version: str = API_VERSION,
        max_tokens: int = DEFAULT_MAX_TOKENS,
        headers: Mapping[str, str] | None = None,
        http_client: httpx2.Client | None = None,
        async_http_client: httpx2.AsyncClient | None = None,
        timeout: Timeout | ClientDefault = CLIENT_DEFAULT,
        **default_options: Any,
    ) -> None:
        if api_key and auth_token:
            raise ConfigurationError("pass api_key= or auth_token=, not both")
        key = setting(api_key or auth_token, "ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN")
        if key is None:
            raise ConfigurationError(
                "no API key for Anthropic: set ANTHROPIC_API_KEY (or ANTHROPIC_AUTH_TOKEN), or pass api_key="
            )
        key = credential(key, "the Anthropic API key")
        # The SDK sends a key and a token in the same way (2.12, `_api_key_auth` and `_bearer_auth`).
        auth_headers = {"authorization": f"Bearer {key}", "anthropic-version": anthropic_version}
        if betas:
            default_options["betas"] = betas
        super().__init__(
            model,
            base_url=setting(base_url, "ANTHROPIC_BASE_URL") or DEFAULT_BASE_URL,
            headers={**auth_headers, **custom_headers("ANTHROPIC_CUSTOM_HEADERS"), **(headers or {})},
            secrets=(key,),
            http_client=http_client,
            async_http_client=async_http_client,
            timeout=timeout,
            default_options={"max_tokens": max_tokens, **default_options},
        )

    def request_headers(self, options: dict[str, Any]) -> dict[str, str]:
        """Send `betas` as a header, like the official SDK."""
        betas = options.pop("betas", None)
        return {"anthropic-beta": ",".join(betas)} if betas else {}

    def request_body(
        self, messages: Sequence[Message], *, stream: bool, tools: Tools | None, options: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Build the request body."""
        fields = {"model": self.model, "stream": True} if stream else {"model": self.model}
        return anthropic_body(fields, messages, tools, options)
