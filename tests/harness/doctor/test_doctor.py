"""`tokentape doctor` on real tests: planted faults, public bug reports, sound tests, and programs."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.harness.doctor import reported
from tests.projects import HEAVY, off
from tokentape_harness import read_cassette
from tokentape_harness.doctor.diagnosis import Diagnosis, Limits
from tokentape_harness.doctor.runners import diagnose_pytest

ROOT = Path(__file__).parents[3]
HERE = Path(__file__).parent
FIELD = ROOT.parent / "shared" / "field" / "inputs"
PYTEST = (sys.executable, "-m", "pytest", "-q", *off(*HEAVY, "randomly"))

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]


def diagnoses(file: str, *options: str, pause_ms: float = 800.0, runs: int = 200) -> dict[str, Diagnosis]:
    """The diagnosis of each test of a file here, by its name."""
    command = [*PYTEST, str(HERE / file), *options]
    found = diagnose_pytest(command, Limits(runs=runs, timeout=600.0, pause_ms=pause_ms), lambda *_: None)
    return {diagnosis.test.partition("::")[2]: diagnosis for diagnosis in found}


@pytest.fixture(scope="module")
def planted() -> dict[str, Diagnosis]:
    """The diagnoses of the planted faults."""
    return diagnoses("planted.py")


@pytest.mark.parametrize(
    ("test", "sentence"),
    [
        ("test_splits_on_reads", "fails when an event is split across two reads ("),
        ("test_decodes_each_read", "fails when an event is split inside a UTF-8 character"),
        ("test_takes_a_read_as_an_event", "fails when the first event and a text delta arrive in one read"),
        ("test_stops_at_the_name", "fails when a tool call's name and its first argument arrive in one read"),
        (
            "test_takes_the_name_of_the_first_fragment",
            "fails when a tool call's name arrives in a later event than its id",
        ),
        ("test_drops_the_text_of_the_finish", "fails when a text delta and the finish reason arrive in one event"),
        ("test_forgets_at_an_empty_read", "fails when a pause of 0.8 s comes inside an event (a text delta)"),
        ("test_keys_calls_by_arrival", "fails when the fragments of two tool calls come in turns"),
        ("test_gives_up_between_tokens", "fails when a pause of 0.8 s comes between two text deltas"),
        ("test_races_two_streams", "fails when the second request's response ends before the first's"),
        ("test_wants_usage_in_a_read_of_its_own", "fails when the finish reason and the usage arrive in one read"),
        ("test_ends_events_at_two_line_feeds", "fails when an empty line comes before a text delta"),
        ("test_clears_at_a_comment", "fails when a comment line comes before a text delta"),
    ],
)
def test_planted_faults_are_found_and_named(planted, test, sentence):
    """Each of thirteen kinds of faults is found, and named in words of the stream."""
    assert any(finding.sentence.startswith(sentence) for finding in planted[test].findings), planted[test]


def test_a_flaky_test_is_not_blamed_on_a_split(planted):
    """A test that fails now and then by itself is flagged, without a finding."""
    found = planted["test_fails_now_and_then"]
    assert (found.verdict, found.findings) == ("flaky", ())
    assert planted["test_is_sound[True]"].verdict == "sound"


def test_sound_tests_have_no_finding():
    """Nothing is found in sound tests of official SDKs, other clients, and careful readers.

    Each is run 80 times. The same readers with longer and shorter texts make it 57, and the doctor runs each up to 200
    times: `tokentape doctor -- pytest sound.py` examines them all.
    """
    found = diagnoses("sound.py", "-k", "not long and not zero", pause_ms=100.0, runs=80)
    assert len(found) > 30
    assert {test: diagnosis for test, diagnosis in found.items() if diagnosis.verdict != "sound"} == {}


@pytest.fixture(scope="module")
def bug_reports() -> dict[str, Diagnosis]:
    """The diagnoses of the apps with reported bugs."""
    return diagnoses("reported.py")


@pytest.mark.parametrize(
    ("app", "sentence", "file", "right"),
    [
        (
            "calls_by_id_and_name",
            "a tool call's name arrives in a later event than its id",
            "162-id-name-apart.sse",
            [("f", {"a": 1}), ("g", {"b": 2})],
        ),
        (
            "calls_without_first_arguments",
            "a tool call's name and its first argument arrive in one event",
            "03-dup-index-first-chunk.sse",
            [("f", {"a": 1})],
        ),
        ("text_of_events", "lines end in CR LF", "42-nospace-crlf.sse", "a"),
        ("text_without_comments", "a comment line comes before", "53-deepseek.sse", "A"),
    ],
)
def test_public_bug_reports_are_foreseen(bug_reports, app, sentence, file, right):
    """From an ordinary stream the doctor finds what the reported stream breaks."""
    path = FIELD / file
    if not path.is_file():
        pytest.skip(f"the reported streams are not there: {path}")
    findings = bug_reports[f"test_{app}"].findings
    assert any(finding.sentence.startswith(f"fails when {sentence}") for finding in findings), findings
    try:
        read = getattr(reported, app)(iter([path.read_bytes()]))
    except ValueError:
        return
    assert read != right


APP = """
import httpx2
import pytest
from tokentape_harness import use_cassette

