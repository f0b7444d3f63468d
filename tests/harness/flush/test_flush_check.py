"""The flush checker on apps of every kind, with the official SDK between them and the fake provider."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import json
import random
import sys
import uuid
from functools import partial
from typing import Any

import openai
import pytest
from inline_snapshot import snapshot

from tests.harness.flush import apps
from tokentape_harness.errors import FlushError, UsageError
from tokentape_harness.flush import AsgiTarget, CallTarget, WsgiTarget
from tokentape_harness.flush.bench import Bench, event_loop
from tokentape_harness.flush.check import FlushOptions
from tokentape_harness.flush.flush_probe import FlushProbe
from tokentape_harness.flush.marker_tokens import generate_markers
from tokentape_harness.flush.prober import Pace

pytestmark = pytest.mark.slow

# What is held stays held, however soon that is concluded: these targets need no patience.
HURRIED = {"patience": 0.25, "wait": 0.05, "max_bytes": 16_384, "readers": False, "cut": False}
VERDICTS_ONLY = {"readers": False, "cut": False}


@pytest.mark.parametrize(
    ("target", "path"),
    [
        (apps.tokens, "/"),
        (apps.async_tokens, "/"),
        (apps.starlette_app(), "/chat"),
        (apps.starlette_app(), "/plain"),
        (apps.starlette_app(apps.GZIP), "/chat"),
        (apps.flask_app(), "/chat"),
        (apps.flask_app(), "/plain"),
    ],
    ids=["iterator", "async iterator", "our response", "starlette", "starlette gzip", "our wsgi body", "flask"],
)
def test_apps_that_flush(flush_probe, target, path):
    """An app that forwards each token is found to flush, through its own functions or in process."""
    report = flush_probe.check(target, path)
    report.assert_ok()
    assert (report.verdict, report.readers) == ("flushed", "independent")
    assert [token.after for token in report.tokens] == list(range(1, 11)), "each before the next was sent, late or not"
    assert report.causes == ()


@pytest.mark.parametrize(
    ("target", "path", "verdict", "where"),
    [
        (apps.collected, "/", "all_at_end", "in the function itself"),
        (apps.starlette_app(apps.Reads), "/chat", "all_at_end", "in the app or its middleware"),
        (apps.starlette_app(apps.HeadFirst), "/chat", "headers_early", "in the app or its middleware"),
        (apps.starlette_app(apps.Compresses), "/chat", "headers_early", "in what compresses the response"),
        (apps.flask_app(), "/late", "all_at_end", "in the app or its middleware"),
    ],
    ids=["list", "reading middleware", "head first", "gzip without a flush", "joined"],
)
def test_apps_that_hold_everything(flush_probe, target, path, verdict, where):
    """What holds the whole answer is distinguished by when its headers come, and a cause is named."""
    report = flush_probe.check(target, path, **HURRIED)
    assert report.verdict == verdict
    assert {token.verdict for token in report.tokens} == {"held"}
    assert report.causes[0].where == where
    assert report.causes[0].proved
    with pytest.raises(AssertionError, match="verdict: "):
        report.assert_flushes()


def test_a_body_that_was_counted(flush_probe):
    """A content-length that nothing can know before the end is named as evidence."""
    report = flush_probe.check(apps.starlette_app(partial(apps.Reads, declare=True)), "/chat", **HURRIED)
    assert any(cause.evidence.startswith("content-length: ") for cause in report.causes)


def test_a_request_that_does_not_stream(flush_probe):
    """That an app requests the whole answer of the provider is reported at once."""
    report = flush_probe.check(apps.unstreamed)
    assert report.verdict == "all_at_end"
    assert [cause.where for cause in report.causes] == ["in the app's request to the provider"]
    assert report.truncation.outcome == "not_checked"


@pytest.mark.parametrize(
    ("target", "shape"),
    [
        (apps.by_three, ("token_batches", 3, False)),
        (apps.one_behind, ("token_batches", 1, True)),
        (partial(apps.in_blocks, 1024), ("byte_batches", 1024, False)),
        (partial(apps.in_blocks, 4096), ("byte_batches", 4096, False)),
    ],
    ids=["by three", "one behind", "1 KB", "4 KB"],
)
def test_batches_are_measured(flush_probe, target, shape):
    """Batches are found with their unit and their size."""
    report = flush_probe.check(CallTarget(target), **HURRIED)
    assert (report.verdict, report.shape.size, report.shape.lag) == shape


def test_a_short_answer_that_fills_no_batch(flush_probe):
    """With a buffer larger than the answer all comes at the end, which is reported beside the answer's size."""
    report = flush_probe.check(CallTarget(partial(apps.in_blocks, 8192)), **HURRIED)
    assert (report.verdict, report.short_answer) == ("byte_batches", "all_at_end")
    assert "an answer of 10 tokens: all at the end" in str(report)


