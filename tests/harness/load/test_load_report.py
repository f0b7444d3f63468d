"""The report of a load test: percentiles, errors, the provider's share, the page."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import httpx2
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from inline_snapshot import snapshot

from tokentape_fake_provider.hosting.server import FakeProviderServer
from tokentape_harness import terminal_text
from tokentape_harness.errors import LoadError, UsageError
from tokentape_harness.load.lag import Lag
from tokentape_harness.load.page import load_page
from tokentape_harness.load.provider_times import Missing, ProviderJournal, ProviderTimes
from tokentape_harness.load.report import LoadReport, ProviderShare, Spread, spread, summarise
from tokentape_harness.load.requirement import read_requirements
from tokentape_harness.load.sample import MARK, Sample, read_samples, write_samples


def sample(number: int, first: float, *, count: int = 11, gap: float = 20.0, **fields: Any) -> Sample:
    """A stream whose first token came after `first` ms, and the others `gap` ms apart."""
    arrivals = tuple(first + gap * place for place in range(count))
    total = arrivals[-1] if arrivals else first
    sample = Sample(f"{number:032x}", "chat", 1000.0 + number, total, arrivals, tokens=count, lag=4.0)
    return msgspec.structs.replace(sample, **fields)


SAMPLES = [
    *(sample(number, 100.0 + number) for number in range(8)),
    sample(8, 100, count=3, tokens=None, error="TruncatedStreamError", problem="it ended early", truncated=True),
    sample(9, 50, count=0, tokens=None, error="RateLimitError", problem="slow down"),
]
UNFINISHED = sample(10, 100, unfinished=True)
TIMES = {one.id: ProviderTimes(90.0, 1.5 if number else 2.5) for number, one in enumerate(SAMPLES[:9])}


def test_the_report() -> None:
    """Streams that broke count with the tokens they had, and are told apart by what broke them."""
    assert summarise([*SAMPLES, UNFINISHED], users=3, provider=TIMES).lines() == snapshot(
        [
            "users 3, streams 10 in 9.0 s: 1.1 requests/s, 10 tokens/s",
            "",
            "                               p50       p90       p99       max",
            "time to first token, ms      103.0     107.0     107.0     107.0",
            "inter-token latency, ms       20.0      20.0      20.0      20.0",
            "whole stream, ms             303.0     307.0     307.0     307.0",
            "tokens/s of a stream          50.0      50.0      50.0      50.0",
            "provider: first token         90.0      90.0      90.0      90.0",
            "provider: lateness             1.5       2.5       2.5       2.5",
            "added to first token          13.0      17.0      17.0      17.0",
            "load generator: lateness       4.0       4.0       4.0       4.0",
            "",
            "complete 8, failed 2, of these truncated 1, unfinished 1",
            "  1 x TruncatedStreamError: it ended early",
            "  1 x RateLimitError: slow down",
            "the provider was late by at most 2.5 ms: the rest is your app or gateway (of 9 of the 10 requests)",
            "of that rest, up to 4.0 ms are the load generator's own lateness",
        ]
    )


def test_a_load_generator_that_is_the_bottleneck_says_so() -> None:
    """Where the users' own process is late for most streams, the report does not leave it to the app."""
    slow = [msgspec.structs.replace(one, lag=80.0) for one in SAMPLES]
    last = summarise(slow, users=3, provider=TIMES).lines()[-1]
    assert last.startswith(
        "of that rest, up to 80.0 ms are the load generator's own lateness; give it more --processes"
    )
    slower_app = {mark: its._replace(first=-200.0) for mark, its in TIMES.items()}
    assert summarise(slow, users=3, provider=slower_app).lines()[-1].endswith("own lateness")


def test_a_report_without_a_journal_has_all_fields() -> None:
    """Also where it has no provider's times, so that what reads the JSON finds `null`, as the page says."""
    assert json.loads(terminal_text.dump(summarise(SAMPLES, users=3)))["provider"] is None


def test_streams_that_arrive_at_once_are_counted() -> None:
    """A gateway that buffers whole responses is noticed; a response of one token is not taken for buffered."""
    buffered, single = sample(1, 900.0, gap=0.05), sample(2, 100.0, count=1)
    report = summarise([*SAMPLES[:2], buffered, single], users=1)
    assert report.at_once == 1
    reasons = "something buffers them, they were sent so (--timing instant), or the response is not a stream"
    assert f"1 arrived at once: {reasons}" in report.lines()
    assert not any("at once" in line for line in summarise(SAMPLES, users=1).lines())


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(1, 9))), st.integers(0, 99), st.integers(0, 99))
def test_the_lag_within_a_time_is_the_sum(sleeps: Sequence[tuple[int, int]], one: int, other: int) -> None:
    """The lag until a first token is the sum of all delays of the process within that time."""
    lag, now, late = Lag(), 0, set[int]()
    for before, delay in sleeps:
        due, now = now + before, now + before + delay
        lag.add(due, now)
        late.update(range(due, now))
    start, end = sorted((one, other))
    assert lag.within(start, end) == len(late & set(range(start, end)))


