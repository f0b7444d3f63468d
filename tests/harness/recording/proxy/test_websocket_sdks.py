"""The WebSockets of official SDKs, recorded by the proxy from a scripted server; replayed by the proxy and serve."""

from __future__ import annotations

import asyncio
import json
from urllib.parse import urlsplit

import pytest

from tests.harness.recording.proxy.tls import TlsFront, trusted
from tests.harness.recording.proxy.websocket_server import ScriptedServer
from tokentape_fake_provider.hosting.server import FakeProviderServer
from tokentape_harness import read_cassette
from tokentape_harness.recording.proxy import RecordingProxy, upstreams_of
from tokentape_harness.testing.recordings import load_recordings

LIVE = "/ws/google.ai.generativelanguage.v1.GenerativeService.BidiGenerateContent"
SESSION = {"type": "session.created", "event_id": "e0", "session": {"type": "realtime", "object": "realtime.session"}}


async def realtime(connection):
    """OpenAI's Realtime API, as far as a text answer goes."""
    await connection.send(json.dumps(SESSION))
    async for message in connection:
        if json.loads(message)["type"] == "response.create":
            common = {"response_id": "r", "item_id": "i", "output_index": 0, "content_index": 0}
            for number, text in enumerate(("Hel", "lo")):
                delta = {"type": "response.output_text.delta", "event_id": f"d{number}", **common, "delta": text}
                await connection.send(json.dumps(delta))
            done = {"type": "response.done", "event_id": "e9", "response": {"id": "r", "object": "realtime.response"}}
            await connection.send(json.dumps(done))


async def talk_realtime(url):
    """A question to the Realtime API with the openai SDK."""
    import openai

    client = openai.AsyncOpenAI(api_key="sk-test", base_url=f"{url}/v1")
    async with client, client.realtime.connect(model="gpt-realtime") as connection:
        await connection.session.update(session={"type": "realtime", "output_modalities": ["text"]})
        await connection.conversation.item.create(
            item={"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Hi"}]}
        )
        await connection.response.create()
        kinds, text = [], ""
        async for event in connection:
            kinds.append(event.type)
            text += event.delta if event.type == "response.output_text.delta" else ""
            if event.type == "response.done":
                break
        return kinds, text


async def responses(connection):
    """OpenAI's Responses API over a WebSocket: one stream for each `response.create`, as Codex requests them."""
    number = 0
    async for message in connection:
        request = json.loads(message)
        assert request["type"] == "response.create"
        number += 1
        response = {"id": f"resp_{number}", "object": "response", "created_at": 1, "model": "m", "output": []}
        delta = {"type": "response.output_text.delta", "delta": f"after {request.get('previous_response_id')}"}
        for sequence, event in enumerate(
            (
                {"type": "response.created", "response": {**response, "status": "in_progress"}},
                {**delta, "item_id": "i", "output_index": 0, "content_index": 0, "logprobs": []},
                {"type": "response.completed", "response": {**response, "status": "completed"}},
            )
        ):
            await connection.send(json.dumps({**event, "sequence_number": sequence}))


async def talk_responses(url):
    """Two turns of the Responses API over a WebSocket with the openai SDK."""
    import openai

    texts, previous = [], None
    client = openai.AsyncOpenAI(api_key="sk-test", base_url=f"{url}/v1")
    async with client, client.responses.connect() as connection:
        for turn in ("one", "two"):
            more = {} if previous is None else {"previous_response_id": previous}
            await connection.response.create(model="m", input=turn, **more)
            async for event in connection:
                if event.type == "response.output_text.delta":
                    texts.append(event.delta)
                if event.type == "response.completed":
                    previous = event.response.id
                    break
    return texts


async def live(connection):
    """Gemini Live: it answers in binary frames that hold JSON of several lines."""
    async for message in connection:
        if "setup" in json.loads(message):
            answers = [{"setupComplete": {}}]
        else:
            parts = [{"text": text} for text in ("Hel", "lo")]
            answers = [{"serverContent": {"modelTurn": {"parts": [part]}}} for part in parts]
            answers.append({"serverContent": {"turnComplete": True}})
        for answer in answers:
            await connection.send(json.dumps(answer, indent=2).encode())


async def talk_live(url):
    """A question to Gemini Live with the google-genai SDK."""
    from google import genai
    from google.genai import types

    client = genai.Client(api_key="test-key", http_options=types.HttpOptions(base_url=url))
    async with client.aio.live.connect(model="gemini-live", config={"response_modalities": ["TEXT"]}) as session:
        await session.send_client_content(turns=types.Content(role="user", parts=[types.Part(text="Hi")]))
        return [message.text async for message in session.receive() if message.text]


CASES = [
    pytest.param("openai", realtime, talk_realtime, "/v1/realtime?model=gpt-realtime", id="realtime"),
    pytest.param("openai", responses, talk_responses, "/v1/responses", id="responses"),
    pytest.param(
        "gemini",
        live,
        talk_live,
        LIVE,
        id="live",
    ),
]


@pytest.mark.parametrize(("name", "handler", "talk", "path"), CASES)
def test_an_sdk(tmp_path, monkeypatch, name, handler, talk, path):
    """An SDK gets the same through the proxy, from the proxy's replay, and from `serve`."""
    context = trusted(tmp_path, monkeypatch)

    def ask(url):
        if name != "gemini":
            return asyncio.run(talk(url))
        # The SDK of Google uses TLS for every base URL: something must be in front that ends it.
        with TlsFront(urlsplit(url).port, context) as front:
            return asyncio.run(talk(f"https://127.0.0.1:{front.port}{urlsplit(url).path}"))

    reports = []
    with ScriptedServer(handler) as server:
        upstreams = upstreams_of([f"{name}={server.url}"], {})
        found = []
        for mode in ("new_episodes", "none"):
            with RecordingProxy(upstreams, tmp_path / "cassettes", mode=mode, report=reports.append) as running:
                found.append(ask(f"{running.url}/{name}"))
        assert len(server.handshakes) == 1
    cassette = tmp_path / "cassettes" / f"{name}.yaml"
    (interaction,) = read_cassette(cassette).interactions
    assert interaction.request.uri == f"ws{server.url.removeprefix('http')}{path}"
    assert "sk-test" not in cassette.read_text()
    assert "test-key" not in cassette.read_text()
    with FakeProviderServer() as serving:
        serving.default.add_recordings(load_recordings(cassette))
        found.append(ask(serving.url))
        assert [entry.answered_by for entry in serving.default.journal.wait()] == ["recording"]
    assert found[0]
    assert found == [found[0]] * 3
    assert reports == []
