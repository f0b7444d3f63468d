"""The flush checker on apps that answer by other means than HTTP: functions and commands as readers, WebSockets."""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.harness.flush import served
from tests.pages import block_with, page_text, run
from tokentape_harness.errors import FlushError, UsageError
from tokentape_harness.flush import CommandTarget, ReaderTarget
from tokentape_harness.flush.reading.websocket import message_bytes

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[3]
READERS = page_text("docs/readers.md")
HURRIED = {"patience": 0.4, "wait": 0.05, "max_bytes": 4_000}
FLUSH_ONLY = {**HURRIED, "readers": False, "leaving": False, "cut": False}


def serve(kind: str, port: int) -> list[str]:
    """The command that serves an app of `served`."""
    return [sys.executable, "-m", "tests.harness.flush.served", kind, str(port)]


READ = [sys.executable, "-m", "tests.harness.flush.served", "read"]


@pytest.fixture
def port(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """A port, at which nothing listens when the test is over: what served there was killed."""
    monkeypatch.chdir(ROOT)
    with contextlib.closing(socket.create_server(("127.0.0.1", 0))) as listener:
        free = int(listener.getsockname()[1])
    monkeypatch.setenv(served.PORT_VARIABLE, str(free))
    yield free
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", free))


@pytest.mark.parametrize(
    "reader", [served.call, served.call_async, READ], ids=["function", "async function", "command"]
)
def test_a_reader_beside_a_serving_command(flush_probe, port, reader):
    """Whatever reads the app, its flushing, its second reader, a reader who leaves and a cut are all checked."""
    report = flush_probe.check(reader, serve=serve("lines", port), patience=2.0)
    assert (report.verdict, report.readers, report.leaving) == ("flushed", "independent", "passed_on")
    assert report.truncation.outcome == "passed_on"
    assert "the app failed" in report.truncation.note
    assert report.target.startswith("the reader ")
    assert report.causes == ()


def test_a_reader_of_what_runs_already(flush_probe, port):
    """Without a command to start, a reader is named as one."""
    environment = {**os.environ, "OPENAI_BASE_URL": flush_probe.provider.base_url("openai_chat")}
    with subprocess.Popen(serve("lines", port), env=environment) as process:
        try:
            _wait_for(port)
            report = flush_probe.check(ReaderTarget(CommandTarget(tuple(READ))), cut=False)
            assert (report.verdict, report.readers, report.leaving) == ("flushed", "independent", "passed_on")
        finally:
            process.kill()


@pytest.mark.parametrize(
    ("reader", "message"),
    [
        (served.silent, "the reader silent got no answer within 2 s after the command.s start: it did not end"),
        (served.blocking, "the reader blocking got no answer within 2 s after the command.s start: it did not end"),
        (
            [sys.executable, "-c", "input()"],
            "got no answer within 2 s after the command's start: exit code 1: EOFError",
        ),
        (served.mistaken, "NameError: name 'undefined' is not defined"),
        (["/nowhere/reader"], "/nowhere/reader: can't be run"),
    ],
    ids=["silent", "blocks its loop", "fails", "mistaken", "no program"],
)
def test_readers_that_never_answer(flush_probe, port, reader, message):
    """A reader that brings no answer ends in one line, and what served is killed."""
    with pytest.raises(FlushError, match=message) as raised:
        flush_probe.check(reader, serve=serve("lines", port), start=2.0)
    assert "\n" not in str(raised.value)


def test_a_mistake_in_a_reader_is_reported_at_once(flush_probe, port):
    """What can't go better later is not tried until the time is over."""
    with pytest.raises(FlushError, match="NameError"):
        flush_probe.check(served.mistaken, serve=serve("lines", port), start=3600.0)


def test_a_command_that_ends(flush_probe, port):
    """A command that serves nothing is named with its last line, instead of what its reader met."""
    with pytest.raises(FlushError, match="the command ended with exit code 1: no such app"):
        flush_probe.check(served.call, serve=[sys.executable, "-c", "raise SystemExit('no such app')"])


async def _app(scope, receive, send):
    """An app, which a command beside it does not serve."""


@pytest.mark.parametrize(
    ("target", "message"),
    [(_app, "GET / of an ASGI app runs in this process: a command can serve"), (iter("abc"), "runs in this")],
    ids=["app", "iterator"],
)
def test_what_reads_nothing(flush_probe, target, message):
    """A command beside what runs in this process is refused, unless that reads."""
    with pytest.raises(UsageError, match=message):
        flush_probe.check(target, serve=["true"])


def test_the_command_is_killed_whatever_happens(tmp_path):
    """The command ends with the process that started it, even if that was killed, and takes its children along."""
    server = tmp_path / "server.py"
    server.write_text(
        "import os, signal, socket, sys, time\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "listener = socket.create_server(('127.0.0.1', 0))\n"
        f"open({str(tmp_path / 'port')!r} + '.tmp', 'w').write(str(listener.getsockname()[1]))\n"
        f"os.rename({str(tmp_path / 'port')!r} + '.tmp', {str(tmp_path / 'port')!r})\n"
        "os.fork()\n"
        "signal.pause()\n"
    )
    checker = [sys.executable, "-m", "tokentape_harness.cli", "flush-check", "--reader", "cat"]
    with subprocess.Popen([*checker, "--", sys.executable, str(server)], stderr=subprocess.DEVNULL) as process:
        _until(lambda: (tmp_path / "port").exists())
        port = int((tmp_path / "port").read_text())
        socket.create_connection(("127.0.0.1", port)).close()
        process.send_signal(signal.SIGKILL)
    _until(lambda: not _listens(port))


@pytest.mark.parametrize(
    ("path", "options", "expected"),
    [
        ("close", {}, ("flushed", "independent", "passed_on", "passed_on")),
        ("open", {"until": '"done"'}, ("flushed", "independent", "passed_on", "passed_on")),
        ("open", {}, ("flushed", "independent", "passed_on", "passed_on")),
        ("hold", FLUSH_ONLY, ("all_at_end", "not_checked", "not_checked", "not_checked")),
    ],
    ids=["closes", "stays open, until", "stays open", "holds"],
)
def test_a_websocket(flush_probe, port, path, options, expected):
    """A WebSocket gets its first message, and is judged as HTTP is, whether it closes after an answer or stays open."""
    url = f"ws://127.0.0.1:{port}/{path}"
    report = flush_probe.check(url, json={"prompt": "Hi"}, serve=serve("websocket", port), **options)
    found = (report.verdict, report.readers, report.leaving, report.truncation.outcome)
    assert found == expected, str(report)
    assert report.status is None


def test_the_websocket_reader_of_the_page(flush_probe, port, monkeypatch):
    """The reader of docs/readers.md for an app that wants two messages before it answers."""
    monkeypatch.setenv("APP_URL", f"http://127.0.0.1:{port}")
    reader = run(block_with(READERS, "# websocket:"))["ask"]
    report = flush_probe.check(reader, serve=serve("websocket", port))
    found = (report.verdict, report.readers, report.leaving, report.truncation.outcome)
    assert found == ("flushed", "independent", "passed_on", "passed_on"), str(report)


def test_a_cut_that_an_open_websocket_hides(flush_probe, port):
    """A socket that stays open, and ends a cut answer as a whole one, hides the cut; it does not hang."""
    url = f"ws://127.0.0.1:{port}/swallow"
    report = flush_probe.check(url, body="Hi", serve=serve("websocket", port), readers=False, leaving=False)
    assert report.truncation.outcome == "hidden_truncation"
    assert report.notes == ()


def test_a_websocket_without_a_first_message(flush_probe, port):
    """For an app that waits for a message, the error states that it got none."""
    with pytest.raises(FlushError, match="it got no first message: give one as the body"):
        flush_probe.check(f"ws://127.0.0.1:{port}/close", serve=serve("websocket", port), start=4.0)


def test_a_page_instead_of_a_websocket(flush_probe, port):
    """A server that refuses the handshake is quoted with its status."""
    code = (
        "from http.server import *\n"
        "BaseHTTPRequestHandler.protocol_version = 'HTTP/1.1'\n"
        f"HTTPServer(('127.0.0.1', {port}), BaseHTTPRequestHandler).serve_forever()"
    )
    with pytest.raises(FlushError, match=r"ws://.*/chat answered with status 501"):
        flush_probe.check(f"ws://127.0.0.1:{port}/chat", body="Hi", serve=[sys.executable, "-c", code])


def test_the_missing_package_is_named(flush_probe, monkeypatch):
    """Without the package for WebSockets, the extra that brings it is named."""
    monkeypatch.setitem(sys.modules, "websockets.asyncio", None)
    with pytest.raises(FlushError, match=r"pip install 'tokentape\[websockets\]'"):
        flush_probe.check("ws://127.0.0.1:9/", body="Hi")


@pytest.mark.parametrize(
    ("target", "options", "message"),
    [
        ("ws://127.0.0.1:9/", {"method": "PUT"}, "a WebSocket has no method PUT"),
        ("ws://127.0.0.1:9/", {"until": "("}, "until '\\(' is not a regular expression"),
        ("ws://", {}, "'ws://' is not a URL"),
        ("http://127.0.0.1:9/", {"until": "done"}, "only a WebSocket is read until a message matches"),
    ],
)
def test_wrong_arguments_of_a_websocket(flush_probe, target, options, message):
    """Options that a WebSocket, or HTTP, does not have are refused before any request is sent."""
    with pytest.raises(UsageError, match=message):
        flush_probe.check(target, **options)


@pytest.mark.parametrize(
    ("message", "output"),
    [
        ('{"text": "a"}', b'{"text": "a"}\n'),
        ('["token", {"text": "a"}]', b'["token", {"text": "a"}]\n'),
        ("Hello", b"Hello"),
        ("{}", b"{}"),
        ("[1]", b"[1]"),
        ("{ not JSON }", b"{ not JSON }"),
        (b"\xff\x00", b"\xff\x00"),
    ],
)
def test_messages_as_output(message, output):
    """JSON messages are written a line each, to keep them apart; text is left as it is."""
    assert message_bytes(message) == output


def _listens(port: int) -> bool:
    with socket.socket() as client:
        client.settimeout(1)
        return client.connect_ex(("127.0.0.1", port)) != errno.ECONNREFUSED  # if its queue is full it listens, too


def _wait_for(port: int) -> None:
    _until(lambda: _listens(port))


def _until(done) -> None:
    """Wait for what another process does; the timeout of the test is the bound."""
    while not done():
        time.sleep(0.02)
