"""Tests of one group run on one worker, which starts what they share once."""

from __future__ import annotations

import pytest

pytestmark = [pytest.mark.clients, pytest.mark.xdist_group("of this module")]


def test_a_group_has_a_name(request: pytest.FixtureRequest) -> None:
    """With `--dist loadgroup` the id of a test ends with its group, by which xdist chooses the worker."""
    by_group = getattr(request.config.option, "loadgroup", False)
    assert request.node.nodeid.endswith("@of this module") == by_group
