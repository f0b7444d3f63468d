"""The GitHub Action, the workflows, and the hooks of pre-commit."""

from __future__ import annotations

import os
import re
import shutil
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest
import yaml

from tests.packaging.tools import REPOSITORY, copy_repository, run, tool

pytestmark = [pytest.mark.clients, pytest.mark.timeout(600)]

ACTION = yaml.safe_load((REPOSITORY / "action.yml").read_text())
SAMPLES = REPOSITORY / "harness" / "tokentape_harness" / "served_files" / "starter"
LAZY = {"PIP_NO_COMPILE": "1"}
"""pip compiles no module that nobody imports."""


def test_workflows_and_action_have_their_form() -> None:
    """They have the form of their schemas, and the auditor of workflows finds nothing."""
    workflows = sorted((REPOSITORY / ".github" / "workflows").glob("*.yml"))
    run([tool("check-jsonschema"), "--builtin-schema", "vendor.github-workflows", *map(str, workflows)])
    run([tool("check-jsonschema"), "--builtin-schema", "vendor.github-actions", "action.yml"])
    run([tool("zizmor"), "--offline", "--quiet", "."])


def test_the_release_keeps_no_secret() -> None:
    """Packages are published by the identity of the workflow alone, from an environment that approves."""
    workflow = yaml.safe_load((REPOSITORY / ".github" / "workflows" / "release.yml").read_text())
    assert workflow["permissions"] == {}
    for name in ("python", "npm"):
        job = workflow["jobs"][name]
        assert (job["permissions"], job["environment"]) == ({"id-token": "write"}, "release")
    assert "secrets." not in str(workflow)


class Job:
    """A job of a workflow that uses the action: what its steps leave for later ones."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.files = {name: folder / name for name in ("GITHUB_ENV", "GITHUB_OUTPUT", "GITHUB_PATH")}

    def read(self, name: str) -> dict[str, str]:
        """The names and values that steps wrote to a file."""
        lines = self.files[name].read_text().splitlines() if self.files[name].exists() else []
        return dict(line.split("=", 1) for line in lines)

    def use(self, **given: str) -> str:
        """Run the steps of the action with these inputs, all but its installation; what they print."""
        inputs = {name: str(one["default"]) for name, one in ACTION["inputs"].items()} | given
        assert set(inputs) == set(ACTION["inputs"])
        printed = ""
        for step in ACTION["runs"]["steps"]:
            if step["name"] == "Install" or not _holds(step.get("if", ""), inputs):
                continue
            environment = {name: _filled(value, inputs) for name, value in step["env"].items()}
            files = {name: str(path) for name, path in self.files.items()}
            printed += run(
                ["bash", "--noprofile", "--norc", "-e", "-o", "pipefail", "-c", step["run"]],
                cwd=self.folder,
                env={**environment, **files, "RUNNER_TEMP": str(self.folder)},
            )
        return printed


def _holds(condition: str, inputs: dict[str, str]) -> bool:
    if not condition:
        return True
    found = re.fullmatch(r"inputs\.(\w+) (==|!=) '(.*)'", condition)
    assert found is not None, condition
    return (inputs[found[1]] == found[3]) == (found[2] == "==")


def _filled(value: str, inputs: dict[str, str]) -> str:
    return re.sub(r"\$\{\{ inputs\.(\w+) \}\}", lambda name: inputs[name[1]], value)


@contextmanager
def servers_ended(folder: Path) -> Iterator[None]:
    """End the servers of this folder, as the runner does at the end of a job."""
    try:
        yield
    finally:
        for process in Path("/proc").glob("[0-9]*"):
            try:
                if (process / "cwd").resolve() == folder and b"serve" in (process / "cmdline").read_bytes():
                    os.kill(int(process.name), signal.SIGTERM)
            except OSError:
                pass


def test_the_action(tmp_path: Path) -> None:
    """It checks, serves until the job ends, hands on the URL, and runs a conformance suite."""
    shutil.copytree(SAMPLES, tmp_path / "samples")
    job = Job(tmp_path)
    with servers_ended(tmp_path):
        printed = job.use(
            python=sys.executable,
            port="0",
            paths="samples",
            options="--quiet --seed 7",
            check="samples/cassettes",
            validate="samples",
        )
        url = job.read("GITHUB_ENV")["TOKENTAPE_URL"]
        assert job.read("GITHUB_OUTPUT") == {"url": url}
        assert "nothing wrong" in printed
        assert httpx2.get(f"{url}/ready").json()["status"] == "ready"
        suite = f"provider {url} --wire openai_chat --lacks unknown_model=any"
        printed = job.use(python=sys.executable, serve="false", conformance=suite)
        assert "passed" in printed


def test_the_action_fails_as_its_commands_do(tmp_path: Path) -> None:
    """A check that finds something, a server that can't start and a wrong input fail the job with their message."""
    (tmp_path / "tokentape.yaml").write_text("rules:\n- {contain: hi}\n")
    wrong = ({"validate": "tokentape.yaml"}, {"paths": "tokentape.yaml"}, {"paths": "nowhere"}, {"serve": "yes"})
    for inputs in wrong:
        with pytest.raises(AssertionError, match=r"contain|nowhere|the input serve is 'yes': give true or false"):
            Job(tmp_path).use(python=sys.executable, port="0", **inputs)


