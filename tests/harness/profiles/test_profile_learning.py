"""Learning profiles: what is played is learned back, within the error of its sample."""

from __future__ import annotations

import math
import random

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.harness.profiles.playing import played
from tokentape_fake_provider.script.model import Usage
from tokentape_fake_provider.tape import Frame, Tape
from tokentape_fake_provider.timing import Distribution, FirstToken, InterToken, Pauses, Profile
from tokentape_fake_provider.timing.distribution import sampler
from tokentape_harness.errors import UsageError
from tokentape_harness.profiles import learn_profile, observed_tape
from tokentape_harness.profiles.families import Sample, distance, fit_family, gamma_share
from tokentape_harness.profiles.observed import Arrival, Observed, TokenEvent
from tokentape_harness.profiles.pauses import count_pauses
from tokentape_harness.profiles.regression import regress

PROMPTS = [Usage(input=50 + 400 * (number % 7), cached=100 * (number % 5) if number % 2 else 0) for number in range(35)]


# The whole way: play, learn


@pytest.mark.parametrize(
    ("distribution", "jitter"),
    [
        pytest.param("lognormal", 0.3, marks=pytest.mark.slow),
        ("lognormal", 1.0),
        ("gamma", 0.3),
        pytest.param("gamma", 1.0, marks=pytest.mark.slow),
        pytest.param("normal", 0.25, marks=pytest.mark.slow),
        pytest.param("uniform", 0.4, marks=pytest.mark.slow),
        ("constant", 0.0),
    ],
)
def test_latencies_are_learned_back(distribution: Distribution, jitter: float) -> None:
    """The family is found among all, and mean and jitter are within 4 standard errors."""
    streams = played(Profile(latency=InterToken(20, jitter, distribution)))
    learned = learn_profile(streams)
    count = sum(len(stream.events) for stream in streams)
    assert learned.latency.distribution == distribution
    assert learned.latency.mean_ms == pytest.approx(20, rel=4 * jitter / math.sqrt(count) + 1e-9)
    assert learned.latency.jitter == pytest.approx(jitter, rel=0.06)
    assert learned.pauses is None
    assert not learned.events_per_arrival
    assert learned.fitted is not None
    assert learned.fitted.latency_ks is not None
    assert learned.fitted.latency_ks < 1.7 / math.sqrt(count)


@pytest.mark.parametrize(
    "wire",
    [
        "openai_chat",
        *(
            pytest.param(wire, marks=pytest.mark.slow)
            for wire in ("anthropic_messages", "gemini", "bedrock_converse", "ollama")
        ),
    ],
)
def test_all_of_a_profile_is_learned_back(wire: str) -> None:
    """Cuts, arrivals, pauses and latencies of one profile are all found again, in any wire format."""
    profile = Profile(
        ttft=FirstToken(400, headers_ms=90),
        latency=InterToken(15, 0.3, "gamma"),
        tokens_per_event={1: 1, 2: 2, 3: 1},
        events_per_arrival={1: 5, 4: 3},
        pauses=Pauses(0.02, 900, 0.4),
    )
    learned = learn_profile(played(profile, streams=40, wire=wire))
    assert (learned.ttft.base_ms, learned.ttft.headers_ms, learned.ttft.jitter) == (400, 90, 0)
    assert learned.latency.distribution == "gamma"
    assert learned.latency.mean_ms == pytest.approx(15, rel=0.02)
    assert learned.latency.jitter == pytest.approx(0.3, rel=0.08)
    assert shares(learned.tokens_per_event, 1, 2, 3) == pytest.approx([0.25, 0.5, 0.25], abs=0.03)
    assert shares(learned.events_per_arrival, 1, 4) == pytest.approx([5 / 8, 3 / 8], abs=0.05)
    assert learned.pauses is not None
    assert learned.pauses.share == pytest.approx(0.02, rel=0.5)
    assert learned.pauses.mean_ms == pytest.approx(900, rel=0.25)
    assert learned.pauses.jitter == pytest.approx(0.4, abs=0.2)