def test_the_lag_is_what_a_sleep_takes_too_long() -> None:
    """A process that wakes up 3 s late was late by 3 s; one that wakes up in time was not."""
    clock, naps = [0.0], iter([1.0, 4.0, 1.0])

    def sleep(_: float) -> None:
        clock[0] += next(naps)

    lag = Lag()
    with pytest.raises(StopIteration):
        lag.measure(lambda: clock[0], sleep, 1.0)
    assert (lag.within(0, 6), lag.within(4, 6), lag.within(5.5, 6)) == (3.0, 1.0, 0.0)
    # It has not woken up from the last sleep, which should have ended at 7.
    assert (lag.within(0, 9), lag.within(8.5, 9)) == (5.0, 0.5)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("time_to_first_token.p99<=107", ""),
        ("time_to_first_token.p99 < 107", "time_to_first_token.p99 is 107, < 107 is required"),
        ("requests>=11", "requests is 10, >= 11 is required"),
        ("provider.lateness.max<2", "provider.lateness.max is 2.5, < 2 is required"),
        ("failed<=2", ""),
    ],
)
def test_a_requirement(text: str, problem: str) -> None:
    """A report meets a requirement, or the problem has the value and the limit."""
    requirement, *_ = read_requirements([text])
    assert requirement.broken_by(summarise(SAMPLES, users=3, provider=TIMES)) == problem


def test_no_stream_may_fail_unless_it_is_allowed() -> None:
    """Without a requirement of its own for them, failed and unfinished streams break the run."""
    report = summarise([*SAMPLES, UNFINISHED], users=3)
    assert [one.broken_by(report) for one in read_requirements([])] == [
        "failed is 2, <= 0 is required",
        "unfinished is 1, <= 0 is required",
    ]
    assert not any(one.broken_by(report) for one in read_requirements(["failed<=2", "unfinished<2"]))


def test_a_number_that_the_report_lacks_breaks_its_requirement() -> None:
    """A limit of the provider's times is not met where the provider is unknown."""
    requirement, *_ = read_requirements(["provider.lateness.max<=5"])
    assert requirement.broken_by(summarise(SAMPLES, users=3)).startswith("provider.lateness.max is not in the report")


@pytest.mark.parametrize("text", ["ttft<=5", "time_to_first_token<=5", "failed", "failed<=many", "failed==0", ""])
def test_a_requirement_that_can_not_be_read(text: str) -> None:
    """A requirement of a number that no report has, or of another form, is refused before the run."""
    with pytest.raises(UsageError, match="--require"):
        read_requirements([text])


def test_the_docs_have_every_number() -> None:
    """The documented JSON has the fields of the report, and no others."""
    page = (Path(__file__).parents[3] / "docs/load.md").read_text()
    table = page.partition("## The JSON report")[2].partition("\n## ")[0]
    documented = re.findall(
        r"`([a-z0-9_]+)`", "\n".join(line.split("|")[1] for line in table.splitlines() if "|" in line)
    )
    fields = [*LoadReport.__struct_fields__, *ProviderShare.__struct_fields__, *Spread.__struct_fields__]
    assert sorted(set(documented)) == sorted(set(fields))


def test_without_a_provider_that_is_known() -> None:
    """Without the fake provider behind it the report has no share of it."""
    report = summarise(SAMPLES[:1], users=1)
    assert report.provider is None
    assert not [line for line in report.lines() if "provider" in line]


def test_a_run_in_which_all_failed_blames_no_gateway() -> None:
    """Where no stream has a token, the report's last lines are the errors."""
    lines = summarise([SAMPLES[9]], users=1, provider={}).lines()
    assert lines[-1].startswith("  1 x RateLimitError")


def test_a_gateway_that_drops_the_mark_is_named() -> None:
    """If none of the requests is in the journal, the report says why, and names the option that helps."""
    line = summarise(SAMPLES, users=3, provider={}).lines()[-1]
    assert line.startswith("none of the requests is in the provider's journal: a gateway may drop the header")
    assert "--mark-prompt" in line


@given(st.lists(st.floats(0, 1e6), min_size=1))
def test_percentiles_ascend(values: Sequence[float]) -> None:
    """Each percentile is one of the values, and none is above a later one."""
    found = spread(values)
    assert found is not None
    ascending = (found.p50, found.p90, found.p99, found.max)
    assert all(low <= high for low, high in pairwise(ascending))
    assert set(ascending) <= set(values)


def test_samples_survive_their_file(tmp_path: Path) -> None:
    """What is written is read; what is not a file of samples is named."""
    path = tmp_path / "samples.jsonl"
    write_samples(path, SAMPLES)
    assert read_samples(path) == SAMPLES
    path.write_text("{")
    with pytest.raises(UsageError, match=r"samples\.jsonl: not the samples"):
        read_samples(path)


