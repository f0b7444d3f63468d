"""pytest-recording on the command line, over cassettes of this project, with official SDKs: alone, and with our plugin.

Each run is a pytest of its own, as a user starts it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import msgspec
import pytest
import yaml

from tests.projects import NO_LOOP, off
from tokentape_harness import read_cassette
from tokentape_harness.conversion.response_decoder import decode_response

pytestmark = pytest.mark.slow

pytest_plugins = ["pytester"]

CASSETTES = Path(__file__).parents[3] / "cassettes"
KEY = "sk-proj-planted0123456789abcdefghij"
QUIET = off(*NO_LOOP, "xdist", "socket")
PLUGINS = {"plain": ["-p", "no:tokentape"], "with_tokentape": []}

OPENAI = ("text", "long", "non_ascii", "several_choices", "json_schema", "tool_calls", "not_streamed", "http_error")
ANTHROPIC = ("text", "non_ascii", "tool_use", "thinking", "not_streamed", "http_error")

MODULE = """
import json
import os
import pathlib
import socket

import openai
import pytest

CASES = json.loads(pathlib.Path(__file__).with_name("cases.json").read_text())
URL, KEY = os.environ["PROVIDER_URL"], os.environ["PLANTED_KEY"]


@pytest.fixture(scope="module")
def vcr_config():
    return {
        "filter_headers": ["authorization", ("x-title", "SCRUBBED")],
        "filter_query_parameters": ["tenant"],
        "filter_post_data_parameters": ["user"],
    }


def openai_answer(body):
    options = {"default_headers": {"x-title": "planted title"}, "default_query": {"tenant": "planted"}}
    with openai.OpenAI(base_url=URL + "/v1", api_key=KEY, max_retries=0, **options) as client:
        answer = client.chat.completions.create(**body, user="planted user")
        if not body.get("stream"):
            return 1, answer.choices[0].message.content
        chunks = list(answer)
        deltas = [choice.delta.content for chunk in chunks for choice in chunk.choices if choice.index == 0]
        return len(chunks), "".join(filter(None, deltas))


@pytest.mark.vcr
@pytest.mark.parametrize("case", CASES["openai_chat"])
def test_openai(case):
    body, expected = CASES["openai_chat"][case]
    if isinstance(expected, int):
        with pytest.raises(openai.APIStatusError) as caught:
            openai_answer(body)
        assert caught.value.status_code == expected
    else:
        assert openai_answer(body)[1] == expected


@pytest.mark.vcr
@pytest.mark.parametrize("case", CASES["anthropic_messages"])
def test_anthropic(case):
    import anthropic  # which takes longer than all else that a run without it does

    body, expected = CASES["anthropic_messages"][case]
    with anthropic.Anthropic(base_url=URL, api_key=KEY, max_retries=0) as client:
        if isinstance(expected, int):
            with pytest.raises(anthropic.APIStatusError) as caught:
                client.messages.create(**body)
            assert caught.value.status_code == expected
        elif body.get("stream"):
            events = list(client.messages.create(**body))
            assert "".join(getattr(getattr(event, "delta", None), "text", "") for event in events) == expected
        else:
            assert client.messages.create(**body).content[0].text == expected


@pytest.mark.vcr
@pytest.mark.skipif("ANOTHER" not in os.environ, reason="only where it may record")
def test_another():
    body, expected = CASES["openai_chat"]["text"]
    first = openai_answer(body)
    assert first[1] == (os.environ.get("FIRST") or expected)
    assert openai_answer(body | {"model": "another"})[1] == os.environ["ANOTHER"]


def test_unmarked():
    with pytest.raises(RuntimeError, match="Network is disabled"):
        socket.create_connection(("127.0.0.1", 9))
