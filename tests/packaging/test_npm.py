"""The npm package: the client of the control API, and the start of the server for the test runners of JavaScript."""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
import tarfile
import tomllib
from collections.abc import Mapping
from pathlib import Path

import pytest
from inline_snapshot import snapshot

from tests.clients.environments import FOLDER, node_path
from tests.environments import UnavailableError, node_environment
from tests.packaging.tools import REPOSITORY, copy_repository, run
from tests.pages import block_with, page_text
from tokentape_fake_provider.hosting.server import FakeProviderServer

pytestmark = [pytest.mark.clients, pytest.mark.timeout(600), pytest.mark.xdist_group("npm")]

DEPLOY = page_text("docs/deploy.md")
WEB_PAGES = page_text("docs/web-pages.md")
PROJECTS = Path(__file__).parent / "npm"
EXAMPLE = REPOSITORY / "examples" / "typescript"


@pytest.fixture(scope="module")
def modules() -> Path:
    """The test runners, and TypeScript."""
    try:
        path = node_path()
        pins = PROJECTS / "package.json"
        return node_environment(FOLDER / "runners", pins, (), "the npm package needs node", path=path) / "node_modules"
    except UnavailableError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def package(modules: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package as `npm pack` packs it, unpacked."""
    source = tmp_path_factory.mktemp("npm") / "source"
    shutil.copytree(REPOSITORY / "npm", source, ignore=shutil.ignore_patterns("node_modules", "dist"))
    (source / "node_modules").symlink_to(modules)
    (source / ".env").write_text("KEY=stray\n")
    node(["npm", "pack", "--loglevel=error", "--pack-destination", ".."], source)
    (packed,) = source.parent.glob("*.tgz")
    with tarfile.open(packed) as archive:
        archive.extractall(source.parent, filter="data")
    return source.parent / "package"


def node(command: list[str], cwd: Path, env: Mapping[str, str] | None = None, code: int = 0) -> str:
    """Run a program of node; `tokentape` is on its PATH. What it prints."""
    path = os.pathsep.join((node_path(), str(Path(sys.executable).parent), os.environ["PATH"]))
    clean = {"PATH": path, "NO_COLOR": "1", "CI": "1", "TOKENTAPE_URL": "", **(env or {})}
    if "TOKENTAPE_URL" not in (env or {}):
        del clean["TOKENTAPE_URL"]
    return run(command, cwd=cwd, env=clean, code=code)


def project(folder: Path, sources: Path, modules: Path, package: Path) -> Path:
    """A copy of a project in which the package is installed beside the test runners."""
    shutil.copytree(sources, folder)
    installed = folder / "node_modules"
    installed.mkdir()
    for module in modules.iterdir():
        if module.name != "tokentape":
            (installed / module.name).symlink_to(module)
    shutil.copytree(package, installed / "tokentape")
    return folder


def test_what_is_packed(package: Path) -> None:
    """The package has its modules for `import` and for `require`, with types, and no sources, tests or stray files."""
    assert sorted(str(path.relative_to(package)) for path in package.rglob("*") if path.is_file()) == snapshot(
        [
            "LICENSE",
            "README.md",
            "dist/cjs/client.d.ts",
            "dist/cjs/client.js",
            "dist/cjs/index.d.ts",
            "dist/cjs/index.js",
            "dist/cjs/package.json",
            "dist/cjs/server.d.ts",
            "dist/cjs/server.js",
            "dist/cjs/version.d.ts",
            "dist/cjs/version.js",
            "dist/client.d.ts",
            "dist/client.js",
            "dist/index.d.ts",
            "dist/index.js",
            "dist/server.d.ts",
            "dist/server.js",
            "dist/version.d.ts",
            "dist/version.js",
            "package.json",
        ]
    )
    assert (REPOSITORY / "npm" / "LICENSE").read_text() == (REPOSITORY / "LICENSE").read_text()


def test_it_is_typed(tmp_path: Path, modules: Path, package: Path) -> None:
    """The example is correct in TypeScript's strict mode; a misspelt field is an error."""
    folder = project(tmp_path / "typescript", EXAMPLE, modules, package)
    (folder / "wrong.ts").write_text(
        'import { FakeProvider } from "tokentape";\n'
        'export const session = await new FakeProvider().createSession({ setings: { timing: "stepped" } });\n'
    )
    printed = node(["node", "node_modules/typescript/bin/tsc", "-p", "."], folder, code=2)
    (error,) = (line for line in printed.splitlines() if "error TS" in line)
    assert error.startswith("wrong.ts")
    assert "setings" in error


def test_node_test(tmp_path: Path, modules: Path, package: Path) -> None:
    """The front-end team's tests of the example start the server by themselves, pass, and leave no server."""
    folder = project(tmp_path / "typescript", EXAMPLE, modules, package)
    printed = node(["node", "--test", "--test-reporter=tap", "chat.test.ts"], folder, {"MARK": str(folder)})
    assert "# pass 7" in printed
    assert "# fail 0" in printed
    assert servers_with(str(folder)) == []


def servers_with(mark: str) -> list[str]:
    """The running servers that have this value as the variable MARK."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if f"MARK={mark}\0".encode() in (process / "environ").read_bytes():
                found.append((process / "cmdline").read_text())
        except OSError:
            pass
    return found


RUNNERS = {
    "vitest": (["node", "node_modules/vitest/vitest.mjs", "run"], r"Tests +1 passed"),
    "jest": (["node", "node_modules/jest/bin/jest.js"], r"Tests: +1 passed"),
    "playwright": (["node", "node_modules/@playwright/test/cli.js", "test"], r"1 passed"),
}


@pytest.mark.parametrize("name", RUNNERS)
def test_a_runner(name: str, tmp_path: Path, modules: Path, package: Path) -> None:
    """The runner's global setup starts the server, its test uses a session, and no server is left."""
    chromium = shutil.which("chromium")
    if name == "playwright" and chromium is None:
        pytest.skip("chromium is not installed")
    folder = project(tmp_path / name, PROJECTS / name, modules, package)
    command, passed = RUNNERS[name]
    printed = node(command, folder, {"MARK": str(folder), "CHROMIUM": chromium or ""})
    assert re.search(passed, printed)
    assert servers_with(str(folder)) == []


def test_a_runner_uses_a_server_that_is_there(tmp_path: Path, modules: Path, package: Path) -> None:
    """With TOKENTAPE_URL the global setup starts nothing, and its session is on that server."""
    folder = project(tmp_path / "vitest", PROJECTS / "vitest", modules, package)
    with FakeProviderServer(token="secret") as server:
        variables = {"TOKENTAPE_URL": server.url, "TOKENTAPE_TOKEN": "secret", "PATH": f"{node_path()}:/usr/bin:/bin"}
        assert "passed" in node(RUNNERS["vitest"][0], folder, variables)
        assert [session.id for session in server.sessions] == ["default"]


PRELUDES = {
    "chat.test.ts": """import { test } from "vitest";
class OpenAI { constructor(readonly options: { baseURL: string; apiKey: string }) {} }
""",
    "web.test.ts": """import assert from "node:assert/strict";
import { FakeProvider } from "tokentape";
import { test } from "vitest";
import { chat as streamed } from "./chat.ts";
let shown = "";
const messages = [{ role: "user", content: "Hi" }];
const chat = (url: string, of: typeof messages) => streamed(url, of, async () => "", (text) => { shown = text; });
""",
}


def test_what_the_pages_show(tmp_path: Path, modules: Path, package: Path) -> None:
    """The setup and the tests of docs/deploy.md and docs/web-pages.md pass, in vitest."""
    folder = project(tmp_path / "vitest", PROJECTS / "vitest", modules, package)
    shutil.copy(EXAMPLE / "chat.ts", folder)
    (folder / "tests").mkdir()
    (folder / "tests" / "rules.yaml").write_text("rules: []\n")
    (folder / "setup.ts").write_text(block_with(DEPLOY, "globalSetup({"))
    (folder / "chat.test.ts").write_text(PRELUDES["chat.test.ts"] + block_with(DEPLOY, "the answer is shown"))
    with FakeProviderServer() as server:
        web = block_with(WEB_PAGES, "nextStream").replace("http://127.0.0.1:8089", server.url)
        test = f'test("the page\'s", async () => {{\n{web}assert.ok(await answer);\n}});\n'
        (folder / "web.test.ts").write_text(PRELUDES["web.test.ts"] + test)
        assert re.search(r"Tests +2 passed", node(RUNNERS["vitest"][0], folder, {"MARK": str(folder)}))


START = """
import { startServer } from "tokentape";
const server = await startServer(JSON.parse(process.argv[1]));
const session = await server.provider.createSession();
await session.queue("It rains.");
console.log(JSON.stringify({ url: server.url, queued: (await session.unplayed()).queue }));
await server.stop();
"""


@pytest.mark.parametrize("program", ["uvx", "pipx", "docker"])
def test_what_starts_it(program: str, tmp_path: Path, modules: Path, package: Path) -> None:
    """Without `tokentape`, the package runs what is installed: uvx and pipx with a requirement, docker with mounts."""
    folder = project(tmp_path / "typescript", EXAMPLE, modules, package)
    bin_folder, log = tmp_path / "bin", tmp_path / "arguments"
    bin_folder.mkdir()
    (folder / "rules.yaml").write_text("rules: []\n")
    # A stand-in notes its arguments, and runs what follows the requirement, or what the container would run.
    serve = f"exec {sys.executable} -m tokentape"
    docker = (
        f'port=$(echo "$*" | sed "s/.*127.0.0.1:\\([0-9]*\\):8089.*/\\1/"); {serve} serve --port "$port" rules.yaml'
    )
    starts = {"uvx": f'shift 3; {serve} "$@"', "pipx": f'shift 4; {serve} "$@"', "docker": docker}
    script = bin_folder / program
    script.write_text(f'#!/bin/sh\necho "$@" >{log}\n{starts[program]}\n')
    script.chmod(0o755)
    options = {"paths": ["rules.yaml"], "args": ["--quiet"]}
    command = ["node", "--input-type=module", "-e", START, json.dumps(options)]
    printed = node(command, folder, {"PATH": f"{bin_folder}:{node_path()}:/usr/bin:/bin"})
    assert json.loads(printed)["queued"] == 1
    arguments = log.read_text().strip()
    port = json.loads(printed)["url"].rpartition(":")[2]
    expected = {
        "uvx": "--from tokentape[harness] tokentape serve --until-eof --port 0 --quiet rules.yaml",
        "pipx": "run --spec tokentape[harness] tokentape serve --until-eof --port 0 --quiet rules.yaml",
        "docker": f"run --rm --interactive --env TOKENTAPE_TOKEN --publish 127.0.0.1:{port}:8089 --volume "
        f"{folder}/rules.yaml:/rules/0/rules.yaml:ro tokentape:latest serve --until-eof --host 0.0.0.0 --port 8089 "
        "--quiet /rules/0/rules.yaml",
    }
    assert arguments == expected[program]


def test_a_server_that_does_not_start(tmp_path: Path, modules: Path, package: Path) -> None:
    """What the server printed is in the error; where nothing can start it, the error names what to install."""
    folder = project(tmp_path / "typescript", EXAMPLE, modules, package)
    command = ["node", "--input-type=module", "-e", START]
    printed = node([*command, '{"paths": ["nowhere.yaml"]}'], folder, code=1)
    assert "tokentape did not start" in printed
    assert "nowhere.yaml" in printed
    printed = node([*command, '{"command": ["no-such-program"]}'], folder, code=1)
    assert "ENOENT" in printed
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "node").symlink_to(Path(node_path()) / "node")
    printed = node([*command, "{}"], folder, {"PATH": str(tmp_path / "bin")}, code=1)
    assert "none of tokentape, uvx, pipx, docker is installed" in printed


