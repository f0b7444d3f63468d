"""What a client did: assertions over the journal, on the official SDKs as they are and on clients that misbehave."""

from __future__ import annotations

import asyncio
import threading
from contextlib import suppress
from functools import partial

import anthropic
import httpx2
import openai
import pytest
from inline_snapshot import snapshot

from tokentape_fake_provider.playback.journal import Entry, Journal
from tokentape_fake_provider.tape import Frame, Tape
from tokentape_harness import FakeProvider
from tokentape_harness.testing.client_assertions import ClientBehaviour, idle_ms

MESSAGES = [{"role": "user", "content": "Hi"}]
REQUEST = {"model": "m", "stream": True, "messages": MESSAGES}
SSE = (("content-type", "text/event-stream"),)


def call_openai(provider: FakeProvider, **options) -> str:
    """The answer of the openai SDK, with its own retries."""
    with openai.OpenAI(base_url=provider.base_url(), api_key="k", **options) as client:
        return client.chat.completions.create(model="m", messages=MESSAGES).choices[0].message.content


def call_anthropic(provider: FakeProvider, **options) -> str:
    """The answer of the anthropic SDK, with its own retries."""
    with anthropic.Anthropic(base_url=provider.base_url("anthropic_messages"), api_key="k", **options) as client:
        return client.messages.create(model="m", messages=MESSAGES, max_tokens=9).content[0].text


def post(provider: FakeProvider, body: object = REQUEST) -> httpx2.Response:
    """A client that retries nothing by itself."""
    with httpx2.Client(transport=provider.transport()) as client:
        return client.post(f"{provider.base_url()}/chat/completions", json=body)


def problem(check) -> str:
    """The first line of an assertion's message."""
    with pytest.raises(AssertionError) as failed:
        check()
    return str(failed.value).splitlines()[0]


@pytest.mark.parametrize("sdk", [call_openai, call_anthropic])
def test_the_sdks_retry_as_the_response_requires(fake_provider, sdk):
    """Both SDKs retry twice after two refusals, not too early, and never without a failure."""
    fake_provider.script("Hello", faults="http_error@status=429,retry_after=0.02,times=2")
    assert sdk(fake_provider) == "Hello"
    fake_provider.client.assert_retried(2)
    fake_provider.client.assert_retried()
    fake_provider.client.assert_no_duplicates()
    assert [retry.failed.retry_after for retry in fake_provider.client.retries] == [0.02, 0.02]
    assert all(retry.waited_ms >= 19 for retry in fake_provider.client.retries)
    assert problem(fake_provider.client.assert_not_retried) == snapshot(
        "the client: it retried after a failure: request 1, 2"
    )
    assert problem(lambda: fake_provider.client.assert_retried(1)) == snapshot(
        "the client: retries after a failure: 2, not 1"
    )


def test_a_client_that_retries_too_soon_is_found(fake_provider_in_process):
    """A retry that comes too early is reported with both times."""
    fake_provider_in_process.fault("http_error", status=429, retry_after=30, times=1)
    assert [post(fake_provider_in_process).status_code for _ in range(2)] == [429, 200]
    message = problem(fake_provider_in_process.client.assert_retried)
    assert message.startswith("the client: request 1 came ")
    assert message.endswith(" ms after request 0 was refused with a retry-after of 30000 ms")
    fake_provider_in_process.client.assert_retried(1, respecting_retry_after=False)


def test_a_client_that_waits_in_the_session_s_time_is_patient(fake_provider_in_process):
    """The session's clock counts as well as the machine's."""
    fake_provider_in_process.fault("overload", retry_after=30, times=1)
    post(fake_provider_in_process)
    fake_provider_in_process.clock.advance(30)
    post(fake_provider_in_process)
    fake_provider_in_process.client.assert_retried(1)
    assert fake_provider_in_process.client.retries[0].waited_ms == pytest.approx(30_000, abs=1)


