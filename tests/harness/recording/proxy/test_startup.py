"""What the proxy has ready before its first request, and what it does not load at all."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.harness.recording.proxy.processes import environment

# Records a streamed and a whole response; prints the modules that the first request still imported.
FIRST = """
import sys, threading, urllib.request
from pathlib import Path
from tokentape_fake_provider.hosting.server import FakeProviderServer
from tokentape_harness.recording.proxy import RecordingProxy, upstreams_of

def post(url, stream):
    body = b'{"model": "m", "stream": %s, "messages": [{"role": "user", "content": "Hi"}]}' % stream
    request = urllib.request.Request(url + "/openai/v1/chat/completions", body, {"content-type": "application/json"})
    return urllib.request.urlopen(request).read()

with FakeProviderServer() as upstream:
    post_itself = urllib.request.Request(upstream.url + "/v1/models")
    urllib.request.urlopen(post_itself).read()
    upstream.default.push("Hello", "Hello")
    with RecordingProxy(upstreams_of([f"openai={upstream.url}/v1"], {}), Path(sys.argv[1])) as proxy:
        before = set(sys.modules)
        for stream in (b"true", b"false"):
            assert b"Hello" in post(proxy.url, stream)
        print(sorted(set(sys.modules) - before - set(sys.builtin_module_names)))
"""


@pytest.mark.slow
def test_the_first_request_imports_nothing(tmp_path: Path) -> None:
    """The client, its TLS settings and all modules are there before a request comes, so that its times are true."""
    command = [sys.executable, "-c", FIRST, str(tmp_path)]
    done = subprocess.run(command, env=environment(), capture_output=True, text=True, check=False, timeout=60)
    assert (done.stderr, done.stdout) == ("", "[]\n")


@pytest.mark.parametrize("mode", [pytest.param("new_episodes", marks=pytest.mark.slow), "none"])
def test_the_command_loads_little(mode: str, tmp_path: Path) -> None:
    """`record` loads no client of others, nor trio; a replay has no client at all."""
    (tmp_path / "openai.yaml").write_bytes((Path(__file__).parents[4] / "cassettes/openai_chat/text.yaml").read_bytes())
    heavy = ["aiohttp", "botocore", "httpx", "requests", "trio", "rich", "starlette", "faker", "tokentape"]
    code = (
        "import atexit, sys\n"
        f"heavy = {heavy + (['httpx2'] if mode == 'none' else [])}\n"
        "atexit.register(lambda: print([name for name in heavy if sys.modules.get(name)]))\n"
        "from tokentape_harness.cli import main\n"
        "main()\n"
    )
    arguments = ["record", "--cassettes", str(tmp_path), "--mode", mode, "--", sys.executable, "-c", ""]
    command = [sys.executable, "-c", code, *arguments]
    done = subprocess.run(command, env=environment(), capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stdout) == (0, "[]\n"), done.stderr
