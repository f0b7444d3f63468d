"""`tokentape flush-check`: its output and its errors."""

from __future__ import annotations

import json
import re
import socket
import sys

import pytest
from inline_snapshot import snapshot

from tests.harness.flush import served
from tests.pages import REPOSITORY
from tokentape_harness.cli.run import run as run_command
from tokentape_harness.testing.sdk_environment import sdk_environment

pytestmark = pytest.mark.slow

APP = """
from tests.harness.flush.apps import *
good = starlette_app()
bad = starlette_app(Reads)
flask = flask_app()
"""
# An app with the server of the standard library, which answers one request at a time.
SERVER = """
import json, os, sys, urllib.request
from wsgiref.simple_server import make_server

def app(environ, start_response):
    start_response("200 OK", [("content-type", "text/event-stream")])
    body = json.dumps({"model": "m", "messages": [{"role": "user", "content": "Hi"}], "stream": True}).encode()
    url = os.environ["OPENAI_BASE_URL"] + "/chat/completions"
    yield from urllib.request.urlopen(urllib.request.Request(url, body, {"content-type": "application/json"}))

make_server("127.0.0.1", int(sys.argv[1]), app).serve_forever()
"""
HURRIED = ("--patience", "0.3", "--wait", "0.05", "--max-bytes", "4000")


class Ran:
    """What a command did."""

    def __init__(self, code, out, err):
        self.code, self.err = code, err
        self.out = re.sub(r"after \d+ ms|at once", "after N ms", out)
        self.out = re.sub(r"[ \t]+$", "", self.out, flags=re.MULTILINE)


@pytest.fixture
def run(capfd, monkeypatch, tmp_path):
    """Run the command in this process, in a folder that has a module `chats`."""
    (tmp_path / "chats.py").write_text(APP)
    (tmp_path / "serve.py").write_text(SERVER)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.delitem(sys.modules, "chats", raising=False)
    for name, value in sdk_environment("http://127.0.0.1:9").items():
        monkeypatch.setenv(name, value)

    def command(*arguments):
        capfd.readouterr()
        code = run_command(["flush-check", *map(str, arguments)])
        return Ran(code, *capfd.readouterr())

    yield command
    sys.modules.pop("chats", None)


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def test_an_app_that_flushes(run):
    """The report of an app in process, and exit code 0."""
    ran = run("chats:good", "--path", "/chat", "--tokens", "3")
    assert ran.code == 0
    assert ran.out == snapshot("""\
GET /chat of an ASGI app
token  result   came out
    1  flushed  after N ms
    2  flushed  after N ms
    3  flushed  after N ms
verdict: flushed: each token came out before the next was sent
readers: the second does not wait for the first
cut-off stream: reported in the output (event: error {"error":{"type":"ConnectionFailedError","message":"the stream broke off before it was complete"}})
""")  # noqa: E501


def test_an_app_that_holds(run):
    """The report of an app that holds, and exit code 1."""
    ran = run("chats:bad", "--path", "/chat", "--tokens", "3", *HURRIED, "--no-cut")
    assert ran.code == 1
    assert ran.out == snapshot("""\
GET /chat of an ASGI app
token  result  came out
    1  held    at the end
    2  held    at the end
    3  held    at the end
verdict: all at the end, the headers too
readers: the second does not wait for the first
held in the app or its middleware
  evidence: no server or proxy is in between
  remedy: a streaming response over an iterator that yields each token; no middleware that reads the body
""")


def test_json(run):
    """With --json there is one object on stdout and nothing else."""
    ran = run("chats:flask", "--path", "/plain", "--json", "--no-cut", "--no-readers")
    report = json.loads(ran.out)
    assert (ran.code, ran.err) == (0, "")
    assert (report["verdict"], report["flushes"], report["ok"], report["status"]) == ("flushed", True, True, 200)
    assert [token["number"] for token in report["tokens"]] == list(range(10))


def test_a_function(run):
    """A function that yields is a target."""
    assert run("chats:swallowing", "--no-readers", "--no-cut").code == 0


def test_a_hidden_truncation_is_a_failure(run):
    """A cut-off stream that looks complete gives exit code 1, though every token is passed on."""
    ran = run("chats:swallowing", "--no-readers")
    assert ran.code == 1
    assert "verdict: flushed" in ran.out
    assert "cut-off stream: HIDDEN" in ran.out


