"""Which cells a sweep has, and what is set up for each."""

from __future__ import annotations

from pathlib import Path

import pytest

from tokentape_fake_provider.errors import FaultError
from tokentape_fake_provider.faults import FAULTS, format_fault
from tokentape_harness.errors import CassetteNotFoundError, SweepError, UsageError
from tokentape_harness.sweep import Plan, Subject, plan_sweep, read_subject
from tokentape_harness.sweep.plan import FEWEST, sampled

CASSETTES = Path(__file__).parents[3] / "cassettes"


@pytest.fixture(scope="module")
def text() -> Subject:
    """A recorded sentence of 42 frames."""
    return read_subject(CASSETTES / "openai_chat" / "text.yaml")


def planned(subject: Subject, *args, **options) -> Plan:
    """Its plan."""
    return plan_sweep(subject.tape, subject.wire, *args, **options)


@pytest.fixture(scope="module")
def plan(text: Subject) -> Plan:
    """Its plan of all faults."""
    return planned(text)


def test_each_fault_is_tried_at_each_boundary(plan):
    """All faults of the catalog but quotas are there, those with places at every place, first of all none."""
    assert plan.cells[0].id == "none"
    names = {cell.id.partition("@")[0] for cell in plan.cells} - {"none"}
    # Only Anthropic has pings, and this recording has no character of several bytes.
    assert names == set(FAULTS) - {"quota", "pings"}
    for name, count in (("fin", 43), ("stall", 43), ("lose", 42), ("half_event", 44)):
        assert [cell.place for cell in plan.cells if cell.row == name] == list(range(count))
    assert plan.frames == 42
    assert plan.possible == len(plan.cells)


def test_only_what_never_ends_is_truncated(plan):
    """A cut is a truncation up to the finish reason, and not after it; a stream that only looks odd is none."""
    cells = {cell.id: cell for cell in plan.cells}
    cuts = [cells[f"clean_end@frame={frame}"].truncated for frame in range(43)]
    assert cuts == [True] * 41 + [False] * 2
    for name in ("fin", "rst", "stall", "in_band_error"):
        assert cells[f"{name}@frame=3"].truncated
    assert cells["empty_stream"].truncated
    assert cells["overload@retry_after=0.001"].truncated
    for name in (
        "gzip",
        "tiny_chunks",
        "content_type",
        "lose@frame=3",
        "duplicate@frame=3",
        "none",
        "malformed_json@event=3",
    ):
        assert not cells[name].truncated, name


@pytest.mark.parametrize("name", ["openai_chat/long", "anthropic_messages/long"])
def test_long_recordings_are_sampled(name):
    """Of many places a sample is tried, with the beginning and the ending always, the same for the same seed."""
    subject = read_subject(CASSETTES / f"{name}.yaml")
    plan = planned(subject, ["fin", "clean_end"], places=20)
    places = [cell.place for cell in plan.cells if cell.row == "fin"]
    count = len(subject.tape.frames) + 1
    assert len(places) == 20
    assert places[-4:] == list(range(count - 4, count))
    assert places[:2] == [0, 1]
    assert planned(subject, ["fin", "clean_end"], places=20) == plan
    assert planned(subject, ["fin", "clean_end"], places=20, seed=1).cells != plan.cells
    assert plan.possible == 1 + 2 * count + 1


def test_sampled():
    """Few are taken as they are, of many the ends and some between, in order and without repetition."""
    assert sampled(5, 6, 0) == [0, 1, 2, 3, 4]
    found = sampled(1000, 50, 0)
    assert len(set(found)) == 50
    assert found == sorted(found)
    assert {0, 1, 996, 997, 998, 999} <= set(found)


def test_one_place_of_one_fault(text):
    """A specification is one cell, and a random place is drawn before it is tried."""
    plan = planned(text, ["fin@frame=3", "clean_end@event=random", "bit_flip"])
    assert [cell.id for cell in plan.cells][:2] == ["none", "fin@frame=3"]
    assert "random" not in " ".join(cell.id for cell in plan.cells)
    assert planned(text, ["clean_end@event=random"], seed=5) == planned(text, ["clean_end@event=random"], seed=5)


def test_a_wait_for_ever_is_broken_off(plan):
    """What is set up for a silent server ends after the patience; anything else is as it was planned, once."""
    cells = {cell.id: cell for cell in plan.cells}

    def specs(name: str, **options) -> list[str]:
        return [format_fault(fault) for fault in cells[name].faults(500.0, **options)]

    assert specs("stall@frame=3") == ["rst@frame=3,times=1", "stall@frame=end,for=500ms,times=1"]
    assert specs("slow_headers@for=ever") == ["slow_headers@for=500ms,times=1", "rst@before_headers,times=1"]
    assert specs("fin@frame=3", times=None, after=2) == ["fin@frame=3,after=2"]
    assert specs("none") == []
    assert [cell.id for cell in cells.values() if cell.endless][:2] == ["slow_headers@for=ever", "stall@frame=0"]


def test_what_can_t_be_swept_is_refused(text, tmp_path):
    """Each bad input has a clear error."""
    with pytest.raises(UsageError, match=f"places is 5: it must be at least {FEWEST}"):
        planned(text, places=5)
    with pytest.raises(FaultError, match="no fault 'fim'"):
        planned(text, ["fim@frame=1"])
    with pytest.raises(FaultError, match="'fim' can't be swept"):
        planned(text, ["fim"])
    with pytest.raises(UsageError, match="no fault applies"):
        planned(text, ["pings"])
    with pytest.raises(SweepError, match="no response is a complete stream"):
        read_subject(CASSETTES / "openai_chat" / "server_killed.yaml")
    with pytest.raises(SweepError, match="interaction 7 is not a complete stream"):
        read_subject(CASSETTES / "openai_chat" / "text.yaml", 7)
    with pytest.raises(CassetteNotFoundError):
        read_subject(tmp_path / "none.yaml")


def test_the_subject_is_the_recording(text):
    """The whole answer is known from the recording alone."""
    assert text.output.text.startswith("Zueroft beibenum")
    assert text.wire.name == "openai_chat"
    second = read_subject(CASSETTES / "openai_chat" / "walk.yaml", 1)
    assert second.number == 1
    assert second.output.text != read_subject(CASSETTES / "openai_chat" / "walk.yaml").output.text
