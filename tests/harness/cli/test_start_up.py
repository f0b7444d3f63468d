"""What the commands import when they start: it is most of the time until they answer."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

PROGRAM = """
import json, sys
from tokentape_harness.cli import main
try:
    main()
finally:
    print("loaded", json.dumps(sorted(name for name, module in sys.modules.items() if module is not None)))
"""
CLIENTS = {"aiohttp", "anthropic", "boto3", "botocore", "google.genai", "openai", "requests", "urllib3"}
# Each takes 10 ms and more.
OF_OTHERS = {*CLIENTS, "filelock", "hypothesis", "jsonschema", "locust", "opentelemetry.sdk", "pytest", "rich", "trio"}
OF_RECORD = {"httpcore2", "httpx2", "vcr"}


def loaded(folder: Path, *arguments: str) -> set[str]:
    """The modules that a command has imported when it ends; serve ends when it is ready."""
    command = [sys.executable, "-c", PROGRAM, *arguments]
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith("Ctrl-C"):
                process.send_signal(signal.SIGINT)
            if line.startswith("loaded "):
                return set(json.loads(line.removeprefix("loaded ")))
    raise AssertionError("the command printed no modules")


@pytest.mark.parametrize(
    ("arguments", "unused"),
    [
        (["--help"], {*OF_OTHERS, *OF_RECORD, "msgspec", "uvicorn", "yaml"}),
        (
            ["record", "--cassettes", "cassettes", "--", "true"],
            OF_OTHERS - {"filelock"},
        ),  # which its first request needs
        (["record", "--cassettes", "cassettes", "--mode", "none", "--", "true"], {*OF_OTHERS, "httpcore2", "httpx2"}),
        (["serve", "--port", "0"], {*OF_OTHERS, *OF_RECORD, "redis"}),
    ],
    ids=["help", "record", "replay", "serve"],
)
def test_a_command_imports_nothing_that_it_does_without(arguments: list[str], unused: set[str], tmp_path: Path) -> None:
    """Clients that vcrpy patches, the terminal's colours and what a later step needs stay out of the start."""
    assert loaded(tmp_path, *arguments) & unused == set()


def test_patterns_are_compiled_when_they_are_used() -> None:
    """To compile those of secrets and of volatile text takes 0.2 s, which an import does not."""
    code = (
        "import re, sys; compiled = []; real = re.compile\n"
        "re.compile = lambda pattern, *flags: compiled.append(pattern) or real(pattern, *flags)\n"
        "from tokentape_harness.redaction import text_rules\n"
        "from tokentape_fake_provider.sessions.matching import surroundings, volatile\n"
        "late = [rule.regex for rule in (*text_rules.TEXT_RULES, *volatile._PATTERNS, *surroundings._BLOCKS)]\n"
        "print(len(late), len(set(late) & set(compiled)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    count, early = map(int, done.stdout.split())
    assert (count > 100, early) == (True, 0)
