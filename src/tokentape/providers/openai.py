"""The base of the clients for OpenAI's endpoints."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import httpx2

from tokentape.errors import ConfigurationError
from tokentape.providers.base import CLIENT_DEFAULT, ChatProvider, ClientDefault, Timeout
from tokentape.providers.settings import credential, custom_headers, setting

DEFAULT_BASE_URL = "https://api.openai.com/v1"


class OpenAIProvider(ChatProvider):
    """A client for an endpoint of OpenAI's API.

    Arguments that are not passed come from the variables of the official SDK: OPENAI_API_KEY, OPENAI_BASE_URL,
    OPENAI_ORG_ID, OPENAI_PROJECT_ID, OPENAI_CUSTOM_HEADERS.
    """

    provider: ClassVar[str] = "openai"

    def __init__(
        self,
        model: str,
        *,
        api_key: str | None = None,
        base_url: str | None = None,
        organization: str | None = None,
        project: str | None = None,
        headers: Mapping[str, str] | None = None,
        http_client: httpx2.Client | None = None,
        async_http_client: httpx2.AsyncClient | None = None,
        timeout: Timeout | ClientDefault = CLIENT_DEFAULT,
        **default_options: Any,
    ) -> None:
        key = setting(api_key, "OPENAI_API_KEY")
        if key is None:
            raise ConfigurationError("no API key for OpenAI: set OPENAI_API_KEY, or pass api_key=")
        key = credential(key, "the OpenAI API key")
        auth_headers = {"authorization": f"Bearer {key}"}
        if organization := setting(organization, "OPENAI_ORG_ID"):
            auth_headers["openai-organization"] = organization
        if project := setting(project, "OPENAI_PROJECT_ID"):
            auth_headers["openai-project"] = project
        super().__init__(
            model,
            base_url=setting(base_url, "OPENAI_BASE_URL") or DEFAULT_BASE_URL,
            headers={**auth_headers, **custom_headers("OPENAI_CUSTOM_HEADERS"), **(headers or {})},
            secrets=(key,),
            http_client=http_client,
            async_http_client=async_http_client,
            timeout=timeout,
            default_options=default_options,
        )
