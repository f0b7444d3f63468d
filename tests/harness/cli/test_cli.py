"""The command line: help, wrong input, broken pipes."""

# ruff: noqa: E501 - the table of errors reads best a line each

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys

import pytest
from inline_snapshot import snapshot

from tests.harness.cli.served import SSE


def test_bad_input_is_one_line_with_what_to_do(run, tmp_path, body):
    """Whatever is wrong, there is one line on stderr: 2 for wrong usage, 1 for what failed."""
    good, bad, empty = tmp_path / "good.yaml", tmp_path / "bad.yaml", tmp_path / "empty"
    empty.mkdir()
    run("synth", "-w", "openai_chat", "-o", good, "--words", 3)
    bad.write_text(good.read_text()[:300])
    messages = {}
    for arguments in (
        ("serve", bad),
        ("serve", bad.parent / "none.yaml"),
        ("serve", empty),
        ("serve", tmp_path, "--strict"),
        ("serve", "--timing", "fast"),
        ("serve", "--simulation", "tools=often"),
        ("serve", "--port", "70000"),
        ("chat", "hi"),
        ("chat", "hi", "--provider", "anthropic_messages"),
        ("chat", "hi", "--provider", "nope"),
        ("chat", "hi", "--base-url", "http://127.0.0.1:9/v1"),
        ("synth", "-w", "nope", "-o", good),
        ("synth", "-w", "openai_chat"),
        ("synth", "-w", "openai_chat", "-o", bad),
        ("synth", "-w", "openai_chat", "-o", good, "--words", 1, "--text", "x"),
        ("synth", "-w", "openai_chat", "-o", good, "--usage", "input=x"),
        ("synth", "-w", "openai_chat", "-o", good, "--tool-call", "={}"),
        ("synth", "-w", "openai_chat", "-o", good, "--finish-reason", "done"),
        ("synth", "-w", "openai_chat", "-o", good, "--timing", "synthetic:tps=0"),
        ("show", bad),
        ("show", body),
        ("show", good, "-i", 3),
        ("show",),
        ("decode", "-w", "nope", body),
        ("decode", "-w", "openai_chat", tmp_path / "none.txt"),
        ("decode", "-w", "openai_chat", tmp_path),
        ("decode", "-w", "openai_chat", body, "--pieces", "0"),
        ("nonsense",),
    ):
        done = run(*arguments)
        command = " ".join(map(str, arguments)).replace(str(tmp_path), "TMP")
        error = re.sub("(use one of|known ones are) .*", r"\1 ...", done.error.replace(str(tmp_path), "TMP"))
        error = re.sub(r"(Invalid value for '\S+': ).* \(see", r"\1... (see", error)  # the words are typer's
        messages[command] = f"{done.code} {error}"
        assert done.error.startswith("tokentape: ")
    assert messages == snapshot(
        {
            "serve TMP/bad.yaml": "1 tokentape: TMP/bad.yaml: not YAML, or cut short (line 10, column 1: could not find expected ':'): restore the file or record it again",
            "serve TMP/none.yaml": "1 tokentape: TMP/none.yaml: no such cassette or folder: check the path",
            "serve TMP/empty": "2 tokentape: TMP/empty: no cassettes or rules files in this folder (.yaml, .yml, .json, .toml): check the path",
            "serve TMP --strict": "1 tokentape: TMP/bad.yaml: not YAML, or cut short (line 10, column 1: could not find expected ':'): restore the file or record it again",
            "serve --simulation tools=often": "2 tokentape: setting simulation: tools 'often' is not one of auto, always, never",
            "serve --timing fast": "2 tokentape: timing: 'fast' is not one of instant, recorded, recorded:SPEED, stepped, synthetic:OPTIONS, profile:FILE",
            "serve --port 70000": "2 tokentape: Invalid value for '--port': ... (see tokentape serve --help)",
            "chat hi": "2 tokentape: no API key: set OPENAI_API_KEY, or use a local server (--base-url)",
            "chat hi --provider anthropic_messages": "2 tokentape: no API key: set ANTHROPIC_API_KEY, or use a local server (--base-url)",
            "chat hi --provider nope": "2 tokentape: no provider 'nope': the known ones are ...",
            "chat hi --base-url http://127.0.0.1:9/v1": "1 tokentape: the connection failed while requesting http://127.0.0.1:9/v1/chat/completions (ConnectError: [Errno 111] Connection refused): check that the server runs, and --base-url",
            "synth -w nope -o TMP/good.yaml": "2 tokentape: no wire format 'nope': the known ones are ...",
            "synth -w openai_chat": "2 tokentape: Missing option '--output' / '-o'. (see tokentape synth --help)",
            "synth -w openai_chat -o TMP/bad.yaml": "1 tokentape: TMP/bad.yaml: not overwritten, since the file there can't be read (not YAML, or cut short (line 10, column 1: could not find expected ':'): restore the file or record it again): move it away first",
            "synth -w openai_chat -o TMP/good.yaml --words 1 --text x": "2 tokentape: --words and --text exclude each other: give only one",
            "synth -w openai_chat -o TMP/good.yaml --usage input=x": "2 tokentape: --usage 'input=x': 'input=x' is not NAME=COUNT with a name of input, output, total, cached, cache_write, reasoning",
            "synth -w openai_chat -o TMP/good.yaml --tool-call ={}": "2 tokentape: --tool-call '={}' has no name: give NAME={...}",
            "synth -w openai_chat -o TMP/good.yaml --finish-reason done": "2 tokentape: --finish-reason 'done' is not one of stop, length, tool_calls, content_filter, refusal, pause, error, other",
            "synth -w openai_chat -o TMP/good.yaml --timing synthetic:tps=0": "2 tokentape: timing: tps must be more than 0, not 0",
            "show TMP/bad.yaml": "1 tokentape: TMP/bad.yaml: not YAML, or cut short (line 10, column 1: could not find expected ':'): restore the file or record it again",
            "show TMP/body.txt": "1 tokentape: TMP/body.txt: not a cassette: it has no list of `interactions`",
            "show TMP/good.yaml -i 3": "2 tokentape: TMP/good.yaml has no interaction 3: it has 1, from 0",
            "show": "2 tokentape: Missing argument 'file'. (see tokentape show --help)",
            "decode -w nope TMP/body.txt": "2 tokentape: unknown wire format 'nope': use one of ...",
            "decode -w openai_chat TMP/none.txt": "2 tokentape: TMP/none.txt: no such file: give one with a raw response body, or -",
            "decode -w openai_chat TMP": "2 tokentape: TMP is a folder: give a file with a raw response body, or -",
            "decode -w openai_chat TMP/body.txt --pieces 0": "2 tokentape: Invalid value for '--pieces': ... (see tokentape decode --help)",
            "nonsense": "2 tokentape: No such command 'nonsense'. (see tokentape --help)",
        }
    )


