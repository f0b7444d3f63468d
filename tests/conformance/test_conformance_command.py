"""`tokentape conformance iterator`: the cases that it runs, its output, its files and its exit codes."""

# ruff: noqa: E501 - the snapshot has a frame a line

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import xml.etree.ElementTree as ET
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from inline_snapshot import snapshot

from tests.conformance.commands import Run, forget_included, runner
from tokentape_conformance.iterator.suite import SUITE
from tokentape_conformance.iterator.wires import ALL
from tokentape_conformance.plan import matches
from tokentape_conformance.result import PlannedCase
from tokentape_harness.cli import main

pytestmark = pytest.mark.slow

OURS = "tokentape_conformance:tokentape_adapter"
TARGETS = "tests.conformance.targets"
ZERO = f"{TARGETS}:drops_zero"


@pytest.fixture
def run(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run `tokentape conformance iterator` in this process; cases that are included are gone afterwards."""
    forget_included(SUITE, monkeypatch)
    return runner("iterator", capfd)


def in_processes(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run it as a command of its own, in two worker processes."""
    command = [sys.executable, "-m", "tokentape_harness.cli", "conformance", "iterator", *arguments, "--jobs", "2"]
    return subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)


@pytest.mark.parametrize("wire", ALL)
def test_our_own_iterator_keeps_every_promise(run: Run, wire: str, tmp_path: Path) -> None:
    """Every case passes on every wire format, and none is skipped."""
    report = tmp_path / "report.json"
    ran = run(OURS, "--wire", wire, "--json", report)
    document = json.loads(report.read_text())
    assert (ran.code, set(document["counts"])) == (0, {"passed"}), ran.out
    assert document["counts"]["passed"] > 120


def test_in_processes_the_results_are_the_same(tmp_path: Path) -> None:
    """Two worker processes find what one finds, in the same order."""
    reports = [tmp_path / "one.json", tmp_path / "two.json"]
    options = ("--wire", "openai_chat", "--case", "text", "--case", "finish")
    ran = in_processes(OURS, *options, "--json", str(reports[0]))
    assert ran.returncode == 0, ran.stdout + ran.stderr
    with pytest.raises(SystemExit):
        main(["conformance", "iterator", OURS, *options, "--jobs", "1", "--json", str(reports[1])])
    two, one = ([(r["id"], r["status"]) for r in json.loads(report.read_text())["results"]] for report in reports)
    assert two == one
    assert len(one) == 25


def test_what_kills_its_process_fails_alone() -> None:
    """The case that a worker dies of fails, the others have their results, and the run ends."""
    ran = in_processes(f"{TARGETS}:dies", "--case", "text/zero", "--case", "finish/stop", "--wire", "openai_chat")
    assert ran.returncode == 1
    assert "FAILED iterator/text/zero[openai_chat]" in ran.stdout
    assert "expected  lives until the case is over\n  seen      it died" in ran.stdout
    assert "1 passed, 1 failed" in ran.stdout


def test_ctrl_c_ends_every_process() -> None:
    """The command and its workers end at once, with 130 and without a traceback."""
    arguments = ["iterator", f"{TARGETS}:Waits", "--jobs", "2", "--case", "text", "--wire", "openai_chat"]
    command = [sys.executable, "-m", "tokentape_harness.cli", "conformance", *arguments]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, start_new_session=True) as process:
        assert process.stderr is not None
        assert process.stderr.readline() == "waiting\n"
        os.killpg(process.pid, signal.SIGINT)
        rest = process.stderr.read()  # until the last of them has closed it
        assert process.wait(timeout=30) == 130
    assert set(rest.split()) <= {"waiting"}


def test_a_case_that_does_not_end_fails(run: Run) -> None:
    """After its time limit it is interrupted and reported."""
    case = "iterator/text/zero-alone[openai_chat]"
    ran = run(f"{TARGETS}:hangs", "--case", case, "--case", "finish/stop[openai_chat]", "--timeout", "0.2")
    assert ran.code == 1
    assert f"FAILED {case}" in ran.out
    assert "ends within 0.2 s\n  seen      it did not end" in ran.out
    assert "1 passed, 1 failed" in ran.out


def masked(text: str) -> str:
    """A report without what differs from run to run."""
    text = re.sub(r"\d+\.\d ms", "0.0 ms", text)
    return re.sub(r"in \d+\.\d s", "in 0.0 s", text)


