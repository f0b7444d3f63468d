"""A wire format of another package is one like any other: decoded, served, converted, judged, listed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tomllib
from collections.abc import Iterable
from pathlib import Path

import httpx2
import pytest

import tokentape
from tests.pages import block_with, code_blocks, page_text
from tests.plugins.conftest import Install
from tests.plugins.toy_wire import ToyChat
from tokentape import ChatMessage, ProviderError, TruncatedStreamError, stream_bytes, stream_response, wire_names
from tokentape_conformance.provider.grammars import GRAMMARS
from tokentape_fake_provider import Error, FakeProviderServer, Script
from tokentape_fake_provider.errors import UnknownWireError
from tokentape_fake_provider.wires import WIRES, wire_for_path, wire_named
from tokentape_harness import FakeProvider
from tokentape_harness.cli import main
from tokentape_harness.conversion.sample_request import client_for
from tokentape_harness.errors import UsageError
from tokentape_harness.testing.sdk_environment import sdk_environment

TOY = "tests.plugins.toy_wire"
GROUPS = {
    "tokentape.wires": "ToyDecoder",
    "tokentape.providers": "ToyChat",
    "tokentape.fake_provider_wires": "WIRE",
    "tokentape.grammars": "GRAMMAR",
}
ENTRIES = "".join(f"[{group}]\ntoy = {TOY}:{name}\n" for group, name in GROUPS.items())
PAGE = page_text("docs/own-wire.md")
ROOT = Path(__file__).parents[2]
BODY = b'{"say":"Hel"}\n{"say":"lo"}\n{"over":"limit","in":3,"out":2}\n'


def test_the_page() -> None:
    """The blocks of docs/own-wire.md are all of the module that is tested here, and of its entry points."""
    blocks = code_blocks(PAGE, "python")
    module = (ROOT / "tests" / "plugins" / "toy_wire.py").read_text()
    assert sum(len(block.split()) for block in blocks) == len(module.partition('"""\n\n')[2].split())
    assert [block for block in blocks if block.strip() not in module] == []
    points = tomllib.loads(block_with(PAGE, "entry-points"))["project"]["entry-points"]
    assert points == {group: {"toy": f"my_package.toy:{name}"} for group, name in GROUPS.items()}


@pytest.fixture
def toy(install: Install) -> None:
    """The package, installed."""
    install(ENTRIES)


def text_of(stream: Iterable[ChatMessage]) -> str:
    """The text of a whole stream."""
    return "".join(chunk.text for chunk in stream)


def run(*arguments: str) -> int:
    """A command of the command line: its exit code."""
    with pytest.raises(SystemExit) as exited:
        main([*arguments])
    return int(exited.value.code or 0)


@pytest.mark.usefixtures("toy")
@pytest.mark.parametrize("size", [1, 2, 100])
def test_it_is_decoded(size: int) -> None:
    """Its streams have text, a finish reason and usage wherever they are cut, and a cut or failed one is an error."""
    stream = stream_bytes([BODY[at : at + size] for at in range(0, len(BODY), size)], "toy")
    assert text_of(stream) == "Hello"
    assert (stream.finish_reason, stream.usage.input, stream.usage.output) == ("length", 3, 2)
    with pytest.raises(TruncatedStreamError, match="the line with `over` never came"):
        list(stream_bytes([BODY[:20]], "toy"))
    with pytest.raises(ProviderError, match="broken"):
        list(stream_bytes([b'{"oops":"broken"}\n'], "toy"))
    assert "toy" in wire_names()


@pytest.mark.usefixtures("toy")
def test_it_is_served() -> None:
    """Its client and any HTTP client are answered at its path, whole and streamed; errors have its shape."""
    with FakeProviderServer() as server:
        url = server.base_url("toy")
        server.default.push(
            Script.of("Hello"), Script.of("Hello"), Script.of("Hello"), Script.of(error=Error(500, "No"))
        )
        with ToyChat("m", api_key="k", base_url=url) as client:
            assert client.chat("Hi", stream=False).message.text == "Hello"
            assert text_of(client.chat("Hi", stream=True).normalized) == "Hello"
            with httpx2.stream("POST", f"{url}/toy/chat", json={"prompt": "Hi", "stream": True}) as response:
                assert text_of(stream_response(response)) == "Hello"
            with pytest.raises(ProviderError, match="No"):
                client.chat("Hi", stream=True)
        refused, unknown = httpx2.post(f"{url}/toy/chat", json={}), httpx2.get(f"{url}/toy/shop")
        assert (refused.status_code, refused.json()) == (400, {"oops": "prompt: a string is missing"})
        assert (unknown.status_code, list(unknown.json())) == (404, ["oops"])
        listed = httpx2.get(f"{server.url}/_tokentape").json()["wires"]
        assert listed[-1] == {"name": "toy", "paths": ["/toy/chat"], "base_url": server.url}
        assert server.default.journal.entries[0].wire == "toy"
    assert (list(WIRES)[-1], sdk_environment("http://h")["TOY_URL"]) == ("toy", "http://h")


