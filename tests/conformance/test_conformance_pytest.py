"""`pytest --pyargs tokentape_conformance`: the same cases as pytest's own tests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.projects import NO_LOOP, off

pytestmark = pytest.mark.slow

pytest_plugins = ["pytester"]

OURS = "tokentape_conformance:tokentape_adapter"
QUIET = off(*NO_LOOP, "cacheprovider")


def run(pytester: pytest.Pytester, *arguments: str) -> pytest.RunResult:
    """Run the package's tests in a process of their own."""
    return pytester.runpytest_subprocess(*QUIET, "--pyargs", "tokentape_conformance", *arguments)


@pytest.fixture
def little(pytester: pytest.Pytester) -> str:
    """A target in the working directory: it drops "0"."""
    pytester.makepyfile(
        little="""
        import json

        class Little:
            wires = ["openai_chat"]

            def open(self, source, wire, **options):
                for chunk in source:
                    for line in chunk.decode().splitlines():
                        if line.startswith("data: {"):
                            for choice in json.loads(line[6:])["choices"]:
                                if choice["delta"].get("content", "0") != "0":
                                    yield choice["delta"]["content"]

            def text(self, chunk):
                return chunk
        """
    )
    return "little:Little"


def test_cases_are_tests(pytester: pytest.Pytester) -> None:
    """One test a case and wire format, with the same ids."""
    ran = run(pytester, "--target", OURS, "--case", "text/zero*", "--wire", "ollama", "--wire", "gemini", "-v")
    ran.assert_outcomes(passed=4)
    ran.stdout.fnmatch_lines(["*::test_conformance[[]iterator/text/zero[[]ollama]] PASSED*"])


def test_failures_skips_and_known_deviations(pytester: pytest.Pytester, little: str) -> None:
    """A broken promise fails with the evidence, a missing capability skips, a known deviation is an xfail."""
    deviations = {"leaving/break": "known", "lazy/begun-once": "gone"}
    tables = [f'[[deviation]]\ncase = "{case}"\nreason = "{reason}"\n' for case, reason in deviations.items()]
    Path(pytester.path, "known.toml").write_text("".join(tables))
    cases = ["text/zero", "text/concatenated", "usage/counts", *deviations]
    options = [option for name in cases for option in ("--case", name)]
    ran = run(pytester, "--target", little, *options, "--baseline", "known.toml", "-rsx")
    ran.assert_outcomes(passed=1, failed=2, skipped=1, xfailed=1)
    ran.stdout.fnmatch_lines_random(
        [
            '*promise   A piece "0" is text like any other.',
            "*expected  '1000'",
            "*seen      '1'",
            "*remove it from the baseline*",
            "SKIPPED*usage: the target has no usage()*",
            "XFAIL*known*",
        ]
    )


def test_with_xdist(pytester: pytest.Pytester) -> None:
    """Workers know the options too."""
    pytest.importorskip("xdist")
    run(pytester, "--target", OURS, "--case", "text/zero*", "--wire", "ollama", "-n", "2").assert_outcomes(passed=2)


def test_a_run_without_a_target(pytester: pytest.Pytester) -> None:
    """Wrong usage is one line of error."""
    for arguments, error in (
        ((), "conformance: give the target, --target module:factory"),
        (("--target", "no_such_module:make"), "conformance: target no_such_module: No module named 'no_such_module'*"),
    ):
        ran = run(pytester, *arguments)
        assert ran.ret == pytest.ExitCode.USAGE_ERROR
        ran.stderr.fnmatch_lines([f"ERROR: {error}"])


def test_other_runs_lack_the_options(pytester: pytest.Pytester) -> None:
    """The options are there in these runs alone."""
    pytester.makepyfile("def test_nothing(): pass")
    ran: Any = pytester.runpytest_subprocess(*QUIET, "--target", OURS)
    assert ran.ret == pytest.ExitCode.USAGE_ERROR
    ran.stderr.fnmatch_lines(["*unrecognized arguments: --target*"])
