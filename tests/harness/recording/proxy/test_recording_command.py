"""`tokentape record` as a process: signals, exit codes, staying up, options, and the error of a failure in each SDK."""

from __future__ import annotations

import os
import pty
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx2
import msgspec
import pytest

from tests.case_notes import case
from tests.harness.recording.proxy.processes import HERE, KEYS, SDKS, complaints, environment, record, running, tape
from tokentape_fake_provider.hosting.server import FakeProviderServer
from tokentape_fake_provider.tape import Frame, Tape
from tokentape_fake_provider.timing import Recorded
from tokentape_fake_provider.timing.clock import ControlledClock
from tokentape_harness import read_cassette
from tokentape_harness.cli.run import run

pytestmark = pytest.mark.slow

CASSETTES = Path(__file__).parents[4] / "cassettes"
CHAT = {"model": "m", "stream": True, "messages": [{"role": "user", "content": "Hello?"}]}
OVER = {signal.SIGINT: 130, signal.SIGTERM: 143, signal.SIGHUP: 129}

# Reads two lines of a stream with nothing but the standard library, and prints the signal that it gets.
READER = """
import os, signal, sys, urllib.request
def report(number, frame):
    os.write(1, b"signal %d\\n" % number)  # a print may be under way
    sys.exit(7)
if "handles" in sys.argv:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, report)
url = os.environ["OPENAI_BASE_URL"] + "/chat/completions"
body = b'{"model": "m", "stream": true, "messages": [{"role": "user", "content": "Hello?"}]}'
request = urllib.request.Request(url, body, {"content-type": "application/json"})
for line in urllib.request.urlopen(request):
    if line.strip():
        print(line.decode().strip(), flush=True)
"""


@pytest.fixture
def clock() -> ControlledClock:
    """The time of the upstream."""
    return ControlledClock()


@pytest.fixture
def upstream(clock: ControlledClock) -> Iterator[FakeProviderServer]:
    """A provider that sends a frame, and the next one never."""
    with FakeProviderServer(clock=clock) as server:
        server.default.configure(timing=Recorded())
        frames = (Frame(0.0, b"data: {}\n\n"), Frame(1e9, b"data: [DONE]\n\n"))
        server.default.push(Tape(frames, 200, (("content-type", "text/event-stream"),), end_at=1e9))
        yield server


@pytest.mark.parametrize(
    ("number", "handles"),
    [(signal.SIGINT, True), (signal.SIGTERM, True), (signal.SIGHUP, True), (signal.SIGINT, False)],
)
def test_a_signal_reaches_the_command(
    number: signal.Signals, handles: bool, upstream: FakeProviderServer, tmp_path: Path
) -> None:
    """The command gets the signal and has its own way of ending; its exit code is ours, and what came is saved."""
    command = [sys.executable, "-c", READER, *(["handles"] if handles else [])]
    options = ("--cassettes", str(tmp_path), "--upstream", f"openai={upstream.url}/v1")
    # A session of its own has no terminal, from which the command would get the signal too.
    with running(record(*options, command=command), environment(), start_new_session=True) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline() == "data: {}\n", process.stderr.read()
        process.send_signal(number)
        out, err = process.stdout.read(), process.stderr.read()
    assert complaints(err) == err.partition("tokentape: ")[0]
    assert (out, process.returncode) == ((f"signal {number.value}\n", 7) if handles else ("", OVER[number]))
    (interaction,) = read_cassette(tmp_path / "openai.yaml")
    assert interaction.response.body == b"data: {}\n\n"
    assert interaction.response.stream is not None
    assert interaction.response.stream.end == "client_closed"


def test_ctrl_c_reaches_the_command_once(tmp_path: Path) -> None:
    """Typed at a terminal it reaches the command by itself, and is not sent a second time."""
    counts = (
        "import os, signal, sys\n"
        "got = []\n"
        "signal.signal(signal.SIGINT, lambda *_: (got.append(1), os.write(1, b'got it\\n')))\n"
        "print('ready', flush=True)\n"
        "for line in sys.stdin: break\n"
        "sys.exit(len(got))\n"
    )
    # The terminal must be that of the session.
    own = "import fcntl, os, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); os.execv(sys.argv[1], sys.argv[1:])"
    command = record("--cassettes", str(tmp_path), command=[sys.executable, "-c", counts])
    ours, theirs = pty.openpty()
    with running([sys.executable, "-c", own, *command], environment(), stdin=theirs, start_new_session=True) as process:
        os.close(theirs)
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        os.write(ours, b"\x03")
        assert process.stdout.readline() == "got it\n"
        os.write(ours, b"end\n")
        assert process.wait() == 1
    os.close(ours)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda number: number.name)
