"""A user of Locust who reads streams through the iterator, and reports each to Locust's statistics."""

from __future__ import annotations

import contextlib
import socket
import ssl
import time
import uuid
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any, ClassVar

# First: it patches sockets and locks, which the modules below use.
from locust import User  # isort: split

import gevent  # type: ignore[import-untyped]
import httpx2
from locust.exception import LocustError

from tokentape import ChatMessage, TokentapeError, TruncatedStreamError
from tokentape.providers import ChatProvider
from tokentape_harness.conversion.sample_request import client_for
from tokentape_harness.load.lag import Lag
from tokentape_harness.load.sample import MARK, Sample
from tokentape_harness.testing.sdk_environment import FAKE_KEY


@cache
def _certificates() -> ssl.SSLContext:
    """Those of this machine: reading them takes 30 ms, which is not the first stream's time."""
    return ssl.create_default_context()


@cache
def _lag() -> Lag:
    """When this process is late, measured from now on."""
    lag = Lag()
    gevent.spawn(lag.measure, time.perf_counter, gevent.sleep)
    gevent.sleep(0)
    return lag


@cache
def _warm_up(wire: str, model: str) -> None:
    """Import what reading a stream needs, so that it is not part of the first stream's time."""
    httpx2.Client(verify=False).close()
    socket.getaddrinfo("127.0.0.1", 80)  # gevent loads its resolver
    transport = httpx2.MockTransport(lambda _: httpx2.Response(200, content=b""))
    with httpx2.Client(transport=transport) as http_client, contextlib.suppress(TokentapeError):
        client = client_for(wire, model, api_key=FAKE_KEY, base_url="http://nowhere.invalid", http_client=http_client)
        for _ in client.chat([ChatMessage.user("")], stream=True).normalized:
            pass


class StreamUser(User):
    """Streams through a client of `wire`; the host is the base URL, as in the provider's SDK.

    `settings` are the client's own, such as `api_key`; `options` fields of each request, `headers` its headers.
    `timeout` (s) is how long to wait for the response, and for each next part of it. With `mark_prompt` the id of each
    request also ends its prompt, for gateways that drop unknown headers.
    """

    abstract = True
    wire: ClassVar[str] = "openai_chat"
    model: ClassVar[str] = "gpt-4o-mini"
    settings: ClassVar[dict[str, Any]] = {}
    options: ClassVar[dict[str, Any]] = {}
    headers: ClassVar[Mapping[str, str]] = {}
    timeout: ClassVar[float] = 60.0
    mark_prompt: ClassVar[bool] = False

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if not cls.abstract:
            # Not when the first user starts: that is part of the test, and a worker must answer its master then.
            _warm_up(cls.wire, cls.model)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        settings = {"api_key": FAKE_KEY, "base_url": self.host, **self.settings}
        url = settings["base_url"]
        if not url:
            raise LocustError("there is no URL to stream from: give --host, or set `host` in the class of the user")
        verify = _certificates() if str(url).startswith("https:") else False
        self._http_client = httpx2.Client(verify=verify, timeout=self.timeout, follow_redirects=True)
        self.client: ChatProvider = client_for(self.wire, self.model, **{"http_client": self._http_client, **settings})
        self._lag = _lag()

    def on_stop(self) -> None:
        """Close the connections."""
        self.client.close()
        self._http_client.close()

    def stream(self, prompt: str | Iterable[ChatMessage], *, name: str = "", **options: Any) -> Sample:
        """Read one stream to its end and report it under `name`; errors are part of the sample and not raised."""
        mark = uuid.uuid4().hex
        messages = [ChatMessage.user(prompt)] if isinstance(prompt, str) else list(prompt)
        if self.mark_prompt:
            messages.append(ChatMessage.user(f"({MARK} {mark})"))
        arrivals: list[float] = []
        size, tokens, failure = 0, None, None
        began, start = time.time(), time.perf_counter()
        try:
            answer = self.client.chat(
                messages, stream=True, extra_headers={**self.headers, MARK: mark}, **{**self.options, **options}
            ).normalized
            for message in answer:
                text = message.text or message.reasoning or message.refusal
                if text or message.tool_call_deltas:
                    arrivals.append((time.perf_counter() - start) * 1000)
                    size += len(text)
            tokens = answer.usage.output
        except TokentapeError as error:
            failure = error
        total = (time.perf_counter() - start) * 1000
        first = start + (arrivals[0] if arrivals else total) / 1000
        sample = Sample(
            id=mark,
            name=name or self.wire,
            began=began,
            total=total,
            arrivals=tuple(arrivals),
            tokens=tokens,
            size=size,
            error=type(failure).__name__ if failure is not None else "",
            problem=" ".join(str(failure).split())[:2000] if failure is not None else "",
            truncated=isinstance(failure, TruncatedStreamError),
            lag=self._lag.within(start, first) * 1000,
        )
        self.environment.events.request.fire(
            request_type="STREAM",
            name=sample.name,
            response_time=total,
            response_length=size,
            exception=failure,
            context={},
            sample=sample,
        )
        return sample