def test_no_retry(fake_provider):
    """A client that does not retry is reported."""
    fake_provider.fault("overload", retry_after=0.001)
    with pytest.raises(openai.InternalServerError):
        call_openai(fake_provider, max_retries=0)
    fake_provider.client.assert_not_retried()
    assert problem(fake_provider.client.assert_retried) == snapshot("the client: it never retried after a failure")


def test_a_request_that_is_sent_twice_is_found(fake_provider_in_process):
    """The same request after a complete answer is a duplicate; another request is not."""
    post(fake_provider_in_process)
    post(fake_provider_in_process, {**REQUEST, "model": "other"})
    fake_provider_in_process.client.assert_no_duplicates()
    post(fake_provider_in_process)
    assert problem(fake_provider_in_process.client.assert_no_duplicates) == snapshot(
        "the client: request 2 repeats request 0, which had not failed (its response: 200, complete)"
    )
    fake_provider_in_process.client.assert_not_retried()


def test_a_request_after_a_broken_answer_is_a_retry(fake_provider_in_process):
    """A request whose response was cut off, or ended without its last event, may be sent again."""
    fake_provider_in_process.fault("fin", event=1, times=1)
    fake_provider_in_process.fault("clean_end", event=1, times=1, after=1)
    fake_provider_in_process.script("Hello, you")
    for _ in range(3):
        with suppress(httpx2.TransportError):
            post(fake_provider_in_process)
    fake_provider_in_process.client.assert_no_duplicates()
    fake_provider_in_process.client.assert_retried(2)


@pytest.mark.parametrize("sdk", ["openai", "anthropic"])
@pytest.mark.fake_provider(timing="stepped")
def test_the_sdks_close_the_socket_when_the_stream_is_cancelled(fake_provider, sdk):
    """After `close()` at most one more frame leaves, and the connection is closed."""
    fake_provider.script("One two three four five six seven")
    if sdk == "openai":
        client = openai.OpenAI(base_url=fake_provider.base_url(), api_key="k")
        chunks = client.chat.completions.create(model="m", messages=MESSAGES, stream=True)
    else:
        client = anthropic.Anthropic(base_url=fake_provider.base_url("anthropic_messages"), api_key="k")
        chunks = client.messages.create(model="m", messages=MESSAGES, max_tokens=9, stream=True)
    stream = fake_provider.next_stream()
    stream.step(2)
    next(chunks)
    chunks.close()
    stream.release()
    entry = fake_provider.journal.wait()[-1]
    client.close()
    fake_provider.client.assert_left(after_frames=2, within_frames=1)
    assert entry.frames_sent < entry.frames_planned


def test_a_client_that_reads_on_is_found(fake_provider_in_process):
    """A client that took everything did not leave."""
    post(fake_provider_in_process)
    client = fake_provider_in_process.client
    assert problem(lambda: client.assert_left(after_frames=2)) == snapshot(
        "the client: it did not close request 0, which ended complete"
    )
    assert problem(lambda: client.assert_timed_out(at_least_ms=0, at_most_ms=1)) == snapshot(
        "the client: it did not close request 0, which ended complete"
    )
    assert problem(lambda: client.assert_held_back(most_bytes=1)) == snapshot(
        "the client: it read the whole response to request 0"
    )
    assert problem(lambda: client.assert_left(after_frames=2, number=3)) == snapshot(
        "the client: there is no request 3"
    )


@pytest.mark.parametrize(("spec", "event"), [("stall@event=2", 2), ("slow_headers@for=ever", 0)])
def test_an_idle_timeout_is_seen(fake_provider_in_process, spec, event):
    """The openai SDK gives a silent stream up after its timeout, to the ms of the session's time."""
    provider = fake_provider_in_process
    provider.script("Hello, you all", faults=spec)
    http_client = httpx2.Client(transport=provider.transport())
    with openai.OpenAI(
        base_url=provider.base_url(), api_key="k", timeout=30, max_retries=0, http_client=http_client
    ) as client:
        chunks = []
        with pytest.raises(openai.APITimeoutError):
            chunks.extend(client.chat.completions.create(model="m", messages=MESSAGES, stream=True))
    assert len(chunks) == event
    provider.client.assert_timed_out(at_least_ms=30_000, at_most_ms=30_000)
    assert problem(lambda: provider.client.assert_timed_out(at_least_ms=0, at_most_ms=20_000)) == snapshot(
        "the client: it closed request 0 after 30000 ms without data, and not after 0 to 20000 ms"
    )


