"""A driver as a process: jobs in, results out."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from tests.clients.clients import CLIENTS
from tests.clients.environments import command
from tokentape_fake_provider.hosting.server import FakeProviderServer
from tokentape_fake_provider.script.model import Script
from tokentape_fake_provider.sessions.session import Session

# A client that calls anything but the server finds nothing there.
_NOWHERE: Final = "http://127.0.0.1:9"

# For one answer, with the start of the client, which a new environment compiles first; less than the test may take.
_TIMEOUT_S: Final = 600


class Driver:
    """Runs until it is closed, as importing some clients takes seconds."""

    def __init__(self, command: Sequence[str], session: Session, root: str, variables: Mapping[str, str]) -> None:
        self.session = session
        self._root = root
        self._home = tempfile.TemporaryDirectory(prefix="tokentape-client-")
        self._errors = (Path(self._home.name) / "stderr").open("w+")
        self._process = subprocess.Popen(
            list(command),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
            encoding="utf-8",
            env=_environment(self._home.name) | variables,
        )

    def ask(self, script: Script, **job: Any) -> dict[str, Any]:
        """What the client makes of the script. Raises `AssertionError` with what the driver printed if it died."""
        self.session.clear()
        self.session.push(script)
        return self.job(**job)

    def run(self, **job: Any) -> dict[str, Any]:
        """What the client makes of the simulated model, with no script at all. Raises as `ask`."""
        self.session.clear()
        self.session.configure(strict=False)
        return self.job(**job)

    def job(self, **job: Any) -> dict[str, Any]:
        """What the client makes of the session as it is. Raises as `ask`."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            self._process.stdin.write(json.dumps({"root": self._root, **job}) + "\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            pass
        watchdog = threading.Timer(_TIMEOUT_S, self._process.kill)
        watchdog.start()
        line = self._process.stdout.readline()
        watchdog.cancel()
        if not line:
            code = self._process.wait()
            self._errors.seek(0)
            raise AssertionError(
                f"no answer within {_TIMEOUT_S} s, or the driver ended ({code}):\n{self._errors.read()[-4000:]}"
            )
        result: dict[str, Any] = json.loads(line)
        return result

    def close(self) -> None:
        """End it."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            self._process.stdin.close()
            self._process.wait(timeout=10)
        except (subprocess.TimeoutExpired, BrokenPipeError):
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()
        self._errors.close()
        self._home.cleanup()


class Drivers:
    """Starts drivers as they are asked for; the one before is ended, as tests come client by client."""

    def __init__(self, server: FakeProviderServer) -> None:
        self._server = server
        self._running: tuple[tuple[str, str], Driver] | None = None

    def get(self, environment: str, name: str) -> Driver:
        """The driver, with a session of its own. Raises `UnavailableError`."""
        if self._running is not None and self._running[0] == (environment, name):
            return self._running[1]
        self.close()
        how = command(environment, name)
        session = self._server.create_session(strict=True)
        root = f"{self._server.url}/s/{session.id}"
        driver = Driver(how, session, root, _redirects(environment, name, root))
        self._running = ((environment, name), driver)
        return driver

    def close(self) -> None:
        """End the one that runs."""
        if self._running is not None:
            self._running[1].close()
            self._running = None

    def __enter__(self) -> Drivers:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _environment(home: str) -> dict[str, str]:
    """Nothing of the user's own: no keys, no settings, no way out."""
    return {
        "PATH": os.environ.get("PATH", ""),
        "HOME": home,
        "PYTHONUTF8": "1",
        "PYTHONDONTWRITEBYTECODE": "",
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",
        "LANGSMITH_TRACING": "false",
        "AWS_EC2_METADATA_DISABLED": "true",
        "HTTP_PROXY": _NOWHERE,
        "HTTPS_PROXY": _NOWHERE,
        "NO_PROXY": "127.0.0.1,localhost",
    }


def _redirects(environment: str, driver: str, root: str) -> dict[str, str]:
    """The environment variables that turn this driver's clients to the server."""
    return {
        client.variable: f"{root}/v1" if client.variable.startswith("OPENAI") else root
        for client in CLIENTS
        if client.variable and (client.environment, client.driver) == (environment, driver)
    }