def test_what_a_failure_shows(run: Run) -> None:
    """Promise, source, request, frames with their times, expected and seen."""
    ran = run(ZERO, "--case", "text/zero")
    failure = re.sub(r"chatcmpl-\w+|fp_\w+", "ID", re.sub(r'"obfuscation":"\w*"', '"obfuscation":""', masked(ran.out)))
    assert ran.code == 1
    assert "\n".join(line.rstrip() for line in failure.splitlines()) == snapshot("""\
FAILED iterator/text/zero[openai_chat]
  promise   A piece "0" is text like any other.
  source    tokentape, docs/iterator.md
  request   POST https://api.openai.com/v1/chat/completions {"model":"model-1","messages":[{"role":"user","content":"How deep is the sea?"}],"stream":true,"stream_options":{"include_usage":true}}
  frame   0    0.0 ms   338 B  data: {"id":"ID","object":"chat.completion.chunk","created":1800000000,"model":"model-1","service_tier":"default","system_fingerprint":"ID","choices":[{"index":0,"delta":{"role":"assistant","content":"","refusal":null},"logprobs":null,"finish_reason":null}],"usage":null,"obfuscation":""}\\n\\n
  frame   1    0.0 ms   306 B  … ,"choices":[{"index":0,"delta":{"content":"1"},"logprobs":null,"finish_reason":null}],"usage":null,"obfuscation":""}\\n\\n
  frame   2    0.0 ms   306 B  … ,"choices":[{"index":0,"delta":{"content":"0"},"logprobs":null,"finish_reason":null}],"usage":null,"obfuscation":""}\\n\\n
  frame   3    0.0 ms   306 B  … ,"choices":[{"index":0,"delta":{"content":"0"},"logprobs":null,"finish_reason":null}],"usage":null,"obfuscation":""}\\n\\n
  frame   4    0.0 ms   306 B  … ,"choices":[{"index":0,"delta":{"content":"0"},"logprobs":null,"finish_reason":null}],"usage":null,"obfuscation":""}\\n\\n
  frame   5    0.0 ms   306 B  … ,"choices":[{"index":0,"delta":{},"logprobs":null,"finish_reason":"stop"}],"usage":null,"obfuscation":""}\\n\\n
  frame   6    0.0 ms   482 B  … ,"choices":[],"usage":{"prompt_tokens":6,"completion_tokens":2,"total_tokens":8,"prompt_tokens_details":{"cached_tokens":0,"audio_tokens":0},"completion_tokens_details":{"reason… (300 characters)
  frame   7    0.0 ms    14 B  data: [DONE]\\n\\n
  what      the text of all chunks (sync)
  expected  '1000'
  seen      '1'

          openai
iterator    chat
text         0/1
1 failed in 0.0 s\
""")


def test_a_failure_on_several_wires_is_reported_once(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first in full, the others by name."""
    (tmp_path / "silent.py").write_text(
        "class Silent:\n    def open(self, source, wire, **options):\n        yield from ()\n"
        "    def text(self, chunk):\n        return chunk\n"
    )
    monkeypatch.chdir(tmp_path)
    ran = run("silent:Silent", "--case", "text/zero", "-w", "openai_chat", "-w", "ollama", "-w", "gemini")
    assert ran.out.count("FAILED") == 1
    assert "and on     gemini, ollama" in ran.out


def test_what_a_target_lacks_is_skipped_with_its_reason(run: Run, tmp_path: Path) -> None:
    """A missing method is named; a declared reason is printed in the target's words."""
    report = tmp_path / "report.json"
    run(ZERO, "--case", "iteration", "--case", "usage/counts", "--json", report)
    reasons = {
        r["case"]: r.get("reason") for r in json.loads(report.read_text())["results"] if r["status"] == "skipped"
    }
    assert reasons["iterator/iteration/second-loop"] == "second_loop: one pass by design"
    assert reasons["iterator/usage/counts"] == "usage: the target has no usage()"
    assert reasons["iterator/iteration/sync-and-async-alike"] == "async: the target has no aopen()"


def test_nothing_but_skips_is_no_success(run: Run) -> None:
    """A run in which no case ran proves nothing: 1."""
    assert run(ZERO, "--case", "usage/counts").code == 1


def test_the_exit_code_is_0_if_all_is_kept(run: Run) -> None:
    """Skips and passes are fine."""
    ran = run(ZERO, "--case", "text/concatenated", "--case", "usage/counts")
    assert (ran.code, ran.err) == (0, "")
    assert "1 passed, 1 skipped" in ran.out


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ([f"{TARGETS}:nothing"], f"target '{TARGETS}:nothing': {TARGETS} has no function nothing"),
        (["targets"], "target 'targets': give module:factory, such as my_adapter:adapter"),
        (["no_such_module:make"], "No module named 'no_such_module'"),
        ([f"{TARGETS}:textless"], "an adapter needs text(), and open() or aopen()"),
        ([f"{TARGETS}:Fails"], "Fails() raised RuntimeError: no connection"),
        ([f"{TARGETS}:Misspelt"], "lacks 'second_lop', which is not one of sync, async, "),
        ([f"{TARGETS}:Unheard"], "no wire format 'morse'"),
        ([ZERO, "--wire", "gemini"], "--wire gemini: the target supports openai_chat"),
        ([ZERO, "--case", "nowhere"], "--case nowhere: no case of the suite iterator matches it on openai_chat"),
        ([ZERO, "--baseline", "none.toml"], "--baseline none.toml: No such file or directory"),
        ([ZERO, "--include", "none.py"], "--include none.py: no such file"),
        ([ZERO, "--case", "text/zero", "--html", "no/where.html"], "--html no/where.html: No such file or directory"),
    ],
    ids=lambda value: " ".join(value)[-30:] if isinstance(value, list) else "",
)
def test_wrong_usage_is_one_line(run: Run, arguments: list[str], error: str) -> None:
    """2, and what was wrong."""
    ran = run(*arguments)
    assert ran.code == 2
    assert error in ran.err
    assert ran.err.count("\n") == 1


