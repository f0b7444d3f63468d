"""`Project`: a value of files, in which pytest runs with the plugin."""

from __future__ import annotations

import sys

import pytest

from tests.projects import LIGHT
from tokentape_harness.errors import UsageError
from tokentape_harness.testing import Project

TESTS = """
    import pytest

    def test_passes(fake_provider):
        fake_provider.script("x")

    def test_fails():
        assert not "the text of the failure"

    @pytest.mark.skip
    def test_skipped(): ...

    @pytest.mark.xfail
    def test_xfailed():
        assert False

    @pytest.fixture
    def broken():
        raise ValueError

    def test_error(broken): ...

    def test_writes(request):
        (request.config.rootpath / "new" ).mkdir()
        (request.config.rootpath / "new" / "file.txt").write_text("here")
        (request.config.rootpath / "old.txt").write_text("changed")
        (request.config.rootpath / "gone.txt").unlink()
"""
FILES = {"test_it.py": TESTS, "old.txt": "old", "gone.txt": "gone", "same.bin": b"\xff"}
COUNTS = {"passed": 2, "failed": 1, "errors": 1, "skipped": 1, "xfailed": 1}


@pytest.mark.slow
@pytest.mark.parametrize("in_process", [True, False])
def test_a_run(in_process):
    """The new value has the outcomes, the output and the changed files; the old one is as it was."""
    modules = set(sys.modules)
    project = Project.of(FILES)
    run = project.run_pytest(without=LIGHT, in_process=in_process)
    assert run.assert_outcomes(**COUNTS) is run
    assert run.outcomes == COUNTS
    assert run.exit_code == 1
    assert (run.tests["test_it.py::test_fails"], run.tests["test_it.py::test_error"]) == ("failed", "errors")
    assert "the text of the failure" in run.output
    assert run.changed == ("gone.txt", "new/file.txt", "old.txt")
    assert (run.read("new/file.txt"), run.read("old.txt"), run.files["same.bin"]) == ("here", "changed", b"\xff")
    assert (project.read("old.txt"), project.exit_code, project.tests) == ("old", None, {})
    assert "test_it" not in sys.modules
    assert set(sys.modules) >= modules
    with pytest.raises(AssertionError, match=r"the outcomes are not \{'passed': 1\}: .*exit code 1\n"):
        run.assert_outcomes(passed=1)
    with pytest.raises(AssertionError, match="it was not run"):
        project.assert_outcomes(passed=1)


def test_files_are_a_value():
    """Files are added, replaced and left out in a new project; text is dedented."""
    project = Project.of("\n    def test_x(): ...\n")
    assert dict(project.files) == {"test_project.py": b"def test_x(): ...\n"}
    more = project.with_files({"a/b.txt": "x"})
    assert (sorted(more.files), sorted(project.files)) == (["a/b.txt", "test_project.py"], ["test_project.py"])
    assert sorted(more.without_files("test_project.py").files) == ["a/b.txt"]


@pytest.mark.slow
def test_arguments_and_environment():
    """Arguments are pytest's own; `env` sets variables; what the outer run has set for itself is not inherited."""
    project = Project.of("""
        import os

        def test_env():
            assert os.environ["MINE"] == "1"
            assert "PYTEST_ADDOPTS" not in os.environ

        def test_other():
            assert False
    """)
    run = project.run_pytest("-k", "env", without=LIGHT, env={"MINE": "1"}, in_process=True)
    run.assert_outcomes(passed=1)
    assert project.run_pytest("--no-such-option", without=LIGHT, in_process=True).exit_code == 4


@pytest.mark.slow
def test_a_run_that_hangs_is_ended():
    """After its timeout the run is ended, with what it printed."""
    with pytest.raises(UsageError, match=r"pytest did not end within 3 s"):
        Project.of("import time\n\ndef test_x():\n    time.sleep(60)\n").run_pytest(without=LIGHT, timeout=3)


@pytest.mark.parametrize("path", ["../x.py", "/etc/x", "a/../../b", ""])
def test_paths_outside(path):
    """A file can't be outside of the project."""
    with pytest.raises(UsageError, match="is not a path in the project"):
        Project.of({path: ""})


def test_misuse():
    """A wrong outcome and a missing file are named."""
    with pytest.raises(UsageError, match="no outcome pased: the known ones are passed"):
        Project.of({}).assert_outcomes(pased=1)
    with pytest.raises(UsageError, match="the project has no file x: it has none"):
        Project.of({}).read("x")


@pytest.mark.slow
def test_the_verdict_of_a_run():
    """`--tokentape-verdict` writes one report of the tests that use a fake provider, with their places."""
    import json

    project = Project.of(
        {
            "test_v.py": """
            import httpx2

            def test_vain(fake_provider_in_process):
                fake_provider_in_process.fault("http_error", status=400)
                with httpx2.Client(transport=fake_provider_in_process.transport()) as client:
                    for _ in range(2):
                        client.post(fake_provider_in_process.base_url() + "/chat/completions", json={"model": "m"})

            def test_sound(fake_provider_in_process): ...

            def test_other(): ...
        """
        }
    )
    run = project.run_pytest("--tokentape-verdict=v.sarif", without=LIGHT, in_process=True).assert_outcomes(passed=3)
    assert "tokentape verdict: 1 findings in 2 tests, written to " in run.output
    assert run.changed == ("v.sarif",)
    (result,) = json.loads(run.read("v.sarif"))["runs"][0]["results"]
    assert result["ruleId"] == "retried_in_vain"
    place = result["locations"][0]["physicalLocation"]
    assert (place["artifactLocation"]["uri"], place["region"]["startLine"]) == ("test_v.py", 3)
    again = project.run_pytest("--tokentape-verdict=v.pdf", without=LIGHT, in_process=True)
    assert "tokentape verdict: not written: " in again.output
