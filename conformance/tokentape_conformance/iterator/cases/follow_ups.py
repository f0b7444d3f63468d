"""Follow-ups: promise 12. A stream that a callback returns continues in the same loop."""

from __future__ import annotations

from typing import Any

from tokentape_conformance.iterator import IteratorTrial, OpenedStream, case
from tokentape_conformance.iterator.cases.sources import CONTRACT, REFERENCE
from tokentape_conformance.iterator.iterator_trial import content_indexes
from tokentape_fake_provider.script.model import Text, Usage

FIRST = Text("one two", pieces=("one", " two"))
SECOND = Text(", three four", pieces=(", three", " four"))
OUTPUT = ("output", "messages", "message_text")
NEEDS = ("add_callback", "follow_ups")
_RUNAWAY = 60


def with_follow_up(trial: IteratorTrial) -> tuple[OpenedStream, OpenedStream]:
    """A stream whose callback returns a second stream; both."""
    outer, inner = (
        trial.stream(FIRST, usage=Usage(input=10, output=1)),
        trial.stream(SECOND, usage=Usage(input=20, output=2)),
    )
    outer.add_callback(trial.callback(lambda message: inner.stream))
    return outer, inner


@case("iterator/follow-ups/same-loop", "A follow-up's chunks continue in the same loop.", source=REFERENCE, needs=NEEDS)
async def same_loop(trial: IteratorTrial) -> None:
    outer, _ = with_follow_up(trial)
    seen = [trial.adapter.text(chunk) for chunk in await outer.read()]
    trial.expect("the pieces that the loop saw", tuple(filter(None, seen)), FIRST.pieces + SECOND.pieces)


@case(
    "iterator/follow-ups/as-it-arrives",
    "A follow-up is read as the loop reaches it, not before.",
    source=REFERENCE,
    needs=NEEDS,
)
async def as_it_arrives(trial: IteratorTrial) -> None:
    outer, inner = with_follow_up(trial)
    reads: list[int] = []
    async for chunk in outer.chunks():
        if text := trial.adapter.text(chunk):
            reads.append(inner.source.reads)
            trial.expect("whether it was started", inner.source.reads > 0, text in SECOND.pieces)
    trial.expect("it was not read to its end before its first piece", reads[2] < reads[3], True)


@case(
    "iterator/follow-ups/own-output",
    "A follow-up's text is not in the outer output, nor the outer text in the follow-up's.",
    source=CONTRACT,
    needs=[*NEEDS, *OUTPUT],
)
async def own_output(trial: IteratorTrial) -> None:
    outer, inner = with_follow_up(trial)
    await outer.read()
    trial.expect("the outer and inner output", [outer.output_text, inner.output_text], [FIRST.text, SECOND.text])


@case(
    "iterator/follow-ups/own-usage",
    "A follow-up has its own usage.",
    source=CONTRACT,
    needs=[*NEEDS, "usage"],
)
async def own_usage(trial: IteratorTrial) -> None:
    outer, inner = with_follow_up(trial)
    await outer.read()
    trial.expect("input of both", [outer.usage["input"], inner.usage["input"]], [10, 20])


@case(
    "iterator/follow-ups/combined-output",
    "A combined output joins the text and adds up the usage.",
    source=CONTRACT,
    needs=[*NEEDS, *OUTPUT, "combined_output", "output_usage"],
)
async def combined_output(trial: IteratorTrial) -> None:
    outer, _ = with_follow_up(trial)
    await outer.read()
    combined = trial.adapter.combined_output(outer.stream)
    text = trial.adapter.message_text(trial.adapter.messages(combined)[0])
    trial.expect("the text of the combined output", text, FIRST.text + SECOND.text)
    trial.expect("its input tokens", trial.adapter.output_usage(combined)["input"], 30)


@case(
    "iterator/follow-ups/own-callbacks",
    "A follow-up has its own callbacks, which receive its message; it does not inherit the outer's.",
    source=CONTRACT,
    needs=[*NEEDS, "message_text"],
)
async def own_callbacks(trial: IteratorTrial) -> None:
    outer, inner = with_follow_up(trial)
    log: list[tuple[str, str]] = []
    text = trial.adapter.message_text
    outer.add_callback(trial.callback(lambda message: log.append(("outer", text(message)))))
    inner.add_callback(trial.callback(lambda message: log.append(("inner", text(message)))))
    await outer.read()
    trial.expect("calls, in order", log, [("inner", SECOND.text), ("outer", FIRST.text)])


@case(
    "iterator/follow-ups/inherited-callbacks",
    "A callback is inherited if it was added as such.",
    source=CONTRACT,
    needs=[*NEEDS, "add_inherited_callback", "message_text"],
)
async def inherited_callbacks(trial: IteratorTrial) -> None:
    outer, _ = with_follow_up(trial)
    log: list[str] = []
    note = trial.callback(lambda message: log.append(trial.adapter.message_text(message)))
    trial.adapter.add_inherited_callback(outer.stream, note)
    await outer.read()
    trial.expect("the messages that it received", sorted(log), sorted([FIRST.text, SECOND.text]))