def test_what_was_held_only_once(flush_probe):
    """A hold of the first tokens is tried again, as a machine that stood still looks the same."""
    runs = 0

    def stalling():
        nonlocal runs
        runs += 1
        kept = []
        for token in apps.tokens():
            kept.append(token)
            if len(kept) >= 3 or runs != 1:
                yield "".join(kept)
                kept = [""] * 3

    report = flush_probe.check(stalling, warm_up=False, **HURRIED)
    assert report.flushes
    assert report.notes == (snapshot("some tokens were held once, but not when the check was repeated"),)

    def starting():
        kept = []
        for token in apps.tokens():
            kept.append(token)
            if len(kept) >= 3:
                yield "".join(kept)
                kept = [""] * 3

    report = flush_probe.check(starting, **HURRIED)
    assert (report.verdict, report.shape.first_only, report.notes) == ("byte_batches", True, ())
    assert "are held, and nothing after that" in str(report)


def test_batches_by_time(flush_probe):
    """What comes by itself but together was held by a timer."""
    report = flush_probe.check(apps.starlette_app(apps.Timer), "/chat", **VERDICTS_ONLY)
    assert report.verdict == "time_batches"
    assert report.shape.size == pytest.approx(0.2, rel=0.5)


@pytest.mark.parametrize("target", [apps.starlette_app(apps.OneAtATime), apps.locked], ids=["asgi", "function"])
def test_a_reader_that_waits_for_another(flush_probe, target):
    """A second reader that gets nothing before the first one's answer has ended is found."""
    report = flush_probe.check(target, "/chat", patience=0.5, cut=False)
    assert (report.verdict, report.readers) == ("first_reader_blocks", "blocked")
    assert {token.after - token.number for token in report.tokens} == {1}
    assert not report.ok


@pytest.mark.parametrize(
    ("target", "outcome", "note"),
    [
        (apps.tokens, "passed_on", "APIConnectionError: Connection error."),
        (apps.swallowing, "hidden_truncation", "it ends as a complete answer does"),
        (apps.apologising, "reported", "Sorry, something went wrong. Please try again."),
        (apps.requesting_again, "retried", "the provider received 2 requests"),
    ],
)
def test_a_stream_that_is_cut_off(flush_probe, target, outcome, note):
    """A cut is passed on, reported, retried or hidden; only the last is a fault."""
    report = flush_probe.check(target, readers=False)
    assert report.truncation.outcome == outcome
    assert report.truncation.note == note
    assert report.flushes
    assert report.ok == (outcome != "hidden_truncation")


def lines(*, end: bool, failed: bytes = b"") -> Any:
    """An ASGI app that answers in lines of JSON; the last one comes always with `end`, after `failed` if it failed."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        kind = (b"content-type", b"application/x-ndjson")
        await send({"type": "http.response.start", "status": 200, "headers": [kind]})

        async def out(data: bytes) -> None:
            await send({"type": "http.response.body", "body": data, "more_body": True})

        whole = False
        with contextlib.suppress(openai.APIError):
            async for token in apps.async_tokens():
                await out(json.dumps({"text": token, "error_code": 0, "id": uuid.uuid4().hex}).encode() + b"\n")
            whole = True
        if not whole:
            await out(failed)
        if whole or end:
            await out(json.dumps({"text": "", "error_code": 0, "done": True, "id": uuid.uuid4().hex}).encode() + b"\n")
        await send({"type": "http.response.body", "body": b""})

    return app


@pytest.mark.parametrize("warm_up", [True, False])
@pytest.mark.parametrize(
    ("app", "outcome", "note"),
    [
        (lines(end=True), "hidden_truncation", "it ends as a complete answer does"),
        (lines(end=False), "unfinished", "the ending of a complete answer is missing"),
        (lines(end=True, failed=b'{"text":"","error_code":17}\n'), "reported", '{"text":"","error_code":17}'),
        (lines(end=False, failed="Entschuldigung …\n".encode()), "reported", "Entschuldigung …"),
    ],
    ids=["hides", "just ends", "code", "apology"],
)
def test_a_cut_is_judged_by_what_whole_answers_have(flush_probe, app, outcome, note, warm_up):
    """With and without a warm-up there are two whole answers to compare with."""
    report = flush_probe.check(app, readers=False, warm_up=warm_up)
    assert (report.truncation.outcome, report.truncation.note) == (outcome, note)
    assert report.ok == (report.flushes and outcome == "reported")


def test_a_pattern_of_the_user(flush_probe):
    """`reported_by` finds what nothing else does, and is refused if a whole answer matches it."""
    app = lines(end=True)
    assert flush_probe.check(app, readers=False, reported_by="never").truncation.outcome == "hidden_truncation"
    with pytest.raises(FlushError, match="--reported-by 'error_code' also matches a complete answer"):
        flush_probe.check(app, readers=False, reported_by="error_code")
    with pytest.raises(UsageError, match="is not a regular expression"):
        flush_probe.check(app, reported_by="(")


def test_responses_that_report_a_cut(flush_probe):
    """The library's own responses report in the stream that it broke off."""
    for report in (flush_probe.check(apps.starlette_app(), "/chat"), flush_probe.check(apps.flask_app(), "/chat")):
        assert report.truncation.outcome == "reported"
        assert "the stream broke off before it was complete" in report.truncation.note


