"""Requests to a server with faults."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx2
import openai
import pytest

from tests.fake_provider.asks import ask_of
from tests.fake_provider.test_resolver import ask, chat
from tokentape_fake_provider import ControlledClock, InProcessProvider, Instant
from tokentape_fake_provider.encoding.encode import encode
from tokentape_fake_provider.hosting.server import FakeProviderServer
from tokentape_fake_provider.script.model import Script
from tokentape_fake_provider.sessions.session import Session
from tokentape_fake_provider.tape import Tape

STREAMED: Any = chat("Hi", stream=True)
THREE_WORDS = Script.of("one two three")


@pytest.fixture
def client(server: FakeProviderServer, session: Session) -> Iterator[openai.OpenAI]:
    """The official client in that session, without retries."""
    with openai.OpenAI(base_url=server.base_url("openai_chat", session.id), api_key="k", max_retries=0) as client:
        yield client


def statuses(client: openai.OpenAI, count: int) -> list[int]:
    """The statuses of this number of requests."""
    got = []
    for _ in range(count):
        try:
            ask(client)
        except openai.APIStatusError as error:
            got.append(error.status_code)
        else:
            got.append(200)
    return got


def _tape(text: str) -> Tape:
    return encode(Script.of(text), ask_of("openai_chat"), Instant())


@pytest.fixture
def provider() -> Iterator[InProcessProvider]:
    """A provider whose clock jumps to each deadline."""
    with InProcessProvider(clock=ControlledClock(automatic=True)) as running:
        yield running


def in_process(provider: InProcessProvider, **options: Any) -> openai.OpenAI:
    """The official client behind its transport."""
    http = httpx2.Client(transport=provider.transport(), timeout=options.pop("timeout", 600))
    return openai.OpenAI(
        base_url=provider.base_url("openai_chat"), api_key="k", max_retries=0, http_client=http, **options
    )
