"""What the doctor concludes from runs, whatever runs: here a function of the changes, without pytest or a provider."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tokentape import stream_bytes
from tokentape_fake_provider.sessions.exchange import Exchange
from tokentape_fake_provider.tape import Frame, Tape
from tokentape_fake_provider.wires import WIRES
from tokentape_harness.doctor.apply import apply_changes, in_reads
from tokentape_harness.doctor.change import Change, Variation, format_variation, parse_variation
from tokentape_harness.doctor.conductor import Run
from tokentape_harness.doctor.diagnosis import Diagnosis, Limits, diagnose
from tokentape_harness.doctor.plan import plan_trials
from tokentape_harness.doctor.shrink import LimitReached, shrink
from tokentape_harness.doctor.stream import Stream
from tokentape_harness.doctor.wording import describe
from tokentape_harness.errors import UsageError
from tokentape_harness.testing.recordings import load_recordings

CASSETTES = Path(__file__).parents[3] / "cassettes"


def recorded(name: str) -> Stream:
    """The first stream of a cassette of this project."""
    recording = load_recordings(CASSETTES / name)[0]
    return Stream(Exchange("POST", recording.path, (), b"{}", recording.wire, recording.tape, 0.0))


@pytest.fixture(scope="module")
def calls() -> Stream:
    """A recorded stream with tool calls."""
    return recorded("openai_chat/tool_calls.yaml")


def diagnosed(outcome: Callable[[Variation, int], str], *streams: Stream, limits: Limits | None = None) -> Diagnosis:
    """The diagnosis of a test whose outcome depends on the changes and the number of the run."""
    number = iter(range(10_000))

    def run(changes: Variation, keys: Sequence[str]) -> Run:
        return Run(outcome(changes, next(number)), "", streams, tuple(stream.exchange for stream in streams))

    return diagnose("test", run, limits or Limits(), clock=lambda: 0.0)


def test_a_test_that_nothing_changes_is_sound(calls):
    """Without a finding the diagnosis names everything that was tried."""
    found = diagnosed(lambda _changes, _number: "passed", calls)
    assert (found.verdict, found.findings, found.left_out) == ("sound", (), ())
    assert {"splits inside UTF-8 characters", "all events in one read", "late responses"} <= set(found.tried) | {
        "splits inside UTF-8 characters"
    }


def test_the_smallest_change_is_named(calls):
    """Of all joined reads, the one that matters is reported, in words of the stream."""
    border = next(n for n in range(len(calls.events)) if "tool call's name" in calls.noun(n)) + 1

    def outcome(changes: Variation, _number: int) -> str:
        return "failed: AssertionError" if Change(0, border, 0, "join") in changes else "passed"

    found = diagnosed(outcome, calls)
    assert found.verdict == "found"
    assert [finding.sentence for finding in found.findings] == [
        "fails when a tool call's name and its first argument arrive in one read"
    ]
    assert found.findings[0].variation == f"join:0.{border}"


@pytest.mark.parametrize(
    ("ended", "changed", "verdict"),
    [((), (0,), "found"), ((0,), (), "found"), ((0, 1), (0, 1), "found"), ((0, 1), (1, 0), "flaky")],
)
def test_only_another_order_of_ends_is_left_to_the_order(calls, ended, changed, verdict):
    """A split is not blamed if the responses end in another order with it; an end that is not known is no order."""

    def run(changes: Variation, keys: Sequence[str]) -> Run:
        joins = any(change.kind == "join" for change in changes)
        sent = (calls.exchange, calls.exchange)
        return Run("failed: X" if joins else "passed", "", (calls, calls), sent, changed if joins else ended)

    assert diagnose("test", run, Limits(runs=60), clock=lambda: 0.0).verdict == verdict


def test_a_test_that_fails_passes_otherwise(calls):
    """A test that fails as it is, and passes with a split, is reported the other way round."""
    found = diagnosed(lambda changes, _: "passed" if any(c.kind == "split" for c in changes) else "failed: X", calls)
    assert found.verdict == "found"
    assert found.findings[0].sentence.startswith("passes only when ")


def test_a_test_that_always_fails_is_not_blamed_on_a_split(calls):
    """A test that fails whatever the variation has no finding."""
    assert diagnosed(lambda *_: "failed: X", calls).verdict == "failing"


@pytest.mark.parametrize("period", [2, 3, 7, 13])
def test_a_flaky_test_is_not_blamed_on_a_split(calls, period):
    """A test that fails now and then, whatever the changes, is flaky and has no finding."""
    found = diagnosed(lambda _, number: "failed: X" if number % period == period - 1 else "passed", calls)
    assert (found.verdict, found.findings) == ("flaky", ())


def test_a_test_that_keeps_its_answer_is_not_called_sound(calls):
    """A test that reads no stream in its second run can't be examined in one process."""
    runs = iter([(calls,), (), ()])
    found = diagnose("test", lambda *_: Run("passed", "", next(runs)), clock=lambda: 0.0)
    assert found.verdict == "flaky"
    assert "keeps something" in found.note