@pytest.mark.asyncio
@pytest.mark.fake_provider(timing="recorded", clock="controlled")
async def test_a_client_that_does_not_read_stops_the_server(fake_provider_in_process):
    """Of 8 MB that are due, the server sends no more than is read; the same client can read on later."""
    provider = fake_provider_in_process
    frame = b"data: " + b"x" * 8184 + b"\n\n"
    provider.script(Tape(tuple(Frame(float(at), frame) for at in range(1000)), 200, SSE))
    async with httpx2.AsyncClient(transport=provider.async_transport()) as client:
        url = f"{provider.base_url()}/chat/completions"
        async with client.stream("POST", url, json=REQUEST) as response:
            await provider.clock.aadvance(2)
            provider.client.assert_held_back(most_bytes=200_000)
            assert provider.requests[0].bytes_sent > 0
            assert "bytes were sent to a client that does not read, and not at most 10" in problem(
                lambda: provider.client.assert_held_back(most_bytes=10)
            )
            assert len(await response.aread()) == 1000 * len(frame)
    assert "it read the whole response" in problem(lambda: provider.client.assert_held_back(most_bytes=200_000))


def entry(number: int, *, arrived: float = 0.0, body: bytes = b"{}", status: int = 200) -> Entry:
    """A request of no client."""
    request = Entry(
        session="s",
        time=arrived / 1000,
        method="POST",
        path="/v1/x",
        query="",
        raw_headers=(),
        raw_body=body,
        wire=None,
        arrived=arrived,
    )
    request.number, request.status, request.outcome = number, status, "complete"
    request.started, request.ended = 1.0, 2.0
    return request


def test_a_request_beside_one_that_is_being_answered_is_a_duplicate():
    """Two equal requests at the same time are a duplicate."""
    first, second = entry(0), entry(1, arrived=1.0)
    first.ended, first.outcome = None, "pending"
    assert problem(ClientBehaviour([first, second]).assert_no_duplicates) == snapshot(
        "the client: request 1 repeats request 0, which had not failed (its response had not ended)"
    )


def test_a_client_that_left_after_all_frames_did_not_fail():
    """Closing at the terminal event is no failure: the same request after it is a duplicate."""
    first, second = entry(0), entry(1, arrived=10.0)
    first.outcome, first.sizes, first.instant, first.frames_planned = "client_left", [3], True, 1
    first.left.append(1.0)
    assert ClientBehaviour([first, second]).duplicates == [(first, second)]
    assert idle_ms(first) == 1.0


def test_the_requests_are_listed():
    """A failed assertion lists the requests, the first of many."""
    refused = entry(0, status=429)
    refused.retry_after, refused.faults = 2.0, ("overload",)
    with pytest.raises(AssertionError) as failed:
        ClientBehaviour([refused, *(entry(number, arrived=number * 100.0) for number in range(1, 15))]).assert_retried(
            9
        )
    assert str(failed.value) == snapshot("""\
the client: retries after a failure: 1, not 9
  request 0 at 0 ms: POST /v1/x, 429, retry after 2 s, faults overload, complete, 0 of 0 frames
  request 1 at 100 ms: POST /v1/x, 200, complete, 0 of 0 frames
  request 2 at 200 ms: POST /v1/x, 200, complete, 0 of 0 frames
  request 3 at 300 ms: POST /v1/x, 200, complete, 0 of 0 frames
  request 4 at 400 ms: POST /v1/x, 200, complete, 0 of 0 frames
  request 5 at 500 ms: POST /v1/x, 200, complete, 0 of 0 frames
  request 6 at 600 ms: POST /v1/x, 200, complete, 0 of 0 frames
  request 7 at 700 ms: POST /v1/x, 200, complete, 0 of 0 frames
  request 8 at 800 ms: POST /v1/x, 200, complete, 0 of 0 frames
  request 9 at 900 ms: POST /v1/x, 200, complete, 0 of 0 frames
  request 10 at 1000 ms: POST /v1/x, 200, complete, 0 of 0 frames
  request 11 at 1100 ms: POST /v1/x, 200, complete, 0 of 0 frames
  and 3 more\
""")


