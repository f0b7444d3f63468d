"""What the provider clients share: a request built without I/O, and one HTTP shell, sync and async."""

from __future__ import annotations

import abc
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Any, ClassVar, Literal, NamedTuple, Self, overload
from weakref import WeakKeyDictionary

import httpx2
from anyio.lowlevel import current_token

from tokentape.callables import require_callable
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
from tokentape.stream.sync import StreamedChatMessageIterator
from tokentape.wires import wire_named

DEFAULT_TIMEOUT = httpx2.Timeout(600.0, connect=5.0)
"""Seconds; the official SDKs' own. It is the longest wait for one read, not for the whole stream."""

Timeout = float | httpx2.Timeout | None


class ClientDefault:
    """A timeout that was not given: the HTTP client's own."""


CLIENT_DEFAULT = ClientDefault()
"""The timeout of a client that sets none: that of the HTTP client."""


class Prepared(NamedTuple):
    """A request that is ready to go."""

    request: httpx2.Request
    context: StreamContext


class ChatProvider(abc.ABC):
    """A client for one provider's chat endpoint.

    Subclasses say what the wire format is and how a request body is made of messages. `default_options` go
    into each request body, and a call's own options over them, as they are. Nothing is retried. Raises
    `ConfigurationError` without a model, for a base URL that is not one, and for an HTTP client of another kind.
    """

    provider: ClassVar[str]
    wire: ClassVar[str]
    path: ClassVar[str]
    prompt_field: ClassVar[str] = "messages"
    """Where the messages are in the request body."""

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
        for name, given, kind in (
            ("http_client", http_client, httpx2.Client),
            ("async_http_client", async_http_client, httpx2.AsyncClient),
        ):
            if given is not None and not isinstance(given, kind):
                raise ConfigurationError(
                    f"{name} is a {type(given).__module__}.{type(given).__name__}: pass an httpx2.{kind.__name__}"
                )
        require_callable(now, "now", "no arguments")
        self.model = model
        self.default_options = dict(default_options)
        self._url = _endpoint(base_url, self.path)
        self._where = f"{self._url.scheme}://{self._url.netloc.decode()}{self._url.path}"
        self._headers = dict(headers)
        self._secrets = tuple(secrets)
        self._given_client = http_client
        self._given_async_client = async_http_client
        self._own_client: httpx2.Client | None = None
        self._own_async_clients: WeakKeyDictionary[Any, httpx2.AsyncClient] = WeakKeyDictionary()
        self._making = threading.Lock()
        self._timeout = timeout
        self._now = now

    @abc.abstractmethod
    def request_body(
        self, messages: Sequence[Message], *, stream: bool, tools: Tools | None, options: Mapping[str, Any]
    ) -> dict[str, Any]:
        """The request body, pure. `options` are the default ones with the call's own over them."""

    def request_url(self, *, stream: bool) -> httpx2.URL:  # noqa: ARG002 - for subclasses
        """Where a request goes; some providers say in the path whether the answer is streamed."""
        return self._url

    def sign_request(self, request: httpx2.Request) -> None:  # noqa: B027 - for subclasses
        """Add the headers that are made of the whole request, where the provider wants some."""

    def request_headers(self, options: dict[str, Any]) -> dict[str, str]:  # noqa: ARG002 - for subclasses
        """Headers that options of this call ask for; such options are taken out of `options`."""
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
        """Send the messages; return the answer, or with `stream=True` a response to read it from.

        `options` go into the request body untouched, but for `timeout` (s, for this call). `thread_id`, `tags` and
        `metadata` are handed on to the event. The status is checked here, a streamed body is read only as the
        iterator is. Raises ProviderError, ConnectionFailedError, DecodeError, ConfigurationError.
        """
        client = self._client()
        prepared = self._prepare(client, messages, stream, tools, thread_id, tags, metadata, extra_headers, options)
        with transport_errors(f"asking {self._where}"):
            sent = client.send(prepared.request, stream=True)
        response = sync_response(sent)
        how = self._how(prepared.context)
        if stream:
            return _streamed(accepted_stream(response, how), response)
        raise_if_refused(response, how)
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
        with transport_errors(f"asking {self._where}"):
            sent = await client.send(prepared.request, stream=True)
        response = async_response(sent)
        how = self._how(prepared.context)
        if stream:
            return _streamed(await accepted_astream(response, how), response)
        await araise_if_refused(response, how)
        try:
            body = b"".join([chunk async for chunk in response.chunks])
        finally:
            await response.close()
        return wire_named(self.wire).decode_complete(body, response.headers)

    def close(self) -> None:
        """Close the sync HTTP client, if it was made here; one that was handed in stays open."""
        if self._own_client is not None:
            self._own_client.close()
            self._own_client = None

    async def aclose(self) -> None:
        """Close the HTTP clients that were made here for this event loop, and the sync one."""
        self.close()
        client = self._own_async_clients.pop(_event_loop(), None)
        if client is not None:
            await client.aclose()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.model!r}, url={self._where!r})"

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
    ) -> Prepared:
        listed = message_list(messages)
        merged = {**self.default_options, **options}
        timeout = merged.pop("timeout", self._timeout)
        headers = {
            "content-type": "application/json",
            "accept": "text/event-stream" if stream else "application/json",
            **self._headers,
            **self.request_headers(merged),
            **(extra_headers or {}),
        }
        body = self.request_body(listed, stream=stream, tools=tools, options=merged)
        given: dict[str, Any] = {} if isinstance(timeout, ClientDefault) else {"timeout": timeout}
        url = self.request_url(stream=stream)
        request = client.build_request("POST", url, headers=headers, content=encode_body(body), **given)
        self.sign_request(request)
        thread = {} if thread_id is None else {"request_thread_id": thread_id}
        context = StreamContext(
            **thread,
            provider=self.provider,
            model=str(body.get("model", self.model)),
            configuration={
                name: value for name, value in body.items() if name not in (self.prompt_field, "model", "stream")
            },
            input=as_input(listed),
            tags=tuple(tags),
            metadata=dict(metadata or {}),
        )
        return Prepared(request, context)

    def _how(self, context: StreamContext) -> StreamOptions:
        return StreamOptions(self.wire, context, secrets=self._secrets, now=self._now)

    def _client(self) -> httpx2.Client:
        if self._given_client is not None:
            return self._given_client
        with self._making:
            if self._own_client is None:
                self._own_client = httpx2.Client(timeout=DEFAULT_TIMEOUT, follow_redirects=True)
            return self._own_client

    def _async_client(self) -> httpx2.AsyncClient:
        if self._given_async_client is not None:
            return self._given_async_client
        # A connection belongs to the event loop that opened it, asyncio's or trio's, so each loop has a client.
        loop = _event_loop()
        with self._making:
            client = self._own_async_clients.get(loop)
            if client is None:
                client = httpx2.AsyncClient(timeout=DEFAULT_TIMEOUT, follow_redirects=True)
                self._own_async_clients[loop] = client
            return client


def _event_loop() -> Any:
    """What stands for the running event loop, as long as it runs: asyncio's loop itself, or trio's token."""
    token = current_token()
    return getattr(token, "native_token", token)  # anyio 4.11 wraps it anew at each call


def _streamed(iterator: Any, response: SyncResponse | AsyncResponse) -> StreamedChatResponse[Any]:
    headers = response.headers
    return StreamedChatResponse(iterator, response.status, headers, request_id(headers))


def _endpoint(base_url: str, path: str) -> httpx2.URL:
    """The URL of the endpoint. A password in it is in no error: `netloc` is without."""
    try:
        base = httpx2.URL(base_url)
    except (httpx2.InvalidURL, TypeError) as error:
        raise ConfigurationError(f"the base URL is not a URL: {error}") from error
    if base.scheme not in ("http", "https") or not base.host:
        raise ConfigurationError(
            f"the base URL with scheme {base.scheme!r} and host {base.host!r} needs http(s):// and a host"
        )
    return base.copy_with(path=base.path.rstrip("/") + path)
