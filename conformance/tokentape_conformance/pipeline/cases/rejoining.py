"""Rejoining: a reader that was cut off comes back to the same response, and receives exactly what it missed."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import uuid4

from tokentape_conformance.case_registry import case
from tokentape_conformance.pipeline.pipeline import SHORT
from tokentape_conformance.pipeline.pipeline_trial import PipelineTrial
from tokentape_conformance.trial import Prose
from tokentape_fake_provider.timing import Instant
from tokentape_harness.flush.bench import Run, rule_of
from tokentape_harness.flush.observed_output import ObservedOutput
from tokentape_harness.flush.rejoining import Limits, events_of
from tokentape_harness.flush.targets import with_headers, with_id
from tokentape_harness.sweep.rejoin import RejoinSweep

SOURCE = "HTML, section 9.2: the Last-Event-ID header; tokentape, docs/resumable.md"
_FOREIGN = "no-event-of-this-app"


def _sweep(trial: PipelineTrial) -> RejoinSweep:
    options = trial.options
    limits = Limits(options.start, options.patience, options.limit)
    return RejoinSweep(trial.bench, trial.pipeline.back, tokens=SHORT, limits=limits, seed=trial.seed)


def _expect_complete(trial: PipelineTrial, row: str) -> None:
    report = _sweep(trial).run([row], seed=trial.seed)
    if any(result.outcome != "requested_again" for result in report.failures):
        trial.fail("the events that the reader received", Prose(f"\n{report}"), Prose("each event once, in order"))


@case(
    "pipeline/rejoining/cut-at-each-event",
    "A reader that is cut off after any event and comes back receives the rest, each event once and in order.",
    source=SOURCE,
    needs=["rejoin"],
)
def cut_at_each_event(trial: PipelineTrial) -> None:
    _expect_complete(trial, "cut")


@case(
    "pipeline/rejoining/after-the-end",
    "A reader that comes back when the response has ended receives the rest, each event once and in order.",
    source=SOURCE,
    needs=["rejoin"],
)
def after_the_end(trial: PipelineTrial) -> None:
    _expect_complete(trial, "late")


@case(
    "pipeline/rejoining/again-and-again",
    "A reader that is cut off after every single event receives each event once and in order.",
    source=SOURCE,
    needs=["rejoin"],
)
def again_and_again(trial: PipelineTrial) -> None:
    _expect_complete(trial, "each")


@case(
    "pipeline/rejoining/lagging-reader",
    "A reader that comes back far behind receives everything after the event that it names.",
    source=SOURCE,
    needs=["rejoin"],
)
def lagging_reader(trial: PipelineTrial) -> None:
    _expect_complete(trial, "lagging")


@case(
    "pipeline/rejoining/two-readers",
    "Two readers of one response both receive all of it, also one that joins in the middle.",
    source=SOURCE,
    needs=["rejoin"],
)
def two_readers(trial: PipelineTrial) -> None:
    _expect_complete(trial, "second")


@case(
    "pipeline/rejoining/requested-once",
    "The provider is requested once for a response, however often its readers come back.",
    source=SOURCE,
    needs=["rejoin"],
)
def requested_once(trial: PipelineTrial) -> None:
    report = _sweep(trial).run(["each", "second"], seed=trial.seed)
    if any(result.outcome == "requested_again" for result in report.failures):
        trial.fail("the requests to the provider", Prose(f"\n{report}"), Prose("one for each response"))


@case(
    "pipeline/rejoining/unknown",
    "A response that never was is refused, not answered by an empty success.",
    source=SOURCE,
    needs=["rejoin"],
)
def unknown(trial: PipelineTrial) -> None:
    for cursor in ("", _FOREIGN):
        _expect_refusal(trial, uuid4().hex, cursor, "a reader of an unknown response")


@case(
    "pipeline/rejoining/expired",
    "A response that is no longer kept is refused: no part of it comes, and the provider is not requested again.",
    source=SOURCE,
    needs=["rejoin", "expiry"],
)
def expired(trial: PipelineTrial) -> None:
    response_id = uuid4().hex
    with _read_whole(trial, response_id) as run:
        events = events_of(run.output.body)
        if not events:
            trial.fail("the response before it expires", Prose("no event"), Prose("server-sent events"))
        kept = trial.options.kept or 0.0
        time.sleep(kept + min(0.25, trial.options.patience))  # the app's clock is its own: nothing reports the expiry
        requests = len(trial.provider_requests)
        for number in (0, 1, len(events) // 2, len(events)):
            cursor = events[number - 1].id if number else ""
            who = f"a reader of {number} events, {kept:g} s after the end of the response"
            _expect_refusal(trial, response_id, cursor, who)
        again = len(trial.provider_requests) - requests
        trial.expect("the requests to the provider for an expired response", again, 0)


@contextmanager
def _read_whole(trial: PipelineTrial, response_id: str) -> Iterator[Run]:
    """A response that a reader has read to its end; the provider goes on answering."""
    markers = trial.markers()
    with (
        trial.bench.answering(rule_of(markers), Instant()),
        trial.bench.reading(markers, with_id(trial.bench.target, response_id)) as run,
    ):
        trial.outputs.append(run.output)
        trial.wait_for_end(run.output)
        yield run


def _come_back(trial: PipelineTrial, response_id: str, cursor: str) -> ObservedOutput:
    """What a reader receives who comes back to a response, with or without a cursor."""
    target = with_id(trial.pipeline.back, response_id)
    if cursor:
        target = with_headers(target, {"Last-Event-ID": cursor}) or target
    with trial.bench.connection(trial.markers(), target) as run:
        trial.outputs.append(run.output)
        trial.wait_for_end(run.output)
        return run.output


def _status_of(output: ObservedOutput) -> int | None:
    return None if output.head is None else output.head.status


def _expect_refusal(trial: PipelineTrial, response_id: str, cursor: str, who: str) -> None:
    output = _come_back(trial, response_id, cursor)
    status = _status_of(output)
    if status is None or not (400 <= status < 500 or status == 204):
        seen = Prose(f"status {status}, and {len(output.body)} bytes")
        trial.fail(f"the answer to {who}", seen, Prose("a status of 4xx, or 204"))


@case(
    "pipeline/rejoining/after-a-restart",
    "After a restart in mid-stream, a reader that comes back receives the rest, or learns that there is none.",
    source=SOURCE,
    needs=["rejoin", "restart"],
)
def after_a_restart(trial: PipelineTrial) -> None:
    sweep = _sweep(trial)
    cell = sweep.restart(trial.pipeline.restart)
    if cell.outcome != "complete":
        seen = Prose(f"a success that looks complete, but lacks events: {cell.note}")
        trial.fail("the answer to a reader after the restart", seen, Prose("the rest, an error, or a status of 4xx"))


@case(
    "pipeline/rejoining/foreign-cursor",
    "A cursor that the app never sent is refused, or answered from the start: never by a part that looks complete.",
    source=SOURCE,
    needs=["rejoin"],
)
def foreign_cursor(trial: PipelineTrial) -> None:
    response_id = uuid4().hex
    with _read_whole(trial, response_id) as run:
        back = _come_back(trial, response_id, _FOREIGN)
    status, whole, received = _status_of(back), events_of(run.output.body), events_of(back.body)
    if status is not None and 200 <= status < 300 and [each.data for each in received] != [each.data for each in whole]:
        seen = Prose(f"status {status}, and {len(received)} of {len(whole)} events")
        trial.fail("the answer to a cursor of another app", seen, Prose("a status of 4xx, or all events"))