def closing(provider: FakeProvider) -> None:
    """A stream of the openai SDK that its program closes after two frames."""
    provider.script("One two three four five six seven")
    with openai.OpenAI(base_url=provider.base_url(), api_key="k") as client:
        chunks = client.chat.completions.create(model="m", messages=MESSAGES, stream=True)
        provider.next_stream().step(2)
        next(chunks)
        chunks.close()


@pytest.mark.parametrize("again", range(20))
@pytest.mark.fake_provider(timing="stepped")
def test_leaving_is_waited_for(fake_provider, again):
    """An assertion right after `close()` waits until the request has ended; its stream need not be stepped."""
    closing(fake_provider)
    fake_provider.client.assert_left(after_frames=2)
    fake_provider.client.assert_timed_out(at_least_ms=0, at_most_ms=600_000)
    fake_provider.client.assert_not_retried()
    fake_provider.client.assert_no_duplicates()


@pytest.mark.asyncio
@pytest.mark.fake_provider(timing="stepped")
async def test_coroutines_wait_for_the_journal(fake_provider):
    """`journal.wait_async()` lets the client's event loop go on until each request is over."""
    fake_provider.script("One two three four five six seven")
    async with openai.AsyncOpenAI(base_url=fake_provider.base_url(), api_key="k") as client:
        chunks = await client.chat.completions.create(model="m", messages=MESSAGES, stream=True)
        await (await fake_provider.anext_stream()).astep(2)
        await anext(chunks)
        with pytest.raises(TimeoutError, match=r"the condition did not hold within 0 s: 1 requests, 1 pending"):
            await fake_provider.journal.wait_async(timeout=0)
        leaving = asyncio.ensure_future(fake_provider.journal.wait_async())
        await chunks.close()
        (entry,) = await leaving
    assert entry.outcome == "client_left"
    fake_provider.client.assert_left(after_frames=2, timeout=0)


@pytest.mark.fake_provider(timing="stepped")
def test_a_client_that_stays_is_found_in_time(fake_provider):
    """A client that never leaves fails the assertion when its time is up, with the state of the request."""
    fake_provider.script("One two three four five six seven")
    with openai.OpenAI(base_url=fake_provider.base_url(), api_key="k") as client:
        client.chat.completions.create(model="m", messages=MESSAGES, stream=True)
        stream = fake_provider.next_stream()
        stream.step(2)
        for check in (
            partial(fake_provider.client.assert_left, after_frames=2),
            partial(fake_provider.client.assert_timed_out, at_least_ms=0, at_most_ms=1),
        ):
            with pytest.raises(AssertionError) as failed:
                check(timeout=0.01)
            first, second = str(failed.value).splitlines()
            assert first == snapshot("the client: it did not close request 0 within 0.01 s: it has not ended")
            assert second.endswith("200, pending, 2 of 10 frames")
        # What does not depend on how the stream ends is judged at once.
        fake_provider.client.assert_not_retried()
        fake_provider.client.assert_no_duplicates()
        stream.release()


@pytest.mark.fake_provider(timing="stepped")
def test_a_blocked_event_loop_is_named(fake_provider):
    """An assertion that blocks the event loop of its client fails with what to await."""

    async def check() -> str:
        async with openai.AsyncOpenAI(base_url=fake_provider.base_url(), api_key="k") as client:
            await client.chat.completions.create(model="m", messages=MESSAGES, stream=True)
            (await fake_provider.anext_stream()).step(1)
            return problem(lambda: fake_provider.client.assert_left(after_frames=1, timeout=0.01))

    assert asyncio.run(check()).endswith(
        "it has not ended; this wait blocked the event loop: first await the journal's wait_async()"
    )


