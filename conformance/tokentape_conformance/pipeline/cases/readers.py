"""Readers: several at once, each with its own response."""

from __future__ import annotations

from contextlib import ExitStack

from tokentape_conformance.case_registry import case
from tokentape_conformance.pipeline.pipeline_trial import PipelineTrial
from tokentape_conformance.trial import Prose
from tokentape_fake_provider.sessions.rule import Rule
from tokentape_fake_provider.timing import Instant
from tokentape_harness.flush.bench import script_of
from tokentape_harness.flush.causes import WHOLE_REQUESTED

SOURCE = "tokentape, docs/flush.md: a second reader"
_READERS = 6


@case(
    "pipeline/readers/second-not-blocked",
    "While one reader's response is held, another's comes.",
    source=SOURCE,
    needs=["readers", "flushing"],
)
def second_not_blocked(trial: PipelineTrial) -> None:
    report = trial.pipeline.flush_report(trial.wire)
    if any(WHOLE_REQUESTED in cause.evidence for cause in report.causes):
        trial.skip("the app requests a whole response of the provider, not a stream")
    if report.readers != "independent":
        trial.fail(
            "the second reader",
            Prose("\n" + str(report)),
            Prose("its response while the first one's is held"),
        )


@case(
    "pipeline/readers/not-mixed",
    "Two concurrent responses, a token of each in turn, are not mixed.",
    source=SOURCE,
    needs=["readers"],
)
def not_mixed(trial: PipelineTrial) -> None:
    readers = trial.enter_reader(), trial.enter_reader()
    for _ in range(readers[0].markers.count):
        for reader in readers:
            reader.step(0.05)
    for reader, other in (readers, readers[::-1]):
        reader.stream.release()
        other.stream.release()
        trial.wait_for_end(reader.output)
        trial.expect(
            "tokens of the other's response", reader.output.body.lower().count(other.markers.nonce.encode()), 0
        )
        trial.expect_whole("the reader's own response", reader.output)


@case(
    "pipeline/readers/each-its-own",
    "Six concurrent readers have six whole responses.",
    source=SOURCE,
    needs=["readers"],
)
def each_its_own(trial: PipelineTrial) -> None:
    responses = [trial.markers() for _ in range(_READERS)]
    rule = Rule(tuple(map(script_of, responses)))
    with trial.bench.answering(rule, Instant()), ExitStack() as stack:
        runs = [stack.enter_context(trial.bench.reading(markers)) for markers in responses]
        for run in runs:
            trial.outputs.append(run.output)
            trial.wait_for_end(run.output)
    received = []
    for run in runs:
        body = run.output.body.lower()
        whole = [
            number
            for number, markers in enumerate(responses)
            if all(markers.marker(token).encode() in body for token in range(markers.count))
        ]
        some = [number for number, markers in enumerate(responses) if markers.nonce.encode() in body]
        trial.expect("the responses that one reader has a part of", len(some), 1)
        trial.expect("the responses that one reader has whole", whole, some)
        received += whole
    trial.expect("the responses of all readers", sorted(received), list(range(_READERS)))