def test_it_stays_up_without_a_command(
    number: signal.Signals, upstream: FakeProviderServer, clock: ControlledClock, tmp_path: Path
) -> None:
    """It prints its base URLs, saves what has ended while it runs, and at its end what is open; that is no failure."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    path = tmp_path / "openai.yaml"
    upstream.default.clear()
    upstream.default.push(tape("openai_chat"))
    upstream.default.push(tape("openai_chat"))
    options = ("--cassettes", str(tmp_path), "--port", str(port), "--upstream", f"openai={upstream.url}/v1")
    with running(record(*options, command=())[:-1], environment()) as process, httpx2.Client(timeout=30) as client:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline().endswith(f"at http://127.0.0.1:{port}\n")
        url = f"http://127.0.0.1:{port}/openai/v1"
        assert process.stdout.readline().split() == [url, f"{upstream.url}/v1"]
        with client.stream("POST", f"{url}/chat/completions", json=CHAT) as response:
            clock.jump(ms=1e4)
            assert response.read().endswith(b"data: [DONE]\n\n")
        wait_for(path)
        (saved,) = read_cassette(path)
        with client.stream("POST", f"{url}/chat/completions", json=CHAT | {"model": "other"}) as response:
            clock.wait_for_deadline()
            process.send_signal(number)
            out, err = process.stdout.read(), process.stderr.read()
            with pytest.raises(httpx2.RemoteProtocolError):
                response.read()
    assert (process.returncode, complaints(err)) == (0, "")
    assert out.endswith("Ctrl-C stops it.\n")
    first, second = read_cassette(path)
    assert first == saved
    assert second.response.stream is not None
    assert second.response.stream.end == "open_at_exit"


def wait_for(path: Path) -> None:
    """Until the file is there: it is renamed into place, whole."""
    while not path.exists():  # the test's own timeout ends this
        os.sched_yield()


def test_commands_that_can_not_be_run(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """As in a shell: 127 for an unknown command, 126 for one that can't be run; usage errors are 2."""
    text = tmp_path / "text"
    text.write_text("no program")
    folder = ("--cassettes", str(tmp_path / "c"))
    for options, command, code, message in (
        (folder, "no-such-program", 127, "no such command"),
        (folder, str(text), 126, "can't be run"),
        (("--cassettes", str(text)), "true", 2, "is a file"),
        ((*folder, "--mode", "sometimes"), "true", 2, "not one of"),
        ((*folder, "--mode", "none"), "true", 1, "no cassettes here"),
        ((*folder, "--upstream", "openai"), "true", 2, "NAME=URL"),
        ((*folder, "--speed", "0"), "true", 2, "--speed"),
    ):
        assert run(["record", *options, "--", command]) == code
        printed = capfd.readouterr()
        assert (printed.out, message in printed.err) == ("", True)
        assert "Traceback" not in printed.err
    assert not (tmp_path / "c").exists()


def test_a_port_in_use_is_an_error(upstream: FakeProviderServer, tmp_path: Path) -> None:
    """A port that another program has is one line, and nothing is run."""
    command = record("--cassettes", str(tmp_path), "--port", str(upstream.port), command=["echo", "ran"])
    done = subprocess.run(command, env=environment(), capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"tokentape: port {upstream.port} on 127.0.0.1 is in use")


VARIABLES = {
    "OPENAI_BASE_URL": "/openai/v1",
    "OPENAI_API_BASE": "/openai/v1",
    "ANTHROPIC_BASE_URL": "/anthropic",
    "ANTHROPIC_API_BASE": "/anthropic",
    "ANTHROPIC_API_URL": "/anthropic",
    "GOOGLE_GEMINI_BASE_URL": "/gemini",
    "OLLAMA_HOST": "/ollama",
    "AWS_ENDPOINT_URL_BEDROCK_RUNTIME": "/bedrock",
    "CO_API_URL": "/cohere",
    "GROQ_BASE_URL": "/groq",
    "TOKENTAPE_PROXY_URL": "",
}