BODY = {"model": "gpt-4o", "messages": [{"role": "user", "content": "Hi"}], "stream": True}

def text_of(client, url):
    with client.stream("POST", url + "/chat/completions", json=BODY) as response:
        return "".join(read.decode("utf-8", "replace") for read in response.iter_raw())

def test_scripted(fake_provider):
    fake_provider.script("Grüße")
    with httpx2.Client() as client:
        assert "\\ufffd" not in text_of(client, fake_provider.base_url())

@pytest.mark.skip(reason="an example")
def test_skipped(fake_provider):
    pass
"""
REPLAYED = """
import httpx2
import pytest
from test_app import text_of
from tokentape_harness import use_cassette

@pytest.mark.fake_provider("CASSETTE", speed=1)
def test_marked(fake_provider):
    with httpx2.Client() as client:
        assert "\\ufffd" not in text_of(client, fake_provider.base_url())

def test_replayed():
    with use_cassette("CASSETTE", record_mode="none", match_on=["method", "path"]), httpx2.Client() as client:
        assert "\\ufffd" not in text_of(client, "http://any.invalid/v1")
"""


def run(folder: Path, *command: str) -> subprocess.CompletedProcess[str]:
    """Run a command in a folder."""
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=600)


DOCTOR = (sys.executable, "-m", "tokentape_harness.cli", "doctor", "--pause=0.2")


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> tuple[Path, dict[str, Any]]:
    """A project with a test that depends on splits, and the doctor's report of it."""
    folder = tmp_path_factory.mktemp("project")
    (folder / "test_app.py").write_text(APP)
    result = run(folder, *DOCTOR, "--json", "--", *PYTEST, "test_app.py")
    assert result.returncode == 1, result.stderr
    return folder, json.loads(result.stdout)


def test_a_finding_can_be_replayed(project):
    """The report names a cassette and a command; both make the test fail in the same way."""
    folder, report = project
    scripted, skipped = report["tests"]
    (finding,) = scripted["findings"]
    assert finding["sentence"] == "fails when an event is split inside a UTF-8 character"
    assert skipped["verdict"] == "skipped"
    assert (folder / "tokentape-doctor" / "doctor.json").is_file()
    replayed = subprocess.run(finding["replay"], shell=True, cwd=folder, capture_output=True, text=True, check=False)
    assert "1 failed" in replayed.stdout
    assert run(folder, *PYTEST, "test_app.py::test_scripted").returncode == 0
    (interaction,) = read_cassette(folder / finding["cassette"])
    assert interaction.response.stream is not None
    assert len(interaction.response.stream.chunks) == 2
    (folder / "test_replayed.py").write_text(REPLAYED.replace("CASSETTE", finding["cassette"]))
    assert "2 failed" in run(folder, *PYTEST, "test_replayed.py").stdout


def test_the_replay_of_a_cassette_is_varied(project):
    """A test without a provider, whose cassette replays whole events, is examined as well."""
    folder, report = project
    whole = folder / "whole.yaml"
    recorded = (folder / report["tests"][0]["findings"][0]["cassette"]).read_text()
    size = next(line.split("@")[0].split()[-1] for line in recorded.splitlines() if "chunks:" in line)
    total = next(line.split()[-1] for line in recorded.splitlines() if line.strip().startswith("bytes:"))
    assert size != total
    whole.write_text(
        "\n".join(f"      chunks: {total}@1" if "chunks:" in line else line for line in recorded.split("\n"))
    )
    (folder / "test_whole.py").write_text(REPLAYED.replace("CASSETTE", str(whole)))
    result = run(folder, *DOCTOR, "--report=whole", "--", *PYTEST, "test_whole.py::test_replayed")
    assert result.returncode == 1
    assert "fails when an event is split inside a UTF-8 character" in result.stdout


def test_ctrl_c_reports_what_was_found(project):
    """The finding of a test that was examined, and that the next one was interrupted; pytest has ended."""
    folder, _ = project
    more = "\ndef test_waits(fake_provider):\n    import os, time\n    print(os.getpid(), file=open('started', 'w'))\n"
    (folder / "test_long.py").write_text(f"{APP}{more}    os.rename('started', 'waits')\n    time.sleep(600)\n")
    command = [*DOCTOR, "--report=long", "--timeout=600", "--", *PYTEST, "test_long.py"]
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        while not (folder / "waits").exists():
            assert process.poll() is None
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (130, "tokentape: interrupted: this is what was found until then\n")
    assert "test_scripted: 1 finding" in out
    assert "test_waits: nothing was tried" in out
    assert "it was interrupted" in out
    with pytest.raises(ProcessLookupError):
        os.kill(int((folder / "waits").read_text()), 0)


