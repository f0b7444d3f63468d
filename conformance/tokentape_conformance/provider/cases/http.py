"""HTTP: status, headers, and how the body is sent."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

from tokentape_conformance.provider import ProviderTrial, case
from tokentape_conformance.provider.control import Control
from tokentape_conformance.provider.http_request import request_of
from tokentape_conformance.provider.scenario import LONG, TEXT
from tokentape_conformance.provider.target import Target
from tokentape_conformance.trial import Prose

RFC = "RFC 9110, RFC 9112"
REFERENCE = "the provider's API reference"
_PATIENCE_S = 3.0
_READS = 3
_ATTEMPTS = 5
"""On a busy machine pieces that were sent apart may arrive at once; pieces that are held back always do."""


@case("provider/http/status", "A valid request is answered with 200.", source=RFC)
def status(trial: ProviderTrial) -> None:
    trial.expect("the status", trial.response().status, 200)


@case("provider/http/content-type", "The content type is that of the stream's framing.", source=REFERENCE)
def content_type(trial: ProviderTrial) -> None:
    kind = trial.response().header("content-type").partition(";")[0].strip().lower()
    trial.expect("content-type", kind, trial.grammar.content_type)


@case(
    "provider/http/content-type-not-streamed",
    "The content type of a response without streaming is application/json.",
    source=REFERENCE,
    needs=["not_streamed"],
)
def content_type_not_streamed(trial: ProviderTrial) -> None:
    kind = trial.response(TEXT, stream=False).header("content-type").partition(";")[0].strip().lower()
    trial.expect("content-type", kind, "application/json")


@case("provider/http/identity", "A body is not compressed unless the request accepts it.", source="RFC 9110, 12.5.3")
def identity(trial: ProviderTrial) -> None:
    trial.expect("content-encoding", trial.response().header("content-encoding") or "identity", "identity")


@case("provider/http/ends", "The body is complete by HTTP: the last chunk, or its whole length.", source="RFC 9112, 8")
def ends(trial: ProviderTrial) -> None:
    for streamed in (True, False):
        if streamed or trial.lacks("not_streamed") is None:
            answer = trial.response(TEXT, stream=streamed)
            if answer.error:
                trial.fail("the end of the body", Prose(answer.error), Prose("a complete body"))


@case(
    "provider/http/increments",
    "The first piece arrives before the last one is generated.",
    source="what streaming is for",
    needs=["incremental"],
)
def increments(trial: ProviderTrial) -> None:
    control = trial.target.control
    if control is not None:
        _while_held(trial, control)
        return
    most = 0
    for _ in range(_ATTEMPTS):
        answer = trial.new_response(LONG)
        trial.judged(answer)
        most = max(most, len(answer.frames))
        if most >= _READS:
            return
    trial.fail("reads of the body", most, Prose(f"{_READS} or more, in one of {_ATTEMPTS} responses"))


def _while_held(trial: ProviderTrial, control: Control) -> None:
    url, request = control.rules(LONG), request_of(trial.wire, LONG, trial.target.model_for(trial.wire))
    arrived, reader = threading.Event(), Target.like(trial.target)
    with ThreadPoolExecutor(1) as pool:
        sent = pool.submit(reader.send, url, trial.wire, request, on_read=arrived.set)
        with control.held(url):
            early = arrived.wait(_PATIENCE_S)
        trial.judged(sent.result())
    trial.expect("the first piece arrives while the others are held", early, True)


@case(
    "provider/http/keep-alive",
    "After a stream, the connection serves another request.",
    source="RFC 9112, 9.3",
    needs=["keep_alive"],
)
def keep_alive(trial: ProviderTrial) -> None:
    fresh, url = Target.like(trial.target), trial.target.url(TEXT, TEXT)
    request = request_of(trial.wire, TEXT, trial.target.model_for(trial.wire))
    first = trial.show(fresh.send(url, trial.wire, request))
    if first.header("connection").lower() == "close":
        trial.fail("connection", "close", Prose("no such header"))
    second = trial.show(fresh.send(url, trial.wire, request))
    trial.expect("the status of the second", (second.status, second.error), (200, ""))
    trial.expect("its connection", second.connection, first.connection)
