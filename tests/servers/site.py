"""A server in a folder and on a port of its own: configured, started without privileges, and ended with the test."""

from __future__ import annotations

import os
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

ROOT: Final = Path(__file__).parents[2]
APPS: Final = Path(__file__).parent / "apps"
_UP_S: Final = 240.0
# Below the range that the kernel takes outgoing ports from, so that no connection takes it meanwhile.
_PORTS: Final = range(21000, 32000)


@dataclass(frozen=True)
class Site:
    """Where a server lives. `upstream` is the base URL of a fake provider's session, without `/v1`."""

    folder: Path
    port: int
    upstream: str
    environment: dict[str, str] = field(default_factory=dict)

    @property
    def upstream_address(self) -> str:
        """Host and port of the upstream."""
        return urlsplit(self.upstream).netloc

    def write(self, name: str, text: str) -> str:
        """Write a file, with `@port@`, `@folder@`, `@upstream@` (host:port) and `@base@` filled in; its path."""
        facts = {"port": self.port, "folder": self.folder, "upstream": self.upstream_address, "base": self.upstream}
        for fact, value in facts.items():
            text = text.replace(f"@{fact}@", str(value))
        path = self.folder / name
        path.write_text(text)
        return str(path)


Configure = Callable[[Site], Sequence[str]]
"""Writes the site's files and gives the command to run; what it puts into `environment` is set."""


class ServerError(Exception):
    """The server did not come up; has its log."""


@contextmanager
def running(configure: Configure, upstream: str) -> Iterator[Site]:
    """A site whose server accepts connections. Raises `ServerError`."""
    for attempt in range(3):
        folder = Path(tempfile.mkdtemp(prefix="tokentape-server-"))
        site = Site(folder, free_port(), upstream)
        try:
            arguments = configure(site)
            with _process(arguments, site) as process:
                try:
                    _wait_up(process, site)
                except ServerError as error:
                    if attempt < 2 and "in use" in str(error).lower():
                        continue
                    raise
                yield site
                return
        finally:
            shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _process(arguments: Sequence[str], site: Site) -> Iterator[subprocess.Popen[bytes]]:
    """The process and all that it starts, until the end."""
    site.folder.chmod(0o777)
    user = _unprivileged(arguments[0])
    with (site.folder / "log").open("wb") as log:
        process = subprocess.Popen(
            arguments,
            cwd=site.folder,
            env=_environment(site),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            user=user,
            group=user,
            extra_groups=None if user is None else [],
        )
    try:
        yield process
    finally:
        for how in (signal.SIGTERM, signal.SIGKILL):
            with suppress(ProcessLookupError):
                os.killpg(process.pid, how)
            with suppress(subprocess.TimeoutExpired):
                process.wait(3)
                if not _alive(process.pid):
                    break


def _alive(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


def _environment(site: Site) -> Mapping[str, str]:
    kept = {name: value for name, value in os.environ.items() if name in ("PATH", "LANG", "TZ")}
    kept["PATH"] = f"{kept.get('PATH', '')}{os.pathsep}/usr/sbin"
    return {
        **kept,
        "HOME": str(site.folder),
        "TMPDIR": str(site.folder),
        "PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{APPS}",
        "PYTHONDONTWRITEBYTECODE": "1",
        "OPENAI_BASE_URL": f"{site.upstream}/v1",
        "OPENAI_API_KEY": "any",
        **site.environment,
    }


def _unprivileged(program: str) -> int | None:
    """Who runs it: nobody, if we are root and nobody may read all that it takes; else we ourselves."""
    if os.geteuid() != 0:
        return None
    interpreter = Path(program).with_name("python").resolve()
    for path in (Path(program).resolve(), interpreter, APPS, ROOT / "src"):
        if not all(parent.stat().st_mode & 0o001 for parent in (path, *path.parents) if parent.is_dir()):
            return None
    return 65534


def _wait_up(process: subprocess.Popen[bytes], site: Site) -> None:
    deadline = time.monotonic() + _UP_S
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise ServerError(f"{process.args} ended with {process.returncode}:\n{log_of(site)}")
        with suppress(OSError), socket.create_connection(("127.0.0.1", site.port), timeout=1):
            return
        time.sleep(0.02)
    raise ServerError(f"{process.args} did not listen on port {site.port}:\n{log_of(site)}")


def log_of(site: Site) -> str:
    """What the server wrote, the end of it."""
    return (site.folder / "log").read_text(errors="replace")[-4000:]


def free_port() -> int:
    """A port that nobody listens on now."""
    chosen = random.SystemRandom()
    while True:
        port = chosen.choice(_PORTS)
        with suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port
