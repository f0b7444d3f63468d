"""Serving recordings of one provider as another's: what clients get for the same messages."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import anthropic
import httpx2
import openai
import pytest
from inline_snapshot import snapshot

from tests.harness.cli.served import start_server
from tests.harness.conversion.test_transcoding import CALL, MODEL, TEXT, recorded
from tokentape_fake_provider.errors import UnknownDialectError
from tokentape_fake_provider.script.model import Script, Usage
from tokentape_fake_provider.wires import WIRES
from tokentape_harness import FakeProvider, read_cassette, write_cassette
from tokentape_harness.cassettes.model import Cassette
from tokentape_harness.testing.recordings import recordings_as

MESSAGES: Any = [{"role": "user", "content": "What is new?"}]


@pytest.fixture
def cassette(tmp_path: Path) -> Path:
    """A cassette of OpenAI's."""
    path = tmp_path / "openai.yaml"
    interaction = recorded(Script.of(TEXT, CALL, usage=Usage(input=20, output=7, cached=4)), "openai_chat")
    write_cassette(path, Cassette((interaction,)))
    return path


def test_a_recording_of_openai_answers_anthropics_client(fake_provider: FakeProvider, cassette: Path) -> None:
    """It is matched by its messages alone, streamed or not."""
    assert fake_provider.cassette(cassette, wire="anthropic_messages") == 1
    fake_provider.session.configure(repeat=True)
    fake_provider.strict()
    with anthropic.Anthropic(base_url=fake_provider.base_url("anthropic_messages"), api_key="k") as client:
        with client.messages.stream(
            model="claude", max_tokens=7, stop_sequences=["END"], system="Be brief.", messages=MESSAGES
        ) as stream:
            streamed = stream.get_final_message()
        whole = client.messages.create(model="claude", max_tokens=7, system="Be brief.", messages=MESSAGES)
        with pytest.raises(anthropic.ConflictError, match="nearest is"):
            client.messages.create(model="claude", max_tokens=7, messages=[{"role": "user", "content": "Else?"}])
    for message in (streamed, whole):
        text, call = message.content
        assert (text.type, text.type == "text" and text.text) == ("text", TEXT.text)
        assert (call.type, call.type == "tool_use" and call.input) == ("tool_use", {"a": 1})
        assert message.model == MODEL
        assert message.stop_reason == "tool_use"
        assert (message.usage.input_tokens, message.usage.cache_read_input_tokens) == (16, 4)
    fake_provider.assert_all_played()


def test_a_transcoded_recording_is_paced_as_it_was_recorded(fake_provider: FakeProvider, cassette: Path) -> None:
    """What is played has each delta's recorded time, for the session's timing to use."""
    ((recording,), _) = recordings_as(read_cassette(cassette), "ollama")
    assert recording.script is not None
    (text, call) = recording.script.choices[0].items
    assert (text.at, call.at[-1]) == (TEXT.at, 320.5)
    fake_provider.cassette(cassette, speed=1000, wire="ollama")
    messages = [{"role": "system", "content": "Be brief."}, *MESSAGES]
    body = {"model": "llama", "messages": messages, "options": {"temperature": 0}}
    lines = httpx2.post(f"{fake_provider.url}/api/chat", json=body).text.splitlines()
    assert "".join(json.loads(line)["message"]["content"] for line in lines) == TEXT.text
    (entry,) = fake_provider.requests
    assert entry.answered_by == "recording"
    fake_provider.assert_all_played()


@pytest.mark.slow
def test_serve_as_another_provider(cassette: Path) -> None:
    """`serve --as` answers both formats, and warns of losses; `--dialect` holds for all sessions."""
    process, url, _ = start_server(cassette, "--as", "anthropic_messages", "--dialect", "groq", "--strict")
    try:
        with anthropic.Anthropic(base_url=url, api_key="k", max_retries=0) as client:
            message = client.messages.create(model="c", max_tokens=7, system="Be brief.", messages=MESSAGES)
            assert message.content[0].type == "text"
            assert message.content[0].text == TEXT.text
        session = httpx2.post(f"{url}/_tokentape/sessions", json={"id": "other"}).json()
        assert session["settings"]["dialect"] == "groq"
    finally:
        process.terminate()
        process.communicate(timeout=20)


@pytest.mark.parametrize("arguments", [("--as", "morse"), ("--dialect", "nylon"), ("--dress", "nylon")])
def test_serve_with_an_unknown_name_is_a_clear_error(run: Any, cassette: Path, arguments: Any) -> None:
    """A wire format or a dialect that is not there is one line that names the known ones."""
    done = run("serve", cassette, *arguments)
    assert done.code == 2
    assert f"{arguments[1]!r}: the known ones are openai" in done.error