@pytest.mark.usefixtures("toy")
def test_it_is_converted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A cassette of another provider becomes one of it, and comes back with its text; a tool call is a loss."""
    there, back = tmp_path / "there.yaml", tmp_path / "back.yaml"
    assert run("convert", "--to", "toy", f"{ROOT}/cassettes/openai_chat/text.yaml", str(there)) == 0
    assert "https://toys.example/toy/chat" in there.read_text("utf-8")
    assert run("convert", "--to", "anthropic_messages", str(there), str(back)) == 0
    capsys.readouterr()
    shown = []
    for path in (f"{ROOT}/cassettes/openai_chat/text.yaml", str(back)):
        assert run("show", "--json", path) == 0
        shown.append(json.loads(capsys.readouterr().out)["output"]["messages"][0]["text"])
    assert shown[0] == shown[1] != ""
    calls = f"{ROOT}/cassettes/openai_chat/tool_calls.yaml"
    assert run("convert", "--to", "toy", "--fail-on-loss", calls, str(there)) == 1


@pytest.mark.usefixtures("toy")
def test_a_recording_is_served_as_it(fake_provider: FakeProvider) -> None:
    """A cassette of another provider answers its requests, matched by their prompt."""
    fake_provider.cassette(ROOT / "cassettes" / "openai_chat" / "text.yaml", speed=1000, wire="toy")
    with ToyChat("m", api_key="k", base_url=fake_provider.base_url("toy")) as client:
        assert text_of(client.chat("Say something.", stream=True).normalized).startswith("Zueroft beibenum")
    fake_provider.assert_all_played()


@pytest.mark.slow
def test_it_is_judged(toy: None, tmp_path: Path) -> None:
    """The provider suite judges it by its grammar, usage, finish reasons and errors, and skips only SDKs."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join((str(tmp_path / "site"), str(ROOT)))}
    with FakeProviderServer() as server:
        lacks = "unknown_model=the fake provider answers for every model"
        command = ["conformance", "provider", server.url, "--wire", "toy", "--lacks", lacks, "--json", "-"]
        ran = subprocess.run(
            [sys.executable, "-m", "tokentape_harness.cli", *command], env=environment, capture_output=True, text=True
        )
    results = json.loads(ran.stdout)["results"]
    outcomes = {result["case"]: result["status"] for result in results}
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert {name.split("/")[1] for name, outcome in outcomes.items() if outcome == "passed"} >= {
        "stream", "usage", "finish", "errors", "whole", "http", "clients"
    }  # fmt: skip


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ("tests.plugins.gone:X", "can't be loaded"),
        (f"{TOY}:Gone", "can't be loaded"),
        ("pathlib:Path", "is not a"),
    ],
)
def test_a_broken_package(install: Install, value: str, problem: str) -> None:
    """An entry point that is broken gives one error that names it, and what is built in still works."""
    install("".join(f"[{group}]\ntoy = {value}\n" for group in GROUPS if group != "tokentape.wires"))
    named = rf"toy = {value} .*{problem}"
    with pytest.raises(UnknownWireError, match=named):
        wire_named("toy")
    with pytest.raises(UsageError, match=named):
        GRAMMARS["toy"]
    with pytest.raises(UsageError, match=named):
        client_for("toy", "m")
    assert wire_for_path("/v1/messages") is WIRES["anthropic_messages"]
    assert client_for("openai_chat", "m").wire == "openai_chat"
    with pytest.raises(tokentape.UnknownWireError, match="unknown wire format 'toy'"):
        stream_bytes([], "toy")


def test_another_name(install: Install) -> None:
    """An entry point and its wire format have the same name."""
    install(f"[tokentape.fake_provider_wires]\ntoys = {TOY}:WIRE\n")
    with pytest.raises(UnknownWireError, match="has the name 'toy': both must be the same"):
        wire_named("toys")