@pytest.mark.slow
def test_what_was_learned_plays_and_is_learned_again() -> None:
    """A learned profile, played with another seed, gives the same profile within its sampling error."""
    profile = Profile(
        ttft=FirstToken(300, 0.2, 0.02, 0.1), latency=InterToken(25, 0.5), events_per_arrival={1: 3, 3: 1}
    )
    first = learn_profile(played(profile, streams=70, usages=PROMPTS))
    again = learn_profile(played(msgspec.structs.replace(first, seed=99), streams=70, usages=PROMPTS))
    assert again.latency.distribution == first.latency.distribution == "lognormal"
    assert again.latency.mean_ms == pytest.approx(first.latency.mean_ms, rel=0.02)
    assert again.latency.jitter == pytest.approx(first.latency.jitter, rel=0.04)
    assert again.ttft.base_ms == pytest.approx(first.ttft.base_ms, rel=0.1)
    assert again.ttft.per_input_token_ms == pytest.approx(first.ttft.per_input_token_ms, rel=0.15)
    assert again.fitted != first.fitted


def shares(weights: dict[int, float], *sizes: int) -> list[float]:
    """How often these sizes come."""
    return [weights.get(size, 0) / sum(weights.values()) for size in sizes]


# Time to first token


def test_prefill_and_cache_are_learned_back() -> None:
    """Base, cost of an input token and of a cached one, and their noise, are found by regression."""
    profile = Profile(ttft=FirstToken(200, 0.5, 0.1, 0.05))
    learned = learn_profile(played(profile, streams=70, words=3, usages=PROMPTS)).ttft
    assert learned.base_ms == pytest.approx(200, rel=0.1)
    assert learned.per_input_token_ms == pytest.approx(0.5, rel=0.06)
    assert learned.per_cached_token_ms == pytest.approx(0.1, abs=0.08)
    assert learned.jitter == pytest.approx(0.05, rel=0.3)
    assert learned.distribution == "lognormal"


def test_a_free_cache_is_learned_back() -> None:
    """Where cached tokens cost nothing, nothing is learned for them."""
    profile = Profile(ttft=FirstToken(200, 0.5, 0, 0.05))
    learned = learn_profile(played(profile, streams=70, words=3, usages=PROMPTS)).ttft
    assert learned.per_input_token_ms == pytest.approx(0.5, rel=0.06)
    assert learned.per_cached_token_ms == 0


def test_no_prefill_is_learned_without_one() -> None:
    """Longer prompts that cost no time, however noisy the times are, make no prefill; nor do a few streams."""
    for seed in range(20):
        profile = Profile(ttft=FirstToken(200, jitter=0.4), seed=seed)
        learned = learn_profile(played(profile, streams=35, words=3, usages=PROMPTS)).ttft
        assert (learned.per_input_token_ms, learned.per_cached_token_ms) == (0, 0)
        assert learned.base_ms == pytest.approx(200, rel=0.3)
    few = learn_profile(played(Profile(ttft=FirstToken(200, 0.5)), streams=7, words=3, usages=PROMPTS))
    assert few.ttft.per_input_token_ms == 0


def test_one_stream_is_enough_for_a_profile() -> None:
    """A single recording gives its time to first token and its latencies, and no jitter of the former."""
    learned = learn_profile(played(Profile(ttft=FirstToken(250), latency=InterToken(30, 0.2)), streams=1))
    assert (learned.ttft.base_ms, learned.ttft.jitter) == (250, 0)
    assert learned.latency.mean_ms == pytest.approx(30, rel=0.1)
    assert learned.fitted is not None
    assert learned.fitted.ttft_ks is None
    with pytest.raises(UsageError, match="no stream with times and tokens"):
        learn_profile([])


# What is seen of a stream


def test_prompts_without_information_leave_the_mean() -> None:
    """Where longer prompts came sooner, and not reliably, the time to first token is the mean of all."""
    times = [(900.0, 10), (20.0, 900), (15.0, 950), (18.0, 870), (22.0, 910), (17.0, 940), (21.0, 890), (19.0, 905)]
    streams = [Observed((TokenEvent(at, 1, 1), TokenEvent(at + 5, 1, 1)), tokens) for at, tokens in times]
    first = learn_profile(streams).ttft
    assert first.base_ms == pytest.approx(sum(at for at, _ in times) / len(times), rel=1e-3)
    assert first.per_input_token_ms == 0