@pytest.mark.parametrize("left", [True, False])
def test_a_repeated_request_is_judged_when_the_first_is_over(left):
    """Until then it is unknown whether the first had failed, and so whether the second is a retry or a duplicate."""
    journal = Journal()
    first, second = entry(0), entry(1)
    first.outcome = second.outcome = "pending"
    first.frames_planned = 2
    journal.add(first)
    journal.add(second)
    client = ClientBehaviour(journal)
    ending = threading.Timer(0.05, journal.finish, (first, "client_left" if left else "complete", 5.0))
    ending.start()
    if left:
        client.assert_no_duplicates()
        client.assert_retried(1)
    else:
        client.assert_not_retried()
        assert "request 1 repeats request 0" in problem(client.assert_no_duplicates)
    ending.join()


@pytest.mark.fake_provider(timing="synthetic:ttft=1ms,tps=20")
def test_leaving_is_waited_for_in_process(fake_provider_in_process):
    """A client that closed where it could not wait has left: the assertion lets the provider go on until it knows."""
    provider = fake_provider_in_process
    provider.script("one two three four five six")
    with openai.OpenAI(
        base_url=provider.base_url(), api_key="k", http_client=httpx2.Client(transport=provider.transport())
    ) as client:
        stream = client.chat.completions.create(model="m", messages=MESSAGES, stream=True)
        next(iter(stream))

        async def close() -> None:
            stream.close()

        asyncio.run(close())
        assert provider.requests[0].outcome == "pending"
        provider.client.assert_left(after_frames=1, within_frames=2)
        with pytest.raises(ZeroDivisionError):
            provider.journal.wait(lambda entries: 1 // 0)
        with pytest.raises(TimeoutError, match="1 requests, 0 pending"):
            provider.journal.wait(lambda entries: False, 0.01)


@pytest.mark.fake_provider(timing="synthetic:ttft=1ms,tps=20")
def test_a_client_that_never_finished_closing_is_broken_off_at_the_end(fake_provider_in_process):
    """A stream whose closing could not be awaited does not disturb the provider's end."""
    provider = fake_provider_in_process
    with openai.OpenAI(
        base_url=provider.base_url(), api_key="k", http_client=httpx2.Client(transport=provider.transport())
    ) as client:
        stream = client.chat.completions.create(model="m", messages=MESSAGES, stream=True)
        next(iter(stream))

        async def close() -> None:
            stream.close()

        asyncio.run(close())
        provider.server.close()
    assert provider.requests[0].outcome != "pending"


@pytest.mark.fake_provider(timing="stepped")
def test_a_stream_that_is_never_stepped(fake_provider_in_process):
    """A client that gives up a stepped stream without a step gets an error with the reason."""
    provider = fake_provider_in_process
    with httpx2.Client(transport=provider.transport(), timeout=60) as client, pytest.raises(httpx2.ReadTimeout):
        client.post(f"{provider.base_url()}/chat/completions", json=REQUEST)
    assert provider.requests[0].note == snapshot("its timing is stepped, but nobody stepped it")
    with pytest.raises(AssertionError, match="its timing is stepped, but nobody stepped it"):
        provider.client.assert_left(after_frames=9, number=-2)


@pytest.mark.fake_provider(timing="stepped")
def test_a_stream_that_waits_long_for_a_step_is_logged(fake_provider, caplog, monkeypatch):
    """After some seconds without a step a warning names the request and what to do."""
    monkeypatch.setattr("tokentape_fake_provider.app._UNSTEPPED_S", 0.0)
    logged = threading.Event()
    caplog.handler.addFilter(lambda record: logged.set() or True)
    with openai.OpenAI(base_url=fake_provider.base_url(), api_key="k") as client:
        client.chat.completions.create(model="m", messages=MESSAGES, stream=True).close()
    assert logged.wait(10)
    fake_provider.journal.wait()
    (record,) = caplog.records
    assert record.getMessage().startswith("<SteppedStream 0 of POST /v1/chat/completions: 0 of ")
    assert (
        "nobody has stepped it for 0 s. Take it with next_stream(), then step() or finish() it" in record.getMessage()
    )