@pytest.mark.parametrize(
    "ending",
    ["process.exit();", 'process.kill(process.pid, "SIGKILL");', ""],
    ids=["exits", "is killed", "forgets to stop it"],
)
def test_the_server_ends_with_its_process(ending: str, tmp_path: Path, modules: Path, package: Path) -> None:
    """A test program that does not stop the server is not kept running by it, and leaves none however it ends."""
    folder = project(tmp_path / "typescript", EXAMPLE, modules, package)
    forgets = START.replace("await server.stop();", ending)
    whatever = ["sh", "-c", '"$@"; true', "sh"]  # how it ended
    printed = node([*whatever, "node", "--input-type=module", "-e", forgets, "{}"], folder, {"MARK": str(folder)})
    assert json.loads(printed.splitlines()[0])["queued"] == 1
    while servers_with(str(folder)):
        pass


WITHOUT = """
import { FakeProvider, fakeProvider } from "tokentape";
for (const provider of [fakeProvider(), new FakeProvider(process.argv[1])]) {
  await provider.createSession().catch((error) => console.log(error.message));
}
"""


def test_a_client_without_its_server(tmp_path: Path, modules: Path, package: Path) -> None:
    """Where no server answers, or another program, the error says so; an empty TOKENTAPE_URL counts as none."""
    folder = project(tmp_path / "typescript", EXAMPLE, modules, package)
    with FakeProviderServer() as server:
        command = ["node", "--input-type=module", "-e", WITHOUT, f"{server.url}/elsewhere"]
        printed = node(command, folder, {"TOKENTAPE_URL": "", "TOKENTAPE_TOKEN": ""})
    assert printed.splitlines() == [
        "no fake provider answers at http://127.0.0.1:8089 (ECONNREFUSED): start one with `tokentape serve`",
        f"{server.url}/elsewhere: the answer is not one of the control API (check that tokentape listens there)",
    ]


@pytest.mark.xdist_group("npm-published")  # beside the others
def test_the_published_package_installs_its_own_version(tmp_path: Path) -> None:
    """`make dist` gives the package the version of pyproject.toml, which is also what uvx and pipx install."""
    target = tmp_path / "source"
    copy_repository(target)
    (target / ".venv").symlink_to(REPOSITORY / ".venv")
    path = os.pathsep.join((node_path(), os.environ["PATH"]))
    run(["make", "dist", "READY="], cwd=target, env={"PATH": path, "npm_config_prefer_offline": "true"})
    version = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]["version"]
    with tarfile.open(target / "dist" / "npm" / f"tokentape-{version}.tgz") as archive:
        manifest, code = (
            archive.extractfile(f"package/{name}").read().decode()  # type: ignore[union-attr]
            for name in ("package.json", "dist/version.js")
        )
    assert json.loads(manifest)["version"] == version
    assert "github.com" in json.loads(manifest)["repository"]["url"]
    assert f'"{version}"' in code
    assert sorted(path.suffix for path in (target / "dist").glob("tokentape*")) == [".gz", ".whl"]
