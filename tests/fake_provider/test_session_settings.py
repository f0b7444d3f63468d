"""Settings of a session that are of no use are refused when they are set, in Python and by the control API."""

from __future__ import annotations

from typing import Any

import httpx2
import pytest

from tokentape_fake_provider import FakeProviderServer, Script, Session, SessionSettings, Stepped
from tokentape_fake_provider.errors import FakeProviderError, ScriptError
from tokentape_fake_provider.simulation.settings import Simulation

WRONG = [
    ({"clock": "controled"}, "setting clock: 'controled' is not one of server, controlled, automatic"),
    ({"seed": "x"}, "setting seed: 'x' is not valid: Expected `int`, got `str`"),
    ({"strict": "no"}, "setting strict: 'no' is not valid: Expected `bool`, got `str`"),
    ({"usage": 3}, "setting usage: 3 is not valid: Expected `object`, got `int`"),
    ({"usage": Stepped()}, "is not valid: it is a Stepped"),
    ({"timing": "steped"}, "timing: 'steped' is not one of instant, recorded, "),
    ({"dialect": "azur"}, "no dialect 'azur': the known ones are openai, azure, "),
    ({"locale": "xx_YY"}, "no synthetic text for the locale 'xx_YY': use one of "),
    ({"faults": ("fim",)}, "no fault 'fim': did you mean fin?"),
    ({"simulation": "tools"}, "setting simulation: 'tools' is not of the form name=value"),
    ({"simulation": "turns=2,turns=3"}, "setting simulation: turns is given twice"),
    ({"simulation": "tools=often"}, "setting simulation: tools 'often' is not one of auto, always, never"),
    ({"simulation": {"turns": -1}}, "setting simulation: turns -1 is not a whole number from 0"),
    ({"simulation": {"words": "9"}}, "setting simulation: words '9' is not a whole number from 0"),
    ({"simulation": {"turn": 1}}, "setting simulation: no option 'turn'; it has tools, turns, words, reasoning"),
    ({"simulation": 3}, "setting simulation: 3 is not an object with some of tools, turns, words, reasoning"),
]


@pytest.mark.parametrize(("change", "reported"), WRONG, ids=str)
def test_a_wrong_setting_is_refused(change: dict[str, Any], reported: str, session: Session) -> None:
    """One line says what was wrong and what there is, and the session stays as it was."""
    before = session.settings
    for change_it in (session.configure, SessionSettings):
        with pytest.raises(FakeProviderError) as refused:
            change_it(**change)
        assert reported in str(refused.value)
    assert session.settings is before


@pytest.mark.parametrize(
    "change",
    [{"clock": "controled"}, {"locale": "xx_YY"}, {"seed": "x"}, {"dialect": "azur"}, {"dress": "azur"}],
    ids=str,
)
def test_the_control_api_refuses_it(
    change: dict[str, Any], session: Session, server: FakeProviderServer, http: httpx2.Client
) -> None:
    """A client gets a 400 that says the same."""
    before = session.settings
    answer = http.patch(f"{server.url}/_tokentape/sessions/{session.id}/settings", json=change)
    assert answer.status_code == 400
    assert answer.json()["error"]["what"]
    assert session.settings == before


def test_simulation_is_changed_field_by_field(
    session: Session, server: FakeProviderServer, http: httpx2.Client
) -> None:
    """A value, a mapping or one line, in Python and over HTTP: what is not named stays."""
    session.configure(simulation="tools=always, words=200")
    session.configure(simulation={"turns": 2})
    url = f"{server.url}/_tokentape/sessions/{session.id}/settings"
    changed = http.patch(url, json={"simulation": {"reasoning": "never"}}).json()
    wanted = {"tools": "always", "turns": 2, "words": 200, "reasoning": "never", "caching": True}
    assert changed["simulation"] == wanted
    assert http.patch(url, json={"simulation": "turns=3"}).json()["simulation"] == changed["simulation"] | {"turns": 3}
    assert session.settings.simulation == Simulation("always", 3, 200, "never")
    session.configure(simulation=Simulation())
    assert session.settings == SessionSettings()
    refused = http.patch(url, json={"simulation": {"tools": "x"}})
    assert refused.status_code == 400
    assert refused.json()["error"]["what"] == "setting simulation: tools 'x' is not one of auto, always, never"


def test_a_timing_in_words(session: Session) -> None:
    """Timings are written as everywhere else."""
    session.configure(timing="stepped:headers")
    assert session.settings.timing == Stepped(headers=True)


def test_a_finish_reason_that_is_none_is_refused() -> None:
    """When the script is created, and not when it is requested."""
    with pytest.raises(ScriptError, match="finish_reason 'done' is not one of stop, length, "):
        Script.of("x", finish_reason="done")  # type: ignore[arg-type]
