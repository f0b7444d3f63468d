"""Follow-ups: promise 12. A stream that a callback returns goes on in the same loop."""

from __future__ import annotations

from typing import Any

from tokentape_conformance.iterator import IteratorTrial, Opened, case
from tokentape_conformance.iterator.cases.sources import CONTRACT, REFERENCE
from tokentape_conformance.iterator.trial import carrying
from tokentape_fake_provider.script.model import Text, Usage

FIRST = Text("one two", pieces=("one", " two"))
SECOND = Text(", three four", pieces=(", three", " four"))
OUTPUT = ("output", "messages", "message_text")
NEEDS = ("add_callback", "follow_ups")
_RUNAWAY = 60


def followed(trial: IteratorTrial) -> tuple[Opened, Opened]:
    """A stream whose callback returns another one."""
    outer, inner = (
        trial.tell(FIRST, usage=Usage(input=10, output=1)),
        trial.tell(SECOND, usage=Usage(input=20, output=2)),
    )
    outer.add_callback(trial.callback(lambda message: inner.stream))
    return outer, inner


@case("iterator/follow-ups/same-loop", "Its chunks follow in the same loop.", source=REFERENCE, needs=NEEDS)
async def same_loop(trial: IteratorTrial) -> None:
    outer, _ = followed(trial)
    seen = [trial.adapter.text(chunk) for chunk in await outer.read()]
    trial.expect("the pieces that the loop saw", tuple(filter(None, seen)), FIRST.pieces + SECOND.pieces)


@case(
    "iterator/follow-ups/as-it-arrives",
    "It is read as the loop asks for it, and not before.",
    source=REFERENCE,
    needs=NEEDS,
)
async def as_it_arrives(trial: IteratorTrial) -> None:
    outer, inner = followed(trial)
    reads: list[int] = []
    async for chunk in outer.chunks():
        if text := trial.adapter.text(chunk):
            reads.append(inner.source.reads)
            trial.expect("whether it was begun", inner.source.reads > 0, text in SECOND.pieces)
    trial.expect("it was not read whole before its first piece", reads[2] < reads[3], True)


@case(
    "iterator/follow-ups/own-output",
    "Its text is not in the outer output, and the outer's not in its own.",
    source=CONTRACT,
    needs=[*NEEDS, *OUTPUT],
)
async def own_output(trial: IteratorTrial) -> None:
    outer, inner = followed(trial)
    await outer.read()
    trial.expect("the outer and inner output", [outer.output_text, inner.output_text], [FIRST.text, SECOND.text])


@case(
    "iterator/follow-ups/own-usage",
    "Its usage is its own.",
    source=CONTRACT,
    needs=[*NEEDS, "usage"],
)
async def own_usage(trial: IteratorTrial) -> None:
    outer, inner = followed(trial)
    await outer.read()
    trial.expect("input of both", [outer.usage["input"], inner.usage["input"]], [10, 20])


@case(
    "iterator/follow-ups/combined-output",
    "A combined output joins the text and adds up the usage.",
    source=CONTRACT,
    needs=[*NEEDS, *OUTPUT, "combined_output", "output_usage"],
)
async def combined_output(trial: IteratorTrial) -> None:
    outer, _ = followed(trial)
    await outer.read()
    combined = trial.adapter.combined_output(outer.stream)
    text = trial.adapter.message_text(trial.adapter.messages(combined)[0])
    trial.expect("the text of the combined output", text, FIRST.text + SECOND.text)
    trial.expect("its input tokens", trial.adapter.output_usage(combined)["input"], 30)


@case(
    "iterator/follow-ups/own-callbacks",
    "It has callbacks of its own, which get its message; the outer's are not inherited.",
    source=CONTRACT,
    needs=[*NEEDS, "message_text"],
)
async def own_callbacks(trial: IteratorTrial) -> None:
    outer, inner = followed(trial)
    log: list[tuple[str, str]] = []
    text = trial.adapter.message_text
    outer.add_callback(trial.callback(lambda message: log.append(("outer", text(message)))))
    inner.add_callback(trial.callback(lambda message: log.append(("inner", text(message)))))
    await outer.read()
    trial.expect("calls, in order", log, [("inner", SECOND.text), ("outer", FIRST.text)])


