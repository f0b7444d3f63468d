"""The container image and the compose file."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.packaging.clean_root import Stage, build
from tests.packaging.tools import REPOSITORY, copy_repository, run, tool, tracked
from tests.processes import children_of

pytestmark = [pytest.mark.clients, pytest.mark.timeout(900)]

DOCKERFILE = REPOSITORY / "Dockerfile"
COMPOSE = REPOSITORY / "compose.yaml"


def instructions() -> list[dict[str, Any]]:
    """The instructions of the Dockerfile, by a parser."""
    program = (
        "import json, sys; from dockerfile_parse import DockerfileParser as P; "
        "print(json.dumps(P(fileobj=open(sys.argv[1], 'rb+')).structure))"
    )
    found: list[dict[str, Any]] = json.loads(run([tool("python"), "-c", program, str(DOCKERFILE)]))
    return found


def test_the_linter_finds_nothing() -> None:
    """hadolint finds nothing in the Dockerfile, and finds what is put in."""
    assert run([tool("hadolint"), str(DOCKERFILE)]) == ""
    wrong = subprocess.run(
        [tool("hadolint"), "-"], input=DOCKERFILE.read_text() + "\nUSER root\n", text=True, capture_output=True
    )
    assert "DL3002" in wrong.stdout


def test_what_the_image_is() -> None:
    """Two stages of one base image; the last one is not root, serves and checks its health."""
    steps = instructions()
    values = {step["instruction"]: step["value"] for step in steps}
    bases = [step["value"].split()[0] for step in steps if step["instruction"] == "FROM"]
    assert bases == ["python:${PYTHON}-slim"] * 2
    assert values["USER"].isdigit()
    assert values["USER"] != "0"
    assert json.loads(values["ENTRYPOINT"]) + json.loads(values["CMD"]) == [
        *("tokentape", "serve", "--host", "0.0.0.0", "--port", "8089", "/rules")
    ]
    assert values["EXPOSE"] in values["HEALTHCHECK"]
    assert "/ready" in values["HEALTHCHECK"]
    assert "TOKEN" not in values["ENV"]
    copied = {word for step in steps if step["instruction"] == "COPY" for word in step["value"].split()[:-1]}
    sent = {line[1:] for line in (REPOSITORY / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    assert {word for word in copied if not word.startswith(("--", "/"))} == sent


def test_the_compose_file() -> None:
    """It has the form of the Compose specification; only this machine reaches the server, which needs its token."""
    run([tool("check-jsonschema"), "--builtin-schema", "vendor.compose-spec", str(COMPOSE)])
    services = yaml.safe_load(COMPOSE.read_text())["services"]
    (port,) = services["tokentape"]["ports"]
    assert port.startswith("127.0.0.1:")
    assert services["tokentape"]["environment"]["TOKENTAPE_TOKEN"].startswith("${TOKENTAPE_TOKEN:?")
    assert "ports" not in services["redis"]
    assert services["redis"]["image"].startswith("redis:")


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Stage:
    """The last stage, whose steps ran in a clean root."""
    if os.geteuid() != 0 or subprocess.run(["unshare", "--mount", "--net", "true"], capture_output=True).returncode:
        pytest.skip("the steps of the Dockerfile need root, for a root folder and a network of their own")
    context = tmp_path_factory.mktemp("context")
    copy_repository(context)
    return build(instructions(), context, tmp_path_factory.mktemp("stages"))


@contextmanager
def container(image: Stage, *options: str, **environment: str) -> Iterator[int]:
    """The image's own command with these options, as its user and in a network of its own; the process."""
    command = [*image.entry, *image.command, *options]
    before = dict(image.environment)
    image.environment |= environment
    inside = image.arguments(command, user=image.user)
    image.environment = before
    loopback = "ip link set lo up && exec "
    start = ["unshare", "--net", "/bin/sh", "-c", f'{loopback} "$@"', "sh", *inside]
    with subprocess.Popen(start, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            for line in process.stdout:
                if line.startswith("Ctrl-C"):
                    break
            yield process.pid
        finally:
            process.terminate()
        assert process.wait(30) == 0  # as `docker stop` ends it, without a wait


def in_container(image: Stage, process: int, *command: str) -> subprocess.CompletedProcess[str]:
    """Run a command as the image's user beside the server."""
    enter = ["nsenter", "--net", f"--target={process}", *image.arguments([*command], user=image.user)]
    return subprocess.run(enter, capture_output=True, text=True, check=False)


FETCH = """
import sys, urllib.request, urllib.error
request = urllib.request.Request("http://127.0.0.1:8089" + sys.argv[1])
if len(sys.argv) > 2: request.add_header("authorization", "Bearer " + sys.argv[2])
try: print(urllib.request.urlopen(request).status)
except urllib.error.HTTPError as error: print(error.code)
"""


@pytest.mark.xdist_group("image")  # one worker builds it
def test_the_steps_build_a_server(image: Stage) -> None:
    """What the steps install serves without root, is healthy, writes nothing outside /tmp, and ends at SIGTERM."""
    for folder in ("/opt/tokentape", "/rules"):
        owners = {path.lstat().st_uid for path in image.inside(folder).rglob("*")}
        assert owners == {0}
    assert not list(image.inside("/opt/tokentape").rglob("site-packages/pip"))
    with container(image) as process:
        assert "\nUid:\t10001\t" in Path(f"/proc/{process}/status").read_text()
        assert in_container(image, process, *image.health).returncode == 0
        assert in_container(image, process, "python", "-c", FETCH, "/_tokentape").stdout == "403\n"
        assert in_container(image, process, "/bin/sh", "-c", "touch /rules/x /opt/tokentape/x").returncode != 0
    with container(image, TOKENTAPE_TOKEN="t") as process:
        assert in_container(image, process, "python", "-c", FETCH, "/_tokentape").stdout == "401\n"
        assert in_container(image, process, "python", "-c", FETCH, "/_tokentape", "t").stdout == "200\n"


@pytest.mark.xdist_group("image")
def test_an_image_without_its_server_is_unhealthy(image: Stage) -> None:
    """The health check fails where nothing answers."""
    with container(image, "--workers", "2") as process:
        assert in_container(image, process, *image.health).returncode == 0
        os.kill(process, 19)  # SIGSTOP: the workers still answer
        for child in children_of(process):
            os.kill(child, 9)
        assert in_container(image, process, *image.health).returncode != 0
        os.kill(process, 18)


def test_a_daemon_builds_it() -> None:
    """Where a Docker daemon is at hand, it builds the image, whose container becomes healthy."""
    docker = shutil.which("docker")
    if docker is None or subprocess.run([docker, "info"], capture_output=True).returncode:
        pytest.skip("no Docker daemon")
    run([docker, "build", "--tag", "tokentape:test", "."])
    name = run([docker, "run", "--detach", "--rm", "--read-only", "--tmpfs", "/tmp", "tokentape:test"]).strip()
    try:
        while (state := run([docker, "inspect", "--format", "{{.State.Health.Status}}", name]).strip()) == "starting":
            pass
        assert state == "healthy"
    finally:
        run([docker, "rm", "--force", name])


def test_no_file_names_a_registry() -> None:
    """Images and packages are named without the host of a registry, so that a mirror can serve them."""
    hosts = re.compile(r"\b(docker|ghcr|quay|pypi|npmjs|pythonhosted|mcr\.microsoft)\.(io|org|com)\b")
    named = []
    for path in tracked():
        if path != Path(__file__).relative_to(REPOSITORY) and hosts.search(
            (REPOSITORY / path).read_text(errors="ignore")
        ):
            named.append(str(path))
    assert named == []
