"""Ctrl-C, once and twice, while streams are open: an end without a traceback."""

from __future__ import annotations

import signal
import sys
import threading
from pathlib import Path

import httpx2
import pytest

from tests.harness.recording.proxy.processes import environment, running
from tokentape_harness.cli import main
from tokentape_harness.cli import run as run_module

CHAT = {"model": "m", "stream": True, "messages": [{"role": "user", "content": "x"}]}


@pytest.mark.slow
@pytest.mark.parametrize("times", [1, 2])
@pytest.mark.parametrize("command", ["serve", "record"])
def test_ctrl_c_while_streams_are_open(command: str, times: int, tmp_path: Path) -> None:
    """The command ends with 0 and prints no error, however often it is interrupted."""
    options = ("--port", "0", "--timing", "synthetic:ttft=10ms,tps=1")
    given = (*("serve", *options),) if command == "serve" else ("record", "--cassettes", str(tmp_path))
    with running([sys.executable, "-m", "tokentape_harness.cli", *given], environment()) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        url = process.stdout.readline().split()[-1]
        while "Ctrl-C" not in process.stdout.readline():
            pass
        if command == "serve":
            with httpx2.stream("POST", f"{url}/v1/chat/completions", json=CHAT, timeout=30) as response:
                next(response.iter_raw())
                for _ in range(times):
                    process.send_signal(signal.SIGINT)
                assert process.stderr.read() == ""
        else:
            for _ in range(times):
                process.send_signal(signal.SIGINT)
            assert process.stderr.read() == ""
    assert process.returncode == 0


def test_ctrl_c_while_modules_are_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C before the command runs is exit code 130, without a traceback."""

    def interrupted(_: object) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(run_module, "run", interrupted)
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(SystemExit) as ended:
        main(["serve"])
    assert ended.value.code == 130
    assert signal.getsignal(signal.SIGINT) is before
    assert threading.current_thread() is threading.main_thread()
