"""Truncation: whether the output of a stream that was cut off shows it, by comparison with whole answers."""

from __future__ import annotations

import random
from collections.abc import Sequence

import pytest
from inline_snapshot import snapshot

from tests.case_notes import case
from tests.harness.flush import endings
from tests.harness.flush.endings import App
from tokentape_harness.errors import FlushError, UsageError
from tokentape_harness.flush import observed_output
from tokentape_harness.flush.marker_tokens import generate_markers
from tokentape_harness.flush.observed_output import ObservedOutput
from tokentape_harness.flush.report import Truncation
from tokentape_harness.flush.truncation import reported_pattern, truncation_of

DRAW = random.Random(0)


def output(app: App, number: int, *, count: int = 12, pads: int = 0, cut: int | None = None) -> ObservedOutput:
    """An app's output: a whole answer of this number of tokens, or one that was cut off after them."""
    markers = generate_markers(count, pads, DRAW)
    far = ObservedOutput(markers, lambda: 0.0)
    far.on_head(200, [("content-type", app.kind)])
    far.on_data(app.output(markers.tokens if cut is None else markers.tokens[:cut], number, cut=cut is not None))
    far.on_end()
    return far


def judged(app: App, wholes: Sequence[ObservedOutput] | None = None, *, cut: int = 7) -> Truncation:
    """What becomes of a cut, by two whole answers unless others are given."""
    if wholes is None:
        wholes = output(app, 11), output(app, 24, count=10, pads=2000)
    return truncation_of(output(app, 35, cut=cut), wholes, 1)


@pytest.mark.parametrize("name", endings.APPS)
def test_each_ending_is_judged(name: str) -> None:
    """A change that no whole answer has shows a cut; one that whole answers have does not, nor does no change."""
    app = endings.APPS[name]
    for cut in (7, 1, 0):
        with case(cut):
            found = judged(app, cut=cut)
            assert found.outcome == app.outcome, found.note


@pytest.mark.parametrize(
    ("name", "note"),
    [
        ("reports: null that becomes a text", '"error":"upstream closed early"'),
        ("reports: an apology in pieces", "I lost my thread"),
        ("reports: an event's name", "event: halt {}"),
        ("reports: a comment", ": the upstream went away"),
        ("reports: an HTML class", '<span class="warn"></span>'),
        ("reports: Japanese", "申し訳ありません"),
        ("reports: another body", '{"detail":"no answer"}'),
    ],
)
def test_the_news_are_quoted(name: str, note: str) -> None:
    """The note has what was matched, as it is read and not as JSON escapes it."""
    assert note in judged(endings.APPS[name]).note


def test_news_in_a_long_line_are_quoted_with_what_is_around_them() -> None:
    """Of a line that is too long the part with the news is quoted, and no secret in it."""
    long = {"before": "x " * 500, "key": "sk-proj-" + "A1b2C3d4" * 6, "error": None, "after": "y " * 500}
    app = App(
        "reported", endings.TEXT, endings.line(lambda _: long), endings.line(lambda _: {**long, "error": "cut off"})
    )
    note = judged(app).note
    assert '"error":"cut off"' in note
    assert len(note) <= 122
    assert "A1b2C3d4" not in note


def test_words_of_trouble_also_count_before_the_last_token() -> None:
    """An error that comes before a token that was held back is news as well."""
    app = App(
        "reported",
        lambda a: endings.TEXT(a) if len(a.tokens) != 7 else f'{{"note": "it broke"}}\n{endings.TEXT(a)}',
        endings.DONE,
        endings.DONE,
    )
    wholes = [output(endings.APPS["hides: the same line"], number) for number in (1, 2)]
    assert judged(app, wholes).outcome == "reported"


def test_a_pattern_finds_another_sign() -> None:
    """What matches `--reported-by` is reported; one that a complete answer matches, or an invalid one, is refused."""
    app = App("hidden_truncation", endings.TEXT, endings.DONE, endings.DONE)
    cut, wholes = output(app, 3, cut=7), [output(app, 1), output(app, 2)]
    assert truncation_of(cut, wholes, 1).outcome == "hidden_truncation"
    assert truncation_of(cut, wholes, 1, reported_by=reported_pattern("never")).outcome == "hidden_truncation"
    with pytest.raises(FlushError, match="also matches a complete answer"):
        truncation_of(cut, wholes, 1, reported_by=reported_pattern('"done"'))
    titled = endings.hiding(
        endings.TEXT, endings.state(title="whole"), endings.line(lambda a: {"text": "", "title": f"été {a.name}"})
    )
    cut, wholes = output(titled, 3, cut=7), [output(endings.APPS["hides: a title"], number) for number in (1, 2)]
    assert truncation_of(cut, wholes, 1, reported_by=reported_pattern("été [k-t]+")).outcome == "reported"
    with pytest.raises(UsageError, match=r"--reported-by '\(' is not a regular expression"):
        reported_pattern("(")


def test_relayed_bytes_without_their_ending_are_a_hidden_truncation() -> None:
    """A proxy that ends cut bytes properly hides the truncation: clients trust the transfer's ending."""
    app = endings.APPS["ends: no [DONE]"]
    cut, wholes = output(app, 3, cut=7), [output(app, 1), output(app, 2)]
    assert truncation_of(cut, wholes, 1, relayed=True).outcome == "hidden_truncation"


@pytest.mark.parametrize("name", ["reports: a code", "hides: ids", "ends: no last line"])
def test_an_output_that_never_ends_is_judged_by_what_is_in_it(name: str) -> None:
    """Where whole answers leave the connection open, one that stays open does not hang; where they end it does."""
    app = endings.APPS[name]
    cut, *opened = output(app, 3, cut=7), output(app, 1), output(app, 2)
    for far in (cut, *opened):
        far.end = None
    assert truncation_of(cut, opened, 1).outcome == app.outcome
    assert truncation_of(cut, [output(app, 1), output(app, 2)], 1).outcome == "hangs"


def test_what_is_too_long_is_reported_as_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    """An output of which not all is kept is not judged by its beginning."""
    app = endings.APPS["hides: text so far"]
    wholes = output(app, 1), output(app, 2)
    monkeypatch.setattr(observed_output, "KEPT", 200)
    found = truncation_of(output(app, 3, cut=7), wholes, 1)
    assert found == snapshot(
        Truncation(outcome="not_checked", note="the output is longer than 64,000,000 bytes, the maximum that is kept")
    )