def test_compared_deltas_are_a_note(calls):
    """A test that compares deltas one by one has no finding, unless that is requested."""
    text = recorded("openai_chat/text.yaml")

    def outcome(changes: Variation, _number: int) -> str:
        return "failed: X" if {change.kind for change in changes} & {"halve", "merge"} else "passed"

    found = diagnosed(outcome, text)
    assert (found.verdict, found.findings) == ("sound", ())
    assert "compares deltas one by one" in found.note
    found = diagnosed(outcome, text, limits=Limits(deltas=True))
    assert [finding.sentence for finding in found.findings] == ["fails when a text delta arrives in two events"]


@pytest.mark.parametrize(("limits", "runs"), [(Limits(runs=10), 10), (Limits(timeout=-1.0), 3)])
def test_the_limits_hold(calls, limits, runs):
    """No run begins after the last that is allowed, and the report names what was left out."""
    found = diagnosed(lambda *_: "passed", calls, limits=limits)
    assert found.runs == runs
    assert found.note
    assert found.left_out
    assert found.verdict == ("sound" if found.tried else "untried")


@pytest.mark.parametrize("last", [1, 10])
def test_an_interruption_keeps_what_was_found(calls, last):
    """Ctrl-C ends it in any run; what was tried until then is in the report."""
    outcomes = iter(["passed"] * (last - 1))

    def outcome(*_):
        try:
            return next(outcomes)
        except StopIteration:
            raise KeyboardInterrupt from None

    found = diagnosed(outcome, calls)
    assert (found.interrupted, found.runs) == (True, last)
    assert found.note.startswith("it was interrupted")
    assert (found.verdict, bool(found.tried), bool(found.left_out)) == (
        ("sound", True, True) if last > 3 else ("untried", False, False)
    )


def test_a_test_without_a_stream_is_reported(calls):
    """There is nothing to vary in whole responses, or in streams that the test steps."""
    whole = recorded("openai_chat/not_streamed.yaml")
    assert diagnosed(lambda *_: "passed", whole).verdict == "untried"
    assert diagnosed(lambda *_: "passed", Stream(calls.exchange, stepped=True)).verdict == "untried"
    assert diagnosed(lambda *_: "skipped", calls).verdict == "skipped"


def test_a_test_that_fails_without_a_stream_or_hangs_is_failing(calls):
    """A broken fixture is not taken as nothing to try, and a test that hangs is not run again."""
    assert diagnosed(lambda *_: "failed: RuntimeError").verdict == "failing"
    hung = diagnosed(lambda *_: "hung", calls)
    assert (hung.verdict, hung.runs, hung.tried) == ("failing", 1, ())