def test_convert_lists_what_is_lost(run: Any, cassette: Path, tmp_path: Path) -> None:
    """convert writes a cassette that the other provider's client can be tested with, and a table of losses."""
    converted = tmp_path / "ollama.yaml"
    done = run("convert", cassette, converted, "--to", "ollama")
    assert (done.code, done.err) == (0, "")
    assert done.out.replace(str(tmp_path), "TMP") == snapshot("""\
          count  what                 where                note                 \n\
changed       1  provider's finish    interaction 0,       was tool_calls, now  \n\
                 reason               choice 0             stop                 \n\
left out      1  usage cached         interaction 0        was 4                \n\
left out      6  metadata             interaction 0        id, object, created, \n\
                                                           service_tier,        \n\
                                                           system_fingerprint,  \n\
                                                           obfuscation          \n\
changed       1  time of tool call 0  interaction 0,                            \n\
                                      choice 0                                  \n\
wrote TMP/ollama.yaml
""")
    (interaction,) = read_cassette(converted)
    assert interaction.request.uri == "http://localhost:11434/api/chat"
    assert b'"content":" there,"' in interaction.response.body
    assert run("convert", cassette, converted, "--to", "ollama", "--fail-on-loss").code == 1
    assert run("convert", cassette, converted, "--to", "openai_chat", "--fail-on-loss").code == 0


def test_convert_as_json(run: Any, cassette: Path, tmp_path: Path) -> None:
    """--json is one object with each loss."""
    done = run("convert", cassette, tmp_path / "out.yaml", "--to", "ollama", "--json")
    report = json.loads(done.out)
    assert (report["to"], report["interactions"]) == ("ollama", 1)
    assert {
        "what": "usage cached",
        "change": "left out",
        "where": "interaction 0",
        "count": 1,
        "note": "was 4",
    } in report["losses"]


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("--to", "morse"), 2, "no wire format 'morse': the known ones are"),
        (("--to", "ollama", "--from", "tape"), 2, "--from 'tape' is not one of cassette"),
    ],
)
def test_convert_reports_what_is_wrong(
    run: Any,
    cassette: Path,
    tmp_path: Path,
    arguments: Any,
    code: int,
    message: str,
) -> None:
    """Bad arguments are one line, and nothing is written."""
    done = run("convert", cassette, tmp_path / "out.yaml", *arguments)
    assert done.code == code
    assert message in done.error
    assert not (tmp_path / "out.yaml").exists()


def test_convert_names_the_interaction_that_it_cannot_read(
    run: Any,
    cassette: Path,
    tmp_path: Path,
) -> None:
    """A body that is no response of its format is an error with file and interaction."""
    text = cassette.read_text()
    cassette.write_text(text.replace('data: {"id"', "data: ~~", 1))
    done = run("convert", cassette, tmp_path / "out.yaml", "--to", "ollama")
    assert done.code == 1
    assert "openai.yaml: interaction 0: can't be transcoded to ollama" in done.err


@pytest.mark.parametrize("wire", sorted(WIRES))
def test_synth_and_convert_know_every_wire_format(run: Any, tmp_path: Path, wire: str) -> None:
    """A generated cassette of any format can be shown, and converted to another."""
    source, other = tmp_path / "made.yaml", tmp_path / "other.yaml"
    assert run("synth", "--wire", wire, "-o", source, "--text", "Hello there.").code == 0
    assert "text: Hello there." in run("show", source).out
    assert run("convert", source, other, "--to", "cohere_chat").code == 0
    assert "text: Hello there." in run("show", other).out


def test_a_fixture_has_a_dialect(fake_provider: FakeProvider) -> None:
    """`dialect` chooses whose variant of openai_chat is sent, until it is reset; `dress` is its former name."""
    with openai.OpenAI(base_url=fake_provider.base_url(), api_key="k") as client:
        fake_provider.dialect("xai")
        fake_provider.script("Hi", usage=Usage(input=3, output=5, reasoning=4))
        completion = client.chat.completions.create(model="m", messages=MESSAGES)
        assert completion.usage is not None
        assert (completion.usage.completion_tokens, completion.usage.total_tokens) == (1, 8)
        fake_provider.dress(None)
        fake_provider.script("Hi", usage=Usage(input=3, output=5, reasoning=4))
        plain = client.chat.completions.create(model="m", messages=MESSAGES)
        assert plain.usage is not None
        assert plain.usage.completion_tokens == 5
    with pytest.raises(UnknownDialectError, match="no dialect 'nylon'"):
        fake_provider.dialect("nylon")  # type: ignore[arg-type]
