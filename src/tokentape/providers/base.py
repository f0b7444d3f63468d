"""The base of the provider clients: builds requests without I/O, and sends them over HTTP, sync and async."""

from __future__ import annotations

import abc
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from types import TracebackType
from typing import Any, ClassVar, Literal, NamedTuple, Self, overload
from weakref import WeakKeyDictionary

import httpx2
from anyio.lowlevel import current_token

from tokentape.arguments import require_callable
from tokentape.errors import ConfigurationError
from tokentape.http.open_response import AsyncResponse, SyncResponse, async_response, sync_response
from tokentape.http.request_id import request_id
from tokentape.http.transport_error import transport_errors
from tokentape.output import ChatOutput
from tokentape.providers.messages import Message, Messages, Tools, as_input, encode_body, message_list
from tokentape.providers.response import StreamedChatResponse
from tokentape.sources.response_stream import (
    StreamOptions,
    accepted_astream,
    accepted_stream,
    araise_if_refused,
    raise_if_refused,
)
from tokentape.stream.asynchronous import AsyncStreamedChatMessageIterator
from tokentape.stream.context import StreamContext
from tokentape.stream.observer import observing_failure
from tokentape.stream.sync import StreamedChatMessageIterator
from tokentape.wires import wire_named

DEFAULT_TIMEOUT = httpx2.Timeout(600.0, connect=5.0)
"""Seconds, as in the official SDKs: the longest wait for one read, not for the whole stream."""

Timeout = float | httpx2.Timeout | None


class ClientDefault:
    """The type of `CLIENT_DEFAULT`."""


CLIENT_DEFAULT = ClientDefault()
"""Stands for the timeout of the HTTP client, if no other one is passed."""


class PreparedRequest(NamedTuple):
    """A request that is ready to be sent."""

    request: httpx2.Request
    context: StreamContext