def test_a_pause_that_only_splits_is_named_as_a_split(calls):
    """If a pause matters only because it ends a read, the split is named, and not the pause."""
    border = (len(calls.events) // 2, 0)

    def outcome(changes: Variation, _: int) -> str:
        parts = [change for change in changes if change.kind in ("split", "pause")]
        return "passed" if any((change.event, change.byte) == border for change in parts) else "failed: E"

    findings = diagnosed(outcome, calls).findings
    assert findings
    assert not any("pause" in finding.variation for finding in findings)


def test_line_ends_are_tried_after_a_comment_was_found(calls):
    """A fault at comments does not hide one at CR LF."""

    def outcome(changes: Variation, _: int) -> str:
        return "failed: E" if any(change.kind in ("comment", "crlf") for change in changes) else "passed"

    sentences = [finding.sentence for finding in diagnosed(outcome, calls).findings]
    assert sentences[1:] == ["fails when lines end in CR LF"]


@given(st.sets(st.integers(0, 40), min_size=1, max_size=3))
def test_shrinking_keeps_what_matters(needed):
    """Delta debugging ends at exactly the items that matter together."""
    assert set(shrink(range(41), lambda items: needed <= set(items))) == needed


def test_shrinking_ends_at_the_limit():
    """A limit keeps the smallest part so far."""
    calls = iter([True, True])

    def matters(_: Sequence[int]) -> bool:
        try:
            return next(calls)
        except StopIteration:
            raise LimitReached from None

    assert len(shrink(range(16), matters)) == 4


RECORDINGS = [
    *(f"openai_chat/{name}" for name in ("tool_calls", "non_ascii", "reasoning", "several_choices", "noise")),
    *("anthropic_messages/text", "openai_responses/text"),
]


@pytest.mark.parametrize("name", [name for name in RECORDINGS if (CASSETTES / f"{name}.yaml").exists()])
def test_no_variation_changes_what_a_stream_means(name):
    """Whatever is tried, the library reads the same output, and splits and pauses leave each byte as it is."""
    stream = recorded(f"{name}.yaml")

    def output(tape: Tape):
        read = stream_bytes(iter([frame.data for frame in tape.frames]), wire=stream.wire)
        list(read)
        found = read.get_chat_output()
        return found.text, found.message.tool_calls, found.usage.total, found.finish_reason, len(found.messages)

    names, whole = [], output(stream.tape)
    for trial in plan_trials([stream]):
        tape = apply_changes(stream, trial.changes)
        assert output(tape) == whole, trial.name
        assert tape != stream.tape
        assert [frame.at for frame in tape.frames] == sorted(frame.at for frame in tape.frames)
        if trial.group in ("reads", "time"):
            assert tape.body == stream.tape.body, trial.name
        assert parse_variation(format_variation(trial.changes)) == trial.changes
        names.append(trial.name)
    assert len(names) >= 20


def test_each_wire_is_varied_in_the_middle_of_its_events():
    """A stream of each wire format can be split inside and between its events."""
    from tokentape_fake_provider import Script, Text
    from tokentape_fake_provider.encoding.encode import encode
    from tokentape_fake_provider.timing import Instant
    from tokentape_fake_provider.wires.wire import ProviderRequest

    for wire in WIRES.values():
        request = ProviderRequest(wire.name, wire.facts.sample_model, stream=True, path=wire.paths[0], query="alt=sse")
        tape = encode(Script.of(Text("Grüße aus Köln")), request, Instant())
        trials = [trial.name for trial in plan_trials([Stream(Exchange("POST", "", (), b"", wire.name, tape, 0.0))])]
        assert {"each event in a read of its own", "splits inside events", "pauses inside events"} <= set(trials)


def test_tool_calls_have_the_same_names_in_each_wire():
    """A name is followed by its first argument, also where a provider sends an empty one first."""
    from tokentape_fake_provider import Script, ToolCall
    from tokentape_fake_provider.encoding.encode import encode
    from tokentape_fake_provider.timing import Instant
    from tokentape_fake_provider.wires.wire import ProviderRequest

    for wire in (wire for wire in WIRES.values() if wire.facts.tool_calls and wire.facts.argument_text):
        request = ProviderRequest(wire.name, wire.facts.sample_model, stream=True, path=wire.paths[0], query="alt=sse")
        tape = encode(Script.of("Hi", ToolCall.of("f", {"a": "b"})), request, Instant())
        stream = Stream(Exchange("POST", "", (), b"", wire.name, tape, 0.0))
        name = next(n for n in range(len(stream.events)) if "a tool call's name" in stream.noun(n))
        sentence = describe((Change(0, name + 1, 0, "join"),), [stream])
        assert sentence == "a tool call's name and its first argument arrive in one read", wire.name


def stream_of(*events: str, reads: Sequence[int] = ()) -> Stream:
    """A chat stream with these deltas; `reads` are the numbers of the events that begin one."""
    start, end = '{"id":"c","choices":[{"index":0,"delta":', ',"finish_reason":null}]}'
    body = [f"data: {start}{event}{end}\n\n".encode() for event in events] + [b"data: [DONE]\n\n"]
    frames = [Frame(float(n if n in reads else 0), data) for n, data in enumerate(body)]
    tape = Tape(tuple(frames), headers=(("content-type", "text/event-stream"),))
    return Stream(Exchange("POST", "/v1/chat/completions", (), b"{}", "openai_chat", tape, 0.0))


CHAT = stream_of(
    '{"role":"assistant","content":""}',
    '{"content":"Grü\\n"}',
    '{"content":"ße"}',
    '{"tool_calls":[{"index":0,"id":"a","function":{"name":"f","arguments":""}}]}',
    '{"tool_calls":[{"index":0,"function":{"arguments":"{}"}}]}',
)


@pytest.mark.parametrize(
    ("variation", "sentence"),
    [
        ("join:0.2", "two text deltas arrive in one read"),
        ("join:0.4", "a tool call's name and its first argument arrive in one read"),
        ("split:0.4", "a tool call's name and its first argument arrive in separate reads"),
        ("split:0.5", "a tool call's first argument and [DONE] arrive in separate reads"),
        (
            "join:0.3,join:0.4",
            "3 events arrive in one read (a text delta, a tool call's name, a tool call's first argument)",
        ),
        ("split:0.2+20", "an event is split across two reads (a text delta)"),
        ("pause:0.3=500ms", "a pause of 0.5 s comes between a text delta and a tool call's name"),
        ("pause:0.0=500ms", "a pause of 0.5 s comes between the headers and the first event"),
        ("late:0=1000ms", "the response begins 1 s later"),
        ("crlf:0", "lines end in CR LF"),
        ("comment:0.1", "a comment line comes before a text delta"),
        ("blank:0.5", "an empty line comes before [DONE]"),
        ("merge:0.3", "a tool call's name and a tool call's first argument arrive in one event"),
        ("swap:0.3", "the fragments of two tool calls come in turns"),
    ],
)
def test_changes_are_named_in_words_of_the_stream(variation, sentence):
    """Each kind of change has a sentence that a reader of the stream understands."""
    assert describe(parse_variation(variation), [CHAT]) == sentence.replace(
        "name and a tool call's first argument arrive in one event", "name and its first argument arrive in one event"
    )


def test_splits_are_named_by_what_they_are_inside_of():
    """Characters, escapes and line ends have their own names."""
    event = CHAT.events[1]
    data = CHAT.tape.body[event.start : event.stop]
    for byte, phrase in (
        (data.index("ü".encode()) + 1, "inside a UTF-8 character"),
        (data.index(b"\\n") + 1, "inside an escape of its JSON"),
        (len(data) - 2, "before the end of its last line"),
    ):
        assert describe((Change(0, 1, byte, "split"),), [CHAT]) == f"an event is split {phrase}"
    assert describe((Change(0, 1, len(data) - 1, "split"),), [CHAT]) == "the blank line that ends an event is split"


def test_the_order_of_responses_is_named():
    """A delay that lets another response end first is named by that."""
    late = (Change(0, 0, 0, "late", 150.0),)
    assert describe(late, [CHAT, CHAT], (1, 0), (0, 1)) == "the second request's response ends before the first's"
    assert describe(late, [CHAT, CHAT], (0, 1), (0, 1)).startswith("the response begins 0.15 s later (in the response")


def test_reads_are_those_that_leave_together():
    """Frames of the same time are one read, unless they are apart."""
    stream = stream_of("{}", "{}", "{}", reads=(2,))
    assert [len(frame.data) for frame in in_reads(stream.tape).frames] == [
        stream.events[2].start,
        len(stream.tape.body) - stream.events[2].start,
    ]
    assert len(apply_changes(stream, parse_variation("join:0.2")).frames) == 1
    assert len(apply_changes(stream, parse_variation("split:0.1,split:0.3")).frames) == 4


@pytest.mark.parametrize("text", ["nothing:0.1", "join", "join:x", "join:0.1+2=3", "split:0.1;join:0.2"])
def test_a_wrong_variation_is_one_line(text):
    """It names the text, the form and the kinds."""
    with pytest.raises(UsageError, match=r"give KIND:REQUEST\.EVENT\+BYTE"):
        parse_variation(text)
