"""The collector of cycles while cassettes are loaded."""

from __future__ import annotations

import gc

import pytest

from tokentape_harness.cassettes.gc_paused import gc_paused
from tokentape_harness.cassettes.reader import parse_cassette
from tokentape_harness.errors import CassetteError


@pytest.fixture(autouse=True)
def collector():
    """Leave it as it was."""
    was_on = gc.isenabled()
    yield
    (gc.enable if was_on else gc.disable)()


@pytest.mark.parametrize("on", [True, False])
def test_the_collector_is_as_it_was_before(on):
    """Loading turns the collector off, and leaves it as it found it, whether or not the file can be read."""
    (gc.enable if on else gc.disable)()
    with gc_paused():
        assert not gc.isenabled()
        with gc_paused():
            pass
        assert not gc.isenabled()
    assert gc.isenabled() is on
    parse_cassette(b"interactions: []\nversion: 1\n")
    assert gc.isenabled() is on
    with pytest.raises(CassetteError):
        parse_cassette(b"interactions: [")
    assert gc.isenabled() is on
