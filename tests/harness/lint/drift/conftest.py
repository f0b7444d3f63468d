"""A provider whose format changes, and the command that finds out."""

from __future__ import annotations

import pytest

from tests.harness.lint.drift.changing_server import changing_server
from tests.harness.lint.drift.recorded_exchange import NEW_KEY, Ran
from tokentape_harness.cli import main


@pytest.fixture
def server():
    """A provider whose format a test can change."""
    with changing_server() as running:
        yield running


@pytest.fixture
def drift(capsys, monkeypatch, tmp_path):
    """Run `tokentape drift` with these arguments."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    for variable in ("OPENAI_API_KEY", "ANTHROPIC_API_KEY", "GEMINI_API_KEY"):
        monkeypatch.setenv(variable, NEW_KEY)

    def command(*arguments):
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main(["drift", *map(str, arguments)])
        captured = capsys.readouterr()
        assert NEW_KEY not in captured.out + captured.err
        assert "Traceback" not in captured.err
        return Ran(ended.value.code, captured.out, captured.err)

    return command
