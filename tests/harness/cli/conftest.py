"""Files that commands read."""

from __future__ import annotations

import pytest

from tests.harness.cli.served import SSE


@pytest.fixture
def body(tmp_path):
    """A file with a raw response body."""
    path = tmp_path / "body.txt"
    path.write_bytes(SSE)
    return path
