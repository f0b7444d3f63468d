"""Event: promise 14. Sent once, when the stream is complete, with the whole output."""

from __future__ import annotations

import uuid
from typing import Any

from tokentape_conformance.iterator import IteratorTrial, case
from tokentape_conformance.iterator.cases.sources import CONTRACT, REFERENCE
from tokentape_conformance.iterator.wires import MODEL
from tokentape_conformance.trial import Prose
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


@case("iterator/event/once", "A complete stream sends exactly one event.", source=REFERENCE, needs=["listen"])
async def once(trial: IteratorTrial) -> None:
    events = trial.listen()
    stream = trial.stream(WORDS)
    await stream.read()
    trial.expect("the events", [kind for kind, _ in events], ["completed"])


@case("iterator/event/after-the-last-chunk", "It is sent after the last chunk.", source=REFERENCE, needs=["listen"])
async def after_the_last_chunk(trial: IteratorTrial) -> None:
    log: list[str] = []
    trial.listen(lambda kind, event: log.append(kind))
    stream = trial.stream(WORDS)
    async for _ in stream.chunks():
        log.append("chunk")  # noqa: PERF401 - the listener appends too
    trial.expect("the position of the event among the chunks", log.index("completed"), len(log) - 1)


@case("iterator/event/empty-stream", "A response without text sends its event.", source=CONTRACT, needs=["listen"])
async def empty_stream(trial: IteratorTrial) -> None:
    events = trial.listen()
    await trial.open(trial.encode(Script.of())).read()
    trial.expect("the events", [kind for kind, _ in events], ["completed"])


@case(
    "iterator/event/output",
    "The event's output is the same object as the stream's.",
    source=REFERENCE,
    needs=["listen", "event_fields", "output", "messages", "message_text"],
)
async def output(trial: IteratorTrial) -> None:
    events = trial.listen()
    stream = trial.stream(WORDS)
    await stream.read()
    sent = trial.adapter.event_fields(events[0][1])["output"]
    trial.expect("its text", trial.adapter.message_text(trial.adapter.messages(sent)[0]), WORDS.text)
    trial.expect("it is the stream's output", sent is stream.output, True)


@case(
    "iterator/event/thread-id",
    "The event has the request's thread id: a new UUID if none was given.",
    source=REFERENCE,
    needs=["listen", "event_fields", "thread_id"],
)
async def thread_id(trial: IteratorTrial) -> None:
    events = trial.listen()
    streams = [trial.stream(WORDS), trial.stream(WORDS)]
    ids = [trial.adapter.thread_id(stream.stream) for stream in streams]
    for stream in streams:
        await stream.read()
    sent = [trial.adapter.event_fields(event)["thread_id"] for _, event in events]
    trial.expect("the thread ids of the events", sent, ids)
    trial.expect("they differ", ids[0] != ids[1], True)
    for name in ids:
        try:
            uuid.UUID(name)
        except ValueError:
            trial.fail("a generated thread id", name, Prose("a UUID"))


@case(
    "iterator/event/request",
    "The event has the request's thread id, operation, provider, model, configuration, input, tags and metadata.",
    source=REFERENCE,
    needs=["listen", "event_fields", "request"],
)
async def request(trial: IteratorTrial) -> None:
    events = trial.listen()
    stream = trial.open(trial.encode(WORDS), request=dict(REQUEST))
    await stream.read()
    fields = trial.adapter.event_fields(events[0][1])
    trial.expect("the request's fields in the event", {name: fields[name] for name in REQUEST}, REQUEST)


@case(
    "iterator/event/model",
    "If the request names no model, the event has the one that the provider reports.",
    source=CONTRACT,
    needs=["listen", "event_fields"],
    wires=["openai_chat", "openai_responses", "openai_completions", "anthropic_messages", "ollama"],
)
async def model(trial: IteratorTrial) -> None:
    events = trial.listen()
    await trial.stream(WORDS).read()
    trial.expect("the model", trial.adapter.event_fields(events[0][1])["model"], MODEL)


@case(
    "iterator/event/failing-listener",
    "If a listener fails, no chunk and no output is lost, and the other listeners run.",
    source=CONTRACT,
    needs=["listen", "output", "messages", "message_text"],
)
async def failing_listener(trial: IteratorTrial) -> None:
    def fail(kind: str, event: Any) -> None:
        raise LookupError(kind, event)

    trial.listen(fail)
    received = trial.listen()
    trial.listen(fail)
    stream = trial.stream(WORDS)
    seen: list[Any] = []
    try:
        async for chunk in stream.chunks():
            seen.append(chunk)  # noqa: PERF401 - the chunks before an error are kept
    except Exception:  # noqa: S110 - whether and how the failure is reported is the target's choice
        pass
    trial.expect("the text of all chunks", stream.joined(seen), WORDS.text)
    trial.expect("the text of the output", stream.output_text, WORDS.text)
    trial.expect("what another listener received", [kind for kind, _ in received], ["completed"])
