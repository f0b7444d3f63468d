"""Profile files, `tokentape fit`, and playing the profiles that it wrote."""

# ruff: noqa: E501 - the table of errors reads best a line each

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx2
import msgspec
import pytest
import yaml
from hypothesis import given
from inline_snapshot import snapshot

from tests.corpus import ROOT
from tests.fake_provider.test_profiles import profiles
from tests.harness.profiles.playing import played
from tests.projects import LIGHT
from tokentape_fake_provider.errors import TimingError
from tokentape_fake_provider.timing import FirstToken, InterToken, Pauses, Profile
from tokentape_harness import FakeProvider
from tokentape_harness.cassettes.reader import read_cassette
from tokentape_harness.cli.run import run as run_command
from tokentape_harness.profiles import (
    Observed,
    format_profile,
    learn_profile,
    observed_stream,
    read_profile,
    timing_of,
    write_profile,
)
from tokentape_harness.testing import Project

pytestmark = pytest.mark.slow

CASSETTES = Path(__file__).parents[3] / "cassettes"
MARKED = """
import pytest

@pytest.mark.fake_provider(timing="profile:slow.yaml")
def test_timing(fake_provider):
    assert fake_provider.session.settings.timing.ttft.base_ms == 4
"""
REQUEST = {"model": "m", "stream": True, "messages": [{"role": "user", "content": "x"}]}


def run(*arguments: Any) -> int:
    """Run a command in this process."""
    return run_command([str(argument) for argument in arguments])


@given(profiles)
def test_a_profile_comes_back_from_its_file(profile: Profile) -> None:
    """What was written is read as the same profile, from YAML and from JSON."""
    assert msgspec.convert(yaml.safe_load(format_profile(profile)), Profile) == profile
    assert msgspec.json.decode(msgspec.json.encode(profile), type=Profile) == profile


def test_the_text_of_a_file(tmp_path: Path) -> None:
    """It has the profile and what it was fitted to, and leaves out defaults."""
    learned = learn_profile(
        played(Profile(ttft=FirstToken(300, headers_ms=20), latency=InterToken(20, 0.3), pauses=Pauses(0.02, 800)))
    )
    assert format_profile(learned) == snapshot("""\
# A timing profile of tokentape (docs/timing.md): play it with --timing profile:FILE. Times are in ms.
type: profile
v: 1
ttft:
  base_ms: 300
  per_input_token_ms: 0
  per_cached_token_ms: 0
  jitter: 0
  distribution: constant
  headers_ms: 20
latency:
  mean_ms: 20.01
  jitter: 0.3
  distribution: lognormal
tokens_per_event:
  1: 5496
pauses:
  share: 0.01937
  mean_ms: 727.9
  jitter: 0.434
fitted:
  streams: 24
  chunks: 5496
  tokens: 5496
  models:
  - tokentape
  ttft_ks: 0
  latency_ks: 0.008702
""")
    path = tmp_path / "profile.yaml"
    write_profile(path, learned)
    assert read_profile(path) == learned
    (tmp_path / "profile.json").write_bytes(msgspec.json.encode(learned))
    assert read_profile(tmp_path / "profile.json") == learned
    assert timing_of(f"profile:{path}") == learned


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("type: profile\nttft: {base_ms: -1}\n", "timing: base_ms must be 0 ms or more, not -1 ms - at `$.ttft`"),
        ("type: profile\nttfb: {}\n", "Object contains unknown field `ttfb`"),
        ("type: profile\nseed: [\n", "line 3: not YAML"),
        ("interactions: []\nversion: 1\n", "has no `type: profile`: is it a profile that tokentape fit wrote?"),
        ("", "has no `type: profile`"),
        ("type: profile\ntokens_per_event: {one: 1}\n", "Expected `int`, got `str`"),
    ],
)
def test_a_file_that_is_no_profile_is_a_one_line_error(tmp_path: Path, text: str, problem: str) -> None:
    """The error names the file and the field or line."""
    path = tmp_path / "profile.yaml"
    path.write_text(text)
    with pytest.raises(TimingError) as caught:
        read_profile(path)
    assert str(caught.value).startswith(f"profile {path}")
    assert problem in str(caught.value)
    assert "\n" not in str(caught.value)
    with pytest.raises(TimingError, match=r"none.yaml: can't be read \(No such file or directory\): check the path"):
        read_profile(tmp_path / "none.yaml")