@pytest.mark.parametrize(
    "pattern",
    [
        "iterator/text/zero",
        "text/zero",
        "iterator/text/zero[openai_chat]",
        "text/zero[openai_chat]",
        "text/z*",
        "*/zero",
        "text/zer?",
        "text",
        "text/",
        "iterator/text",
        "iterator",
        "*[openai_chat]",
        "*[openai_*]",
    ],
)
def test_patterns_of_cases(pattern: str) -> None:
    """An id, the beginning of one up to a slash, or a pattern, with or without wire and suite."""
    cases = {case.id: case for case in SUITE.cases()}
    zero = PlannedCase(cases["iterator/text/zero"], "openai_chat")
    assert matches(pattern, zero)
    others = [("iterator/usage/cached", "ollama"), ("iterator/text/zero-alone", "gemini")]
    wide = pattern.strip("/") in ("text", "iterator/text", "iterator", "text/z*")
    assert [matches(pattern, PlannedCase(cases[case], wire)) for case, wire in others] == [pattern == "iterator", wide]


BASELINE = """
[[deviation]]
case = "iterator/text/zero*"
reason = "an issue is open"
"""


def test_a_known_deviation_does_not_fail(run: Run, tmp_path: Path) -> None:
    """It is printed with its reason; a new one still fails."""
    baseline = tmp_path / "known.toml"
    baseline.write_text(BASELINE)
    known = run(ZERO, "--case", "text/zero", "--case", "text/concatenated", "--baseline", baseline)
    assert known.code == 0
    assert "known     1  an issue is open" in known.out
    assert "1 passed, 1 known" in known.out
    new = run(ZERO, "--case", "text/zero", "--case", "leaving/break", "--baseline", baseline)
    assert new.code == 1


def test_a_fixed_deviation_fails_until_it_is_removed(run: Run, tmp_path: Path) -> None:
    """It must leave the baseline, unless it comes and goes."""
    baseline = tmp_path / "known.toml"
    baseline.write_text(BASELINE)
    fixed = run(OURS, "--case", "text/zero[openai_chat]", "--baseline", baseline)
    assert fixed.code == 1
    assert "FIXED iterator/text/zero[openai_chat]" in fixed.out
    assert "remove it from the baseline" in fixed.out
    baseline.write_text(f"{BASELINE}sometimes = true\n")
    assert run(OURS, "--case", "text/zero[openai_chat]", "--baseline", baseline).code == 0


@pytest.mark.parametrize(
    ("content", "error"),
    [
        ('[[deviation]]\ncase = "text/zero"\n', "missing required field `reason`"),
        ('[[deviation]]\ncase = "text/zero"\nreason = " "\n', "text/zero has no reason"),
        ('[[deviation]]\ncase = "text/nought"\nreason = "x"\n', "no case matches text/nought"),
        ("[[deviation", "Expected"),
        ('[[deviation]]\ncase = "text/zero"\nreason = "x"\nextra = 1\n', "unknown field `extra`"),
    ],
)
def test_a_baseline_that_is_wrong_is_refused(run: Run, tmp_path: Path, content: str, error: str) -> None:
    """A deviation has a case and a reason; the file is named."""
    baseline = tmp_path / "known.toml"
    baseline.write_text(content)
    ran = run(ZERO, "--baseline", baseline)
    assert ran.code == 2
    assert "known.toml: " in ran.err
    assert error in ran.err


