"""The verdict on a client: each finding on a client that deserves it, and none on one that behaves."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import httpx2
import msgspec
import pytest
from inline_snapshot import snapshot

from tokentape_fake_provider import Frame, Script, Tape, ToolCall
from tokentape_fake_provider.playback.journal import Entry
from tokentape_fake_provider.verdict.finding import Finding, Verdict
from tokentape_fake_provider.verdict.judge import judge
from tokentape_fake_provider.verdict.settings import VerdictSettings
from tokentape_harness import FakeProvider
from tokentape_harness.testing.client_assertions import ClientBehaviour
from tokentape_harness.testing.project_settings import project_settings
from tokentape_harness.testing.remote import RemoteProvider
from tokentape_harness.testing.verdicts.saved_journal import entries_of, read_journal

USER = {"role": "user", "content": "Hi"}
CALL = {"id": "call_1", "type": "function", "function": {"name": "send", "arguments": '{"to":"Ada"}'}}
CALLED = {"role": "assistant", "content": None, "tool_calls": [CALL]}
RESULT = {"role": "tool", "tool_call_id": "call_1", "content": "sent"}
SENDS = ToolCall.of("send", {"to": "Ada"})


SSE = (("content-type", "text/event-stream"),)
BIG = Tape(tuple(Frame(float(at), b"data: " + b"x" * 8184 + b"\n\n") for at in range(1000)), 200, SSE)


@pytest.fixture
def provider(fake_provider_in_process: FakeProvider) -> FakeProvider:
    """A provider in virtual time."""
    return fake_provider_in_process


def post(provider: FakeProvider, *messages: Any, wait: float = 0, agent: str = "", **body: Any) -> str | None:
    """Send a conversation, after a pause in s, with no retry; return the body, `None` if the connection broke."""
    if wait:
        provider.clock.advance(wait)
    with httpx2.Client(transport=provider.transport(), headers={"user-agent": agent} if agent else None) as client:
        request = {"model": "m", "stream": True, "messages": messages or (USER,), **body}
        with suppress(httpx2.TransportError):
            return client.post(f"{provider.base_url()}/chat/completions", json=request).text
    return None


def findings(provider: FakeProvider, **options: Any) -> Sequence[Finding]:
    """What the verdict has."""
    return provider.client.verdict(**options).findings


def kinds(provider: FakeProvider, **options: Any) -> list[tuple[str, str]]:
    """The kinds of the findings, with their certainty."""
    return [(one.kind, one.certainty) for one in findings(provider, **options)]


# Truncated streams, and error events


def test_a_conversation_that_goes_on_with_a_truncated_answer(provider):
    """The half answer comes back as the whole message of the assistant: likely taken as whole."""
    provider.script("One two three four", faults="clean_end@frame=3")
    post(provider)
    post(provider, USER, {"role": "assistant", "content": "One two"}, {"role": "user", "content": "And then?"})
    (finding,) = findings(provider)
    assert (finding.kind, finding.certainty, finding.requests) == ("truncation_accepted", "likely", [0, 1])
    assert finding.seen == snapshot(
        "the stream of request 0 ended without its terminal event after 3 frames, and request 1 has what was received "
        "as the whole message of the assistant"
    )


@pytest.mark.parametrize(
    "then",
    [
        [{"role": "assistant", "content": "One two [interrupted]"}, {"role": "user", "content": "And then?"}],
        [{"role": "assistant", "content": "One two"}, {"role": "user", "content": "Please continue."}],
        [{"role": "assistant", "content": "One two"}],
        [{"role": "user", "content": "And then?"}],
    ],
    ids=["marked", "asks for the rest", "prefill", "dropped"],
)
def test_an_app_that_knows_of_the_truncation(provider, then):
    """A mark, a request for the rest, a prefill, or no use of the half answer show that the app noticed."""
    provider.script("One two three four", faults="clean_end@frame=3")
    post(provider)
    post(provider, USER, *then)
    assert kinds(provider) == []


def test_a_retry_after_a_truncation(provider):
    """A client that got the whole answer at last may go on with it, even if it begins like the half one."""
    provider.script("One two", faults="clean_end@frame=3,times=1")
    for _ in range(2):
        post(provider)
    post(provider, USER, {"role": "assistant", "content": "One two"}, {"role": "user", "content": "And then?"})
    assert kinds(provider) == []


def test_the_app_s_own_word_decides(provider):
    """Without a further request the journal shows nothing; the test can report what the app did."""
    provider.script("One two three four", faults="clean_end@frame=3")
    post(provider)
    verdict = provider.client.verdict()
    assert verdict.ok
    (note,) = verdict.notes
    assert note == snapshot(
        "the stream of request 0 ended without its terminal event after 3 frames, and the client sent nothing after "
        "it: whether it noticed is not visible here"
    )
    assert kinds(provider, accepted=True) == [("truncation_accepted", "certain")]
    assert kinds(provider, accepted=False) == []
    assert provider.client.verdict(accepted=False).notes == []
    with pytest.raises(AssertionError) as failed:
        provider.client.assert_resilient(accepted=True)
    assert [line.partition(":")[0] for line in str(failed.value).splitlines()] == snapshot(
        [
            "the client",
            "  truncated stream taken as whole (truncation_accepted, certain)",
            "    seen",
            "    requests",
            "    why",
            "    remedy",
            "  request 0 at 0 ms",
        ]
    )


def test_a_tool_of_a_truncated_stream_is_executed(provider):
    """The result of a call in a stream that was cut off is certain evidence."""
    provider.script(SENDS, faults="clean_end@event=-2")
    post(provider)
    post(provider, USER, CALLED, RESULT)
    assert kinds(provider) == [("truncation_accepted", "certain")]


def test_an_error_event_is_ignored(provider):
    """What came before an error event is used as the answer: likely; if a tool of it ran: certain."""
    provider.script("One two three four", faults="in_band_error@frame=3")
    post(provider)
    post(provider, USER, {"role": "assistant", "content": "One two"}, {"role": "user", "content": "And then?"})
    assert kinds(provider) == [("error_ignored", "likely")]
    assert kinds(provider, accepted=True) == [("error_ignored", "likely")]


def test_an_error_event_of_a_script(provider):
    """An error that a script sends inside its stream counts like the fault."""
    from tokentape_fake_provider import Error

    provider.script("One two", error=Error(500, "broken", in_stream=True))
    post(provider)
    assert kinds(provider, accepted=True) == [("error_ignored", "certain")]
    assert kinds(provider, accepted=False) == []


@pytest.mark.parametrize(
    "wire", ["openai_responses", "anthropic_messages", "gemini", "cohere_chat", "bedrock_converse"]
)
def test_truncation_is_seen_in_every_format(provider, wire):
    """A response without its terminal event is truncated, one with it is not, whatever the format."""
    from tokentape import ChatMessage, TruncatedStreamError
    from tokentape_harness.conversion.sample_request import client_for

    for faults in (None, "clean_end"):
        provider.script("One two three", faults=faults)
        with httpx2.Client(transport=provider.transport()) as http_client:
            client = client_for(wire, "m", base_url=provider.base_url(wire), http_client=http_client)
            with suppress(TruncatedStreamError):
                for _ in client.chat([ChatMessage.user("Hi")], stream=True).normalized:
                    pass
        expected = [] if faults is None else [("truncation_accepted", "certain")]
        assert kinds(provider, accepted=True) == expected


@pytest.mark.parametrize(("answer", "found"), [("", ["error_ignored"]), ("Sorry, try again.", []), (None, [])])
def test_an_error_instead_of_an_answer_is_ignored(provider, answer, found):
    """A conversation that goes on with an empty answer to a request that failed shows that nobody saw the error."""
    provider.fault("http_error", status=400, times=1)
    post(provider)
    messages = [] if answer is None else [{"role": "assistant", "content": answer}]
    post(provider, USER, *messages, {"role": "user", "content": "And then?"})
    assert [kind for kind, _ in kinds(provider)] == found


# Retries


def test_a_retry_storm(provider):
    """More retries than the limit are a storm; the limit is a setting."""
    provider.fault("http_error", status=500)
    for number in range(7):
        post(provider, wait=number)
    (finding,) = findings(provider)
    assert (finding.kind, finding.requests) == ("retry_storm", list(range(7)))
    assert finding.seen == snapshot("request 0 was retried 6 times (500), more than 5")
    assert kinds(provider, most_retries=6) == []


@pytest.mark.parametrize(("retries", "found"), [(1, None), (2, "likely"), (3, "certain")])
def test_no_back_off(provider, retries, found):
    """Retries at once have no back-off; a single one may be chance."""
    provider.fault("http_error", status=503)
    for _ in range(1 + retries):
        post(provider)
    assert kinds(provider) == ([] if found is None else [("no_backoff", found)])
    assert kinds(provider, least_wait_ms=0) == []


def test_retries_that_the_header_allows_at_once(provider):
    """A client that obeys a short retry-after has back-off."""
    provider.fault("http_error", status=429, retry_after=0.001)
    for _ in range(4):
        post(provider, wait=0.002)
    assert kinds(provider) == []


def test_retry_after_is_ignored(provider):
    """A retry before the time that the header names is a finding with both times, however long the client waited."""
    provider.fault("http_error", status=429, retry_after=30)
    post(provider)
    post(provider, wait=8)
    (finding,) = findings(provider)
    assert finding.kind == "retry_after_ignored"
    assert "after request 0 was refused with a retry-after of 30000 ms" in finding.seen
    post(provider, wait=31)
    assert findings(provider)[0].requests == [0, 1]


@pytest.mark.parametrize("status", [400, 404, 413, 422])
def test_retried_in_vain(provider, status):
    """The same request after an error that it must get again is a finding."""
    provider.fault("http_error", status=status)
    post(provider)
    post(provider, wait=1)
    assert kinds(provider) == [("retried_in_vain", "certain")]


def test_one_try_with_a_new_token(provider):
    """After a 401 a client may fetch a new token and try once, not twice."""
    provider.fault("http_error", status=401)
    for number in range(2):
        post(provider, wait=number)
    assert kinds(provider) == []
    post(provider, wait=1)
    assert kinds(provider) == [("retried_in_vain", "certain")]


def test_a_spent_quota_is_not_retried(provider):
    """A 429 for a quota that is spent can't succeed: retrying it is a finding, and reporting it is not."""
    provider.fault("http_error", status=429, code="insufficient_quota")
    post(provider)
    assert kinds(provider) == []
    post(provider, wait=1)
    assert kinds(provider) == [("retried_in_vain", "certain")]


