"""Profiles: how a provider's streams are timed, from one seed and what a request costs."""

from __future__ import annotations

import math
import statistics
from concurrent.futures import ThreadPoolExecutor
from itertools import groupby, pairwise
from typing import Any

import httpx2
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fake_provider.asks import ask_of
from tokentape_fake_provider.encoding.encode import encode
from tokentape_fake_provider.encoding.token_grouping import group_tokens
from tokentape_fake_provider.errors import TimingError
from tokentape_fake_provider.hosting.server import FakeProviderServer
from tokentape_fake_provider.script.model import Reasoning, Script, Text, ToolCall, Usage
from tokentape_fake_provider.script.tokenizer import count_tokens
from tokentape_fake_provider.sessions.rule import Rule
from tokentape_fake_provider.sessions.session import Session
from tokentape_fake_provider.tape import Frame, Tape
from tokentape_fake_provider.timing import (
    Conditions,
    FirstToken,
    InterToken,
    Load,
    Pauses,
    Profile,
    Synthetic,
    Timing,
    parse_timing,
    retime,
    schedule,
)
from tokentape_fake_provider.timing.clock import ControlledClock
from tokentape_fake_provider.wires import WIRES, EncodedFrame, wire_named
from tokentape_harness.conversion.response_decoder import decode_tape

REQUEST = {"model": "m", "stream": True, "messages": [{"role": "user", "content": "one two three four"}]}
TEN_MS = InterToken(10)

jitters = st.floats(0, 2)
spread = st.sampled_from(("lognormal", "gamma"))
sizes = st.dictionaries(st.integers(1, 9), st.floats(0.1, 5), max_size=4)
profiles = st.builds(
    Profile,
    ttft=st.builds(FirstToken, st.floats(0, 900), st.floats(0, 1), st.floats(0, 1), jitters, spread),
    latency=st.builds(InterToken, st.floats(0.01, 90), jitters, spread),
    tokens_per_event=sizes,
    events_per_arrival=sizes,
    pauses=st.none() | st.builds(Pauses, st.floats(0, 1), st.floats(0, 900), jitters),
    load=st.builds(Load, st.integers(0, 3), st.floats(0, 2), st.floats(0, 2)),
    seed=st.integers(-9, 9),
)
conditions = st.builds(Conditions, st.integers(0, 99), st.integers(0, 99), st.integers(1, 9))
pieces = st.lists(st.builds(EncodedFrame, st.binary(max_size=4), st.integers(0, 4)), max_size=30)


def times(profile: Timing, *tokens: int, **options: Any) -> list[float]:
    """When frames with so many tokens leave."""
    return [frame.at for frame in schedule([EncodedFrame(b"x", count) for count in tokens], profile, **options)]


@given(pieces, profiles, conditions)
def test_any_profile_keeps_order_and_bytes(encoded: list[EncodedFrame], profile: Profile, asked: Conditions) -> None:
    """Under any profile frames keep their order and bytes, the first token comes first, and equal seeds are equal."""
    frames = schedule(encoded, profile, stream="s", conditions=asked)
    assert [frame.data for frame in frames] == [piece.data for piece in encoded]
    assert all(0 <= one.at <= other.at for one, other in pairwise(frames))
    assert frames == schedule(encoded, profile, stream="s", conditions=asked)
    first = next((n for n, piece in enumerate(encoded) if piece.tokens), 0)
    assert len({frame.at for frame in frames[: first + 1]}) <= 1


@given(st.lists(st.integers(0, 4), max_size=30), st.floats(0, 500), st.floats(1, 500), st.floats(0, 0.5))
def test_synthetic_timing_is_a_profile(tokens: list[int], ttft: float, tps: float, jitter: float) -> None:
    """Synthetic timing is a short form of a profile."""
    synthetic = Synthetic(ttft, tps, jitter, "gamma", seed=3, prefill_ms=0.5)
    profile = Profile(ttft=FirstToken(ttft, 0.5), latency=InterToken(1000 / tps, jitter, "gamma"), seed=3)
    asked = Conditions(40, 10)
    assert times(synthetic, *tokens, stream="s", conditions=asked) == times(
        profile, *tokens, stream="s", conditions=asked
    )


@pytest.mark.parametrize(
    ("asked", "ttft"),
    [
        (Conditions(), 200),
        (Conditions(1000), 700),
        (Conditions(1000, 800), 200 + 100 + 40),
        (Conditions(1000, 5000), 250),
        (Conditions(1000, 800, in_flight=9), 340),
    ],
)
def test_input_tokens_cost_a_prefill_and_cached_ones_less(asked: Conditions, ttft: float) -> None:
    """Time to first token grows by each input token, by less for one in the cache; more than all can't be cached."""
    profile = Profile(ttft=FirstToken(200, 0.5, 0.05), latency=TEN_MS)
    assert times(profile, 0, 1, 1, conditions=asked) == pytest.approx([ttft, ttft, ttft + 10])


