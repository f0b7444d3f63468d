"""Clients: one that leaves, two at once."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import msgspec

from tokentape_conformance.provider import ProviderTrial, case
from tokentape_conformance.provider.event import at_path
from tokentape_conformance.provider.grammar import id_path, judge
from tokentape_conformance.provider.request import request_of
from tokentape_conformance.provider.scenario import LONG, TEXT
from tokentape_conformance.provider.target import Target
from tokentape_conformance.trial import Prose
from tokentape_fake_provider.script.model import Script, Text

CONTRACT = "tokentape, docs/conformance.md"
_NOTICED_S = 5.0


@case(
    "provider/clients/leaving",
    "A client that leaves in the middle of a stream leaves a server that serves on, and that makes no more of it.",
    source=CONTRACT,
)
def leaving(trial: ProviderTrial) -> None:
    url = trial.target.url(LONG)
    request = request_of(trial.wire, LONG, trial.target.model_for(trial.wire))
    answer = trial.show(trial.target.send(url, trial.wire, request, leave_after=1))
    trial.expect("the status", answer.status, 200)
    if trial.target.control is not None:
        deadline = time.monotonic() + _NOTICED_S
        while (outcomes := trial.target.control.outcomes(url)) == ["pending"] and time.monotonic() < deadline:
            time.sleep(0.01)
        trial.expect("what the server made of it", outcomes, ["client_left"])
    after = trial.ask(TEXT)
    trial.expect("the status of the next", (after.status, after.error), (200, ""))
    trial.expect_none(trial.judged(after).of("framing", "ends"))


@case(
    "provider/clients/two-at-once",
    "Two streams at once are two: each whole, with its own id, and nothing of the other.",
    source=CONTRACT,
)
def two_at_once(trial: ProviderTrial) -> None:
    said = [" ".join(f"{word}{number}" for number in range(12)) for word in ("ebb", "flow")]
    asked = [
        msgspec.structs.replace(LONG, name=word, prompt=f"Repeat: {word}", script=Script.of(Text(text)), limit=40)
        for word, text in zip(("ebb", "flow"), said, strict=True)
    ]
    control = trial.target.control
    url = trial.target.base_url if control is None else control.rules(*asked)
    model = trial.target.model_for(trial.wire)
    requests = [request_of(trial.wire, scenario, model) for scenario in asked]
    others = [Target.like(trial.target) for _ in requests]
    with ThreadPoolExecutor(len(requests)) as pool:
        sent = [pool.submit(o.send, url, trial.wire, r) for o, r in zip(others, requests, strict=True)]
        at_once = control is None or control.take_turns(url, len(requests))
        answers = [one.result() for one in sent]
    trial.expect("both open at once", at_once, True)
    for answer, text in zip(answers, said, strict=True):
        judged = trial.judged(answer)
        trial.expect_none(judged.of("framing", "order", "ends", "over", "constant"))
        if control is not None:
            trial.expect("the text", judged.said.text, text)
    ids = [_id(trial, answer.body) for answer in answers]
    if ids[0] is not None and ids[0] == ids[1]:
        trial.fail("their ids", ids, Prose("two of them"))


def _id(trial: ProviderTrial, body: bytes) -> object:
    path = id_path(trial.grammar)
    events = judge(trial.grammar, body).events
    return None if path is None else next((v for event in events if (v := at_path(event.document, path))), None)
