"""The blocks of docs/without-a-script.md run."""

from __future__ import annotations

import httpx2
import pytest

from tests.pages import block_with, page_text, run
from tokentape_harness import FakeProvider

PAGE = page_text("docs/without-a-script.md")


def test_the_tools_of_the_page(fake_provider: FakeProvider) -> None:
    """The test that the page shows passes: a call with the user's city, then a text that quotes the result."""
    run(block_with(PAGE, "def test_tools"), httpx2=httpx2)["test_tools"](fake_provider)


@pytest.mark.fake_provider(simulation={"tools": "always", "turns": 2})
def test_the_settings_of_the_page(fake_provider: FakeProvider) -> None:
    """The mark that the page shows sets up the simulation, and one line changes another field of it."""
    block = block_with(PAGE, "def test_two_rounds")
    assert 'simulation={"tools": "always", "turns": 2}' in block
    run(block, pytest=pytest)["test_two_rounds"](fake_provider)
    assert fake_provider.session.settings.simulation.words == 20


@pytest.mark.parametrize("simulation", [{"tools": "sometimes"}, "tools"])
def test_a_wrong_simulation_is_one_line(fake_provider: FakeProvider, simulation: object) -> None:
    """The fixture refuses it as the session does."""
    with pytest.raises(ValueError, match="setting simulation: "):
        fake_provider.set_up(simulation=simulation)