def test_the_environment_of_a_command(tmp_path: Path) -> None:
    """Each SDK's variable leads to the proxy, past other proxies; keys stay, or fake ones are set where allowed."""
    for provider, wire in (("openai", "openai_chat"), ("anthropic", "anthropic_messages")):
        (tmp_path / f"{provider}.yaml").write_bytes((CASSETTES / wire / "text.yaml").read_bytes())
    shows = [sys.executable, "-c", "import json, os; print(json.dumps(dict(os.environ)))"]
    given = environment(OPENAI_API_KEY=KEYS["OPENAI_API_KEY"], NO_PROXY="intranet", HTTP_PROXY="http://proxy.example")
    for mode in ("new_episodes", "none"):
        command = record("--cassettes", str(tmp_path), "--mode", mode, command=shows)
        done = subprocess.run(command, env=given, capture_output=True, text=True, check=True, timeout=60)
        seen = msgspec.json.decode(done.stdout)
        url = seen["TOKENTAPE_PROXY_URL"]
        assert url.startswith("http://127.0.0.1:")
        assert {name: seen[name] for name in VARIABLES} == {name: url + path for name, path in VARIABLES.items()}
        local = ["127.0.0.1", "localhost", "::1"]
        assert seen["NO_PROXY"].split(",") == (["intranet", *local] if mode != "none" else local)
        assert seen["OPENAI_API_KEY"] == KEYS["OPENAI_API_KEY"]
        proxies = {seen.get(name) for name in ("HTTP_PROXY", "https_proxy", "ALL_PROXY")}
        blocking = {seen["HTTP_PROXY"]} - {"http://proxy.example"}
        assert proxies == (blocking if mode == "none" else {"http://proxy.example", None})
        assert ("ANTHROPIC_API_KEY" in seen) == (mode == "none")
        assert "CO_API_KEY" not in seen  # a program may use every provider for which it has a key


def test_an_upstream_of_the_environment(upstream: FakeProviderServer, tmp_path: Path) -> None:
    """Where an SDK's variable is set already, that is the upstream, and the URI in the cassette."""
    upstream.default.clear()
    upstream.default.push(Tape((Frame(0.0, b"data: [DONE]\n\n"),), 200, (("content-type", "text/event-stream"),)))
    command = record("--cassettes", str(tmp_path), command=[sys.executable, "-c", READER])
    given = environment(OPENAI_BASE_URL=f"{upstream.url}/v1/")
    done = subprocess.run(command, env=given, capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stdout, complaints(done.stderr)) == (0, "data: [DONE]\n", "")
    (interaction,) = read_cassette(tmp_path / "openai.yaml")
    assert interaction.request.uri == f"{upstream.url}/v1/chat/completions"


ANYWHERE = """
import os, sys, urllib.request
url = os.environ["TOKENTAPE_PROXY_URL"] + sys.argv[1]
body = b'{"model": "m", "stream": true, "messages": [{"role": "user", "content": "Hello?"}]}'
request = urllib.request.Request(url, body, {"content-type": "application/json"})
try:
    print(urllib.request.urlopen(request).read().decode().strip(), os.environ["OPENAI_API_KEY"])
except urllib.error.HTTPError as error:
    sys.exit(error.read().decode())
"""


@pytest.mark.parametrize(("name", "below"), [("openai", ""), ("mine", "/s/default")])
def test_a_replay_needs_neither_upstream_nor_key(
    name: str, below: str, upstream: FakeProviderServer, tmp_path: Path
) -> None:
    """With mode none a cassette answers below its own name, wherever it is from, and an empty key is filled in."""
    upstream.default.clear()
    upstream.default.push(Tape((Frame(0.0, b"data: [DONE]\n\n"),), 200, (("content-type", "text/event-stream"),)))
    given = environment(OPENAI_API_KEY="")

    def run(path: str, *options: str) -> subprocess.CompletedProcess[str]:
        program = [sys.executable, "-c", ANYWHERE, f"/{name}{path}"]
        command = record("--cassettes", str(tmp_path), *options, command=program)
        return subprocess.run(command, env=given, capture_output=True, text=True, check=False, timeout=60)

    recorded = run("/v1/chat/completions", "--upstream", f"{name}={upstream.url}{below}")
    assert (complaints(recorded.stderr), recorded.stdout) == ("", "data: [DONE] \n")
    upstream.stop()
    replayed = run("/v1/chat/completions", "--mode", "none")
    assert (complaints(replayed.stderr), replayed.stdout) == ("", "data: [DONE] tokentape-fake-key\n")
    assert "no_recording" in run("/v1/other", "--mode", "none").stderr


ASKS = """
import os, urllib.request
url = os.environ["OPENAI_BASE_URL"] + "/chat/completions"
messages = b'"messages": [{"role": "user", "content": "Hi"}]'
body = b'{"model": "m", "stream": true, "metadata": {"mail": "me@planted.example"}, %s}' % messages
headers = {"content-type": "application/json", "x-customer": "planted customer", "x-note": os.environ["DB_PASSWORD"]}
print(urllib.request.urlopen(urllib.request.Request(url, body, headers)).read().decode())
"""


