"""The clients for Amazon Bedrock: Converse, and InvokeModel with the body of each model."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar
from urllib.parse import quote

import httpx2

from tokentape.errors import ConfigurationError
from tokentape.providers.anthropic_messages import DEFAULT_MAX_TOKENS
from tokentape.providers.anthropic_request import anthropic_body
from tokentape.providers.aws_request import AWSAccess, AWSKeys
from tokentape.providers.base import CLIENT_DEFAULT, ChatProvider, ClientDefault, Timeout
from tokentape.providers.converse_request import converse_messages, converse_system, converse_tools
from tokentape.providers.messages import Message, Tools
from tokentape.providers.openai_request import openai_messages, openai_tools
from tokentape.providers.settings import setting

ANTHROPIC_VERSION = "bedrock-2023-05-31"


class Bedrock(ChatProvider):
    """The base of both clients: the endpoint, and the signature of requests.

    Arguments that are not passed are found like in boto3: AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN,
    AWS_PROFILE, AWS_DEFAULT_REGION, the files in ~/.aws, the machine's role; AWS_BEARER_TOKEN_BEDROCK instead of
    keys; AWS_ENDPOINT_URL_BEDROCK_RUNTIME or AWS_ENDPOINT_URL. Signing needs the extra `tokentape[bedrock]`.
    """

    provider: ClassVar[str] = "aws.bedrock"
    path: ClassVar[str] = ""
    operation: ClassVar[str]
    streaming_operation: ClassVar[str]

    def __init__(
        self,
        model: str,
        *,
        region: str | None = None,
        profile: str | None = None,
        aws_access_key_id: str | None = None,
        aws_secret_access_key: str | None = None,
        aws_session_token: str | None = None,
        api_key: str | None = None,
        base_url: str | None = None,
        headers: Mapping[str, str] | None = None,
        http_client: httpx2.Client | None = None,
        async_http_client: httpx2.AsyncClient | None = None,
        timeout: Timeout | ClientDefault = CLIENT_DEFAULT,
        **default_options: Any,
    ) -> None:
        keys = AWSKeys(aws_access_key_id, aws_secret_access_key, aws_session_token)
        self._access = AWSAccess("bedrock", region=region, profile=profile, keys=keys, api_key=api_key)
        regional = f"https://bedrock-runtime.{self._access.region}.amazonaws.com"
        super().__init__(
            model,
            base_url=setting(base_url, "AWS_ENDPOINT_URL_BEDROCK_RUNTIME", "AWS_ENDPOINT_URL") or regional,
            headers={"accept": "*/*", **(headers or {})},
            secrets=self._access.secrets,
            http_client=http_client,
            async_http_client=async_http_client,
            timeout=timeout,
            default_options=default_options,
        )

    def request_url(self, *, stream: bool) -> httpx2.URL:
        """Return the URL. The model's id is percent-encoded in the path: it has colons, and an ARN has slashes."""
        operation = self.streaming_operation if stream else self.operation
        path = f"{self._url.raw_path.decode().rstrip('/')}/model/{quote(self.model, safe='')}/{operation}"
        return self._url.copy_with(raw_path=path.encode())

    def sign_request(self, request: httpx2.Request) -> None:
        """Add the signature, or the API key."""
        self._access.sign(request)


class BedrockConverse(Bedrock):
    """A client for POST /model/{model}/converse and /converse-stream: one body for every model.

    System messages go to the top-level `system`, tools to `toolConfig`. Options are Converse's own fields, e.g.
    `inferenceConfig={"maxTokens": 500}`.
    """

    wire: ClassVar[str] = "bedrock_converse"
    operation: ClassVar[str] = "converse"
    streaming_operation: ClassVar[str] = "converse-stream"

    def request_body(
        self,
        messages: Sequence[Message],
        *,
        stream: bool,  # noqa: ARG002 - it is in the path
        tools: Tools | None,
        options: Mapping[str, Any],
    ) -> dict[str, Any]:
        """Build the request body."""
        return _converse_body(messages, tools, options)


class BedrockInvoke(Bedrock):
    """A client for POST /model/{model}/invoke and /invoke-with-response-stream, for the models that chat.

    The body is in the model's own format: Anthropic's for Claude, Converse's for Nova, OpenAI's for its open models
    and for others that take messages. Options are fields of that body. `family` ("anthropic", "amazon" or "openai")
    sets the format if the model's id does not show it (an ARN); `ConfigurationError` is raised if it is unknown.
    """

    wire: ClassVar[str] = "bedrock_invoke"
    operation: ClassVar[str] = "invoke"
    streaming_operation: ClassVar[str] = "invoke-with-response-stream"

    def __init__(self, model: str, *, family: str | None = None, **settings: Any) -> None:
        super().__init__(model, **settings)
        self._family = family or _family_of(model)
        if self._family not in _BODIES:
            raise ConfigurationError(
                f"unknown body format of the model {model!r}: pass family=, one of {', '.join(_BODIES)}, or "
                "use BedrockConverse, which has one body for every model"
            )

    def request_body(
        self,
        messages: Sequence[Message],
        *,
        stream: bool,  # noqa: ARG002 - it is in the path
        tools: Tools | None,
        options: Mapping[str, Any],
    ) -> dict[str, Any]:
        """Build the request body."""
        return _BODIES[self._family](messages, tools, options)


def _family_of(model: str) -> str:
    match = re.match(r"(?:[a-z]{2,6}(?:-[a-z]+)?\.)?([a-z0-9]+)\.", model.rpartition("/")[2])
    vendor = match[1] if match else ""
    if vendor == "amazon" and ".nova" not in model:
        return ""
    return {"qwen": "openai", "ai21": "openai", "mistral": "openai", "minimax": "openai"}.get(vendor, vendor)


def _converse_body(messages: Sequence[Message], tools: Tools | None, options: Mapping[str, Any]) -> dict[str, Any]:
    fields = {
        "system": converse_system(messages, options.get("system")),
        "toolConfig": converse_tools(tools, options.get("toolConfig")),
    }
    from_messages = {name: value for name, value in fields.items() if value is not None}
    return {"messages": converse_messages(messages), **options, **from_messages}


def _anthropic_body(messages: Sequence[Message], tools: Tools | None, options: Mapping[str, Any]) -> dict[str, Any]:
    fields = {"anthropic_version": ANTHROPIC_VERSION, "max_tokens": DEFAULT_MAX_TOKENS}
    return anthropic_body(fields, messages, tools, options)


def _openai_body(messages: Sequence[Message], tools: Tools | None, options: Mapping[str, Any]) -> dict[str, Any]:
    body: dict[str, Any] = {"messages": openai_messages(messages)}
    if tools is not None:
        body["tools"] = openai_tools(tools)
    return {**body, **options}


_BODIES = {"anthropic": _anthropic_body, "amazon": _converse_body, "openai": _openai_body}
