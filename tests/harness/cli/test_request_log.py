"""The request log of serve: its lines, and a terminal that is slow, gone or controlled by nobody."""

from __future__ import annotations

import os
import pty
import signal
import socket
import subprocess
import sys
import threading
from array import array
from contextlib import suppress
from datetime import UTC
from functools import partial
from typing import Any

import httpx2
import msgspec
import pytest
from inline_snapshot import snapshot

from tokentape_fake_provider import Rule, Script
from tokentape_fake_provider.hosting.server import FakeProviderServer
from tokentape_fake_provider.playback.journal import Entry, TokenCounts
from tokentape_fake_provider.playback.near_miss import FieldDifference, NearMiss
from tokentape_harness.cli.request_line import JSON_FIELDS, json_line, request_line
from tokentape_harness.cli.request_log import RequestLog, without_secrets
from tokentape_harness.redaction import redact_text

BODY: dict[str, Any] = {"model": "gpt-4o", "messages": [{"role": "user", "content": "Hi"}]}


def ended(**fields: Any) -> Entry:
    """A request that has ended, with these attributes."""
    entry = Entry(
        session=fields.pop("session", "default"),
        time=1_800_000_000.5,
        method="POST",
        path=fields.pop("path", "/v1/x"),
        query="",
        raw_headers=[(b"authorization", b"Bearer sk-secret")],
        raw_body=b'{"secret": "s"}',
        wire="openai_chat",
    )
    given = {"model": "gpt-4o", "status": 200, "answered_by": "synthetic", "outcome": "complete", "ended": 840.2}
    for name, value in {**given, "left": array("d", [3.21]), "due": array("d", [0.0]), **fields}.items():
        setattr(entry, name, value)
    return entry


MISS = NearMiss(
    "rule",
    "rule 1",
    [FieldDifference("last_user", "weather", "Hi"), FieldDifference("all[0].turn", 2, 1)],
)


def test_lines() -> None:
    """One line has the time, the status, the request, what answered it, tokens, times and the outcome."""
    entries = [
        ended(usage=TokenCounts(9, 25)),
        ended(session="t1", answered_by="rule", source="rule 0", usage=TokenCounts(9, None), ended=61_000.0),
        ended(outcome="dropped", faults=("fin",), answered_by="recording", source="a.yaml"),
        ended(status=409, answered_by="error", note="No recording answers POST /v1.", ended=1.04),
        ended(model=None, status=None, answered_by=None, outcome="client_left", left=array("d")),
        ended(misses=(MISS,), note="the note of the recording"),
        ended(misses=(NearMiss("recording", "a.yaml", [FieldDifference(f"f{n}", n, None) for n in range(5)]),)),
    ]
    assert "\n".join(request_line(entry, zone=UTC) for entry in entries) == snapshot("""\
08:00:00  200  POST /v1/x  openai_chat  gpt-4o  synthetic  9 in, 25 out  first 3.2 ms  total 840 ms  complete
08:00:00  200  POST /s/t1/v1/x  openai_chat  gpt-4o  rule 0  9 in, ? out  first 3.2 ms  total 61.0 s  complete
08:00:00  200  POST /v1/x  openai_chat  gpt-4o  recording: a.yaml  first 3.2 ms  total 840 ms  dropped  faults: fin
08:00:00  409  POST /v1/x  openai_chat  gpt-4o  error  first 3.2 ms  total 1.0 ms  complete
    No recording answers POST /v1.
08:00:00  ---  POST /v1/x  openai_chat  total 840 ms  client_left
08:00:00  200  POST /v1/x  openai_chat  gpt-4o  synthetic  first 3.2 ms  total 840 ms  complete
    nearest: rule 1: last_user is "Hi", not "weather"; all[0].turn is 1, not 2
08:00:00  200  POST /v1/x  openai_chat  gpt-4o  synthetic  first 3.2 ms  total 840 ms  complete
    nearest: recording a.yaml: f0 is absent, not 0; f1 is absent, not 1; f2 is absent, not 2; and 2 more\
""")


def test_colours() -> None:
    """A terminal shows a good status in green, a refusal in yellow, a failure in red, and what is usual dim."""
    lines = [request_line(ended(status=status), zone=UTC, colours=True) for status in (200, 404, 503)]
    assert [[part for part in line.split("  ") if "\x1b" in part] for line in lines] == snapshot(
        [
            ["\x1b[2m08:00:00\x1b[0m", "\x1b[32m200\x1b[0m", "\x1b[2mcomplete\x1b[0m"],
            ["\x1b[2m08:00:00\x1b[0m", "\x1b[33m404\x1b[0m", "\x1b[2mcomplete\x1b[0m"],
            ["\x1b[2m08:00:00\x1b[0m", "\x1b[31m503\x1b[0m", "\x1b[2mcomplete\x1b[0m"],
        ]
    )


