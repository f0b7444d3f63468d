"""Event: promise 14. Told once, when the stream is through, with all that belongs to it."""

from __future__ import annotations

import uuid
from typing import Any

from tokentape_conformance.iterator import IteratorTrial, case
from tokentape_conformance.iterator.cases.sources import CONTRACT, REFERENCE
from tokentape_conformance.iterator.wires import MODEL
from tokentape_conformance.trial import Words
from tokentape_fake_provider.script.model import Script, Text

WORDS = Text("one two three", pieces=("one", " two", " three"))
REQUEST = {
    "thread_id": "thread-7",
    "operation_type": "chat",
    "provider": "the provider",
    "model": "the model",
    "configuration": {"temperature": 0.5},
    "input": ("the input",),
    "tags": ("a tag", "0"),
    "metadata": {"user": 7, "none": None},
}


@case(
    "iterator/event/once", "One event, and one only, for a stream that is through.", source=REFERENCE, needs=["listen"]
)
async def once(trial: IteratorTrial) -> None:
    events = trial.listen()
    stream = trial.tell(WORDS)
    await stream.read()
    trial.expect("the events", [kind for kind, _ in events], ["completed"])


@case("iterator/event/after-the-last-chunk", "It comes after the last chunk.", source=REFERENCE, needs=["listen"])
async def after_the_last_chunk(trial: IteratorTrial) -> None:
    log: list[str] = []
    trial.listen(lambda kind, event: log.append(kind))
    stream = trial.tell(WORDS)
    async for _ in stream.chunks():
        log.append("chunk")  # noqa: PERF401 - the listener appends too
    trial.expect("where the event is among the chunks", log.index("completed"), len(log) - 1)


@case("iterator/event/empty-stream", "An answer without text has its event.", source=CONTRACT, needs=["listen"])
async def empty_stream(trial: IteratorTrial) -> None:
    events = trial.listen()
    await trial.open(trial.say(Script.of())).read()
    trial.expect("the events", [kind for kind, _ in events], ["completed"])


@case(
    "iterator/event/output",
    "It has the output: the same object that the stream gives.",
    source=REFERENCE,
    needs=["listen", "event_fields", "output", "messages", "message_text"],
)
async def output(trial: IteratorTrial) -> None:
    events = trial.listen()
    stream = trial.tell(WORDS)
    await stream.read()
    told = trial.adapter.event_fields(events[0][1])["output"]
    trial.expect("its text", trial.adapter.message_text(trial.adapter.messages(told)[0]), WORDS.text)
    trial.expect("it is the stream's output", told is stream.output, True)


@case(
    "iterator/event/thread-id",
    "It has the request's thread id: a UUID of its own where none was given.",
    source=REFERENCE,
    needs=["listen", "event_fields", "thread_id"],
)
async def thread_id(trial: IteratorTrial) -> None:
    events = trial.listen()
    streams = [trial.tell(WORDS), trial.tell(WORDS)]
    ids = [trial.adapter.thread_id(stream.stream) for stream in streams]
    for stream in streams:
        await stream.read()
    told = [trial.adapter.event_fields(event)["thread_id"] for _, event in events]
    trial.expect("the thread ids of the events", told, ids)
    trial.expect("they differ", ids[0] != ids[1], True)
    for name in ids:
        try:
            uuid.UUID(name)
        except ValueError:
            trial.fail("a thread id that nobody set", name, Words("a UUID"))


@case(
    "iterator/event/request",
    "It has what belongs to the request: thread id, operation, provider, model, configuration, input, tags, metadata.",
    source=REFERENCE,
    needs=["listen", "event_fields", "request"],
)
async def request(trial: IteratorTrial) -> None:
    events = trial.listen()
    stream = trial.open(trial.say(WORDS), request=dict(REQUEST))
    await stream.read()
    fields = trial.adapter.event_fields(events[0][1])
    trial.expect("what the event tells of the request", {name: fields[name] for name in REQUEST}, REQUEST)


@case(
    "iterator/event/model",
    "Where the request named no model, it has the one that the provider names.",
    source=CONTRACT,
    needs=["listen", "event_fields"],
    wires=["openai_chat", "openai_responses", "openai_completions", "anthropic_messages", "ollama"],
)
async def model(trial: IteratorTrial) -> None:
    events = trial.listen()
    await trial.tell(WORDS).read()
    trial.expect("the model", trial.adapter.event_fields(events[0][1])["model"], MODEL)


@case(
    "iterator/event/failing-listener",
    "A listener that fails costs no chunk and no output, and the other listeners hear.",
    source=CONTRACT,
    needs=["listen", "output", "messages", "message_text"],
)
async def failing_listener(trial: IteratorTrial) -> None:
    def fail(kind: str, event: Any) -> None:
        raise LookupError(kind, event)

    trial.listen(fail)
    heard = trial.listen()
    trial.listen(fail)
    stream = trial.tell(WORDS)
    seen: list[Any] = []
    try:
        async for chunk in stream.chunks():
            seen.append(chunk)  # noqa: PERF401 - what came before an error counts
    except Exception:  # noqa: S110 - whether the failure is told, and how, is the target's choice
        pass
    trial.expect("the text of all chunks", stream.joined(seen), WORDS.text)
    trial.expect("the text of the output", stream.output_text, WORDS.text)
    trial.expect("what another listener heard", [kind for kind, _ in heard], ["completed"])