@pytest.mark.parametrize("fault", ["http_error@status=429", "overload", "http_error@status=500", "fin@before_headers"])
def test_not_retried(provider, fault):
    """What a second attempt can mend and the client gave up at once is a finding."""
    provider.fault(fault)
    post(provider)
    assert kinds(provider) == [("not_retried", "certain")]
    post(provider, wait=1)
    assert kinds(provider) == []


@pytest.mark.parametrize(
    "fault",
    [
        "http_error@status=400",
        "http_error@status=401",
        "http_error@status=429,retry_after=120",
        "fin@frame=3",
        "rst@frame=3",
    ],
)
def test_what_need_not_be_retried(provider, fault):
    """A lasting error, a wait that is too long, and a stream that broke in the middle may be reported at once."""
    provider.fault(fault)
    post(provider)
    assert kinds(provider, accepted=False) == []


def test_a_fallback_is_no_missing_retry(provider):
    """The same conversation at another model is another answer to a failure."""
    provider.fault("overload", times=1)
    post(provider)
    post(provider, model="other")
    assert kinds(provider) == []


def test_a_running_client_may_retry_yet(provider):
    """While the client runs, a failure of the last minute is not judged."""
    provider.fault("overload")
    post(provider)
    now = provider.clock.now()
    assert judge(provider.requests, now_ms=now + 30_000, runs=True).ok
    assert not judge(provider.requests, now_ms=now + 90_000, runs=True).ok