def test_json_lines() -> None:
    """A JSON line has the journal's fields by its names, without headers and body."""
    line = json_line(ended(misses=(MISS,), usage=TokenCounts(9, 25)))
    assert msgspec.json.format(line, indent=1) == snapshot("""\
{
 "time": 1800000000.5,
 "session": "default",
 "number": 0,
 "method": "POST",
 "path": "/v1/x",
 "http_version": "",
 "wire": "openai_chat",
 "model": "gpt-4o",
 "status": 200,
 "answered_by": "synthetic",
 "source": "",
 "note": "",
 "faults": [],
 "misses": [
  {
   "kind": "rule",
   "name": "rule 1",
   "differences": [
    {
     "path": "last_user",
     "expected": "weather",
     "actual": "Hi"
    },
    {
     "path": "all[0].turn",
     "expected": 2,
     "actual": 1
    }
   ],
   "note": ""
  }
 ],
 "usage": {
  "input": 9,
  "output": 25
 },
 "outcome": "complete",
 "started": null,
 "first_frame": 3.21,
 "ended": 840.2,
 "lateness": 3.21,
 "frames_planned": 0,
 "frames_sent": 1,
 "bytes_sent": 0
}\
""")
    assert "\n" not in line
    assert set(JSON_FIELDS) == set(ended().to_builtins()) - {
        *("headers", "body", "query", "arrived", "retry_after", "normalised")
    }


INJECTED = "x\x1b[2J\r\n12:00:00  200  POST /forged\u2028\u202e\x85\udc80"


@pytest.mark.parametrize("field", ["path", "model", "source", "note", "wire"])
@pytest.mark.parametrize("colours", [False, True])
def test_no_request_writes_a_line_of_its_own(field: str, colours: bool) -> None:
    """Control characters, line ends and bidirectional marks of a request are escaped, with colours too."""
    entry = ended(**{field: INJECTED})
    text = request_line(entry, zone=UTC, colours=colours)
    assert text.count("\n") == (field == "note")
    assert len(text.replace("\n    ", "").splitlines()) == 1
    plain = text.replace("\x1b[2m", "").replace("\x1b[32m", "").replace("\x1b[0m", "").replace("\n    ", "")
    assert plain.isprintable()


def test_long_values_are_cut() -> None:
    """A name of any length takes no more than a part of the line."""
    assert len(request_line(ended(model="m" * 100_000, path="/" * 100_000))) < 700


def test_secrets_are_in_no_line() -> None:
    """Neither headers nor bodies are logged; a key is redacted in a prompt that differs, in a path and as a model."""
    key = "sk-proj-Jk83hfLq0aZx91nVbT7yQpRw2mCeUd54"
    entry = ended(misses=(NearMiss("rule", "rule 0", [FieldDifference("contains", "x", f"my key is {key}")]),))
    for line in (request_line(entry, redact=redact_text), json_line(entry, redact=redact_text)):
        assert "my key is" in line
        assert "sk-" not in line
    assert "sk-" not in json_line(ended()) + request_line(ended())
    named = ended(path=f"/v1/{key}/x", model=key, source=key, note=f"Nothing is at /v1/{key}")
    assert "sk-" not in json_line(named, redact=redact_text) + request_line(named, redact=redact_text)


def test_the_servers_own_secrets_are_in_no_line() -> None:
    """The token of the control API and the keys of --api-key, of any form, are removed from a path."""
    entry = ended(path="/v1/open-sesame/x", model="swordfish", source="open%2Dsesame")
    redact = without_secrets(["open-sesame", "swordfish"])
    for line in (request_line(entry, redact=redact), json_line(entry, redact=redact)):
        assert "sesame/" not in line
        assert "swordfish" not in line
        assert "/v1/REDACTED/x" in line


def test_a_server_reports_its_requests() -> None:
    """Every request to a provider's path is logged as it ends, also those of no session, and of foreign pages."""
    reading, writing = os.pipe()
    log = RequestLog(writing, json_line)
    with FakeProviderServer(ended=log) as server, httpx2.Client(base_url=server.url) as client:
        server.default.add_rule(Rule((Script.of("sunny"),), contains="weather"))
        server.default.push("hello there")
        for path, headers in (
            ("/v1/chat/completions", {}),
            ("/v1/chat/completions", {}),
            ("/s/nobody/v1/messages", {}),
            ("/v1/messages", {"origin": "https://evil.example"}),
            ("/v1beta/models/gemini-x:generateContent", {}),
        ):
            client.post(path, json=BODY, headers=headers)
        client.get("/health")
        client.get("/_tokentape")
    log.close()
    os.close(writing)
    with os.fdopen(reading, "rb") as lines:
        found = [msgspec.json.decode(line) for line in lines]
    shown = [[one[name] for name in ("path", "model", "wire", "answered_by", "status", "outcome")] for one in found]
    assert shown == snapshot(
        [
            ["/v1/chat/completions", "gpt-4o", "openai_chat", "queue", 200, "complete"],
            ["/v1/chat/completions", "gpt-4o", "openai_chat", "synthetic", 200, "complete"],
            ["/v1/messages", None, "anthropic_messages", "error", 404, "complete"],
            ["/v1/messages", None, "anthropic_messages", "error", 403, "complete"],
            ["/v1beta/models/gemini-x:generateContent", "gpt-4o", "gemini", "error", 400, "complete"],
        ]
    )
    assert [one["usage"] for one in found[:2]] == snapshot([{"input": 1, "output": 2}, {"input": 1, "output": 66}])
    assert found[1]["misses"][0]["differences"] == [{"path": "contains", "expected": "weather", "actual": "Hi"}]