def test_json_on_standard_output(run: Run) -> None:
    """The report alone on standard output, the table on standard error."""
    ran = run(ZERO, "--case", "text/zero", "--json", "-", "--seed", "7")
    report = json.loads(ran.out)
    (result,) = report.pop("results")
    (finding,) = result.pop("findings")
    assert report.pop("seconds") >= 0
    assert report.pop("versions").keys() == {"tokentape", "python", "little"}
    assert report == {
        "format": 2,
        "suite": "iterator",
        "target": ZERO,
        "seed": 7,
        "kept": False,
        "counts": {"failed": 1},
        "wires": ["openai_chat"],
    }
    assert (result["id"], result["status"]) == ("iterator/text/zero[openai_chat]", "failed")
    assert (finding["expected"], finding["seen"], finding["label"]) == ("'1000'", "'1'", "sync")
    assert finding["request"].startswith("POST https://api.openai.com/v1/chat/completions {")
    assert [frame["bytes"] for frame in finding["frames"]][-1] == len("data: [DONE]\n\n")
    assert all(frame["at"] is not None for frame in finding["frames"])
    assert "1 failed" in ran.err


def test_junit(run: Run, tmp_path: Path) -> None:
    """One test case a result; failures with their text, skips and known deviations with their reason."""
    file, baseline = tmp_path / "junit.xml", tmp_path / "known.toml"
    baseline.write_text(BASELINE.replace("zero*", "zero-alone"))
    options = ("--case", "text/zero*", "--case", "text/concatenated", "--case", "usage/counts")
    run(ZERO, *options, "--junit", file, "--baseline", baseline)
    suite = ET.parse(file).getroot()[0]
    assert {name: suite.get(name) for name in ("tests", "failures", "errors", "skipped")} == {
        "tests": "4",
        "failures": "1",
        "errors": "0",
        "skipped": "2",
    }
    (failed,) = suite.iterfind("testcase/failure/..")
    assert (failed.get("classname"), failed.get("name")) == ("iterator.text", "zero[openai_chat]")
    assert "seen      '1'" in (failed[0].text or "")
    reasons = [skip.get("message") or "" for skip in suite.iterfind("testcase/skipped")]
    assert [reason.partition(":")[0] for reason in reasons] == ["skipped", "skipped"]
    assert reasons[-1] == "skipped: usage: the target has no usage()"


class Page(HTMLParser):
    """Whether every tag is closed, and what a page loads."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.loads: list[Any] = []
        self.text = ""

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        if tag not in ("meta", "wbr"):
            self.open.append(tag)
        self.loads += [value for name, value in attributes if name in ("src", "href")]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def test_html(run: Run, tmp_path: Path) -> None:
    """A page that loads nothing, has a light and a dark theme, and shows the score, the failures and every case."""
    file = tmp_path / "page.html"
    run(ZERO, "--case", "text", "--html", file)
    source = file.read_text()
    page = Page()
    page.feed(source)
    assert (page.open, page.loads) == ([], [])
    assert "prefers-color-scheme: dark" in source
    assert "@import" not in source
    assert "url(" not in source
    for shown in ("little 0.7", "iterator/text/zero[openai_chat]", 'A piece "0" is text like any other.', "'1000'"):
        assert shown in page.text
    assert "<script" not in source


def test_reports_have_no_secrets(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A key that a target's error names is in no report."""
    key = "sk-proj-" + "A1b2C3d4" * 6
    (tmp_path / "leaky.py").write_text(
        f"class Leaky:\n    def open(self, source, wire, **options):\n        raise ValueError('bad key {key}')\n"
        "    def text(self, chunk):\n        return chunk\n"
    )
    monkeypatch.chdir(tmp_path)
    ran = run(
        "leaky:Leaky", "--case", "text/zero[openai_chat]", "--html", "p.html", "--junit", "j.xml", "--json", "r.json"
    )
    assert ran.code == 1
    for report in (ran.out, *(Path(name).read_text() for name in ("p.html", "j.xml", "r.json"))):
        assert "ValueError: bad key" in report
        assert key not in report


def test_html_escapes_a_targets_text(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a target raises is text on the page, not markup."""
    (tmp_path / "loud.py").write_text(
        "class Loud:\n    def open(self, source, wire, **options):\n        raise ValueError('<img src=x>')\n"
        "    def text(self, chunk):\n        return chunk\n"
    )
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "page.html"
    run("loud:Loud", "--case", "text/zero[openai_chat]", "--html", file)
    assert "<img" not in file.read_text()
    assert "&lt;img src=x&gt;" in file.read_text()


def test_the_same_seed_draws_the_same(run: Run, tmp_path: Path) -> None:
    """What a case draws at random follows from the seed alone."""
    (tmp_path / "drawn.py").write_text(
        "from tokentape_conformance import case\n"
        "@case('iterator/drawn/number', 'A number.', source='test', wires=['openai_chat'])\n"
        "def number(trial):\n    trial.expect('the number', trial.random.random(), None)\n"
    )
    seen = []
    for seed in ("1", "1", "2"):
        ran = run(ZERO, "--include", tmp_path / "drawn.py", "--case", "drawn", "--seed", seed, "--json", "-")
        (result,) = json.loads(ran.out)["results"]
        seen.append(result["findings"][0]["seen"])
    assert seen[0] == seen[1] != seen[2]