def test_the_page_has_the_report_and_its_curves() -> None:
    """Each plot is well-formed, its curves stay within it, and nothing is fetched from elsewhere."""
    report = summarise(SAMPLES, users=3, provider=TIMES)
    page = load_page("3 users of <app>", report, [*SAMPLES, UNFINISHED], TIMES)
    assert "3 users of &lt;app&gt;" in page
    assert "late by at most 2.5 ms" in page
    assert not re.search(r"(src|href|url)\s*[=(]", page)
    plots = [ET.fromstring(svg) for svg in re.findall(r"<svg.*?</svg>", page, re.DOTALL)]
    curves = [[line.attrib["points"] for line in plot.iter("polyline")] for plot in plots]
    assert [len(lines) for lines in curves] == [2, 1, 1]
    for points in (points for lines in curves for points in lines):
        places = [tuple(map(float, point.split(","))) for point in points.split()]
        assert len(places) > 1
        assert all(0 <= x <= 640 and 0 <= y <= 240 for x, y in places)
        assert [x for x, _ in places] == sorted(x for x, _ in places)


@pytest.mark.parametrize("count", [21, 121])
def test_a_steady_run_has_a_level_curve(count: int) -> None:
    """The last step of the curve of tokens per second is as long as the others, however long the run took."""
    steady = [sample(1, 0.0, count=count, gap=20.0)]
    last = load_page("", summarise(steady, users=1), steady, None).rpartition("<polyline")[2]
    heights = [float(point.split(",")[1]) for point in re.findall(r"[\d.]+,[\d.]+", last.partition("/>")[0])]
    assert max(heights) - min(heights) < 5


@pytest.fixture
def server() -> Iterator[FakeProviderServer]:
    """A server of its own."""
    with FakeProviderServer() as running:
        yield running


@pytest.mark.parametrize("marked", ["header", "prompt"])
def test_requests_are_joined_by_their_mark(server: FakeProviderServer, marked: str) -> None:
    """A request is found in the journal by its header, or by its prompt where a gateway dropped that."""
    marks = [f"{number:032x}" for number in range(2)]
    for mark in marks:
        text = f"({MARK} {mark})" if marked == "prompt" else "hi"
        body = {"model": "m", "stream": True, "messages": [{"role": "user", "content": text}]}
        headers = {MARK: mark} if marked == "header" else {}
        httpx2.post(f"{server.url}/v1/chat/completions", json=body, headers=headers).raise_for_status()
    httpx2.post(f"{server.url}/v1/chat/completions", json={"model": "m", "messages": []})
    server.default.journal.wait()
    journal = ProviderJournal(f"{server.url}/v1")
    assert journal.missing() is None
    times = journal.times()
    assert list(times) == marks
    entry = server.default.journal.entries[0]
    assert times[marks[0]] == (entry.first_frame, entry.lateness)


def test_a_journal_that_is_not_there(server: FakeProviderServer) -> None:
    """A URL without the fake provider, and a session that does not exist, are not taken for one without requests."""
    refused = ProviderJournal(server.url, "nobody").missing()
    assert refused is not None
    assert refused.is_ours
    assert "no session 'nobody'" in refused.reason
    other = ProviderJournal(f"{server.url}/v1")
    other.url = f"{server.url}/v1/models"  # as an app that answers every path
    assert other.missing() == Missing("status 200 of another server")
    missing = ProviderJournal("http://127.0.0.1:9")
    problem = missing.missing()
    assert problem is not None
    assert not problem.is_ours
    with pytest.raises(LoadError, match=r"journal at http://127\.0\.0\.1:9"):
        missing.times()


def test_a_token_that_is_missing_is_asked_for_as_an_option() -> None:
    """A refused token names the option of the command, not a header of HTTP."""
    with FakeProviderServer(token="its-token") as server:
        missing = ProviderJournal(server.url).missing()
        assert missing == Missing("the control API's token is missing or wrong; give it as --token", is_ours=True)


def test_a_password_in_the_url_is_sent_and_not_shown(server: FakeProviderServer) -> None:
    """A proxy in front of the provider may want one; neither error has it."""
    journal = ProviderJournal(f"http://me:hunter%402@127.0.0.1:{server.port}")
    assert journal.missing() is None
    seen: list[str] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(httpx2, "get", lambda *_, auth, **__: seen.append(auth) or httpx2.Response(404))
        assert journal.missing() == Missing("status 404 of another server")
    assert seen == [("me", "hunter@2")]
    assert journal.url.startswith("http://127.0.0.1:")
    journal.url += "/nothing"
    with pytest.raises(LoadError) as caught:
        journal.times()
    assert "hunter" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "session", "found"),
    [
        ("http://host/v1", None, "default"),
        ("http://host/s/team-a/v1", None, "team-a"),
        ("http://host/s/team-a/v1", "b", "b"),
    ],
)
def test_the_session_is_that_of_the_url(url: str, session: str | None, found: str) -> None:
    """The journal is that of the session to which the URL leads, unless another is named."""
    assert ProviderJournal(url, session).url == f"http://host/_tokentape/sessions/{found}"