def test_time_to_first_token_varies_from_stream_to_stream() -> None:
    """Over 3,000 streams of a seed it has the mean and deviation that are asked for, and tokens keep theirs."""
    profile = Profile(ttft=FirstToken(400, jitter=0.25, distribution="gamma"), latency=TEN_MS)
    streams = [times(profile, 1, 1, stream=str(number)) for number in range(3000)]
    assert statistics.fmean(ttft for ttft, _ in streams) == pytest.approx(400, rel=0.02)
    assert statistics.pstdev(ttft for ttft, _ in streams) == pytest.approx(100, rel=0.06)
    assert {round(second - ttft, 9) for ttft, second in streams} == {10}


def test_more_jitter_in_one_thing_changes_no_other() -> None:
    """What is drawn for the first token, latencies, arrivals and pauses comes from sources of their own."""
    calm = Profile(latency=InterToken(10, 0.3), events_per_arrival={1: 1, 3: 1})
    wild = msgspec.structs.replace(calm, ttft=FirstToken(jitter=1.0), pauses=Pauses(0.5, 1e6, 0))
    one, other = (times(profile, *[1] * 40, stream="s") for profile in (calm, wild))
    gaps, paused = ([later - sooner for sooner, later in pairwise(moments)] for moments in (one, other))
    assert [gap % 1e6 for gap in paused] == pytest.approx(gaps, abs=1e-6)
    assert one[0] != other[0]


def test_nothing_is_drawn_twice() -> None:
    """A stream that begins late is not slow on that account: the first token and latencies are not correlated."""
    profile = Profile(ttft=FirstToken(100, jitter=0.3), latency=InterToken(100, 0.3))
    moments = [times(profile, 1, 1, stream=str(number)) for number in range(1000)]
    assert abs(statistics.correlation([one for one, _ in moments], [other - one for one, other in moments])) < 0.1


def test_events_leave_together() -> None:
    """An arrival leaves when the last token in it is there, the first one at the time to first token."""
    profile = Profile(ttft=FirstToken(100), latency=TEN_MS, events_per_arrival={3: 1})
    assert times(profile, 0, 1, 1, 1, 2, 1, 0, 1, 1, 0) == [100, 100, 100, 100, 140, 140, 140, 140, 150, 150]


def test_arrivals_have_the_sizes_that_are_asked_for() -> None:
    """Over 20,000 events sizes come as often as their weights say."""
    profile = Profile(events_per_arrival={1: 6, 2: 3, 5: 1})
    found = [len(list(together)) for _, together in groupby(times(profile, *[1] * 20_000))]
    shares = {size: found.count(size) / len(found) for size in (1, 2, 5)}
    assert shares == pytest.approx({1: 0.6, 2: 0.3, 5: 0.1}, abs=0.015)


def test_pauses_come_between_arrivals() -> None:
    """The share of arrivals that pause, and the pauses' mean and deviation, are what is asked for."""
    profile = Profile(latency=TEN_MS, pauses=Pauses(0.05, 500, 0.4), seed=2)
    moments = times(profile, *[1] * 40_000)
    waited = [gap - 10 for gap in (later - sooner for sooner, later in pairwise(moments)) if gap > 10.001]
    assert len(waited) / 40_000 == pytest.approx(0.05, rel=0.05)
    assert statistics.fmean(waited) == pytest.approx(500, rel=0.03)
    assert statistics.pstdev(waited) == pytest.approx(200, rel=0.06)
    assert times(Profile(latency=TEN_MS, pauses=Pauses(1, 90, 0)), 1, 1, 1) == [300, 400, 500]


@pytest.mark.parametrize(("in_flight", "expected"), [(1, [300, 310]), (4, [300, 310]), (6, [900, 920])])
def test_load_slows_down(in_flight: int, expected: list[float]) -> None:
    """Each response in flight beyond the free ones adds its part to the first token and to latencies."""
    profile = Profile(latency=TEN_MS, load=Load(free=4, ttft=1.0, latency=0.5))
    assert times(profile, 1, 1, conditions=Conditions(in_flight=in_flight)) == expected


