"""The container of Testcontainers, over a stand-in of the Docker daemon that runs `tokentape` as a program."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx2
import pytest

from tests.pages import block_with, page_text, run

PAGE = page_text("docs/deploy.md")

pytestmark = pytest.mark.slow

DEFAULT = ["serve", "--host", "0.0.0.0", "--port", "8089", "/rules"]
"""What the image runs by default: tests/packaging/test_image.py holds the Dockerfile to it."""


class Daemon(ThreadingHTTPServer):
    """What Testcontainers requests of Docker's API, for one container."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.created: dict[str, Any] = {}
        self.process: subprocess.Popen[str] | None = None
        self.port = ""

    def start(self) -> None:
        """Start what the container would run."""
        folders = dict(bind.split(":")[1::-1] for bind in self.created["HostConfig"].get("Binds") or [])
        command = [folders.get(word, word) for word in self.created.get("Cmd") or DEFAULT]
        command = [word for word in command if word != "/rules"]  # the image's own, which has no rules
        command[command.index("--host") + 1], command[command.index("--port") + 1] = "127.0.0.1", "0"
        environment = dict(variable.split("=", 1) for variable in self.created["Env"])
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tokentape", *command],
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, **environment},
        )
        assert self.process.stdout is not None
        self.port = self.process.stdout.readline().strip().rpartition(":")[2]

    def end(self) -> None:
        """End it."""
        if self.process is not None and self.process.returncode is None:
            self.process.terminate()
            self.process.communicate()


class Handler(BaseHTTPRequestHandler):
    """The API's answers."""

    server: Daemon

    def do_GET(self) -> None:
        """Versions, and the container's state."""
        path = urlsplit(self.path).path
        if path.endswith("/version"):
            self.send({"ApiVersion": "1.44", "MinAPIVersion": "1.24", "Version": "27"})
        elif path.endswith("/networks"):
            self.send([])
        elif "/images/" in path:
            self.send({"Id": "i", "RepoTags": ["tokentape:latest"]})
        elif "/containers/" in path and path.endswith("/json"):
            ports = {"8089/tcp": [{"HostIp": "127.0.0.1", "HostPort": self.server.port}]}
            state = {"Status": "running", "Running": True}
            self.send({"Id": "c" * 64, "Name": "/c", "State": state, "NetworkSettings": {"Ports": ports}})
        else:
            self.send({}, 404)

    def do_POST(self) -> None:
        """The container is created, started, stopped."""
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        path = urlsplit(self.path).path
        if path.endswith("/containers/create"):
            self.server.created = json.loads(body)
            self.send({"Id": "c" * 64, "Warnings": []}, 201)
        elif path.endswith("/start"):
            self.server.start()
            self.send(None, 204)
        else:
            self.send({}, 404)

    def do_DELETE(self) -> None:
        """The container is removed."""
        self.server.end()
        self.send(None, 204)

    def send(self, value: Any, status: int = 200) -> None:
        """Send the value as JSON."""
        data = b"" if value is None else json.dumps(value).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: Any) -> None:
        """Print nothing."""


@pytest.fixture
def daemon(monkeypatch: pytest.MonkeyPatch) -> Iterator[Daemon]:
    """The stand-in, where Testcontainers looks for the daemon."""
    with Daemon() as daemon:
        threading.Thread(target=daemon.serve_forever, daemon=True).start()
        monkeypatch.setenv("DOCKER_HOST", f"tcp://127.0.0.1:{daemon.server_port}")
        from testcontainers.core.config import ConnectionMode, testcontainers_config

        monkeypatch.setattr(testcontainers_config, "connection_mode_override", ConnectionMode.docker_host)
        monkeypatch.setattr(testcontainers_config, "ryuk_disabled", True)
        try:
            yield daemon
        finally:
            daemon.end()
            daemon.shutdown()


def test_a_container(daemon: Daemon) -> None:
    """It is ready when the server is, has a token that its sessions use, and is removed at the end."""
    from tokentape_harness.testcontainers import TokentapeContainer

    with TokentapeContainer() as container:
        url = container.url
        assert daemon.created["Image"] == "tokentape:latest"
        assert list(daemon.created["ExposedPorts"]) == ["8089/tcp"]
        assert httpx2.get(f"{url}/_tokentape").status_code == 401
        with container.fake_provider(strict=True) as provider:
            provider.script("It rains.")
            body = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}
            answer = httpx2.post(f"{provider.base_url()}/chat/completions", json=body).json()
            assert answer["choices"][0]["message"]["content"] == "It rains."
            assert provider.url.startswith(f"{url}/s/")
        variables = container.environment()
        assert variables["TOKENTAPE_URL"] == url
        assert variables["OPENAI_BASE_URL"] == f"{url}/v1"
        assert variables["TOKENTAPE_TOKEN"] == container.token
    assert daemon.process is not None
    assert daemon.process.returncode == 0


def test_the_page(daemon: Daemon, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The example of docs/deploy.md passes."""
    import openai

    (tmp_path / "tests" / "rules").mkdir(parents=True)
    (tmp_path / "tests" / "rules" / "tokentape.yaml").write_text("rules: []\n")
    monkeypatch.chdir(tmp_path)
    run(block_with(PAGE, "TokentapeContainer("), openai=openai)


def test_rules_and_options(daemon: Daemon, tmp_path: Path) -> None:
    """The folder of rules is mounted to be read only, and options are added to what the image runs."""
    from tokentape_harness.testcontainers import TokentapeContainer

    (tmp_path / "tokentape.yaml").write_text("rules:\n- {contains: hi, scripts: [Hello]}\n")
    with TokentapeContainer(rules=tmp_path, options=["--strict"], token="t") as container:
        assert daemon.created["HostConfig"]["Binds"] == [f"{tmp_path}:/rules:ro"]
        assert daemon.created["Cmd"] == [*DEFAULT[:-1], "--strict", "/rules"]
        assert "TOKENTAPE_TOKEN=t" in daemon.created["Env"]
        body = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}
        answer = httpx2.post(f"{container.url}/v1/chat/completions", json=body).json()
        assert answer["choices"][0]["message"]["content"] == "Hello"
