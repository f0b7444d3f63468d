"""This project's cassettes as an application's tests use them: the library over each HTTP client, and the fixture."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import aiohttp
import httpx
import httpx2
import msgspec
import pytest
import requests

from tests.record.sdk_answers import ANSWERS
from tokentape import ProviderError, StreamedChatMessageIterator, TokentapeError, stream_response
from tokentape_fake_provider.hosting.server import FakeProviderServer
from tokentape_fake_provider.timing import Recorded
from tokentape_fake_provider.timing.clock import ControlledClock
from tokentape_harness import FakeProvider, read_cassette, use_cassette
from tokentape_harness.cassettes.model import Interaction
from tokentape_harness.conversion.response_decoder import decode_response
from tokentape_harness.errors import TruncatedRecordingError
from tokentape_harness.testing.recordings import load_recordings

CASSETTES = Path(__file__).parents[3] / "cassettes"
STREAMS = [
    path.relative_to(CASSETTES).as_posix()
    for path in sorted(CASSETTES.rglob("*.yaml"))
    if path.stem not in ("not_streamed", "walk")
]
WHOLE = [file for file in STREAMS if Path(file).stem in ("text", "long", "non_ascii", "several_choices", "tool_calls")]


class Got(NamedTuple):
    """What a reader has of a stream: texts and tool calls by choice, the output tokens, and what ended it early."""

    texts: list[str]
    calls: list[str]
    tokens: int | None
    raised: type[BaseException] | None


def interaction_of(file: str) -> Interaction:
    """The one interaction of a cassette."""
    (interaction,) = read_cassette(CASSETTES / file)
    return interaction


def got(output: Any, raised: type[BaseException] | None) -> Got:
    """What an output comes to."""
    messages = output.messages if output is not None else []
    calls = [call.raw_arguments for message in messages for call in message.tool_calls]
    return Got([message.text for message in messages if message.text], calls, output and output.usage.output, raised)


def read(open_response: Callable[[], Any]) -> Got:
    """Read a response by the library, to its end or as far as it goes."""
    stream: StreamedChatMessageIterator | None = None
    try:
        stream = stream_response(open_response())
        for _ in stream:
            pass
    except (TokentapeError, TruncatedRecordingError) as error:
        return got(stream and stream.get_chat_output(), type(error))
    return got(stream.get_chat_output(), None)


def by_httpx2(uri: str, body: bytes) -> Got:
    with httpx2.Client() as client:
        return read(lambda: client.send(client.build_request("POST", uri, content=body), stream=True))


def by_httpx(uri: str, body: bytes) -> Got:
    with httpx.Client() as client:
        return read(lambda: client.send(client.build_request("POST", uri, content=body), stream=True))


def by_requests(uri: str, body: bytes) -> Got:
    with requests.Session() as session:
        return read(lambda: session.post(uri, data=body, stream=True))


def by_aiohttp(uri: str, body: bytes) -> Got:
    async def call() -> Got:
        stream: Any = None
        async with aiohttp.ClientSession() as session:
            try:
                stream = stream_response(await session.post(uri, data=body))
                async for _ in stream:
                    pass
            except (TokentapeError, TruncatedRecordingError) as error:
                return got(stream and stream.get_chat_output(), type(error))
            return got(stream.get_chat_output(), None)

    return asyncio.run(call())


CLIENTS = {
    function.__name__.removeprefix("by_"): function for function in (by_httpx2, by_httpx, by_requests, by_aiohttp)
}


@pytest.mark.parametrize("file", STREAMS)
def test_the_library_reads_the_same_by_each_client(file: str) -> None:
    """A replayed cassette gives the same output whatever the client, or the same error with what came before it."""
    interaction = interaction_of(file)
    found: dict[str, Got] = {}
    for name, call in CLIENTS.items():
        with use_cassette(CASSETTES / file, record_mode="none", all_played=True):
            found[name] = call(interaction.request.uri, interaction.request.body or b"")
    first = found["httpx2"]
    assert found == dict.fromkeys(CLIENTS, first)
    if interaction.response.status >= 400:
        assert first.texts == []
        assert issubclass(first.raised or object, ProviderError)
        return
    decoded = decode_response(interaction.response, Path(file).parent.name)
    assert first[:3] == got(decoded.output, None)[:3]
    expected = {
        "client_leaves": TruncatedRecordingError,
        "server_killed": TokentapeError,
        "error_in_stream": ProviderError,
    }.get(Path(file).stem)
    assert (first.raised is None) == (expected is None)
    assert expected is None or issubclass(first.raised or object, expected)


@pytest.mark.parametrize("file", WHOLE)
def test_the_fixture_plays_them_to_the_official_sdk(file: str, fake_provider: FakeProvider) -> None:
    """A strict session with a cassette alone answers the SDK with its events, as the request was recorded."""
    fake_provider.strict()
    fake_provider.cassette(CASSETTES / file)
    interaction = interaction_of(file)
    wire = Path(file).parent.name
    body = msgspec.json.decode(interaction.request.body or b"")
    events = list(ANSWERS[wire](fake_provider.url, body))
    assert events
    (entry,) = fake_provider.requests
    assert (entry.answered_by, entry.wire) == ("recording", wire)
    with use_cassette(CASSETTES / file, record_mode="none"):
        parts = urlsplit(interaction.request.uri)
        assert events == list(ANSWERS[wire](f"{parts.scheme}://{parts.netloc}", body))
    fake_provider.assert_all_played()


@pytest.mark.parametrize("file", WHOLE)
def test_they_are_served_in_their_own_time(file: str) -> None:
    """In recorded time each chunk leaves as long after the request as the model server sent it."""
    interaction = interaction_of(file)
    record = interaction.response.stream
    assert record is not None
    with FakeProviderServer(clock=ControlledClock(automatic=True)) as server:
        server.default.configure(strict=True, timing=Recorded())
        server.default.add_recordings(load_recordings(CASSETTES / file))
        path = urlsplit(interaction.request.uri).path
        response = httpx2.post(server.url + path, content=interaction.request.body)
        assert response.content == interaction.response.body
        (entry,) = server.default.journal.wait()
    assert [(frame.size, frame.at) for frame in entry.frames] == [(chunk.size, chunk.at) for chunk in record.chunks]
