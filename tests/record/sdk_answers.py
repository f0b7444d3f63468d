"""Answers of official SDKs to one request, as plain data, and how far each answer is read."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import anthropic
import httpx2
import openai

from tests.record.upstream import Upstream

KEY = "sk-not-a-key-0123456789abcdef"
"""A planted key, which no cassette may contain."""

Body = Mapping[str, Any]
Read = Callable[[Upstream, str, Body], None]
"""Sends a request, and reads a part of the answer or all of it."""


def openai_chat(url: str, body: Body) -> Iterator[Any]:
    """What the openai SDK yields: chunks, or one completion; all of the body is sent as it is."""
    with openai.OpenAI(base_url=f"{url}/v1", api_key=KEY, max_retries=0) as client:
        yield from _events(
            client.chat.completions.create(
                model=body["model"], messages=body["messages"], stream=body.get("stream", False), extra_body=dict(body)
            )
        )


def openai_responses(url: str, body: Body) -> Iterator[Any]:
    """What the openai SDK yields of a response."""
    with openai.OpenAI(base_url=f"{url}/v1", api_key=KEY, max_retries=0) as client:
        yield from _events(
            client.responses.create(
                model=body["model"], input=body["input"], stream=body.get("stream", False), extra_body=dict(body)
            )
        )


def anthropic_messages(url: str, body: Body) -> Iterator[Any]:
    """What the anthropic SDK yields of a message."""
    with anthropic.Anthropic(base_url=url, api_key=KEY, max_retries=0) as client:
        yield from _events(
            client.messages.create(
                model=body["model"],
                max_tokens=body["max_tokens"],
                messages=body["messages"],
                stream=body.get("stream", False),
                extra_body=dict(body),
            )
        )


ANSWERS: Mapping[str, Callable[[str, Body], Iterator[Any]]] = {
    "openai_chat": openai_chat,
    "openai_responses": openai_responses,
    "anthropic_messages": anthropic_messages,
}
"""By wire format; each takes the URL of the server's root."""


def _events(answer: Any) -> Iterator[Any]:
    if isinstance(answer, openai.Stream | anthropic.Stream):
        # The SDK's own stream is closed with the generator, so that leaving it early is leaving early.
        with answer:
            yield from answer
    else:
        yield answer


def read_all(upstream: Upstream, wire: str, body: Body) -> None:
    """Read to the end."""
    for _ in ANSWERS[wire](upstream.url, body):
        pass


def leave_after(events: int) -> Read:
    """Read this number of events, and close the stream."""

    def leave(upstream: Upstream, wire: str, body: Body) -> None:
        answer = ANSWERS[wire](upstream.url, body)
        for _ in range(events):
            next(answer)
        answer.close()  # type: ignore[attr-defined]

    return leave


def kill_after(events: int) -> Read:
    """Read this number of events, kill the server, and read what is left."""

    def kill(upstream: Upstream, wire: str, body: Body) -> None:
        answer = ANSWERS[wire](upstream.url, body)
        for _ in range(events):
            next(answer)
        upstream.kill()
        try:
            for _ in answer:
                pass
        except (openai.APIConnectionError, anthropic.APIConnectionError, httpx2.RemoteProtocolError):
            pass
        else:
            raise RuntimeError("the stream had ended before the server was killed: request more tokens")

    return kill


def expect_error(status: int) -> Read:
    """Send a request whose answer has this error status."""

    def expect(upstream: Upstream, wire: str, body: Body) -> None:
        try:
            read_all(upstream, wire, body)
        except (openai.APIStatusError, anthropic.APIStatusError) as error:
            if error.status_code != status:
                raise
        else:
            raise RuntimeError(f"no error came: expected {status}")

    return expect


def expect_error_event(upstream: Upstream, wire: str, body: Body) -> None:
    """Read up to an error inside the stream."""
    try:
        read_all(upstream, wire, body)
    except (openai.APIError, anthropic.APIError):
        return
    raise RuntimeError("no error came inside the stream")