# tokentape fit


def test_fit_finds_how_recordings_were_timed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Of recordings that a server timed with 300 ms, 40 tokens/s and jitter 0.3, fit finds just that, over a socket."""
    path = tmp_path / "profile.yaml"
    assert run("fit", CASSETTES, "--model", "scripted", "-o", path) == 0
    printed = capsys.readouterr()
    assert printed.err == ""
    # The numbers change whenever the cassettes are recorded again.
    text = re.sub(r"\d[\d.]*", "N", printed.out.replace(str(tmp_path), "TMP"))
    assert re.sub(r"N \((constant|lognormal|gamma|normal|uniform)\)", "N (FAMILY)", text) == snapshot("""\
N streams, N events, N tokens; left out: N of another model or wire format, N not streamed
time to first token: N ms, jitter N (FAMILY), KS distance N
inter-token latency: N ms, jitter N (FAMILY), KS distance N
pauses: none
tokens an event: N (N%), N (N%), N (N%), N (N%)
events at once: N
wrote TMP/profile.yaml: play it with --timing profile:TMP/profile.yaml
""")
    learned = read_profile(path)
    assert learned.ttft.base_ms == pytest.approx(300, abs=8)
    assert learned.latency.mean_ms == pytest.approx(25, rel=0.1)
    assert learned.latency.jitter == pytest.approx(0.3, abs=0.1)


def test_fit_of_a_real_server(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A profile of one stream of a real model server fits well, and one of all its streams is reported not to."""
    assert run("fit", CASSETTES / "openai_chat" / "long.yaml", "--json") == 0
    printed = capsys.readouterr()
    fitted = msgspec.json.decode(printed.out, type=Profile)
    (real,) = [observed_stream(interaction) for interaction in read_cassette(CASSETTES / "openai_chat" / "long.yaml")]
    assert isinstance(real, Observed)
    gaps = sorted(later.at - sooner.at for sooner, later in pairwise(real.events))
    assert fitted.ttft.base_ms == pytest.approx(real.ttft, rel=0.001)
    assert fitted.latency.mean_ms == pytest.approx(gaps[len(gaps) // 2], rel=0.1)
    assert fitted.fitted is not None
    assert fitted.fitted.latency_ks is not None
    assert fitted.fitted.latency_ks < 0.15
    assert "bad fit" not in printed.err
    assert run("fit", CASSETTES) == 0
    printed = capsys.readouterr()
    assert printed.out == format_profile(msgspec.convert(yaml.safe_load(printed.out), Profile))
    assert re.search(r"bad fit: .* Several models or machines \(gpt-4o-mini, scripted, tiny-random\)\?", printed.err)


def test_fit_reports_what_is_wrong(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing to learn from, a damaged file and a wrong option are one line each, and nothing is written."""
    bad, path = tmp_path / "cassettes" / "bad.yaml", tmp_path / "profile.yaml"
    bad.parent.mkdir()
    bad.write_text("interactions:\n- request: {")
    shutil.copy(CASSETTES / "openai_chat" / "not_streamed.yaml", bad.parent)
    messages = {}
    for name, arguments in {
        "not streamed": [CASSETTES / "openai_chat" / "not_streamed.yaml"],
        "other model": [CASSETTES / "openai_chat", "--model", "nobody"],
        "damaged": [bad],
        "wire": [CASSETTES, "--wire", "nope"],
        "nothing there": [tmp_path / "none"],
    }.items():
        code = run("fit", *arguments, "-o", path)
        printed = capsys.readouterr()
        assert printed.out == ""
        line = printed.err.replace(str(tmp_path), "TMP").replace(str(CASSETTES), "CASSETTES")
        messages[name] = f"{code} {re.sub('[0-9]+ (?=of|not)', 'N ', line).split(' are ')[0]}"
    assert not path.exists()
    assert messages == snapshot(
        {
            "not streamed": "2 tokentape: no timed stream to learn from in CASSETTES/openai_chat/not_streamed.yaml (N not streamed)\n",
            "other model": "2 tokentape: no timed stream to learn from in CASSETTES/openai_chat (N of another model or wire format, N not streamed)\n",
            "damaged": "1 tokentape: TMP/cassettes/bad.yaml: not YAML, or cut short (line 3, column 1: did not find expected node content): restore the file or record it again\n",
            "wire": "2 tokentape: no wire format 'nope': the known ones",
            "nothing there": "1 tokentape: TMP/none: no such cassette or folder: check the path\n",
        }
    )
    assert run("fit", bad.parent, CASSETTES / "openai_chat" / "walk.yaml", "-o", path) == 0
    printed = capsys.readouterr()
    assert printed.err.startswith(f"tokentape: warning: skipped: {bad}: ")
    assert "left out: 1 not streamed" in printed.out


def test_recordings_without_times_are_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    """Plain vcrpy cassettes of other projects have no times to learn from, and fit reports it."""
    if not (ROOT / "cassettes").exists():
        pytest.skip(f"no recorded cassettes at {ROOT}: set TOKENTAPE_CORPUS")
    assert run("fit", ROOT / "cassettes" / "openai_chat") == 2
    assert re.search(r"no timed stream to learn from in .* \(\d+ no times", capsys.readouterr().err)


# Playing it


def test_a_recording_in_learned_time(tmp_path: Path, fake_provider: FakeProvider) -> None:
    """The fixture plays a profile by its file, which it looks up as it does cassettes."""
    path = tmp_path / "fast.yaml"
    write_profile(path, Profile(ttft=FirstToken(3), latency=InterToken(0.5), events_per_arrival={2: 1}))
    profile = fake_provider.timing(f"profile:{path}")
    assert isinstance(profile, Profile)
    fake_provider.script("one two three four")
    httpx2.post(f"{fake_provider.url}/v1/chat/completions", json=REQUEST)
    (entry,) = fake_provider.journal.wait()
    assert sorted({frame.at for frame in entry.frames}) == [3, 4]
    fake_provider._folders = (tmp_path,)
    assert fake_provider.timing("profile:fast.yaml") == profile
    with pytest.raises(TimingError, match=r"profile slow.yaml: can't be read"):
        fake_provider.timing("profile:slow.yaml")


def test_a_marker_takes_a_profile() -> None:
    """The marker plays a profile that lies beside the test."""
    profile = "type: profile\nttft: {base_ms: 4}\nlatency: {mean_ms: 0.5}\n"
    project = Project.of({"slow.yaml": profile, "test_it.py": MARKED})
    project.run_pytest(without=LIGHT, in_process=True).assert_outcomes(passed=1)


def test_serve_plays_a_profile(tmp_path: Path) -> None:
    """`tokentape serve --timing profile:FILE` plays the file's profile, and names the file."""
    path = tmp_path / "fast.yaml"
    write_profile(path, Profile(ttft=FirstToken(3), latency=InterToken(0.5), events_per_arrival={2: 1}))
    command = [sys.executable, "-m", "tokentape_harness.cli", "serve", "--port", "0", "--timing", f"profile:{path}"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            url = process.stdout.readline().split()[-1]
            printed = "".join(iter(process.stdout.readline, "Ctrl-C stops it.\n"))
            assert f"timing profile:{path}" in printed
            assert httpx2.post(f"{url}/v1/chat/completions", json=REQUEST).status_code == 200
            (entry,) = httpx2.get(f"{url}/_tokentape/sessions/default/journal?frames=1").json()["entries"]
            due = [frame["at"] for frame in entry["frames"]]
            assert (due[0], sorted(set(due))[1]) == (3, 4)
        finally:
            process.terminate()


def test_synth_writes_what_a_profile_times(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A generated cassette has the profile's times, and fit learns the profile from it."""
    path, cassette = tmp_path / "profile.yaml", tmp_path / "made.yaml"
    write_profile(path, Profile(ttft=FirstToken(120, headers_ms=30), latency=InterToken(12, 0.3, "gamma")))
    timing = f"profile:{path}"
    assert run("synth", "-w", "openai_chat", "-o", cassette, "--words", 900, "--timing", timing) == 0
    assert run("synth", "-w", "openai_chat", "-o", cassette, "--timing", "profile:none.yaml") == 2
    assert "profile none.yaml: can't be read" in capsys.readouterr().err
    assert run("fit", cassette, "--json") == 0
    learned = json.loads(capsys.readouterr().out)
    assert (learned["ttft"]["base_ms"], learned["ttft"]["headers_ms"]) == (120, 30)
    assert learned["latency"]["distribution"] == "gamma"
    assert learned["latency"]["mean_ms"] == pytest.approx(12, rel=0.04)
    assert learned["latency"]["jitter"] == pytest.approx(0.3, rel=0.1)