class ChatProvider(abc.ABC):
    """A client for one provider's chat endpoint.

    Subclasses set the wire format and build a request body from messages. `default_options` are added to each
    request body unchanged; a call's own options replace them. Nothing is retried. Raises `ConfigurationError` without
    a model, if the base URL is invalid, or if an HTTP client has the wrong type.
    """

    provider: ClassVar[str]
    wire: ClassVar[str]
    path: ClassVar[str]
    prompt_field: ClassVar[str] = "messages"
    """The field of the request body that has the messages."""
    operation_type: ClassVar[str] = "chat"
    """What a stream's context and event call the operation, as OpenTelemetry does."""

    def __init__(
        self,
        model: str,
        *,
        base_url: str,
        headers: Mapping[str, str],
        secrets: Sequence[str],
        http_client: httpx2.Client | None,
        async_http_client: httpx2.AsyncClient | None,
        timeout: Timeout | ClientDefault,
        default_options: Mapping[str, Any],
        now: Callable[[], float] = time.time,
    ) -> None:
        if not model:
            raise ConfigurationError(f"{type(self).__name__} needs a model: pass its name as the first argument")
        for name, client, expected in (
            ("http_client", http_client, httpx2.Client),
            ("async_http_client", async_http_client, httpx2.AsyncClient),
        ):
            if client is not None and not isinstance(client, expected):
                raise ConfigurationError(
                    f"{name} is a {type(client).__module__}.{type(client).__name__}: pass an httpx2.{expected.__name__}"
                )
        require_callable(now, "now", "no arguments")
        self.model = model
        self.default_options = dict(default_options)
        self._url = _endpoint(base_url, self.path)
        self._endpoint_url = f"{self._url.scheme}://{self._url.netloc.decode()}{self._url.path}"
        self._headers = dict(headers)
        self._secrets = tuple(secrets)
        self._passed_client = http_client
        self._passed_async_client = async_http_client
        self._own_client: httpx2.Client | None = None
        self._own_async_clients: WeakKeyDictionary[Any, httpx2.AsyncClient] = WeakKeyDictionary()
        self._client_lock = threading.Lock()
        self._timeout = timeout
        self._now = now

    @abc.abstractmethod
    def request_body(
        self, messages: Sequence[Message], *, stream: bool, tools: Tools | None, options: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Build the request body, without I/O. `options` are the default ones, updated by those of the call."""

    def request_url(self, *, stream: bool) -> httpx2.URL:  # noqa: ARG002 - for subclasses
        """Return the URL of a request; with some providers the path differs for streams."""
        return self._url

    def sign_request(self, request: httpx2.Request) -> None:  # noqa: B027 - for subclasses
        """Add headers that are computed from the whole request, if the provider requires any."""

    def request_headers(self, options: dict[str, Any]) -> dict[str, str]:  # noqa: ARG002 - for subclasses
        """Return the headers for options that are sent as headers; these are removed from `options`."""
        return {}

    @overload
    def chat(
        self,
        messages: Messages,
        *,
        stream: Literal[False] = False,
        tools: Tools | None = None,
        thread_id: str | None = None,
        tags: Sequence[str] = (),
        metadata: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        **options: Any,
    ) -> ChatOutput: ...

    @overload
    def chat(
        self,
        messages: Messages,
        *,
        stream: Literal[True],
        tools: Tools | None = None,
        thread_id: str | None = None,
        tags: Sequence[str] = (),
        metadata: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        **options: Any,
    ) -> StreamedChatResponse[StreamedChatMessageIterator]: ...

    @overload
    def chat(
        self,
        messages: Messages,
        *,
        stream: bool,
        tools: Tools | None = None,
        thread_id: str | None = None,
        tags: Sequence[str] = (),
        metadata: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        **options: Any,
    ) -> ChatOutput | StreamedChatResponse[StreamedChatMessageIterator]: ...

    def chat(
        self,
        messages: Messages,
        *,
        stream: bool = False,
        tools: Tools | None = None,
        thread_id: str | None = None,
        tags: Sequence[str] = (),
        metadata: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        **options: Any,
    ) -> ChatOutput | StreamedChatResponse[StreamedChatMessageIterator]:
        """Send the messages; return the output, or with `stream=True` a response with an iterator over it.

        `options` are added to the request body unchanged, except `timeout` (s, for this call). `thread_id`, `tags` and
        `metadata` become part of the event. The status is checked here; a streamed body is only read when the
        iterator is. Raises ProviderError, ConnectionFailedError, DecodeError, ConfigurationError.
        """
        client = self._client()
        prepared = self._prepare(client, messages, stream, tools, thread_id, tags, metadata, extra_headers, options)
        with observing_failure(prepared.context) if stream else nullcontext():
            with transport_errors(f"requesting {self._endpoint_url}"):
                sent = client.send(prepared.request, stream=True)
            response = sync_response(sent)
            stream_options = self._stream_options(prepared.context)
            if stream:
                return _streamed(accepted_stream(response, stream_options), response)
        raise_if_refused(response, stream_options)
        try:
            body = b"".join(response.chunks)
        finally:
            response.close()
        return wire_named(self.wire).decode_complete(body, response.headers)

    @overload
    async def achat(
        self,
        messages: Messages,
        *,
        stream: Literal[False] = False,
        tools: Tools | None = None,
        thread_id: str | None = None,
        tags: Sequence[str] = (),
        metadata: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        **options: Any,
    ) -> ChatOutput: ...

    @overload
    async def achat(
        self,
        messages: Messages,
        *,
        stream: Literal[True],
        tools: Tools | None = None,
        thread_id: str | None = None,
        tags: Sequence[str] = (),
        metadata: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        **options: Any,
    ) -> StreamedChatResponse[AsyncStreamedChatMessageIterator]: ...

    @overload
    async def achat(
        self,
        messages: Messages,
        *,
        stream: bool,
        tools: Tools | None = None,
        thread_id: str | None = None,
        tags: Sequence[str] = (),
        metadata: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        **options: Any,
    ) -> ChatOutput | StreamedChatResponse[AsyncStreamedChatMessageIterator]: ...

    async def achat(
        self,
        messages: Messages,
        *,
        stream: bool = False,
        tools: Tools | None = None,
        thread_id: str | None = None,
        tags: Sequence[str] = (),
        metadata: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        **options: Any,
    ) -> ChatOutput | StreamedChatResponse[AsyncStreamedChatMessageIterator]:
        """`chat` for async code."""
        client = self._async_client()
        prepared = self._prepare(client, messages, stream, tools, thread_id, tags, metadata, extra_headers, options)
        with observing_failure(prepared.context) if stream else nullcontext():
            with transport_errors(f"requesting {self._endpoint_url}"):
                sent = await client.send(prepared.request, stream=True)
            response = async_response(sent)
            stream_options = self._stream_options(prepared.context)
            if stream:
                return _streamed(await accepted_astream(response, stream_options), response)
        await araise_if_refused(response, stream_options)
        try:
            body = b"".join([chunk async for chunk in response.chunks])
        finally:
            await response.close()
        return wire_named(self.wire).decode_complete(body, response.headers)

    def close(self) -> None:
        """Close the sync HTTP client if it was created here; one that was passed stays open."""
        if self._own_client is not None:
            self._own_client.close()
            self._own_client = None

    async def aclose(self) -> None:
        """Close the HTTP clients that were created here for this event loop, and the sync one."""
        self.close()
        client = self._own_async_clients.pop(_event_loop(), None)
        if client is not None:
            await client.aclose()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, expected: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, expected: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.model!r}, url={self._endpoint_url!r})"

    def _prepare(
        self,
        client: httpx2.Client | httpx2.AsyncClient,
        messages: Messages,
        stream: bool,
        tools: Tools | None,
        thread_id: str | None,
        tags: Sequence[str],
        metadata: Mapping[str, Any] | None,
        extra_headers: Mapping[str, str] | None,
        options: Mapping[str, Any],
    ) -> PreparedRequest:
        message_objects = message_list(messages)
        all_options = {**self.default_options, **options}
        timeout = all_options.pop("timeout", self._timeout)
        headers = {
            "content-type": "application/json",
            "accept": "text/event-stream" if stream else "application/json",
            **self._headers,
            **self.request_headers(all_options),
            **(extra_headers or {}),
        }
        body = self.request_body(message_objects, stream=stream, tools=tools, options=all_options)
        timeout_option: dict[str, Any] = {} if isinstance(timeout, ClientDefault) else {"timeout": timeout}
        url = self.request_url(stream=stream)
        request = client.build_request("POST", url, headers=headers, content=encode_body(body), **timeout_option)
        self.sign_request(request)
        thread = {} if thread_id is None else {"request_thread_id": thread_id}
        context = StreamContext(
            **thread,
            operation_type=self.operation_type,
            provider=self.provider,
            model=str(body.get("model", self.model)),
            configuration={
                name: value for name, value in body.items() if name not in (self.prompt_field, "model", "stream")
            },
            input=as_input(message_objects),
            tags=tuple(tags),
            metadata=dict(metadata or {}),
            requested_at=time.time(),
            url=f"{url.scheme}://{url.netloc.decode()}{url.path}",
        )
        return PreparedRequest(request, context)

    def _stream_options(self, context: StreamContext) -> StreamOptions:
        return StreamOptions(self.wire, context, secrets=self._secrets, now=self._now)

    def _client(self) -> httpx2.Client:
        if self._passed_client is not None:
            return self._passed_client
        with self._client_lock:
            if self._own_client is None:
                self._own_client = httpx2.Client(timeout=DEFAULT_TIMEOUT, follow_redirects=True)
            return self._own_client

    def _async_client(self) -> httpx2.AsyncClient:
        if self._passed_async_client is not None:
            return self._passed_async_client
        # A connection belongs to the event loop (asyncio's or trio's) that opened it, so each loop has a client.
        loop = _event_loop()
        with self._client_lock:
            client = self._own_async_clients.get(loop)
            if client is None:
                client = httpx2.AsyncClient(timeout=DEFAULT_TIMEOUT, follow_redirects=True)
                self._own_async_clients[loop] = client
            return client


def _event_loop() -> Any:
    """Return an object that identifies the running event loop: asyncio's loop itself, or trio's token."""
    token = current_token()
    return getattr(token, "native_token", token)  # anyio 4.11 wraps it anew at each call


def _streamed(iterator: Any, response: SyncResponse | AsyncResponse) -> StreamedChatResponse[Any]:
    headers = response.headers
    return StreamedChatResponse(iterator, response.status, headers, request_id(headers))


def _endpoint(base_url: str, path: str) -> httpx2.URL:
    """Return the URL of the endpoint. Errors do not show a password in it."""
    try:
        base = httpx2.URL(base_url)
    except (httpx2.InvalidURL, TypeError) as error:
        raise ConfigurationError(f"the base URL is not a URL: {error}") from error
    if base.scheme not in ("http", "https") or not base.host:
        raise ConfigurationError("the base URL lacks http(s):// or a host: write it as http://127.0.0.1:8089/v1")
    return base.copy_with(path=base.path.rstrip("/") + path)