def test_what_is_no_request() -> None:
    """What the server refuses before it is a request is logged with the reason: most often a wrong base URL."""
    lines: list[str] = []
    with FakeProviderServer(ended=lambda entry: lines.append(request_line(entry, zone=UTC))) as server:
        for sent in (b"\x16\x03\x01\x00\x05hello", b"GET /v1/models HTTP/1.1\r\nx-long: " + b"x" * 70_000):
            with socket.create_connection(("127.0.0.1", server.port), 30) as client:
                client.sendall(sent)
                while client.recv(65_536):
                    pass
    tls, long = (line.partition("  ")[2].splitlines() for line in lines)
    assert (tls[0][:3], tls[1].strip()[:21]) == ("400", "The client uses TLS: ")
    assert (long[0][:17], long[1].strip()[:25]) == ("431  /v1/models  ", "The request's headers are")


def test_a_terminal_that_stands_still_stops_no_stream() -> None:
    """While nobody reads the log, requests are answered; what did not fit is counted when it goes on."""
    reading, writing = os.pipe()
    log = RequestLog(writing, partial(json_line), not_shown="{} not shown")
    entry = ended(path="/" + "x" * 3_000)
    for _ in range(4_000):
        log(entry)  # a pipe has 64 kB
    lines: list[bytes] = []

    def read() -> None:
        with os.fdopen(reading, "rb") as stream:
            lines.extend(stream)

    reader = threading.Thread(target=read)
    reader.start()
    log.close()
    os.close(writing)
    reader.join()
    (counted,) = [line for line in lines if b"not shown" in line]
    assert len(lines) - 1 + int(counted.split()[0]) == 4_000
    assert int(counted.split()[0]) > 1_000


def test_a_terminal_that_is_gone_stops_no_stream() -> None:
    """When the log's reader has gone, requests are answered as before, and the log can be closed."""
    reading, writing = os.pipe()
    os.close(reading)
    log = RequestLog(writing, json_line)
    with FakeProviderServer(ended=log) as server, httpx2.Client(base_url=server.url) as client:
        assert [client.post("/v1/chat/completions", json=BODY).status_code for _ in range(3)] == [200] * 3
    log.close()
    os.close(writing)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("options", "environment", "terminal"),
    [
        ((), {}, True),
        ((), {"NO_COLOR": "1"}, True),
        ((), {}, False),
        (("--quiet",), {}, True),
        (("--json-log",), {}, False),
        (("--workers", "2"), {}, False),
        (("--token", "open-sesame"), {}, False),
    ],
    ids=str,
)
def test_serve_logs_its_requests(options: tuple[str, ...], environment: dict[str, str], terminal: bool) -> None:
    """serve prints a line for each request, in colours on a terminal without NO_COLOR; JSON alone on stdout."""
    reading, writing = pty.openpty() if terminal else os.pipe()
    command = [sys.executable, "-m", "tokentape_harness.cli", "serve", "--port", "0", *options]
    kept = {name: value for name, value in os.environ.items() if name != "NO_COLOR"}
    with subprocess.Popen(
        command, stdout=writing, stderr=subprocess.PIPE, env={**kept, **environment}, text=True
    ) as process:
        os.close(writing)
        output = os.fdopen(reading, "r", encoding="utf-8", newline="")
        announced = process.stderr if options == ("--json-log",) else output
        assert announced is not None
        url = announced.readline().split()[-1]
        while not announced.readline().startswith("Ctrl-C"):
            pass
        assert httpx2.post(f"{url}/v1/chat/completions", json=BODY).status_code == 200
        if "--token" in options:
            assert httpx2.get(f"{url}/v1/open-sesame").status_code == 404
        process.send_signal(signal.SIGINT)
        rest = ""
        with output, suppress(OSError):  # EIO is the end of a terminal
            for line in output:
                rest += line
        process.wait(30)
    assert process.returncode == 0
    assert "sesame" not in rest
    assert ("GET /v1/REDACTED" in rest) == ("--token" in options)
    if options == ("--quiet",):
        assert rest == ""
    elif options == ("--json-log",):
        assert msgspec.json.decode(rest)["path"] == "/v1/chat/completions"
    else:
        assert "POST /v1/chat/completions  openai_chat  gpt-4o  synthetic  1 in, " in rest
        assert ("\x1b[32m200" in rest) == (terminal and not environment)
