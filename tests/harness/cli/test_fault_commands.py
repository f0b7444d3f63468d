"""Faults on the command line, in the fixture and in its marker."""

from __future__ import annotations

import json
import subprocess
import sys

import openai
import pytest

from tests.harness.testing.test_fake_provider_fixture import chat
from tokentape_fake_provider import Script, Tape
from tokentape_fake_provider.errors import FaultError
from tokentape_fake_provider.faults import FAULTS, parse_fault
from tokentape_harness import read_cassette
from tokentape_harness.cli import main


@pytest.fixture
def run(capfd, monkeypatch):
    """Run a command in this process: its exit code, its output, and its one line of error."""
    monkeypatch.setenv("COLUMNS", "80")

    def command(*arguments):
        capfd.readouterr()
        with pytest.raises(SystemExit) as ended:
            main([str(argument) for argument in arguments])
        printed = capfd.readouterr()
        assert "Traceback" not in printed.err
        return ended.value.code, printed.out, printed.err

    return command


def test_list_of_faults(run):
    """`tokentape faults` lists every fault with its parameters."""
    code, out, _ = run("faults")
    assert code == 0
    names = [line.split()[0] for line in out.splitlines() if line[:1] not in (" ", "E")]
    assert names == list(FAULTS)
    listed = json.loads(run("faults", "--json")[1])
    assert [entry["name"] for entry in listed["faults"]] == list(FAULTS)
    assert [parameter["name"] for parameter in listed["parameters"]] == ["times", "after", "probability", "seed"]


def test_one_fault(run):
    """With a name it prints that fault's parameters and their defaults."""
    _, out, _ = run("faults", "slow_headers")
    assert out.splitlines()[:2] == [
        "slow_headers  The headers come late, and everything after them.",
        "  for  how late (`for=ever`: nothing is sent at all) [default: 1000ms]",
    ]
    assert run("faults", "slow_header") == (1, "", "tokentape: no fault 'slow_header': did you mean slow_headers?\n")


@pytest.mark.parametrize("command", ["serve", "synth"])
def test_bad_faults_are_one_line(run, command, tmp_path):
    """A fault that can't be parsed is an error before anything is done."""
    options = ("-w", "openai_chat", "-o", tmp_path / "x.yaml") if command == "synth" else ("--port", "0")
    code, out, err = run(command, *options, "--fault", "fin@fram=3")
    assert (code, out) == (1, "")
    assert err == "tokentape: fault 'fin@fram=3': fin has no parameter 'fram': did you mean frame?\n"
    assert not (tmp_path / "x.yaml").exists()


@pytest.mark.parametrize(
    ("fault", "end"),
    [("fin@frame=5", "dropped"), ("rst@frame=5", "dropped"), ("stall@frame=5", "timeout"), ("clean_end", "complete")],
)
def test_synth_writes_damaged_cassettes(run, tmp_path, fault, end):
    """A cassette keeps the bytes that a fault left, and the connection's ending where the format can express it."""
    whole, damaged = tmp_path / "whole.yaml", tmp_path / "damaged.yaml"
    for path, options in ((whole, ()), (damaged, ("--fault", fault))):
        assert run("synth", "-w", "openai_chat", "-o", path, "--text", "a b c d e f g", *options)[0] == 0
    before, after = (read_cassette(path).interactions[0].response for path in (whole, damaged))
    assert before.body.startswith(after.body)
    assert len(after.body) < len(before.body)
    assert after.stream.end == end


def test_synth_keeps_how_an_instant_stream_broke(run, tmp_path):
    """Without times, too."""
    path = tmp_path / "x.yaml"
    run("synth", "-w", "openai_chat", "-o", path, "--timing", "instant", "--fault", "fin@frame=5")
    assert read_cassette(path).interactions[0].response.stream.end == "dropped"


@pytest.mark.parametrize(
    ("fault", "problem"),
    [
        ("gzip", "--fault gzip: a cassette can't keep that; tokentape serve --fault does it"),
        ("fin@before_headers", "--fault fin@before_headers: a cassette can't keep that"),
        (
            "fin@frame=999",
            "--fault fin@frame=999 changes nothing about this stream: there is no frame 999: the response has",
        ),
    ],
)
def test_synth_refuses_what_a_cassette_can_not_keep(run, tmp_path, fault, problem):
    """It prints one line of error and writes nothing."""
    code, _, err = run("synth", "-w", "openai_chat", "-o", tmp_path / "x.yaml", "--fault", fault)
    assert code == 2
    assert problem in err
    assert not (tmp_path / "x.yaml").exists()


@pytest.mark.slow
def test_serve_with_faults():
    """`tokentape serve --fault` applies the faults to its answers, in the order of the options."""
    command = [sys.executable, "-m", "tokentape_harness.cli", "serve", "--port", "0"]
    options = ["--fault", "http_error@status=418,times=1", "--fault", "clean_end@event=2"]
    with subprocess.Popen([*command, *options], stdout=subprocess.PIPE, text=True) as process:
        try:
            url = process.stdout.readline().split()[-1]
            printed = "".join(iter(process.stdout.readline, "Ctrl-C stops it.\n"))
            assert "faults: http_error@status=418,times=1, clean_end@event=2" in printed
            with pytest.raises(openai.APIStatusError, match="418"):
                chat(f"{url}/v1")
            assert chat(f"{url}/v1").count(" ") == 0  # the first token alone
        finally:
            process.terminate()


def test_fixture_faults(fake_provider):
    """`fault` adds one to whatever answers, by name and parameters, by specification or as a value."""
    assert fake_provider.fault("http_error", status=418, times=1) == parse_fault("http_error@status=418,times=1")
    fake_provider.fault("clean_end@event=2")
    fake_provider.script("one two")
    url = fake_provider.base_url()
    with pytest.raises(openai.APIStatusError, match="418"):
        chat(url)
    assert chat(url) == "one"
    assert [entry.faults for entry in fake_provider.journal.wait()] == [
        ("http_error@status=418,times=1",),
        ("clean_end@event=2",),
    ]
    with pytest.raises(FaultError, match="did you mean fin"):
        fake_provider.fault("fn")


def test_fixture_scripts_and_rules_with_faults(fake_provider):
    """A script has faults of its own; a rule of faults alone damages what others answer."""
    url = fake_provider.base_url()
    fake_provider.script("one two", faults="clean_end@event=2,times=1")
    assert [chat(url), chat(url)] == ["one", "one two"]
    fake_provider.rule(model="gpt-*", faults="clean_end@event=2")
    fake_provider.rule("three four")
    assert [chat(url, "gpt-4o"), chat(url, "o3")] == ["three", "three four"]
    rule = fake_provider.rule("five", faults="http_error")
    assert rule.scripts == (Script.of("five"),)
    assert rule.faults == (parse_fault("http_error"),)


def test_scripts_with_faults_stay_what_they_are(fake_provider):
    """A whole script or a tape takes no faults, like every other option."""
    from tokentape_harness.errors import UsageError

    for whole in (Script.of("x"), Tape()):
        with pytest.raises(UsageError, match="takes no items or options"):
            fake_provider.script(whole, faults="fin")


@pytest.mark.fake_provider(faults="http_error@status=418")
def test_marker(fake_provider):
    """The marker takes faults as the session's settings do."""
    with pytest.raises(openai.APIStatusError, match="418"):
        chat(fake_provider.base_url())