PROGRAM = """
import openai
with openai.OpenAI(max_retries=0) as client:
    stream = client.chat.completions.create(model="m", messages=[{"role": "user", "content": "Hi"}], stream=True)
    for chunk in stream:
        if chunk.choices:
            print(chunk.choices[0].delta.content or "", end="")
"""
# The same without the SDK, which takes a second to import.
SMALL_PROGRAM = """
import json, os, urllib.request
body = json.dumps({"model": "m", "messages": [{"role": "user", "content": "Hi"}], "stream": True}).encode()
url = os.environ["OPENAI_BASE_URL"] + "/chat/completions"
for line in urllib.request.urlopen(urllib.request.Request(url, body, {"content-type": "application/json"})):
    if line.startswith(b"data: {"):
        for choice in json.loads(line[6:])["choices"]:
            print(choice["delta"].get("content", ""), end="")
"""


def test_a_command_that_flushes(flush_probe, monkeypatch):
    """Standard output without a buffer flushes; the SDK's variables reach the command."""
    monkeypatch.delenv("PYTHONUNBUFFERED", raising=False)
    report = flush_probe.check([sys.executable, "-u", "-c", PROGRAM])
    assert (report.verdict, report.readers, report.status) == ("flushed", "not_checked", None)
    assert report.truncation.outcome == "passed_on"
    assert report.truncation.note == "exit code 1: openai.APIConnectionError: Connection error."


def test_a_command_that_writes_into_a_pipe(flush_probe, monkeypatch):
    """Python writes to a pipe in blocks of 8 KB, and the remedy is how to stop that."""
    monkeypatch.delenv("PYTHONUNBUFFERED", raising=False)
    report = flush_probe.check([sys.executable, "-c", SMALL_PROGRAM], **HURRIED)
    assert (report.verdict, report.shape.size, report.short_answer) == ("byte_batches", 8192, "all_at_end")
    assert "python -u" in report.causes[0].remedy
    assert not report.notes


def test_a_variable_that_hides_the_buffer(flush_probe, monkeypatch):
    """Of a command that flushes only because of this machine's environment, that is reported."""
    monkeypatch.setenv("PYTHONUNBUFFERED", "1")
    report = flush_probe.check([sys.executable, "-c", SMALL_PROGRAM], cut=False)
    assert report.flushes
    assert report.notes == (
        snapshot("PYTHONUNBUFFERED is set here, and so for the command: elsewhere it may hold its output"),
    )


def test_an_output_that_the_checker_leaves_has_not_ended(fake_provider):
    """What hangs until its reader leaves has no end, however late it is judged."""

    async def waits():
        await asyncio.Event().wait()
        yield ""

    with (
        event_loop() as loop,  # which ends the task of the reader
        Bench(CallTarget(waits), fake_provider, loop).reading(generate_markers(1, 0, random.Random(0))) as run,
    ):
        pass
    assert run.output.end is None


@pytest.mark.asyncio
async def test_from_a_coroutine(flush_probe):
    """What is async runs in the test's own event loop, with what belongs to that."""
    loops = set()

    async def tokens():
        loops.add(asyncio.get_running_loop())
        async for token in apps.async_tokens():
            yield token

    report = await flush_probe.acheck(tokens)
    assert report.flushes
    assert loops == {asyncio.get_running_loop()}


async def _silent(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"no model here"})


def _deaf():
    list(apps.tokens())
    return "the answer is 42"


