"""The fake provider and the library in programs that gevent has patched."""

from __future__ import annotations

import subprocess
import sys

import pytest

pytest.importorskip("gevent")


@pytest.mark.slow
def test_a_server_in_a_program_that_gevent_has_patched() -> None:
    """It starts, answers greenlets of the same program (Flask under gevent's server), is stepped by them, and stops."""
    ran = subprocess.run(
        [sys.executable, "-m", "tests.fake_provider.gevent_program"], capture_output=True, text=True, timeout=60
    )
    assert ran.stderr == ""
    assert ran.stdout == "['number 0', 'number 1', 'number 2']\n3\n200\n"