"""


class Flow(NamedTuple):
    """The run of a user: the folder of its cassettes, and the directory that pytest starts in."""

    pytester: pytest.Pytester
    folder: Path
    another: Path

    def run(self, plugins: str, *options: str) -> pytest.RunResult:
        """`pytest --block-network` with these options."""
        return self.pytester.runpytest_subprocess(*QUIET, *PLUGINS[plugins], "--block-network", *options)


@pytest.fixture
def flow(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Flow:
    """A test module and copies of our cassettes, where pytest-recording looks for them; no provider answers."""
    folder = pytester.path / "cassettes" / "test_flow"
    folder.mkdir(parents=True)
    cases: dict[str, dict[str, Any]] = {}
    for wire, test, names in (("openai_chat", "openai", OPENAI), ("anthropic_messages", "anthropic", ANTHROPIC)):
        cases[wire] = {}
        for name in names:
            source = CASSETTES / wire / f"{name}.yaml"
            (interaction,) = read_cassette(source)
            response = interaction.response
            expected = decode_response(response, wire).output.text if response.status == 200 else response.status
            cases[wire][name] = msgspec.json.decode(interaction.request.body or b""), expected
            (folder / f"test_{test}[{name}].yaml").write_bytes(source.read_bytes())
    (pytester.path / "cases.json").write_bytes(msgspec.json.encode(cases))
    pytester.makepyfile(test_flow=MODULE)
    monkeypatch.setenv("PROVIDER_URL", "http://127.0.0.1:8080")
    monkeypatch.setenv("PLANTED_KEY", KEY)
    return Flow(pytester, folder, folder / "test_another.yaml")


def files(folder: Path) -> dict[str, bytes]:
    """Every cassette as it is."""
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize("plugins", PLUGINS)
def test_record_mode_none(plugins: str, flow: Flow) -> None:
    """`--record-mode=none` and no mode at all replay with the network blocked, and write nothing."""
    before = files(flow.folder)
    flow.run(plugins, "--record-mode=none").assert_outcomes(passed=len(OPENAI) + len(ANTHROPIC) + 1, skipped=1)
    flow.run(plugins, "-k", "test_openai").assert_outcomes(passed=len(OPENAI), deselected=len(ANTHROPIC) + 2)
    assert files(flow.folder) == before


@pytest.mark.parametrize("plugins", PLUGINS)
@pytest.mark.parametrize("mode", ["new_episodes", "rewrite", "once"])
def test_modes_that_record(
    mode: str, plugins: str, flow: Flow, fake_provider: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They add to, replace or leave one of our cassettes, with the filters of `vcr_config`; what they wrote replays.

    By the other of the two: with our plugin, without it.
    """
    # Frames that are due at different times leave in writes of their own, and so do the parts of a late one.
    fake_provider.timing("synthetic:ttft=1ms,tps=50")
    fake_provider.fault("split", inside="event")
    monkeypatch.setenv("PROVIDER_URL", fake_provider.url)
    monkeypatch.setenv("ANOTHER", "Five six seven eight")
    host, path = urlsplit(fake_provider.url).netloc, urlsplit(fake_provider.url).path
    source = (CASSETTES / "openai_chat" / "text.yaml").read_text()
    flow.another.write_text(source.replace("http://127.0.0.1:8080/", f"http://{host}{path}/"))
    if mode == "rewrite":
        monkeypatch.setenv("FIRST", "One two three four")
        fake_provider.script("One two three four")
    fake_provider.script("Five six seven eight")
    (ours,) = read_cassette(flow.another)

    result = flow.run(plugins, f"--record-mode={mode}", "-k", "test_another or test_unmarked")
    if mode == "once":
        # What is there is not added to: the second request has no answer.
        result.assert_outcomes(failed=1, passed=1, deselected=len(OPENAI) + len(ANTHROPIC))
        assert fake_provider.requests == ()
        assert list(read_cassette(flow.another)) == [ours]
        return
    result.assert_outcomes(passed=2, deselected=len(OPENAI) + len(ANTHROPIC))
    requests = len(fake_provider.requests)
    assert requests == {"new_episodes": 1, "rewrite": 2}[mode]
    first, second = read_cassette(flow.another)
    if mode == "new_episodes":
        # vcrpy sorts headers.
        assert (first.response.body, first.response.stream) == (ours.response.body, ours.response.stream)
    check_new([second] if mode == "new_episodes" else [first, second], streams=plugins != "plain")
    check_filtered(flow.another.read_text())
    (other,) = PLUGINS.keys() - {plugins}
    flow.run(other, "-k", "test_another").assert_outcomes(passed=1, deselected=len(OPENAI) + len(ANTHROPIC) + 1)
    assert len(fake_provider.requests) == requests


def check_new(interactions: Any, *, streams: bool) -> None:
    """What was recorded has its chunks, with our plugin."""
    for interaction in interactions:
        stream = interaction.response.stream
        assert (stream is not None) == streams
        if stream is not None:
            assert (len(stream.chunks) > 1, stream.end) == (True, "complete")


def check_filtered(text: str) -> None:
    """The filters of `vcr_config` held."""
    assert "planted" not in text
    requests = [interaction["request"] for interaction in yaml.safe_load(text)["interactions"]]
    assert "x-title" in requests[-1]["headers"]
    assert requests[-1]["headers"]["x-title"] == ["SCRUBBED"]
    assert not any("authorization" in request["headers"] for request in requests)
    assert not any("tenant" in request["uri"] for request in requests)
    assert not any("user" in msgspec.json.decode(request["body"]) for request in requests)
