"""How a client's behaviour is judged and reported."""

from __future__ import annotations

import msgspec
import openai
import pytest
from inline_snapshot import snapshot

from tokentape_fake_provider.faults import parse_fault
from tokentape_fake_provider.playback.journal import Entry
from tokentape_harness.errors import UsageError
from tokentape_harness.sweep import OUTCOMES, Cell, CellResult, Matrix
from tokentape_harness.sweep.outcome import checked_outcomes, error_name, judge

CUT = Cell("clean_end", 3, parse_fault("clean_end@frame=3"), truncated=True)
LOST = Cell("lose", 3, parse_fault("lose@frame=3"))
SILENT = Cell("stall", 3, parse_fault("stall@frame=3"), truncated=True)


def entry(*faults: str, outcome: str = "complete", body: bytes = b"{}") -> Entry:
    """A request."""
    recorded = Entry(
        session="s", time=0, method="POST", path="/v1/x", query="", raw_headers=(), raw_body=body, wire=None
    )
    recorded.faults, recorded.outcome = faults, outcome
    return recorded


@pytest.mark.parametrize(
    ("cell", "entries", "how", "outcome"),
    [
        (CUT, [entry("clean_end@frame=3")], {"same": False}, "silent"),
        (CUT, [entry("clean_end@frame=3")], {"same": True}, "silent"),
        (CUT, [entry("clean_end@frame=3")], {}, "silent"),
        (CUT, [entry("clean_end@frame=3")], {"error": ValueError("cut")}, "raised"),
        (CUT, [entry("clean_end@frame=3"), entry()], {"same": True}, "retried"),
        (CUT, [entry("clean_end@frame=3"), entry()], {}, "retried"),
        (CUT, [entry("clean_end@frame=3"), entry()], {"same": False}, "altered"),
        (CUT, [entry("clean_end@frame=3"), entry("clean_end@frame=3")], {"same": True}, "silent"),
        (CUT, [entry("clean_end@frame=3"), entry(body=b"{1}")], {"same": True}, "silent"),
        (CUT, [entry()], {"same": True}, "unmet"),
        (CUT, [], {"error": ValueError("x")}, "unmet"),
        (LOST, [entry("lose@frame=3")], {"same": False}, "altered"),
        (LOST, [entry("lose@frame=3")], {"same": True}, "complete"),
        (LOST, [entry("lose@frame=3")], {}, "complete"),
        (SILENT, [entry("rst@frame=3", outcome="reset")], {"error": ValueError("reset")}, "hung"),
        (SILENT, [entry("rst@frame=3", outcome="reset"), entry()], {"same": True}, "hung"),
        (SILENT, [entry("rst@frame=3", outcome="client_left")], {"error": TimeoutError()}, "raised"),
        (SILENT, [entry("rst@frame=3", outcome="client_left")], {"same": False}, "silent"),
        (Cell("none"), [entry()], {"same": True}, "complete"),
        (Cell("none"), [entry()], {"same": False}, "altered"),
    ],
)
def test_judge(cell, entries, how, outcome):
    """The outcome follows from the journal, and from how the client ended."""
    assert judge(cell, entries, **how).outcome == outcome


def test_errors_have_their_package():
    """An exception is reported by class and package, with the number of retries."""
    raised = judge(CUT, [entry("fin"), entry("fin"), entry("fin")], error=openai.OpenAIError("no " * 200))
    assert (raised.error, raised.retries, len(raised.message)) == ("openai.OpenAIError", 2, 300)
    assert raised.text == snapshot("raised openai.OpenAIError after 2 retries")
    assert error_name(ValueError()) == "ValueError"


def test_outcomes_by_name():
    """Outcomes are read from one string or several, and `none` is the empty set."""
    assert checked_outcomes("silent, hung") == ("silent", "hung")
    assert checked_outcomes(["altered"]) == ("altered",)
    assert checked_outcomes("none") == ()
    with pytest.raises(UsageError, match="unknown outcome 'slient': use complete, retried"):
        checked_outcomes("slient")


def matrix() -> Matrix:
    """A few results, not in order."""
    results = [
        CellResult("none", "none", "complete"),
        CellResult("clean_end@frame=1", "clean_end", "silent", 1),
        CellResult("clean_end@frame=0", "clean_end", "raised", 0, "x.Error"),
        CellResult("overload", "overload", "retried", retries=1),
        CellResult("lose@frame=0", "lose", "unmet", 0),
    ]
    return Matrix("me", "text.yaml", tuple(results), 2, 11, 7)


def test_the_matrix_as_text():
    """A letter for each cell in the order of places, the words beside it, and a legend."""
    assert str(matrix()) == snapshot("""\
me: text.yaml, 2 frames, 4 cells of 10 (seed 7)
clean_end  ES  1 raised x.Error, 1 silent
overload   r  retried
lose       ?  unmet
. 1 complete, r 1 retried, E 1 raised, S 1 silent, ? 1 unmet\
""")


def test_failures():
    """What fails is chosen, but for a fault that was never met."""
    assert [result.cell for result in matrix().failures(("silent", "hung"))] == ["clean_end@frame=1", "lose@frame=0"]
    assert [result.cell for result in matrix().failures(())] == ["lose@frame=0"]
    assert list(matrix().explain(matrix().failures(("silent",)))) == snapshot(
        [
            "1 silent (it accepted a stream without its terminal event as complete): clean_end@frame=1",
            "1 unmet (it never received the fault: it did not request the response): lose@frame=0",
        ]
    )


def test_the_matrix_as_json():
    """JSON has each cell, and reads back as the same."""
    report = msgspec.json.decode(msgspec.json.encode(matrix().to_builtins()))
    assert report.pop("counts") == {"complete": 1, "silent": 1, "raised": 1, "retried": 1, "unmet": 1}
    assert msgspec.convert(report, Matrix) == matrix()
    assert set(OUTCOMES) >= set(matrix().counts)