@pytest.mark.parametrize(
    ("target", "path", "message"),
    [
        (_silent, "/", "sent no request to the fake provider: it ended"),
        (apps.starlette_app(), "/nowhere", "GET /nowhere of an ASGI app answered with status 404: Not Found"),
        (apps.starlette_app(), "/plain?", None),
        (_deaf, "/", "the provider was called, but no token came out of the target whole; it ends: the answer is 42"),
        ([sys.executable, "-c", "raise SystemExit('no such model')"], "/", "exit code 1: no such model"),
        (["/nowhere/chat"], "/", "can't be run"),
        ("http://127.0.0.1:9/", "/", "did not answer, and sent no request to the provider: ConnectError"),
    ],
)
def test_targets_that_cannot_be_checked(flush_probe, target, path, message):
    """What can't be checked is refused in a line that states how far the check came."""
    if message is None:
        assert flush_probe.check(target, path, **VERDICTS_ONLY).flushes
        return
    with pytest.raises(FlushError, match=message):
        flush_probe.check(target, path)


@pytest.mark.parametrize(
    ("target", "options", "message"),
    [
        (42, {}, "42 can't be checked: give a URL"),
        ("chat", {}, "'chat' is not a URL"),
        (
            apps.tokens,
            {"patients": 3},
            "unknown option patients: use path, method, headers, body",
        ),
        (apps.tokens, {"body": b"", "json": {}}, "body and json exclude each other"),
    ],
)
def test_wrong_arguments(flush_probe, target, options, message):
    """Wrong arguments are reported before any request is sent."""
    with pytest.raises(UsageError, match=message):
        flush_probe.check(target, **options)


def test_the_requests_that_an_app_receives(flush_probe):
    """Method, headers, query and body are those that were given."""
    received = []

    async def app(scope, receive, send):
        if scope["type"] == "http":
            received.append((scope["method"], scope["path"], scope["query_string"], dict(scope["headers"])))
            received.append((await receive())["body"])
        await apps.starlette_app()(scope, receive, send)

    flush_probe.check(AsgiTarget(app, "/chat?a=1"), **VERDICTS_ONLY, warm_up=False)
    flush_probe.check(app, "/chat", json={"prompt": "Hi"}, headers={"X-Key": "k"}, **VERDICTS_ONLY, warm_up=False)
    (method, path, query, _), _, (second, _, _, headers), body = received
    assert (method, path, query, second) == ("GET", "/chat", b"a=1", "POST")
    assert headers[b"x-key"] == b"k"
    assert headers[b"content-type"] == b"application/json"
    assert body == b'{"prompt":"Hi"}'


def test_a_wsgi_app_that_is_named_so(flush_probe):
    """A target can be given by its kind."""
    assert flush_probe.check(WsgiTarget(apps.flask_app(), "/plain"), **VERDICTS_ONLY).flushes


def test_without_a_warm_up(flush_probe):
    """The output of a cut stream is judged without a whole answer before it."""
    for target, outcome in ((apps.apologising, "reported"), (apps.swallowing, "hidden_truncation")):
        assert flush_probe.check(target, readers=False, warm_up=False).truncation.outcome == outcome


def test_an_iterator_that_is_there_already(flush_probe):
    """An iterator is read once, for whether it flushes."""
    report = flush_probe.check(apps.tokens())
    assert (report.verdict, report.readers, report.truncation.outcome) == ("flushed", "not_checked", "not_checked")
    assert len(flush_probe.provider.requests) == 1
    assert flush_probe.check(iter(apps.by_three()), **HURRIED).verdict == "token_batches"


def test_nothing_but_short_tokens(flush_probe):
    """Without bytes to look for a buffer with, what does not come out within the short tokens comes at the end."""
    report = flush_probe.check(CallTarget(partial(apps.in_blocks, 8192)), **{**HURRIED, "max_bytes": 0})
    assert report.verdict == "all_at_end"
    assert len(report.tokens) == 10


def test_the_session_is_left_as_it_was(flush_probe):
    """A check leaves rules, timing and streams of the test's session as they were."""
    provider = flush_probe.provider
    provider.timing("synthetic:ttft=1")
    before = provider.session.settings
    provider.rule("my own", contains="mine")
    flush_probe.check(apps.tokens)
    assert provider.session.settings == before
    assert len(provider.session.rules) == 1
    assert not provider.streams


def test_every_option_of_a_check_is_named() -> None:
    """The docstring of `flush_probe.check` has each option by its name."""
    documented = inspect.getdoc(FlushProbe.check) or ""
    for name in (*FlushOptions.__struct_fields__, *Pace.__struct_fields__):
        assert f"`{name}`" in documented