def test_own_rules(upstream: FakeProviderServer, tmp_path: Path) -> None:
    """What the user names is redacted, in headers, JSON and text, like secrets of the environment; `check` finds it."""
    upstream.default.clear()
    answer = b'data: {"choices": [{"index": 0, "delta": {"content": "ACME-123 opens by opaque-0123"}}]}\n\n'
    frames = (Frame(0.0, answer + b"data: [DONE]\n\n"),)
    path = tmp_path / "openai.yaml"
    rules = ("--redact-header", "X-Customer", "--redact-path", "$.metadata.mail", "--redact-text", r"ACME-\d+")
    options = ("--cassettes", str(tmp_path), "--upstream", f"openai={upstream.url}/v1")
    given = environment(DB_PASSWORD="opaque-0123")
    for redacted in (False, True):
        upstream.default.push(Tape(frames, 200, (("content-type", "text/event-stream"),)))
        path.unlink(missing_ok=True)
        command = record(*options, *(rules if redacted else ()), command=[sys.executable, "-c", ASKS])
        done = subprocess.run(command, env=given, capture_output=True, text=True, check=False, timeout=60)
        assert (done.returncode, complaints(done.stderr)) == (0, "")
        assert "ACME-123 opens by opaque-0123" in done.stdout
        text = path.read_text()
        assert "opaque-0123" not in text
        for secret in ("planted customer", "ACME-123"):
            assert (secret in text) != redacted
        assert ("{{email1}}" in text) != redacted
        checked = subprocess.run(
            [*record(command=())[:3], "check", str(path), *rules],
            capture_output=True,
            text=True,
            env=given,
            check=False,
        )
        assert checked.returncode == (0 if redacted else 1)
        assert checked.stdout.count(": secret: ") == (0 if redacted else 3)


# Some official clients leave a failed connection to the garbage collection.
FAILS = """
import sys
from programs import CALLS
for name in sys.argv[1:]:
    try:
        list(CALLS[name]("Hello?"))
    except Exception as error:
        print(name, *str(error).split())
"""


def test_each_sdk_reports_that_the_upstream_is_down(tmp_path: Path) -> None:
    """What failed and what to do is in each SDK's own exception and on our stderr, and nothing is recorded."""
    with FakeProviderServer() as gone:
        url = gone.url
    options = [part for name, sdk in SDKS.items() for part in ("--upstream", f"{name}={url}{sdk.ending}")]
    command = record("--cassettes", str(tmp_path), *options, command=[sys.executable, "-c", FAILS, *SDKS])
    given = {**environment(**KEYS, AWS_MAX_ATTEMPTS="1"), "PYTHONPATH": str(HERE)}
    done = subprocess.run(command, env=given, capture_output=True, text=True, check=False, timeout=300)
    errors = dict(line.split(maxsplit=1) for line in done.stdout.splitlines())
    assert list(errors) == list(SDKS), done.stderr
    for name, error in errors.items():
        with case(name):
            message = f"{name} at {url} gave no response"
            assert message in error
            (line,) = {line for line in done.stderr.splitlines() if message in line}
            assert line.startswith("tokentape: ")
            assert all(f"--upstream {name}=URL names another" in text for text in (error, line))
    assert list(tmp_path.iterdir()) == []


def test_a_cassette_from_elsewhere_replays(tmp_path: Path) -> None:
    """The folder may hold what was recorded in any way from the provider's own host, such as this project's demo."""
    path = tmp_path / "openai.yaml"
    path.write_bytes((CASSETTES / "openai_chat" / "walk.yaml").read_bytes())
    body = read_cassette(path).interactions[0].request.body
    assert body is not None
    (tmp_path / "body.json").write_bytes(body)
    code = (
        "import json, openai, sys\n"
        "with openai.OpenAI(max_retries=0) as client:\n"
        "    body = json.load(open(sys.argv[1]))\n"
        "    for chunk in client.chat.completions.create(**body):\n"
        "        for choice in chunk.choices:\n"
        "            print(choice.delta.content or '', end='')\n"
    )
    command = record(
        "--cassettes",
        str(tmp_path),
        "--mode",
        "none",
        command=[sys.executable, "-c", code, str(tmp_path / "body.json")],
    )
    done = subprocess.run(command, env=environment(), capture_output=True, encoding="utf-8", check=False, timeout=60)
    assert (done.returncode, complaints(done.stderr)) == (0, "")
    assert done.stdout