@case(
    "iterator/follow-ups/own-event",
    "A follow-up has its own event and thread id.",
    source=CONTRACT,
    needs=[*NEEDS, "listen", "event_fields", "messages", "message_text"],
)
async def own_event(trial: IteratorTrial) -> None:
    events = trial.listen()
    outer, _ = with_follow_up(trial)
    await outer.read()
    sent = [trial.adapter.event_fields(event) for _, event in events]
    texts = [trial.adapter.message_text(trial.adapter.messages(fields["output"])[0]) for fields in sent]
    trial.expect("the outputs of the events", texts, [FIRST.text, SECOND.text])
    trial.expect("the number of thread ids", len({fields["thread_id"] for fields in sent}), 2)


@case(
    "iterator/follow-ups/chain",
    "A follow-up may have a follow-up.",
    source=CONTRACT,
    needs=NEEDS,
)
async def chain(trial: IteratorTrial) -> None:
    left = ["b", "c", "d"]

    def follow(message: Any) -> Any:
        del message
        if not left:
            return None
        following = trial.stream(left.pop(0))
        following.add_callback(trial.callback(follow))
        return following.stream

    stream = trial.stream("a")
    stream.add_callback(trial.callback(follow))
    trial.expect("the text of all chunks", await stream.text(), "abcd")


@case(
    "iterator/follow-ups/next-callback-after-it",
    "The next callback runs when the follow-up has ended.",
    source=CONTRACT,
    needs=NEEDS,
)
async def next_callback_after_it(trial: IteratorTrial) -> None:
    outer, _ = with_follow_up(trial)
    log: list[str] = []
    outer.add_callback(trial.callback(lambda message: log.append("next callback")))
    async for chunk in outer.chunks():
        log += filter(None, [trial.adapter.text(chunk)])
    trial.expect("pieces and calls, in order", log, [*FIRST.pieces, *SECOND.pieces, "next callback"])


@case(
    "iterator/follow-ups/itself",
    "A callback that returns its own stream is an error.",
    source=CONTRACT,
    needs=NEEDS,
)
async def itself(trial: IteratorTrial) -> None:
    stream = trial.stream(FIRST)
    stream.add_callback(trial.callback(lambda message: stream.stream))
    chunks, _ = await stream.failure()
    trial.expect("the text before the error", stream.joined(chunks), FIRST.text)


@case(
    "iterator/follow-ups/runaway",
    "Follow-ups that never end are an error.",
    source=CONTRACT,
    needs=NEEDS,
)
async def runaway(trial: IteratorTrial) -> None:
    count = 0

    def follow(message: Any) -> Any:
        nonlocal count
        del message
        count += 1
        if count > _RUNAWAY:
            return None
        following = trial.stream("again ")
        following.add_callback(trial.callback(follow))
        return following.stream

    stream = trial.stream("begin ")
    stream.add_callback(trial.callback(follow))
    await stream.failure()
    trial.expect(f"it was stopped before {_RUNAWAY} follow-ups", count <= _RUNAWAY, True)


@case(
    "iterator/follow-ups/leaving",
    "Leaving the loop inside a follow-up closes its source once.",
    source=CONTRACT,
    needs=[*NEEDS, "close"],
)
async def leaving(trial: IteratorTrial) -> None:
    outer, inner = with_follow_up(trial)
    await outer.until_text(FIRST.text + SECOND.pieces[0])
    await outer.close()
    trial.expect_closed_once(outer)
    trial.expect_closed_once(inner)


@case(
    "iterator/follow-ups/breaking",
    "A broken follow-up raises in the loop, and the outer output is kept.",
    source=CONTRACT,
    needs=[*NEEDS, *OUTPUT],
)
async def breaking(trial: IteratorTrial) -> None:
    outer = trial.stream(FIRST)
    encoded = trial.encoded_frames(SECOND)
    frames = [frame.data for frame in encoded[: content_indexes(encoded)[0] + 1]]
    inner = trial.open([*frames, OSError("the connection broke")])
    outer.add_callback(trial.callback(lambda message: inner.stream))
    chunks, _ = await outer.failure()
    trial.expect("the text of the outer output", outer.output_text, FIRST.text)
    trial.expect("the text before the error", outer.joined(chunks), FIRST.text + SECOND.pieces[0])


@case(
    "iterator/follow-ups/second-loop",
    "A second loop replays the follow-up too, and runs no callback again.",
    source=CONTRACT,
    needs=[*NEEDS, "second_loop"],
)
async def second_loop(trial: IteratorTrial) -> None:
    outer, inner = with_follow_up(trial)
    first = await outer.read()
    trial.expect("the chunks of the second loop", await outer.read(), first)
    trial.expect("misuse of the follow-up's source", inner.source.misuse, [])
