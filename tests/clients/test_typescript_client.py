"""The client of the control API in TypeScript, and the tests of a front-end team that use it (examples/typescript)."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.clients.environments import FOLDER, NODE, node_program
from tests.environments import UnavailableError
from tokentape_fake_provider.hosting.server import FakeProviderServer

pytestmark = [pytest.mark.clients, pytest.mark.timeout(600), pytest.mark.xdist_group("node")]

EXAMPLE = Path(__file__).parents[2] / "examples" / "typescript"


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The example, copied beside the packages of npm."""
    try:
        node_program("tsc")
    except UnavailableError as error:
        pytest.skip(str(error))
    folder = tmp_path_factory.mktemp("project") / "typescript"
    shutil.copytree(EXAMPLE, folder)
    (folder / "node_modules").symlink_to(FOLDER / NODE / "node_modules")
    return folder


def run(*command: str, cwd: Path, **environment: str) -> str:
    """What a command prints, which must succeed."""
    done = subprocess.run(
        command, cwd=cwd, env={**os.environ, **environment}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_it_is_typed(project: Path) -> None:
    """The client, the app and its tests are correct in TypeScript's strict mode; a misspelt field is an error."""
    run(*node_program("tsc"), "-p", ".", cwd=project)
    (project / "wrong.ts").write_text(
        'import { FakeProvider } from "./tokentape.ts";\n'
        'export const session = await new FakeProvider().createSession({ setings: { timing: "stepped" } });\n'
    )
    with pytest.raises(AssertionError, match="setings"):
        run(*node_program("tsc"), "-p", ".", cwd=project)
    (project / "wrong.ts").unlink()


def test_the_front_ends_tests_pass(project: Path) -> None:
    """Node's runner passes all of them against the server, which requires its token, and no session is left."""
    options = ("--bundle", "--platform=node", "--format=esm", "--log-level=error", "--outfile=test.mjs")
    run(*node_program("esbuild"), "chat.test.ts", *options, cwd=project)
    node = node_program("esbuild")[0]
    with FakeProviderServer(token="secret") as server:
        printed = run(
            *(node, "--test", "--test-reporter=tap", "test.mjs"),
            cwd=project,
            TOKENTAPE_URL=server.url,
            TOKENTAPE_TOKEN="secret",
        )
        assert [session.id for session in server.sessions] == ["default"]
    assert "# pass 7" in printed
    assert "# fail 0" in printed
