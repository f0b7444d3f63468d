"""Drift of a real model server: llama.cpp's, where `python -m tests.record` has set it up."""

from __future__ import annotations

import json

import httpx2
import pytest

from tests.record import environment, upstream
from tokentape_harness import use_cassette
from tokentape_harness.cli import main

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not (environment.PLACE / ".made-of").exists(), reason="no model server: python -m tests.record sets it up"
    ),
]

PATHS = {"openai_chat": "/v1/chat/completions", "anthropic_messages": "/v1/messages"}
GRAMMAR = 'root ::= "The sea is " ("deep" | "wide") "."'
BODY = {"model": "tiny-random", "stream": True, "max_tokens": 30, "messages": [{"role": "user", "content": "The sea?"}]}


def drift(*arguments: object) -> int:
    """The exit code of `tokentape drift --live`."""
    with pytest.raises(SystemExit) as ended:
        main(["drift", "--live", *map(str, arguments)])
    return int(str(ended.value.code))


def test_a_real_server_has_no_drift_from_itself(tmp_path, capsys):
    """Two runs of the server have the same format; a recording that lacks a field of it has drifted."""
    path = tmp_path / "a.yaml"
    with upstream.model_server(upstream.make_model(tmp_path / "m.gguf"), GRAMMAR) as server:
        with use_cassette(path, record_mode="new_episodes"):
            for target in PATHS.values():
                httpx2.post(server.url + target, json=BODY)
        capsys.readouterr()
        assert drift(path) == 0, capsys.readouterr()
        text = path.read_text()
        path.write_text(text.replace('"object"', '"objekt"'))  # as long as it was
        assert drift(path, "--json") == 1
    found = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert any(f["kind"] == "new event" for outcome in found["outcomes"] for f in outcome["findings"])