@pytest.mark.parametrize("arguments", [(), ("flush-check",), ("conformance",)])
def test_nothing_but_a_name_shows_help(run, arguments):
    """A command without arguments prints its help to stdout and no error."""
    done = run(*arguments)
    assert (done.code, done.err) == (2, "")
    assert " ".join(["Usage: tokentape", *arguments]) in done.out


def test_an_unreadable_file_is_a_clear_error(run, tmp_path):
    """A file without permission is one line."""
    path = tmp_path / "locked.yaml"
    path.write_text("interactions: []\nversion: 1\n")
    path.chmod(0)
    if os.access(path, os.R_OK):
        pytest.skip("this user may read everything")
    for arguments in (("show", path), ("decode", "-w", "openai_chat", path)):
        done = run(*arguments)
        assert done.code == 1
        assert "Permission denied" in done.error


def test_an_unexpected_error_is_one_line_too(run, body, monkeypatch):
    """Even a fault of our own is one line, with how to see more."""
    monkeypatch.setattr("tokentape_harness.cli.decode.stream_bytes", lambda *_: 1 / 0)
    done = run("decode", "-w", "openai_chat", body)
    assert (done.code, done.error) == (
        1,
        "tokentape: internal error: ZeroDivisionError: division by zero (TOKENTAPE_DEBUG=1 shows where)",
    )


@pytest.mark.parametrize(
    "command", ["show", *(pytest.param(name, marks=pytest.mark.slow) for name in ("decode", "synth", "--version"))]
)
def test_a_broken_pipe_is_quiet(tmp_path, run, command):
    """A reader that has seen enough (`| head`) is no error worth a word."""
    body, cassette = tmp_path / "body.txt", tmp_path / "made.yaml"
    body.write_bytes(SSE)
    run("synth", "-w", "openai_chat", "-o", cassette)
    arguments = {
        "decode": ["-w", "openai_chat", body],
        "show": [cassette],
        "synth": ["-w", "openai_chat", "-o", cassette],
        "--version": [],
    }[command]
    reading, writing = os.pipe()
    os.close(reading)
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    argv = [sys.executable, "-m", "tokentape_harness.cli", command, *map(str, arguments)]
    done = subprocess.run(argv, stdout=writing, stderr=subprocess.PIPE, env=environment, timeout=60, check=False)
    os.close(writing)
    assert (done.returncode, done.stderr) == (1, b"")


@pytest.mark.parametrize(
    ("command", "code", "error"),
    [
        (["faults"], 0, b""),
        (["show", "no-such-file"], 1, b"tokentape: no-such-file: no such cassette"),
        (["decode", "-w", "openai_chat", "-"], 1, b"tokentape: the stream"),
    ],
)
def test_closed_streams_are_no_error(command, code, error):
    """A service manager may start a command with all of them closed: the command does its work all the same."""
    shell = f"{shlex.join([sys.executable, '-m', 'tokentape_harness.cli', *command])} <&- >&-"
    for closed, shown in (("", error), (" 2>&-", b"")):
        done = subprocess.run(["sh", "-c", shell + closed], stderr=subprocess.PIPE, timeout=60, check=False)
        assert (done.returncode, done.stderr[: len(error)]) == (code, shown)


def test_help_and_version(run):
    """Every command has help; --version names the version."""
    assert re.fullmatch(r"tokentape \d+\.\d+\.\d+\n", run("--version").out)
    for command in ("serve", "chat", "synth", "show", "decode"):
        done = run(command, "--help")
        assert done.code == 0
        assert f"Usage: tokentape {command}" in done.out


@pytest.mark.parametrize("arguments", [(), ("conformance",)])
def test_lists_of_commands_are_whole(run, arguments):
    """The line of help of each command is wrapped, not cut."""
    listed = run(*arguments, "--help").out.partition("Commands:")[2]
    assert listed.rstrip().endswith(".")
    assert "..." not in listed


@pytest.mark.slow
def test_help_imports_nothing_heavy():
    """`tokentape --help` imports no server, SDK, YAML, Faker or Rich."""
    code = "import sys\nfrom tokentape_harness.cli import main\ntry: main(['--help'])\nexcept SystemExit: pass\n"
    code += "heavy = ['yaml', 'faker', 'rich', 'uvicorn', 'starlette', 'httpx2', 'msgspec', 'tokentape']\n"
    code += "print([name for name in heavy if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.splitlines()[-1] == "[]"
