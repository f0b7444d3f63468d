"""Recorded WebSockets in another folder, on another day: what is volatile is ignored, and folders are put back."""

from __future__ import annotations

import json

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from tests.harness.recording.proxy.websocket_server import ScriptedServer
from tokentape_fake_provider.hosting.server import FakeProviderServer
from tokentape_fake_provider.sessions.matching.machine import Machine
from tokentape_harness import read_cassette
from tokentape_harness.recording.proxy import RecordingProxy, upstreams_of
from tokentape_harness.redaction.placeholders import find_personal
from tokentape_harness.testing.recordings import load_recordings

ONE = ("/work/one", "2026-11-22", "0b5b1a52-9a5e-4f57-8c3c-6b8f6d1f2a10")
TWO = ("/srv/another/place", "2027-01-03", "7d0c6f0e-2f4b-4a44-9d4e-1c2d3e4f5a6b")


def turn(place, question):
    """A request of a coding agent, with the folder, the day and an id of its session."""
    folder, day, session = place
    context = (
        f"<environment_context>\n  <cwd>{folder}</cwd>\n  <current_date>{day}</current_date>\n</environment_context>"
    )
    messages = [("developer", f"You work in {folder}."), ("user", context), ("user", question)]
    return json.dumps(
        {
            "type": "response.create",
            "model": "m",
            "input": [
                {
                    "type": "message",
                    "role": role,
                    "content": [{"type": "input_text", "text": text}],
                    "internal_chat_message_metadata_passthrough": {"turn_id": session, "create_time": float(day[:4])},
                }
                for role, text in messages
            ],
            "client_metadata": {"session_id": session},
        }
    )


async def read_notes(connection):
    """Answer each request with a call that names the client's folder, in pieces that split it."""
    async for message in connection:
        folder = json.loads(message)["input"][0]["content"][0]["text"].removeprefix("You work in ").removesuffix(".")
        arguments = json.dumps({"cmd": f"cat {folder}/notes.txt"})
        for piece in (arguments[:16], arguments[16:20], arguments[20:]):
            delta = {"type": "response.function_call_arguments.delta", "item_id": "fc_1", "output_index": 0}
            await connection.send(json.dumps({**delta, "delta": piece}))


def talk(url, place, *questions):
    """The arguments that the model sends for each question."""
    found = []
    with connect(f"ws{url.removeprefix('http')}/v1/responses", ping_interval=None, proxy=None) as client:
        for question in questions:
            client.send(turn(place, question))
            pieces = [json.loads(client.recv(timeout=10))["delta"] for _ in range(3)]
            found.append(json.loads("".join(pieces))["cmd"])
    return found


QUESTIONS = ("Read my notes", "And again")


@pytest.fixture
def cassette(tmp_path):
    """A conversation that was recorded in the first place."""
    with (
        ScriptedServer(read_notes) as server,
        RecordingProxy(upstreams_of([f"openai={server.url}"], {}), tmp_path) as running,
    ):
        assert talk(f"{running.url}/openai", ONE, *QUESTIONS) == [f"cat {ONE[0]}/notes.txt"] * 2
    return tmp_path / "openai.yaml"


def test_a_cassette_holds_nothing_of_its_place(cassette):
    """The folder and the ids of the session are placeholders in the frames of both sides."""
    text = cassette.read_text()
    assert ONE[0] not in text
    assert ONE[2] not in text
    (interaction,) = read_cassette(cassette).interactions
    assert len(interaction.websocket.frames) == 8
    assert find_personal(interaction, Machine(cwd=ONE[0])) == ()


@pytest.mark.parametrize("place", [ONE, TWO])
def test_it_replays_in_another_place(cassette, place):
    """The proxy and `serve` replay it there, with that place's folder in the model's arguments."""
    expected = [f"cat {place[0]}/notes.txt"] * 2
    upstreams = upstreams_of(["openai=http://127.0.0.1:9"], {})
    with RecordingProxy(upstreams, cassette.parent, mode="none") as running:
        assert talk(f"{running.url}/openai", place, *QUESTIONS) == expected
    with FakeProviderServer() as serving:
        serving.default.add_recordings(load_recordings(cassette))
        assert talk(serving.url, place, *QUESTIONS) == expected


def test_another_question_is_another_request(cassette):
    """What the user says is never ignored; the reason names it alone."""
    reports = []
    upstreams = upstreams_of(["openai=http://127.0.0.1:9"], {})
    with (
        RecordingProxy(upstreams, cassette.parent, mode="none", report=reports.append) as running,
        pytest.raises(ConnectionClosed) as caught,
    ):
        talk(f"{running.url}/openai", TWO, "Read my notes", "And again?")
    assert caught.value.rcvd.code == 1008
    (report,) = reports
    assert report.startswith('message 1 of the client: input[2].content[0].text was "And again", now "And again?" (')


def test_a_frame_with_a_folder_is_personal(tmp_path):
    """`check` finds a folder in the frames of a WebSocket that was recorded without placeholders."""
    upstreams = {}
    with ScriptedServer(read_notes) as server:
        upstreams = upstreams_of([f"openai={server.url}"], {})
        with RecordingProxy(upstreams, tmp_path, normalise=False) as running:
            talk(f"{running.url}/openai", ONE, "Read my notes")
    (interaction,) = read_cassette(tmp_path / "openai.yaml").interactions
    places = {where for _, where in find_personal(interaction, Machine())}
    assert places == {"frames of the client", "frames of the server"}