# Side effects


def test_a_result_that_is_sent_twice(provider):
    """Two results for one call are a duplicate; a call that was made twice may have two."""
    provider.script("done")
    post(provider, USER, CALLED, RESULT, RESULT)
    (finding,) = findings(provider)
    assert (finding.kind, finding.seen) == (
        "duplicate_side_effect",
        snapshot("request 0 has two results for the tool call call_1"),
    )
    provider.journal.clear()
    post(provider, USER, CALLED, RESULT, CALLED, RESULT)
    assert kinds(provider) == []


def test_a_tool_that_is_executed_again(provider):
    """An agent that begins anew after a failure of its second request runs the tool twice."""
    for response in (SENDS, Script.of(), SENDS, "done"):
        provider.script(response)
    provider.fault("http_error", status=400, after=1, times=1)
    post(provider)
    post(provider, USER, CALLED, RESULT)
    post(provider)
    again = {**CALLED, "tool_calls": [{**CALL, "id": "call_2"}]}
    post(provider, USER, again, {**RESULT, "tool_call_id": "call_2"})
    (finding,) = findings(provider)
    assert (finding.kind, finding.certainty, finding.requests) == ("duplicate_side_effect", "certain", [0, 1, 2, 3])


def test_the_same_run_twice_is_no_duplicate(provider):
    """Two whole runs with the same prompt, without any failure, are what the app wanted."""
    for _ in range(2):
        provider.script(SENDS)
        provider.script("done")
        post(provider)
        post(provider, USER, CALLED, RESULT)
    assert kinds(provider) == []


