"""The starter that `tokentape init` writes: valid, and each of its rules answers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import anthropic
import jsonschema
import openai
import pytest
import yaml
from openai.types.chat import ChatCompletionFunctionToolParam, ChatCompletionMessageParam

from tokentape_fake_provider.hosting.server import FakeProviderServer
from tokentape_harness.cli.run import run
from tokentape_harness.served_files import ServedFiles
from tokentape_harness.testing.recordings import load_recordings

TOOLS: list[ChatCompletionFunctionToolParam] = [{"type": "function", "function": {"name": "get_weather"}}]


@pytest.fixture(scope="module")
def starter(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the starter."""
    folder = tmp_path_factory.mktemp("init") / "tokentape"
    assert run(["init", str(folder)]) == 0
    return folder


@pytest.fixture(scope="module")
def server(starter: Path) -> Iterator[FakeProviderServer]:
    """A server of that folder, which sends at once."""
    files = ServedFiles([starter], read=load_recordings, options={"timing": "instant", "repeat": True})
    with FakeProviderServer() as running:
        state = files.load()
        running.sessions.set_up(state.settings, state.setups)
        yield running


@pytest.fixture(scope="module")
def client(server: FakeProviderServer) -> Iterator[openai.OpenAI]:
    """OpenAI's client of it."""
    with openai.OpenAI(base_url=server.base_url("openai_chat"), api_key="k") as opened:
        yield opened


def ask(client: openai.OpenAI, text: str, model: str = "m") -> str | None:
    """The text of the answer."""
    messages: list[ChatCompletionMessageParam] = [{"role": "user", "content": text}]
    return client.chat.completions.create(model=model, messages=messages).choices[0].message.content


def test_it_is_valid(starter: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`tokentape validate` finds nothing wrong in it, nor does its own JSON Schema."""
    assert run(["validate", str(starter)]) == 0
    assert capsys.readouterr().out == "1 rules file, 2 cassettes: nothing wrong\n"
    schema = json.loads((starter / ".rules.schema.json").read_text())
    text = (starter / "rules.yaml").read_text()
    assert text.startswith("# yaml-language-server: $schema=.rules.schema.json\n")
    jsonschema.validate(yaml.safe_load(text), schema)


def test_init_never_replaces_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A second run keeps what is there and writes what is missing; a file in place of the folder is an error."""
    folder = tmp_path / "new" / "folder"
    assert run(["init", str(folder)]) == 0
    written = capsys.readouterr().out.splitlines()
    assert written[-2:] == [
        f"tokentape serve {folder}",
        'tokentape chat "hello" --base-url http://127.0.0.1:8089/v1',
    ]
    (folder / "rules.yaml").write_text("rules: []\n")
    (folder / "cassettes" / "haiku.yaml").unlink()
    assert run(["init", str(folder)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert {line for line in lines if line.startswith("wrote")} == {f"wrote  {folder / 'cassettes' / 'haiku.yaml'}"}
    assert (folder / "rules.yaml").read_text() == "rules: []\n"
    (tmp_path / "file").write_text("")
    assert run(["init", str(tmp_path / "file")]) != 0
    assert "file" in capsys.readouterr().err


def test_texts_take_turns(client: openai.OpenAI) -> None:
    """The greeting's two scripts answer in turn."""
    assert [ask(client, "hello")[:12] for _ in range(2)] == ["Hello! Ask m", "Hello again!"]  # type: ignore[index]


def test_the_tool_call_in_two_turns(client: openai.OpenAI) -> None:
    """The weather rule calls the offered tool, and the next one quotes its result."""
    messages: list[ChatCompletionMessageParam] = [{"role": "user", "content": "How is the weather?"}]
    first = client.chat.completions.create(model="m", messages=messages, tools=TOOLS).choices[0].message
    assert first.tool_calls
    call = first.tool_calls[0]
    assert call.type == "function"
    assert (call.function.name, call.function.arguments) == ("get_weather", '{"city":"Paris"}')
    messages.append({"role": "assistant", "tool_calls": [{"id": call.id, "type": "function", "function": {"name": "get_weather", "arguments": call.function.arguments}}]})  # fmt: skip  # noqa: E501
    messages.append({"role": "tool", "tool_call_id": call.id, "content": "18 C"})
    second = client.chat.completions.create(model="m", messages=messages, tools=TOOLS).choices[0].message
    assert second.content == "It is 18 C in Paris."


def test_the_overload_passes(client: openai.OpenAI, server: FakeProviderServer) -> None:
    """The client is refused once, and receives the text when it tries again."""
    assert ask(client, "overload") == "Thank you for trying again."
    assert [entry.status for entry in server.default.journal.entries[-2:]] == [503, 200]


def test_the_broken_stream(client: openai.OpenAI) -> None:
    """The stream breaks off, and the client notices."""
    messages: list[ChatCompletionMessageParam] = [{"role": "user", "content": "break"}]
    with pytest.raises(openai.APIConnectionError):
        list(client.chat.completions.create(model="m", messages=messages, stream=True))


def test_a_model_by_its_name(client: openai.OpenAI) -> None:
    """Other requests of a small model have its answer."""
    assert ask(client, "anything", "gpt-5-nano") == "I am a very small model."


def test_the_held_session(server: FakeProviderServer) -> None:
    """In the session `held` each token waits for a step."""
    session = server.session("held")
    session.configure(timing="stepped")  # the option of this server won
    with openai.OpenAI(base_url=server.base_url("openai_chat", "held"), api_key="k") as client:
        messages: list[ChatCompletionMessageParam] = [{"role": "user", "content": "x"}]
        with client.chat.completions.create(model="m", messages=messages, stream=True) as stream:
            held = session.streams.next()
            held.step()
            assert next(iter(stream)).choices[0].delta.role == "assistant"
            held.finish()


def test_the_cassettes_answer(client: openai.OpenAI, server: FakeProviderServer) -> None:
    """Both samples answer the requests that they recorded."""
    messages: list[ChatCompletionMessageParam] = [{"role": "user", "content": "Write a haiku."}]
    chunks = list(client.chat.completions.create(model="gpt-4o-mini", messages=messages, stream=True))
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert text == "An old silent pond. A frog jumps into the pond. Splash! Silence again."
    with anthropic.Anthropic(base_url=server.base_url("anthropic_messages"), api_key="k") as claude:
        schema = {"type": "object", "properties": {"zone": {"type": "string"}}}
        with claude.messages.stream(
            model="tokentape",
            max_tokens=1024,
            messages=[{"role": "user", "content": "What time is it in Paris?"}],
            tools=[{"name": "get_time", "input_schema": schema}],
        ) as stream:
            answer = stream.get_final_message()
    assert [block.type for block in answer.content] == ["text", "tool_use"]
    assert [entry.answered_by for entry in server.default.journal.entries[-2:]] == ["recording", "recording"]
