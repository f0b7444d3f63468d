"""Leaving: when the reader disconnects, the provider's stream ends, so that no unread tokens are paid for."""

from __future__ import annotations

from tokentape_conformance.case_registry import case
from tokentape_conformance.pipeline.pipeline_trial import PipelineTrial, SteppedReader
from tokentape_conformance.trial import Prose

SOURCE = "tokentape, docs/web.md: when the reader leaves"
_FRAMES = 3
"""A WSGI server notices when it sends: at the next frame, or the one after it."""


def _leaves(trial: PipelineTrial, reader: SteppedReader) -> None:
    reader.run.reader.leave()
    frames = trial.frames_until_left(reader.stream, _FRAMES)
    if frames is None:
        outcome = reader.stream.entry.outcome
        read = "goes on" if outcome == "pending" else f"is {outcome}"
        seen = Prose(f"it {read} after {_FRAMES} more frames")
        trial.fail("the provider's stream, after the reader left", seen, Prose("its client closed it"))


@case(
    "pipeline/leaving/half-way",
    "A reader who leaves half-way ends the provider's stream, within three frames.",
    source=SOURCE,
    needs=["leaving"],
)
def half_way(trial: PipelineTrial) -> None:
    with trial.reader() as reader:
        for _ in range(3):
            reader.step(trial.options.patience)
        _leaves(trial, reader)


@case(
    "pipeline/leaving/before-the-first-token",
    "A reader who leaves before the first token ends the provider's stream, too.",
    source=SOURCE,
    needs=["leaving"],
)
def before_the_first_token(trial: PipelineTrial) -> None:
    with trial.reader() as reader:
        reader.output.wait(lambda output: output.head is not None, min(0.25, trial.options.patience))
        _leaves(trial, reader)


@case(
    "pipeline/leaving/others-stay",
    "A reader who leaves does not end another's stream.",
    source=SOURCE,
    needs=["leaving", "readers"],
)
def others_stay(trial: PipelineTrial) -> None:
    leaver, stayer = trial.enter_reader(), trial.enter_reader()
    for reader in (leaver, stayer):
        reader.step(trial.options.patience)
    leaver.run.reader.leave()
    trial.frames_until_left(leaver.stream, _FRAMES)
    stayer.stream.release()
    trial.wait_for_end(stayer.output)
    trial.expect_whole("the reader who stayed", stayer.output)


@case(
    "pipeline/leaving/next-reader",
    "After a reader left, the next one is served normally.",
    source=SOURCE,
    needs=["leaving"],
)
def next_reader(trial: PipelineTrial) -> None:
    with trial.reader() as reader:
        reader.step(trial.options.patience)
        reader.run.reader.leave()
        trial.frames_until_left(reader.stream, _FRAMES)
    trial.expect_whole("the next reader", trial.answer(markers=trial.markers()))
