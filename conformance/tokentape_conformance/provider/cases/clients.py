"""Clients: one that leaves, and two concurrent ones."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import msgspec

from tokentape_conformance.provider import ProviderTrial, case
from tokentape_conformance.provider.grammar import id_path, judge
from tokentape_conformance.provider.grammar_event import at_path
from tokentape_conformance.provider.http_request import request_of
from tokentape_conformance.provider.scenario import LONG, TEXT
from tokentape_conformance.provider.target import Target
from tokentape_conformance.trial import Prose
from tokentape_fake_provider.script.model import Script, Text

CONTRACT = "tokentape, docs/conformance.md"


@case(
    "provider/clients/leaving",
    "After a client left in the middle of a stream, the server stops that stream and serves the next request.",
    source=CONTRACT,
)
def leaving(trial: ProviderTrial) -> None:
    url = trial.target.url(LONG)
    request = request_of(trial.wire, LONG, trial.target.model_for(trial.wire))
    answer = trial.show(trial.target.send(url, trial.wire, request, leave_after=1))
    trial.expect("the status", answer.status, 200)
    if trial.target.control is not None:
        trial.expect("the outcome of the stream at the server", trial.target.control.outcomes(url), ["client_left"])
    after = trial.new_response(TEXT)
    trial.expect("the status of the next", (after.status, after.error), (200, ""))
    trial.expect_none(trial.judged(after).of("framing", "ends"))


@case(
    "provider/clients/two-at-once",
    "Two concurrent streams are apart: each is whole, has its own id, and nothing of the other.",
    source=CONTRACT,
)
def two_at_once(trial: ProviderTrial) -> None:
    texts = [" ".join(f"{word}{number}" for number in range(12)) for word in ("ebb", "flow")]
    scenarios = [
        msgspec.structs.replace(LONG, name=word, prompt=f"Repeat: {word}", script=Script.of(Text(text)), limit=40)
        for word, text in zip(("ebb", "flow"), texts, strict=True)
    ]
    control = trial.target.control
    url = trial.target.base_url if control is None else control.rules(*scenarios)
    model = trial.target.model_for(trial.wire)
    requests = [request_of(trial.wire, scenario, model) for scenario in scenarios]
    others = [Target.like(trial.target) for _ in requests]
    with ThreadPoolExecutor(len(requests)) as pool:
        sent = [pool.submit(o.send, url, trial.wire, r) for o, r in zip(others, requests, strict=True)]
        at_once = control is None or control.take_turns(url, len(requests))
        answers = [future.result() for future in sent]
    trial.expect("both open at once", at_once, True)
    for answer, text in zip(answers, texts, strict=True):
        judged = trial.judged(answer)
        trial.expect_none(judged.of("framing", "order", "ends", "over", "constant"))
        if control is not None:
            trial.expect("the text", judged.content.text, text)
    ids = [_id(trial, answer.body) for answer in answers]
    if ids[0] is not None and ids[0] == ids[1]:
        trial.fail("their ids", ids, Prose("two different ids"))


def _id(trial: ProviderTrial, body: bytes) -> object:
    path = id_path(trial.grammar)
    events = judge(trial.grammar, body).events
    return None if path is None else next((v for event in events if (v := at_path(event.document, path))), None)
