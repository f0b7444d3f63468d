"""A fault of another package is a fault like any other: served, swept, listed, set by the control API."""

from __future__ import annotations

import json
from pathlib import Path

import httpx2
import pytest

from tests.plugins.conftest import Install
from tests.plugins.toy_fault import Shout
from tokentape_fake_provider import FakeProviderServer, Script, Text
from tokentape_fake_provider.errors import FaultError
from tokentape_fake_provider.faults import format_fault, parse_fault
from tokentape_harness import FakeProvider
from tokentape_harness.cli import main
from tokentape_harness.sweep import plan_sweep, read_subject

ENTRY = "[tokentape.faults]\nshout = tests.plugins.toy_fault:Shout\n"
TEXT = Path(__file__).parents[2] / "cassettes" / "openai_chat" / "text.yaml"
REQUEST = {"model": "m", "stream": True, "messages": [{"role": "user", "content": "Hi"}]}


def post(url: str) -> str:
    """The body of an answer."""
    return httpx2.post(f"{url}/chat/completions", json=REQUEST, headers={"authorization": "Bearer k"}).text


def test_it_is_served(install: Install, fake_provider: FakeProvider) -> None:
    """A script takes it by its specification, and the frames before its place stay as they are."""
    install(ENTRY)
    fake_provider.script("sea", faults="shout@frame=1")
    body = post(fake_provider.base_url())
    assert '"role":"assistant"' in body
    assert '"CONTENT":"SEA"' in body


def test_the_control_api_takes_it(install: Install) -> None:
    """It is an object in JSON, and a wrong parameter is refused with its place."""
    install(ENTRY)
    with FakeProviderServer() as server:
        server.default.push(Script.of(Text("sea")))
        url = f"{server.url}/_tokentape/sessions/default/settings"
        refused = httpx2.patch(url, json={"faults": [{"fault": "shout", "frame": "x"}]})
        assert refused.status_code == 400
        assert refused.json()["error"]["where"].endswith("$.faults[0].frame")
        assert httpx2.patch(url, json={"faults": [{"fault": "shout", "times": 1}]}).status_code == 200
        assert '"CONTENT":"SEA"' in post(server.base_url("openai_chat"))
        listed = httpx2.get(f"{server.url}/_tokentape/faults").json()["faults"]
    assert listed[-1]["name"] == "shout"


@pytest.mark.slow
def test_it_is_swept(install: Install) -> None:
    """A sweep has a row for it, with a cell at each frame."""
    install(ENTRY)
    subject = read_subject(TEXT)
    plan = plan_sweep(subject.tape, subject.wire, ["shout"])
    assert [cell.place for cell in plan.cells[1:]] == list(range(len(subject.tape.frames)))
    assert "shout" in {cell.row for cell in plan_sweep(subject.tape, subject.wire).cells}


def test_it_is_documented(install: Install, capsys: pytest.CaptureFixture[str]) -> None:
    """`tokentape faults` shows its docstring and parameters beside those that are built in."""
    install(ENTRY)
    with pytest.raises(SystemExit):
        main(["faults", "--json"])
    entry = json.loads(capsys.readouterr().out)["faults"][-1]
    assert (entry["name"], entry["meaning"]) == ("shout", "All letters of the body from a frame on are capitals.")
    assert [(parameter["name"], parameter["meaning"]) for parameter in entry["parameters"]] == [
        ("frame", "the first frame, from 0")
    ]


def test_its_specification(install: Install) -> None:
    """A line and a value are equal, and the error of a misspelt name has the nearest one."""
    with pytest.raises(FaultError, match="no fault 'shout'"):
        parse_fault("shout")
    install(ENTRY)
    assert parse_fault("shout@frame=3") == Shout(frame=3)
    assert format_fault(Shout(frame=3)) == "shout@frame=3"
    with pytest.raises(FaultError, match="did you mean shout"):
        parse_fault("shuot")


@pytest.mark.parametrize(
    ("entry", "problem"),
    [
        ("shout = tests.plugins.gone:Shout", "can't be loaded"),
        ("shout = tests.plugins.toy_fault:Gone", "can't be loaded"),
        ("shout = pathlib:Path", "not a subclass of CustomFault"),
        ("loud = tests.plugins.toy_fault:Shout", "its name must be shout"),
    ],
)
def test_a_broken_package(install: Install, entry: str, problem: str) -> None:
    """An entry point that is not a fault gives one error that names it, and faults that are built in still work."""
    install(f"[tokentape.faults]\n{entry}\n")
    with pytest.raises(FaultError, match=problem):
        parse_fault("shout")
    assert parse_fault("fin").times is None