@pytest.mark.parametrize("count", [1, 3, 8])
@pytest.mark.parametrize("apart", [0.0, 5.0])
def test_times_of_zero_are_learned(count: int, apart: float) -> None:
    """Streams whose first token, or all tokens, came at 0 ms give a profile, and no division by zero."""
    streams = [Observed(tuple(TokenEvent(apart * n, 1, 1) for n in range(3)), 10 + number) for number in range(count)]
    profile = learn_profile(streams)
    assert profile.ttft.base_ms == 0
    assert profile.latency.mean_ms == (apart or InterToken().mean_ms)


def test_an_observed_stream() -> None:
    """Events with tokens are seen with their times, protocol is not; those of one read count as one arrival."""

    def event(delta: str) -> bytes:
        return b'data: {"model":"m-1","choices":[{"index":0,"delta":%b}]}\n\n' % delta.encode()

    call = '{"tool_calls":[{"index":0,"id":"t","function":{"name":"look","arguments":"{\\"a\\":1}"}}]}'
    frames = [
        (70, event('{"role":"assistant","content":""}')),
        (90.5, event('{"content":"Hi"}')),
        (110, event('{"content":" there you"}') + event('{"reasoning_content":" so"}')),
        (110.2, event('{"content":"."}')),
        (150, event(call)),
        (151, b'data: {"choices":[],"usage":{"prompt_tokens":9,"completion_tokens":4,"total_tokens":13,'),
        (152, b'"prompt_tokens_details":{"cached_tokens":5}}}\n\ndata: [DONE]\n\n'),
    ]
    seen = observed_tape(Tape(tuple(Frame(*frame) for frame in frames), start=60), "openai_chat")
    assert isinstance(seen, Observed)
    assert seen.events == (
        TokenEvent(90.5, 1, 1),
        TokenEvent(110, 2, 2),
        TokenEvent(110, 1, 1),
        TokenEvent(110.2, 1, 1),
        TokenEvent(150, 6, 0),
    )
    assert (seen.ttft, seen.input, seen.cached, seen.headers, seen.model) == (90.5, 9, 5, 60, "m-1")
    assert seen.arrivals(0.25) == [Arrival(90.5, 1, 1), Arrival(110, 3, 4), Arrival(150, 1, 6)]
    assert len(seen.arrivals(0)) == 4


@pytest.mark.parametrize(
    ("frames", "reason"),
    [
        ([(5, b'data: {"choices":[{"index":0,"delta":{}}]}\n\n')], "no tokens"),
        ([(5, b'data: {"choices":[{"index":0,"delta":{"content":"a"}}]}\n\n' * 2)], "all at once"),
    ],
)
def test_what_has_no_information_is_named(frames: list[tuple[float, bytes]], reason: str) -> None:
    """A stream without tokens, or that came in one piece, is left out for a reason."""
    assert observed_tape(Tape(tuple(Frame(*frame) for frame in frames)), "openai_chat") == reason


# The parts


@pytest.mark.parametrize("count", [40, 400, 4000])
@pytest.mark.parametrize(
    ("distribution", "jitter"),
    [("lognormal", 0.2), ("lognormal", 2.0), ("gamma", 0.2), ("gamma", 1.5), ("normal", 0.2), ("uniform", 0.5)],
)
def test_no_pauses_are_found_in_one_distribution(distribution: Distribution, jitter: float, count: int) -> None:
    """However long the tail of a single distribution is, no pauses are found in it."""
    for seed in range(10):
        draw = sampler(distribution, 20, jitter, random.Random(seed))
        assert count_pauses(sorted(max(draw(), 1e-9) for _ in range(count))) == 0


def test_pauses_are_distinguished_from_latencies() -> None:
    """Pauses that are 10 times as long as a latency are found nearly all, from a handful on."""
    for seed in range(10):
        source = random.Random(seed)
        latency, pause = sampler("gamma", 20, 0.4, source), sampler("lognormal", 200, 0.4, source)
        gaps = [latency() for _ in range(500)] + [latency() + pause() for _ in range(15)]
        assert count_pauses(sorted(gaps)) in range(13, 18)
    assert count_pauses([]) == 0


