"""A user of Locust who reads streams through the iterator, and reports each to Locust's statistics."""

from __future__ import annotations

import ssl
import time
import uuid
from collections.abc import Iterable
from functools import cache
from typing import Any, ClassVar

# First: it patches sockets and locks, which the modules below use.
from locust import User  # isort: split

import httpx2

from tokentape import ChatMessage, TokentapeError, TruncatedStreamError
from tokentape.providers import ChatProvider
from tokentape_harness.conversion.sample_request import client_for
from tokentape_harness.load.sample import MARK, Sample
from tokentape_harness.testing.sdk_environment import FAKE_KEY


@cache
def _certificates() -> ssl.SSLContext:
    """Those of this machine: reading them takes 30 ms, which is not the first stream's time."""
    return ssl.create_default_context()


class StreamUser(User):
    """Streams through a client of `wire`; the host is the base URL, as in the provider's SDK.

    `settings` are the client's own, such as `api_key`; `options` fields of each request. With `mark_prompt` the id of
    each request also ends its prompt, for gateways that drop unknown headers.
    """

    abstract = True
    wire: ClassVar[str] = "openai_chat"
    model: ClassVar[str] = "gpt-4o-mini"
    settings: ClassVar[dict[str, Any]] = {}
    options: ClassVar[dict[str, Any]] = {}
    mark_prompt: ClassVar[bool] = False

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        http_client = httpx2.Client(verify=_certificates() if str(self.host).startswith("https:") else False)
        settings = {"api_key": FAKE_KEY, "base_url": self.host, "http_client": http_client, **self.settings}
        self.client: ChatProvider = client_for(self.wire, self.model, **settings)

    def on_stop(self) -> None:
        """Close the connections."""
        self.client.close()

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
                messages, stream=True, extra_headers={MARK: mark}, **{**self.options, **options}
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
        sample = Sample(
            id=mark,
            name=name or self.wire,
            began=began,
            total=total,
            arrivals=tuple(arrivals),
            tokens=tokens,
            size=size,
            error=type(failure).__name__ if failure is not None else "",
            problem=" ".join(str(failure).split())[:300] if failure is not None else "",
            truncated=isinstance(failure, TruncatedStreamError),
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