@case(
    "iterator/follow-ups/inherited-callbacks",
    "A callback is inherited if that was asked for.",
    source=CONTRACT,
    needs=[*NEEDS, "add_inherited_callback", "message_text"],
)
async def inherited_callbacks(trial: IteratorTrial) -> None:
    outer, _ = followed(trial)
    log: list[str] = []
    note = trial.callback(lambda message: log.append(trial.adapter.message_text(message)))
    trial.adapter.add_inherited_callback(outer.stream, note)
    await outer.read()
    trial.expect("the messages that it got", sorted(log), sorted([FIRST.text, SECOND.text]))


@case(
    "iterator/follow-ups/own-event",
    "It has an event and a thread id of its own.",
    source=CONTRACT,
    needs=[*NEEDS, "listen", "event_fields", "messages", "message_text"],
)
async def own_event(trial: IteratorTrial) -> None:
    events = trial.listen()
    outer, _ = followed(trial)
    await outer.read()
    told = [trial.adapter.event_fields(event) for _, event in events]
    texts = [trial.adapter.message_text(trial.adapter.messages(fields["output"])[0]) for fields in told]
    trial.expect("the outputs of the events", texts, [FIRST.text, SECOND.text])
    trial.expect("how many thread ids there are", len({fields["thread_id"] for fields in told}), 2)


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
        following = trial.tell(left.pop(0))
        following.add_callback(trial.callback(follow))
        return following.stream

    stream = trial.tell("a")
    stream.add_callback(trial.callback(follow))
    trial.expect("the text of all chunks", await stream.text(), "abcd")


@case(
    "iterator/follow-ups/next-callback-after-it",
    "The next callback runs when the follow-up is through.",
    source=CONTRACT,
    needs=NEEDS,
)
async def next_callback_after_it(trial: IteratorTrial) -> None:
    outer, _ = followed(trial)
    log: list[str] = []
    outer.add_callback(trial.callback(lambda message: log.append("next callback")))
    async for chunk in outer.chunks():
        log += filter(None, [trial.adapter.text(chunk)])
    trial.expect("pieces and calls, in order", log, [*FIRST.pieces, *SECOND.pieces, "next callback"])


@case(
    "iterator/follow-ups/itself",
    "A callback that returns the stream it was called by is an error.",
    source=CONTRACT,
    needs=NEEDS,
)
async def itself(trial: IteratorTrial) -> None:
    stream = trial.tell(FIRST)
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
        following = trial.tell("again ")
        following.add_callback(trial.callback(follow))
        return following.stream

    stream = trial.tell("begin ")
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
    outer, inner = followed(trial)
    await outer.until_text(FIRST.text + SECOND.pieces[0])
    await outer.close()
    trial.expect_closed_once(outer)
    trial.expect_closed_once(inner)


@case(
    "iterator/follow-ups/breaking",
    "A follow-up that breaks raises in the loop, and costs nothing of the outer output.",
    source=CONTRACT,
    needs=[*NEEDS, *OUTPUT],
)
async def breaking(trial: IteratorTrial) -> None:
    outer = trial.tell(FIRST)
    told = trial.pieces(SECOND)
    frames = [piece.data for piece in told[: carrying(told)[0] + 1]]
    inner = trial.open([*frames, OSError("the connection broke")])
    outer.add_callback(trial.callback(lambda message: inner.stream))
    chunks, _ = await outer.failure()
    trial.expect("the text of the outer output", outer.output_text, FIRST.text)
    trial.expect("the text before the error", outer.joined(chunks), FIRST.text + SECOND.pieces[0])


@case(
    "iterator/follow-ups/second-loop",
    "A second loop replays the follow-up too, without calling anything again.",
    source=CONTRACT,
    needs=[*NEEDS, "second_loop"],
)
async def second_loop(trial: IteratorTrial) -> None:
    outer, inner = followed(trial)
    first = await outer.read()
    trial.expect("the chunks of the second loop", await outer.read(), first)
    trial.expect("misuse of the follow-up's source", inner.source.misuse, [])
