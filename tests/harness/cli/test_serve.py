"""The command `serve`, in a process of its own."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import urllib.request

import httpx2
import pytest

from tests.harness.cli.served import start_server


@pytest.mark.slow
@pytest.mark.parametrize(
    "workers", [1, pytest.param(2, marks=pytest.mark.skipif(not hasattr(os, "fork"), reason="forks"))]
)
def test_serve_ends_with_the_program_that_started_it(workers):
    """With --until-eof the server ends when the pipe to its stdin is closed, and not before."""
    command = [
        sys.executable,
        "-m",
        "tokentape_harness.cli",
        "serve",
        "--port",
        "0",
        "--until-eof",
        "--workers",
        workers,
    ]
    pipe = subprocess.PIPE
    process = subprocess.Popen(list(map(str, command)), stdin=pipe, stdout=pipe, stderr=pipe, text=True)
    try:
        printed = "".join(iter(process.stdout.readline, "Ctrl-C stops it.\n"))
        assert httpx2.get(re.search(r"http://\S+", printed)[0] + "/health").is_success
        assert process.poll() is None
        _, error = process.communicate(timeout=30)  # closes stdin
    finally:
        process.kill()
    assert (process.returncode, error) == (0, "")


@pytest.mark.parametrize("number", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.slow)])
def test_serve_answers_until_interrupted(run, tmp_path, number):
    """serve prints its URLs, answers with a cassette again and again, and ends cleanly when interrupted."""
    run("synth", "-w", "openai_chat", "-o", tmp_path / "made.yaml", "--text", "From the cassette.")
    (tmp_path / "other.yaml").write_text("not: a cassette\n")
    process, url, printed = start_server(
        tmp_path, "--timing", "recorded:100", "--seed", 5, "--simulation", "tools=always,turns=2"
    )
    try:
        first, *urls, loaded, last = printed.splitlines()
        assert first == f"tokentape serves a fake provider at {url}"
        shown = {line.split()[0]: line.split()[-1] for line in urls}
        assert shown["openai_chat"] == f"{url}/v1"
        assert shown["anthropic_messages"] == url
        assert shown["console"] == f"{url}/_tokentape/console"
        assert loaded == "  1 recording of 1 cassette, timing recorded:100"
        assert last == "Ctrl-C stops it."
        with urllib.request.urlopen(f"{url}/_tokentape/sessions/default/settings") as response:
            settings = json.load(response)
        assert (settings["timing"], settings["seed"]) == ({"type": "recorded", "speed": 100}, 5)
        assert (settings["simulation"]["tools"], settings["simulation"]["turns"]) == ("always", 2)
        for _ in range(2):
            answered = run("chat", "Say something.", "--model", "tokentape", "--base-url", f"{url}/v1")
            assert answered.out == "From the cassette.\n"
        synthetic = run("chat", "Something else.", "--base-url", f"{url}/v1")
        assert synthetic.code == 0
        assert synthetic.out.strip()
    finally:
        process.send_signal(number)
        out, err = process.communicate(timeout=30)
    assert process.returncode == 0
    logged = [line.split("  ")[1:6] for line in out.splitlines() if not line.startswith(" ")]
    request = ["200", "POST /v1/chat/completions", "openai_chat", "tokentape"]
    assert logged[:2] == [[*request, f"recording: {tmp_path / 'made.yaml'}, interaction 0"]] * 2
    assert logged[2] == [*request[:3], "gpt-4o-mini", "synthetic"]
    assert err == (
        f"tokentape: warning: skipped: {tmp_path / 'other.yaml'}: neither a cassette, which has `interactions`, nor a "
        "rules file, which has settings, rules, queue, cassettes, sessions\n"
        f"tokentape: openai_chat: 0 recorded, 2 replayed, 1 unmatched, {err.split()[-3]} s saved\n"
    )


@pytest.mark.slow
def test_serve_strict_refuses_what_nothing_answers(run):
    """With --strict a request without a recording gets no generated answer."""
    process, url, _ = start_server("--strict")
    try:
        done = run("chat", "Something else.", "--base-url", f"{url}/v1")
        assert done.code == 1
        assert "No recording answers POST /v1/chat/completions" in done.error
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=30)
    assert process.returncode == 0


@pytest.mark.slow
@pytest.mark.parametrize(("options", "status"), [((), 400), (("--no-validate",), 200)])
def test_serve_refuses_what_the_provider_refuses(options, status):
    """A request that the provider refuses is refused, unless --no-validate is given."""
    process, url, _ = start_server(*options)
    body = {"model": "gpt-4o", "messages": [{"role": "user", "content": "Hi"}], "temperature": 3}
    try:
        assert httpx2.post(f"{url}/v1/chat/completions", json=body, timeout=30).status_code == status
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=30)


def test_serve_on_a_port_in_use_is_a_clear_error(run):
    """A port in use is one line of error, with what to do."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = listener.getsockname()[1]
        done = run("serve", "--port", port)
    assert done.code == 1
    assert done.error == (
        f"tokentape: port {port} on 127.0.0.1 is in use: stop the program that listens there, or use another port "
        "(0 finds a free one)"
    )


@pytest.mark.slow
def test_serve_imports_no_decoders_and_no_clients():
    """What transcodes, learns profiles or sends requests is imported when `tokentape serve` needs it."""
    code = "import sys, tokentape_harness.cli.serve\n"
    code += "late = ['tokentape_harness.conversion', 'tokentape_harness.profiles', 'tokentape.providers', 'httpx2']\n"
    code += "print([name for name in late if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.splitlines()[-1] == "[]"