def test_a_retry_of_the_second_request_is_no_duplicate(provider):
    """The right retry sends the result again, with the request that failed."""
    provider.script(SENDS)
    provider.script("done", faults="overload@times=1")
    post(provider)
    post(provider, USER, CALLED, RESULT)
    post(provider, USER, CALLED, RESULT, wait=1)
    assert kinds(provider) == []


# Open streams


@pytest.mark.asyncio
@pytest.mark.fake_provider(timing="recorded", clock="controlled")
@pytest.mark.parametrize("closes", [True, False])
async def test_a_stream_that_is_left_open(fake_provider_in_process, closes):
    """A client that neither reads nor closes is found while it does so, and afterwards; a slow reader is not."""
    provider = fake_provider_in_process
    provider.script(BIG)
    async with httpx2.AsyncClient(transport=provider.async_transport()) as client:
        url, body = f"{provider.base_url()}/chat/completions", {"model": "m", "stream": True, "messages": [USER]}
        async with client.stream("POST", url, json=body) as response:
            await provider.clock.aadvance(1.5)
            assert kinds(provider, timeout=0) == []
            await provider.clock.aadvance(8)
            (finding,) = findings(provider, timeout=0)
            assert (finding.kind, finding.certainty) == ("left_open", "certain")
            assert finding.seen.endswith(" of 1000 frames were sent), and then was still open")
            assert kinds(provider, timeout=0, unread_ms=60_000) == []
            if not closes:
                await response.aread()
    await provider.journal.wait_async()
    assert kinds(provider) == ([("left_open", "certain")] if closes else [])


@pytest.mark.fake_provider(timing="stepped")
def test_a_stream_that_a_test_steps_is_not_left_open(fake_provider):
    """Frames that wait for a step are not due, however long it takes."""
    fake_provider.script("One two three")
    with httpx2.Client() as client:
        url, body = f"{fake_provider.base_url()}/chat/completions", {"model": "m", "stream": True, "messages": [USER]}
        with client.stream("POST", url, json=body):
            fake_provider.next_stream().step(1)
    assert kinds(fake_provider, unread_ms=0) == []


def open_request(number: int, *messages: Any, arrived: float = 0, ended: float | None = None) -> Entry:
    """A stream that its client left, or that has not ended."""
    body = msgspec.json.encode({"model": "m", "messages": messages})
    entry = Entry(
        session="s",
        time=arrived / 1000,
        method="POST",
        path="/v1/chat/completions",
        query="",
        raw_headers=(),
        raw_body=body,
        wire="openai_chat",
        arrived=arrived,
    )
    entry.number, entry.status, entry.started, entry.frames_planned = number, 200, 1.0, 9
    entry.due.extend(range(0, 90_000, 10_000))
    entry.left.append(0.0)
    if ended is not None:
        entry.outcome, entry.ended = "client_left", ended - arrived
    return entry