def test_a_command_that_serves_a_url(run):
    """A command is started with the SDKs' variables, checked from when it listens, and ended."""
    port = free_port()
    ran = run(f"http://127.0.0.1:{port}/", *HURRIED, "--no-cut", "--", sys.executable, "serve.py", port)
    assert ran.code == 1
    assert "verdict: first reader blocks the second" in ran.out
    assert "held in the server, which answers one reader at a time" in ran.out
    assert "the command gets it in OPENAI_BASE_URL" in ran.err
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port))


def test_a_reader_beside_a_command(run, monkeypatch):
    """A function or a command reads what the command serves, which is ended."""
    port = free_port()
    monkeypatch.setenv(served.PORT_VARIABLE, str(port))
    monkeypatch.setenv("PYTHONPATH", str(REPOSITORY))
    serve = ("--no-cut", "--no-readers", "--", sys.executable, "-m", "tests.harness.flush.served", "lines", port)
    read = f"{sys.executable} -m tests.harness.flush.served read"
    for reader in (
        ["tests.harness.flush.served:call"],
        ["--reader", "tests.harness.flush.served:call"],
        ["--reader", read],
    ):
        ran = run(*reader, *serve)
        assert ran.code == 0, ran.err
        assert "verdict: flushed" in ran.out
        assert "leaving: the provider's stream is closed when the reader leaves" in ran.out
        assert "the command gets it in OPENAI_BASE_URL" in ran.err
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port))


def test_through_a_proxy(run):
    """With --through the checker sends its own request, in any wire format."""
    port = free_port()
    for wire in ("openai_chat", "anthropic_messages", "gemini", "ollama"):
        # The provider's own address stands in for a proxy that passes everything on.
        ran = run("--through", f"http://127.0.0.1:{port}", "--provider-port", port, "--wire", wire, "--no-cut")
        assert ran.code == 0, ran.out
        assert f"the proxy at http://127.0.0.1:{port} must forward requests to it" in ran.err


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["chats:good", "--through", "http://127.0.0.1:9"], 2, "--through and chats:good exclude each other"),
        (["--json"], 2, "nothing to check: give a URL, module:app, --through URL, or -- COMMAND"),
        (["chats:good", "--", "sleep", "1"], 2, "chats:good runs in this process: a command can serve a URL"),
        (["chats:good", "-H", "x"], 2, "--header 'x' is not 'Name: value'"),
        (["chats:good", "-d", "@none.json"], 2, "--data @none.json: No such file or directory"),
        (["--through", "proxy"], 2, "'proxy' is not a URL: give http://HOST:PORT/PATH"),
        (["--through", "http://127.0.0.1:9", "--wire", "x"], 2, "no wire format 'x'"),
        (["--through", "http://127.0.0.1:9", "--wire", "bedrock_invoke"], 2, "use bedrock_converse"),
        (["nowhere:app"], 1, "nowhere:app: No module named 'nowhere' (looked in "),
        (["chats:none"], 1, "chats:none: chats has no none"),
        (["chats:QUESTION"], 2, "chats:QUESTION is of type list: give an app or a function"),
        (["chats:good", "--path", "/none"], 1, "GET /none of an ASGI app answered with status 404: Not Found"),
        (["--", "no-such-command"], 1, "no-such-command: can't be run (No such file or directory)"),
        (["chats:good", "--reader", "cat"], 2, "--reader and chats:good exclude each other"),
        (["--reader", "cat 'x", "--", "true"], 2, 'reader "cat \'x" is not a command line'),
        (["--reader", "cat", "-d", "x", "--", "true"], 2, "--data are for a URL or an app"),
        (["chats:good", "--until", "x"], 2, "--until is for the URL of a WebSocket"),
        (["http://127.0.0.1:9/", "--until", "x"], 2, "only a WebSocket is read until a message matches"),
        (["http://127.0.0.1:9/", "--", "sh", "-c", "echo no port >&2; exit 3"], 1, "exit code 3: no port"),
    ],
)
def test_what_is_wrong(run, arguments, code, message):
    """A wrong argument or target is one line on stderr, and 2 or 1."""
    ran = run("--provider-port", 0, *arguments)
    last = ran.err.splitlines()[-1]
    assert last.startswith("tokentape: ")
    assert message in last
    assert (ran.code, ran.out) == (code, "")


def test_a_port_that_is_taken(run):
    """A port in use is an error with what to do."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = listener.getsockname()[1]
        ran = run("--through", "http://127.0.0.1:9", "--provider-port", port)
    assert ran.code == 1
    assert f"port {port} on 127.0.0.1 is in use" in ran.err