@given(st.floats(0.05, 60), st.floats(0, 200))
def test_share_of_a_gamma_distribution(shape: float, value: float) -> None:
    """It rises from 0 to 1, follows its recurrence, and is the known function for shapes 1/2 and 1."""
    share = gamma_share(shape, value)
    assert 0 <= share <= 1
    assert share <= gamma_share(shape, value + 0.5) + 1e-12
    # DLMF 8.8.5
    step = math.exp(shape * math.log(value) - value - math.lgamma(shape + 1)) if value else 0.0
    assert gamma_share(shape + 1, value) == pytest.approx(share - step, abs=1e-9)
    assert gamma_share(0.5, value) == pytest.approx(math.erf(math.sqrt(value)), abs=1e-9)
    assert gamma_share(1, value) == pytest.approx(-math.expm1(-value), abs=1e-9)


@pytest.mark.parametrize("deviations", [-3, -1, 0, 0.5, 2])
def test_share_of_a_gamma_distribution_of_large_shape(deviations: float) -> None:
    """Where the exact function gives way to its approximation, there is no step."""
    shares_there = [gamma_share(shape, shape + deviations * 100) for shape in (10_000, 10_000.001)]
    assert shares_there[0] == pytest.approx(shares_there[1], abs=2e-6)


@pytest.mark.slow
def test_many_latencies_are_learned_quickly() -> None:
    """Of 100,000 latencies that hardly vary, in sums of up to 60, a sample is taken: it is not a matter of minutes."""
    source = random.Random(1)
    counts = [1 + number % 60 for number in range(100_000)]
    found = fit_family([Sample(source.gauss(20 * count, 0.2 * math.sqrt(count)), count) for count in counts])
    assert (found.mean, found.jitter) == (pytest.approx(20, rel=0.001), pytest.approx(0.01, rel=0.05))


def test_distance_from_a_family() -> None:
    """Evenly spread samples are half a step from their family, and all in one place far from it."""
    even = [Sample(10 + 20 * (number + 0.5) / 100) for number in range(100)]
    assert distance(even, "uniform", 20, 1 / (2 * math.sqrt(3))) == pytest.approx(0.005)
    assert distance([Sample(20)] * 50, "uniform", 20, 1 / (2 * math.sqrt(3))) == pytest.approx(0.5)


def test_times_of_several_tokens_are_sums() -> None:
    """A family is found from sums of its latencies, too."""
    draw = sampler("gamma", 20, 0.8, random.Random(1))
    counts = [1 + number % 4 for number in range(3000)]
    found = fit_family([Sample(sum(draw() for _ in range(count)), count) for count in counts])
    assert found.distribution == "gamma"
    assert (found.mean, found.jitter) == (pytest.approx(20, rel=0.03), pytest.approx(0.8, rel=0.05))
    assert found.ks < 0.03


def test_times_of_nothing() -> None:
    """Times that are all 0 are a constant 0."""
    assert fit_family([Sample(0.0)] * 50).mean == 0


def test_regression_is_exact_without_noise() -> None:
    """Costs that explain the times exactly are found, whatever their sizes; an irrelevant variable gets no cost."""
    some = [float(number) for number in range(20)]
    other = [float(number * number % 7) for number in range(20)]
    times = [5 + 2 * a + 0.001 * b for a, b in zip(some, other, strict=True)]
    columns = {"base": [1.0] * 20, "some": some, "other": other, "none": [0.0] * 20}
    found = regress(columns, times, constant="base")
    assert found == pytest.approx({"base": 5, "some": 2, "other": 0.001})
    assert regress({"base": [1.0] * 20, "some": some, "same": some}, times, constant="base").keys() == {"base", "some"}
    through_zero = regress({"base": [1.0] * 20, "some": some}, [2 * a for a in some], constant="base")
    assert through_zero["some"] == pytest.approx(2)
    falling = [100 - a for a in some]
    assert regress({"base": [1.0] * 20, "some": some}, falling, constant="base").keys() == {"base"}