PROGRAM = """
import os, urllib.request
url = os.environ["OPENAI_BASE_URL"] + "/chat/completions"
body = b'{"model": "gpt-4o", "stream": true, "max_tokens": 5, "messages": [{"role": "user", "content": "Hi"}]}'
request = urllib.request.Request(url, body, {"content-type": "application/json"})
with urllib.request.urlopen(request) as response:
    while read := response.read1():
        if read.startswith(b"data") and not read.endswith(b"\\n"):
            raise SystemExit("half an event")
print("done")
"""


def test_a_program_is_examined(tmp_path):
    """Any command whose provider is a fake one is examined by its exit code and its output."""
    (tmp_path / "program.py").write_text(PROGRAM)
    result = run(tmp_path, *DOCTOR, "--", sys.executable, "program.py")
    assert result.returncode == 1, result.stderr
    assert "fails when an event is split across two reads (" in result.stdout
    variation = result.stdout.partition("--variation=")[2].split()[0]
    again = run(tmp_path, *DOCTOR, f"--variation={variation}", "--", sys.executable, "program.py")
    assert (again.returncode, again.stdout) == (1, "failed: exit code 1: half an event\n")


KINDS = """
import unittest
import httpx2
import pytest
from test_app import text_of

@pytest.mark.xfail(strict=True)
def test_passes_unexpectedly(fake_provider):
    fake_provider.script("Hi")
    with httpx2.Client() as client:
        assert text_of(client, fake_provider.base_url())

@pytest.mark.xfail
def test_fails_as_expected(fake_provider):
    assert not fake_provider

@pytest.fixture
def broken():
    raise RuntimeError("broken")

def test_is_not_set_up(broken, fake_provider):
    pass

class TestClass(unittest.TestCase):
    @pytest.fixture(autouse=True)
    def keep(self, fake_provider):
        self.provider = fake_provider

    def test_method(self):
        self.provider.script("Hi")
        with httpx2.Client() as client:
            self.assertIn("[DONE]", text_of(client, self.provider.base_url()))
"""


def test_each_kind_of_test_has_its_verdict(project):
    """A strict xfail that passes and a broken fixture fail; an expected failure is skipped; a unittest is examined."""
    folder, _ = project
    (folder / "test_kinds.py").write_text(KINDS)
    result = run(folder, *DOCTOR, "--json", "--runs=6", "--", *PYTEST, "test_kinds.py")
    verdicts = [(test["verdict"], test["outcome"]) for test in json.loads(result.stdout)["tests"]]
    assert verdicts == [
        ("failing", "failed"),
        ("skipped", "skipped"),
        ("failing", "failed: RuntimeError"),
        ("sound", "passed"),
    ]


KEEPS = """
import json
import httpx2
from test_app import BODY

ANSWERS = {}

def answer(url):
    if "Hi" not in ANSWERS:
        with httpx2.Client() as client, client.stream("POST", url + "/chat/completions", json=BODY) as response:
            ANSWERS["Hi"] = [json.loads(read.splitlines()[0][5:]) for read in response.iter_raw()]
    return ANSWERS["Hi"]

def test_keeps_its_answer(fake_provider):
    fake_provider.script("Hi")
    assert answer(fake_provider.base_url())
"""


def test_a_test_that_keeps_its_answer_gets_a_process_for_each_run(project):
    """What a run leaves behind in the process does not hide a fault."""
    folder, _ = project
    (folder / "test_keeps.py").write_text(KEEPS)
    limits = ("--timeout=600", "--runs=12")
    result = run(folder, *DOCTOR, "--report=keeps", *limits, "--", *PYTEST, "test_keeps.py")
    assert result.returncode == 1
    assert "fails when the finish reason and [DONE] arrive in separate reads" in result.stdout


def test_wrong_commands_are_one_line(tmp_path):
    """A command that can't run, or has no test, is an error that names it."""
    (tmp_path / "test_none.py").write_text("")
    unwritable = run(tmp_path, *DOCTOR, "--report=test_none.py", "--", *PYTEST, "test_none.py")
    assert unwritable.returncode != 0
    assert "--report test_none.py: " in unwritable.stderr
    assert "Traceback" not in unwritable.stderr
    missing = run(tmp_path, *DOCTOR, "--", "no-such-program")
    assert missing.returncode != 0
    assert "no-such-program: can't be run" in missing.stderr
    none = run(tmp_path, *DOCTOR, "--", *PYTEST, "test_none.py")
    assert none.returncode != 0
    assert "pytest came to no test" in none.stderr
    both = run(tmp_path, *DOCTOR, "--variation=join:0.1", "--", *PYTEST, "test_none.py")
    assert "--variation" in both.stderr
