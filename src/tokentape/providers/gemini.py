"""The client for Gemini on Google AI Studio."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import httpx2

from tokentape.errors import ConfigurationError
from tokentape.providers.base import CLIENT_DEFAULT, ChatProvider, ClientDefault, Timeout
from tokentape.providers.gemini_request import gemini_contents, gemini_system, gemini_tools
from tokentape.providers.messages import Message, Tools
from tokentape.providers.settings import credential, setting

DEFAULT_BASE_URL = "https://generativelanguage.googleapis.com"
DEFAULT_API_VERSION = "v1"
"""The version that the official SDK 3.4 uses."""


class GeminiAPI(ChatProvider):
    """The base of the clients for Google's APIs: key, base URL, and the version in the path.

    Arguments that are not passed come from the variables of the official SDK: GOOGLE_API_KEY, else GEMINI_API_KEY,
    GOOGLE_GEMINI_BASE_URL, GOOGLE_GENAI_API_VERSION (`beta` is v1beta).
    """

    provider: ClassVar[str] = "gemini"
    path: ClassVar[str] = ""

    def __init__(
        self,
        model: str,
        *,
        api_key: str | None = None,
        base_url: str | None = None,
        api_version: str | None = None,
        headers: Mapping[str, str] | None = None,
        http_client: httpx2.Client | None = None,
        async_http_client: httpx2.AsyncClient | None = None,
        timeout: Timeout | ClientDefault = CLIENT_DEFAULT,
        **default_options: Any,
    ) -> None:
        key = setting(api_key, "GOOGLE_API_KEY", "GEMINI_API_KEY")
        if key is None:
            raise ConfigurationError("no API key for Gemini: set GOOGLE_API_KEY (or GEMINI_API_KEY), or pass api_key=")
        key = credential(key, "the Gemini API key")
        version = setting(api_version, "GOOGLE_GENAI_API_VERSION") or DEFAULT_API_VERSION
        self.api_version = "v1beta" if version == "beta" else version
        super().__init__(
            model,
            base_url=setting(base_url, "GOOGLE_GEMINI_BASE_URL") or DEFAULT_BASE_URL,
            headers={"x-goog-api-key": key, **(headers or {})},
            secrets=(key,),
            http_client=http_client,
            async_http_client=async_http_client,
            timeout=timeout,
            default_options=default_options,
        )

    def endpoint(self, path: str) -> httpx2.URL:
        """Return the URL of a path below the version."""
        return self._url.copy_with(path=f"{self._url.path.rstrip('/')}/{self.api_version}/{path}")


class Gemini(GeminiAPI):
    """A client for POST /models/{model}:generateContent and :streamGenerateContent.

    System messages go to `systemInstruction`. Options are the request's own fields, such as
    `generationConfig={"temperature": 0}` or `safetySettings`.
    """

    wire: ClassVar[str] = "gemini"
    prompt_field: ClassVar[str] = "contents"

    def request_url(self, *, stream: bool) -> httpx2.URL:
        """Return the URL, whose path has the model and the method, which differs for streams."""
        model = self.model if "/" in self.model else f"models/{self.model}"
        url = self.endpoint(f"{model}:{'streamGenerateContent' if stream else 'generateContent'}")
        return url.copy_merge_params({"alt": "sse"}) if stream else url

    def request_body(
        self,
        messages: Sequence[Message],
        *,
        stream: bool,  # noqa: ARG002 - it is in the path
        tools: Tools | None,
        options: Mapping[str, Any],
    ) -> dict[str, Any]:
        """Build the request body. Raises `ConfigurationError` for the option `model`."""
        if "model" in options:
            raise ConfigurationError("Gemini's model is in the path of the request: create a client for each model")
        body: dict[str, Any] = {"contents": gemini_contents(messages)}
        if tools is not None:
            body["tools"] = gemini_tools(tools)
        body |= options
        system = gemini_system(messages, options.get("systemInstruction"))
        if system is not None:
            body["systemInstruction"] = system
        return body