def test_headers_may_come_first() -> None:
    """The headers leave when the profile says, but never after the first frame."""
    wire = wire_named("openai_chat")
    ask = wire.read("/v1/chat/completions", REQUEST, created=0, seed="")
    early, late = (Profile(ttft=FirstToken(300, headers_ms=at)) for at in (40.0, 900.0))
    assert encode(Script.of("a"), ask, early).start == 40
    assert encode(Script.of("a"), ask, late).start == 300
    tape = Tape((Frame(5, b"a\n\n"),), end="dropped", end_at=9)
    assert [(retimed.start, retimed.end_at) for retimed in (retime(tape, early), retime(tape, late))] == [
        (40, 304),
        (300, 304),
    ]
    assert (retime(Tape(), early).start, retime(Tape(), early).end_at) == (40, 300)


@given(
    st.text(max_size=200),
    st.dictionaries(st.integers(1, 9), st.floats(0.1, 5), min_size=1, max_size=4),
    st.integers(0, 9),
)
def test_grouped_text_joins_to_itself(text: str, weights: dict[int, float], seed: int) -> None:
    """Pieces join to the text, none is empty, and the same seed gives the same pieces."""
    script = Script.of(Reasoning(text), text or "x", ToolCall("f", text))
    grouped = group_tokens(script, weights, seed=str(seed))
    for item, cut in zip(script.choices[0].items, grouped.choices[0].items, strict=True):
        whole = item.arguments if isinstance(item, ToolCall) else item.text
        assert "".join(cut.pieces) == whole
        assert all(cut.pieces)
    assert grouped == group_tokens(script, weights, seed=str(seed))


def test_events_have_the_sizes_that_are_asked_for() -> None:
    """Text goes in pieces of the sizes' shares; what a script cuts itself stays so."""
    own = Text("a b c", pieces=("a b", " c"))
    grouped = group_tokens(Script.of("a " * 12_000, own), {1: 3, 4: 1}, seed="s").choices[0].items
    counts = [count_tokens(piece) for piece in grouped[0].pieces]
    assert counts.count(4) / len(counts) == pytest.approx(0.25, abs=0.02)
    assert set(counts[:-1]) == {1, 4}
    assert grouped[1] == own


@pytest.mark.parametrize("wire", WIRES)
def test_every_wire_format_takes_a_profile(wire: str) -> None:
    """In every wire format a profile decides on the events, and the text stays the same."""
    text, ask = "The sea is deep, and it is wide. " * 4, ask_of(wire)
    profile = Profile(tokens_per_event={2: 1, 5: 1}, events_per_arrival={2: 1}, latency=TEN_MS)
    encoded = encode(Script.of(text), ask, profile)
    cut = group_tokens(Script.of(text), profile.tokens_per_event, seed=f"0:{ask.seed}").choices[0].items[0]
    tokens = [count_tokens(piece) for piece in cut.pieces]
    assert len({frame.at for frame in encoded.frames}) == math.ceil(len(tokens) / 2)
    assert encoded.end_at == pytest.approx(300 + 10 * sum(tokens[2:]))
    assert decode_tape(encoded, wire).output.text == text


# In a server


def post(server: FakeProviderServer, http: httpx2.Client, **changes: Any) -> None:
    """Ask, and read the answer."""
    assert http.post(f"{server.url}/v1/chat/completions", json=REQUEST | changes).status_code == 200


@pytest.fixture
def automatic() -> Any:
    """A server whose clock jumps to each deadline."""
    with FakeProviderServer(clock=ControlledClock(automatic=True)) as server:
        yield server


def first_times(session: Session) -> list[float]:
    """When the first frame of each answer was due."""
    return [entry.frames[0].at for entry in session.journal.wait()]


def test_prefill_counts_what_is_reported_and_else_the_prompt(
    automatic: FakeProviderServer, http: httpx2.Client
) -> None:
    """Input and cached tokens are those that the script or the session reports; else the prompt's are counted."""
    session = automatic.default
    session.configure(timing=Profile(ttft=FirstToken(100, 1.0, 0.25)))
    session.push("a", Script.of("a", usage=Usage(input=400)), Script.of("a", usage=Usage(input=400, cached=300)))
    for _ in range(3):
        post(automatic, http)
    session.configure(usage=Usage(cached=200))
    session.push(Script.of("a", usage=Usage(input=400)), Tape((Frame(0, b"x\n\n"),)))
    post(automatic, http)
    post(automatic, http)
    post(automatic, http, stream=False)
    assert count_tokens("one two three four") == 4
    assert first_times(session)[:5] == [104, 500, 100 + 100 + 75, 100 + 200 + 50, 100 + 50]
    assert first_times(session)[5] >= 150