def test_the_action_installs_itself(tmp_path: Path) -> None:
    """The first step installs the package from the action's own files, with the extras that are requested."""
    source = tmp_path / "action"
    copy_repository(source)
    run([str(REPOSITORY / ".venv/bin/uv"), "venv", "-q", "--seed", "--python", sys.executable, str(tmp_path / "venv")])
    (install,) = [step for step in ACTION["runs"]["steps"] if step["name"] == "Install"]
    python = str(tmp_path / "venv" / "bin" / "python")
    assert install["env"]["SOURCE"] == "${{ github.action_path }}"
    variables = {"SOURCE": str(source), "EXTRAS": "harness", "PYTHON": python, **LAZY}
    run(["bash", "-e", "-c", install["run"]], env=variables)
    assert run([python, "-m", "tokentape", "--version"]).startswith("tokentape ")


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, str]]:
    """A project that uses the hooks of a clone of this repository, and the variables of its git and pre-commit."""
    hooks, project = tmp_path_factory.mktemp("hooks"), tmp_path_factory.mktemp("project")
    copy_repository(hooks)
    names = {"GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@b", "GIT_COMMITTER_NAME": "a", "GIT_COMMITTER_EMAIL": "a@b"}
    environment = {**names, **LAZY, "PRE_COMMIT_HOME": str(tmp_path_factory.mktemp("home"))}
    for command in (["init", "-q"], ["add", "-A"], ["commit", "-qm", "all"], ["tag", "v1"]):
        run(["git", *command], cwd=hooks, env=environment)
    run(["git", "init", "-q"], cwd=project)
    hooks_used = [{"id": "tokentape-check"}, {"id": "tokentape-validate"}]
    config: dict[str, Any] = {"repos": [{"repo": str(hooks), "rev": "v1", "hooks": hooks_used}]}
    (project / ".pre-commit-config.yaml").write_text(yaml.safe_dump(config))
    shutil.copytree(SAMPLES, project / "tokentape")
    return project, environment


def test_the_hooks_of_pre_commit(project: tuple[Path, dict[str, str]]) -> None:
    """pre-commit installs the hooks and runs them: good files pass, a secret and a misspelt field do not."""
    folder, environment = project
    run(["git", "add", "-A"], cwd=folder)
    command = [tool("pre-commit"), "run", "--all-files"]
    printed = run(command, cwd=folder, env=environment)
    assert re.findall(r"(tokentape \w+)\.+(\w+)", printed) == [
        ("tokentape check", "Passed"),
        ("tokentape validate", "Passed"),
    ]
    cassette = next((folder / "tokentape" / "cassettes").glob("*.yaml"))
    key = "sk-proj-" + "Ab3dE5gH7j" * 5
    cassette.write_text(cassette.read_text().replace("headers:", f"headers:\n      authorization: [Bearer {key}]", 1))
    (folder / "tokentape" / "rules.yaml").write_text("rules:\n- {contain: hi}\n")
    printed = run(command, cwd=folder, env=environment, code=1)
    assert re.findall(r"(tokentape \w+)\.+(\w+)", printed) == [
        ("tokentape check", "Failed"),
        ("tokentape validate", "Failed"),
    ]
    assert "contain" in printed
    assert key not in printed
