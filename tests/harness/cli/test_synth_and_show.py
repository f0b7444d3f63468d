"""The commands `synth`, which writes a cassette, and `show`, which draws one."""

from __future__ import annotations

import json
import re

import pytest
from inline_snapshot import snapshot

from tests.corpus import ROOT
from tokentape_harness import read_cassette, write_cassette
from tokentape_harness.cassettes.model import Cassette


def test_synth_writes_a_cassette_with_times(run, tmp_path):
    """synth writes the text and the times of its options, and the same cassette twice."""
    path = tmp_path / "made.yaml"
    options = ["--text", "Hello there, you", "--reasoning", 4, "--tool-call", 'look={"a":1}', "--tool-call", "go"]
    options += ["--usage", "input=12,cached=5", "--finish-reason", "length", "--seed", 3]
    options += ["--timing", "synthetic:ttft=200ms,tps=100"]
    for wire in ("openai_chat", "anthropic_messages"):
        done = run("synth", "-w", wire, "-o", path, *options)
        assert (done.code, done.out, done.err) == (0, f"wrote {path}\n", "")
        first = path.read_bytes()
        run("synth", "-w", wire, "-o", path, *options)
        assert path.read_bytes() == first
        (shown,) = map(json.loads, run("show", path, "--json").out.splitlines())
        (message,) = shown["output"]["messages"]
        assert message["text"] == "Hello there, you"
        assert message["reasoning"]
        assert [(call["name"], call.get("arguments", {})) for call in message["tool_calls"]] == [
            ("look", {"a": 1}),
            ("go", {}),
        ]
        assert shown["output"]["finish_reason"] == "length"
        assert (shown["output"]["usage"]["input"], shown["output"]["usage"]["cached"]) == (12, 5)
        stream = read_cassette(path).interactions[0].response.stream
        assert stream.start == 200
        assert stream.chunks[0].at == 200
        assert stream.chunks[-1].at > 250


def test_synth_generates_text(run, tmp_path):
    """--words, --locale and --seed decide the generated text, and --timing instant has no times."""
    texts = {}
    for name, options in {
        "plain": [],
        "seed": ["--seed", 1],
        "words": ["--words", 5],
        "ja": ["--locale", "ja_JP"],
    }.items():
        path = tmp_path / f"{name}.yaml"
        run("synth", "-w", "openai_chat", "-o", path, "--timing", "instant", "--usage", "none", *options)
        (shown,) = map(json.loads, run("show", path, "--json").out.splitlines())
        texts[name] = shown["output"]["messages"][0]["text"]
        assert shown["output"]["usage"] == {}
        assert "stream" not in shown
    assert len(set(texts.values())) == 4
    assert len(texts["words"].split()) == 5
    assert len(texts["plain"].split()) == 60
    assert re.search("[\u3040-\u30ff]", texts["ja"])


def test_show_draws_when_chunks_came(run, tmp_path):
    """show prints the request, the output and the usage, and draws when each chunk came."""
    path = tmp_path / "made.yaml"
    run("synth", "-w", "openai_chat", "-o", path, "--text", "Hi you", "--usage", "input=9,output=2")
    done = run("show", path)
    assert (done.code, done.err) == (0, "")
    assert done.out == snapshot("""\
interaction 0: POST https://api.openai.com/v1/chat/completions
  model tokentape, stream
  user: Say something.
200 OK, text/event-stream; charset=utf-8, 1800 bytes, 6 chunks, headers at 300 ms, complete at 320 ms
  text: Hi you
  finish reason: stop
  usage: input 9, output 2, total 11, cached 0, reasoning 0

  ·······································································▅···█
  0                                                                     320 ms
chunk   ms   gap  bytes
    0  300  +300    354
    1  300    +0    322
    2  320   +20    322
    3  320    +0    306
    4  320    +0    482
    5  320    +0     14
""")


def test_show_picks_an_interaction(run):
    """--interaction N shows only interaction N; all are shown without it."""
    path = next(iter(sorted((ROOT / "cassettes").glob("*/braintrust__71bf0a*"))), None)
    if path is None:
        pytest.skip(f"no recorded cassettes at {ROOT}: set TOKENTAPE_CORPUS")
    count = len(read_cassette(path))
    assert run("show", path).out.count("interaction ") == count
    assert run("show", path, "-i", 0).out.startswith("interaction 0: POST ")
    assert len(run("show", path, "--json").out.splitlines()) == count


def test_a_repaired_cassette_is_a_warning_line(run, tmp_path):
    """A body that was edited gets one line of warning, and is still shown."""
    path = tmp_path / "made.yaml"
    run("synth", "-w", "openai_chat", "-o", path, "--text", "Hi you")
    path.write_text(path.read_text().replace('"content":" you"', '"content":" all of you"'))
    done = run("show", path)
    assert done.code == 0
    assert "text: Hi all of you" in done.out
    assert done.error.startswith(f"tokentape: warning: {path}: interaction 0: ")


def test_cassettes_of_no_interactions_are_shown(run, tmp_path):
    """An empty cassette is shown as empty."""
    write_cassette(tmp_path / "none.yaml", Cassette())
    assert run("show", tmp_path / "none.yaml").out == f"{tmp_path / 'none.yaml'} has no interactions\n"