def test_streams_in_flight_slow_the_next_one_down(http: httpx2.Client) -> None:
    """The second of two streams of a session is slower; one of another session is not, nor one that comes later."""
    clock, slow = ControlledClock(), Profile(ttft=FirstToken(100), load=Load(free=1, ttft=0.5))
    with FakeProviderServer(clock=clock) as server:
        one, other = server.create_session(timing=slow), server.create_session(timing=slow)
        one.add_rule(Rule((Script.of(Text("a", pieces=("a",))),)))
        deadlines = []
        with ThreadPoolExecutor(3) as pool:
            asked = []
            for session in (one, one, other):
                url = f"{server.url}/s/{session.id}/v1/chat/completions"
                asked.append(pool.submit(http.post, url, json=REQUEST))
                deadlines.append(clock.wait_for_deadline())
            assert one.journal.in_flight == 2
            clock.jump(ms=100_000)
            assert {response.result().status_code for response in asked} == {200}
        one.journal.wait()
        assert deadlines == [100, 150, 100]
        assert one.journal.in_flight == 0


def test_a_client_of_the_control_api_sends_a_profile_itself(server: FakeProviderServer, session: Session) -> None:
    """Profiles come inline; the server reads no file that a client names."""
    profile = Profile(ttft=FirstToken(5, 0.5), tokens_per_event={2: 1}, pauses=Pauses(0.1, 90))
    with httpx2.Client(base_url=f"{server.url}/_tokentape/sessions/{session.id}") as control:

        def change(timing: Any) -> httpx2.Response:
            content = msgspec.json.encode({"timing": timing})
            return control.patch("/settings", content=content, headers={"content-type": "application/json"})

        assert change(profile).json()["timing"]["tokens_per_event"] == {"2": 1.0}
        assert session.settings.timing == profile
        refused = change("profile:/etc/passwd")
        assert refused.status_code == 400
        assert "the server reads no profile files; send its content" in refused.json()["error"]["what"]
        wrong = change({"type": "profile", "pauses": {"share": 2, "mean_ms": 1}})
        assert wrong.json()["error"]["what"] == "timing: the share of pauses must be 0 to 1, not 2"
        assert wrong.json()["error"]["where"].endswith("$.timing.pauses")
    assert session.settings.timing == profile


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"v": 2}, "the profile has version 2, but only 1 is known"),
        ({"ttft": {"base_ms": -1}}, "base_ms must be 0 ms or more, not -1 ms"),
        ({"ttft": {"headers_ms": -1}}, "headers_ms must be 0 ms or more, not -1 ms"),
        ({"ttft": {"per_input_token_ms": -1}}, "per_input_token_ms must be 0 ms or more, not -1 ms"),
        ({"latency": {"jitter": 11}}, "jitter must be 0 to 10, not 11"),
        ({"latency": {"jitter": 0.6, "distribution": "uniform"}}, "at most 0.577"),
        ({"latency": {"jitter": 0.1, "distribution": "constant"}}, "a constant has no jitter"),
        ({"tokens_per_event": {"0": 1}}, "tokens_per_event: a size is 1 to 100000, not 0"),
        ({"tokens_per_event": {"1": 0}}, "tokens_per_event: all weights are 0"),
        ({"events_per_arrival": {"1": -1}}, "events_per_arrival: the weight of 1 must be 0 or more, not -1"),
        ({"events_per_arrival": {str(n): 1 for n in range(1, 1002)}}, "has 1001 sizes: use at most 1000"),
        ({"load": {"free": -1}}, "free must be 0 or more"),
        ({"load": {"latency": -1}}, "the slow-down of latency must be 0 or more, not -1"),
        ({"speed": 2}, "unknown field `speed`"),
    ],
)
def test_a_profile_that_makes_no_sense_is_refused(fields: dict[str, Any], problem: str) -> None:
    """Each field is checked, and the error says which is wrong."""
    with pytest.raises(msgspec.ValidationError) as caught:
        msgspec.json.decode(msgspec.json.encode({"type": "profile"} | fields), type=Timing)
    assert problem in str(caught.value)


def test_a_profile_is_read_by_who_may_read_files() -> None:
    """The specification `profile:FILE` goes to the reader that the caller gives."""
    profile = Profile(seed=5)
    assert parse_timing("profile: some/file.yaml ", read_profile={"some/file.yaml": profile}.__getitem__) is profile
    with pytest.raises(TimingError, match="names no file: use profile:FILE"):
        parse_timing("profile:", read_profile=lambda _: profile)
    with pytest.raises(TimingError, match="the server reads no profile files"):
        parse_timing("profile:some/file.yaml")
    assert parse_timing("synthetic:prefill=0.5ms") == Synthetic(prefill_ms=0.5)