@pytest.mark.parametrize(("ended", "found"), [(5_500, []), (7_000, ["slow_cancel"]), (None, ["slow_cancel"])])
def test_a_slow_cancel(ended, found):
    """A stream that stays open after its conversation has gone on was cancelled too slowly."""
    first = open_request(0, USER, ended=ended)
    stopped = {"role": "assistant", "content": "One"}
    second = open_request(1, USER, stopped, {"role": "user", "content": "Stop."}, arrived=5_000, ended=5_100)
    verdict = judge([first, second], now_ms=8_000)
    assert [one.kind for one in verdict.findings] == found
    assert judge([first, second], VerdictSettings(cancel_ms=4_000), now_ms=8_000).ok


def test_a_cancel_that_the_test_reports():
    """Each stream that was open when the test cancelled must end soon after it."""
    first, later = open_request(0, USER, ended=7_000), open_request(1, {**USER, "content": "x"}, arrived=6_500)
    verdict = judge([first, later], cancelled_at=5.0, now_ms=9_000)
    assert [(one.kind, one.requests) for one in verdict.findings] == [("slow_cancel", [0])]
    assert judge([first], cancelled_at=6.5, now_ms=9_000).ok


# Settings, and where a verdict comes from


def test_the_project_has_limits_of_its_own(tmp_path, monkeypatch, provider):
    """The table [tool.tokentape.report] has the limits and what is allowed; an argument replaces them."""
    (tmp_path / "pyproject.toml").write_text("[tool.tokentape.report]\nmost_retries = 0\nallow = ['no_backoff']\n")
    settings = project_settings(tmp_path).report
    assert (settings.most_retries, settings.allow) == (0, ("no_backoff",))
    provider.fault("overload")
    for _ in range(3):
        post(provider)
    client = ClientBehaviour(provider.journal, settings)
    assert [one.kind for one in client.verdict().findings] == ["retry_storm"]
    assert [one.kind for one in client.verdict(most_retries=2, allow=()).findings] == ["no_backoff"]
    assert client.verdict(most_retries=2, allow=(), certain_only=True).ok
    with pytest.raises(msgspec.ValidationError, match="most_retrys"):
        client.verdict(most_retrys=1)


def test_the_same_verdict_by_the_control_api_and_by_a_saved_journal(fake_provider, tmp_path):
    """The route and the command over a server and over its saved journal find what the fixture finds."""
    fake_provider.script("One two three four", faults="clean_end@frame=3")
    fake_provider.fault("http_error", status=400, after=2)
    with httpx2.Client(trust_env=False) as client:
        url, body = f"{fake_provider.base_url()}/chat/completions", {"model": "m", "stream": True, "messages": [USER]}
        client.post(url, json=body)
        body["messages"] = [USER, {"role": "assistant", "content": "One two"}, {"role": "user", "content": "So?"}]
        client.post(url, json=body)
        for _ in range(2):
            client.post(url, json={**body, "messages": [{**USER, "content": "x"}]})
        expected = fake_provider.client.verdict()
        assert [one.kind for one in expected.findings] == ["truncation_accepted", "retried_in_vain"]
        control = f"{fake_provider.server.url}/_tokentape/sessions/{fake_provider.session.id}"
        answer = client.get(f"{control}/verdict?ended=1").json()
        assert msgspec.convert(answer, Verdict) == expected
        allowed = client.get(f"{control}/verdict?ended=1&allow=truncation_accepted,retried_in_vain").json()
        assert allowed["findings"] == []
        refused = client.get(f"{control}/verdict?allow=nothing")
        assert (refused.status_code, refused.json()["error"]["what"]) == (400, "no kind of finding 'nothing'")
        saved = tmp_path / "journal.json"
        saved.write_bytes(client.get(f"{control}/journal?frames=1&responses=1").content)
    page = read_journal(saved)
    assert judge(entries_of(page.entries), now_ms=page.now) == expected
    with RemoteProvider(fake_provider.server.url) as remote:
        distant = FakeProvider(remote, remote.session(fake_provider.session.id))
        assert distant.client.verdict() == expected
