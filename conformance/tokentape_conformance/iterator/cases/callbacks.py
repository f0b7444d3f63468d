"""Callbacks: promises 11 and 13. Each is called once, with the complete message."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tokentape_conformance.iterator import IteratorTrial, case
from tokentape_conformance.iterator.cases.sources import CONTRACT, REFERENCE
from tokentape_conformance.iterator.wires import TOOL_CALLS
from tokentape_conformance.trial import Prose
from tokentape_fake_provider.script.model import Script, Text, ToolCall

WORDS = Text("one two three", pieces=("one", " two", " three"))


class CallbackFailedError(Exception):
    """An error of a callback, of a type that no library knows."""


@case(
    "iterator/callbacks/once",
    "A callback is called once, when the message is complete.",
    source=REFERENCE,
    needs=["add_callback"],
)
async def once(trial: IteratorTrial) -> None:
    log: list[str] = []
    stream = trial.stream(WORDS)
    stream.add_callback(trial.callback(lambda message: log.append("callback")))
    async for chunk in stream.chunks():
        log += filter(None, [trial.adapter.text(chunk)])
    trial.expect("pieces and calls, in order", log, [*WORDS.pieces, "callback"])


@case(
    "iterator/callbacks/complete-message",
    "A callback receives one complete message.",
    source=REFERENCE,
    needs=["add_callback", "message_text"],
)
async def complete_message(trial: IteratorTrial) -> None:
    texts: list[str] = []
    stream = trial.stream(WORDS)
    stream.add_callback(trial.callback(lambda message: texts.append(trial.adapter.message_text(message))))
    await stream.read()
    trial.expect("the text of the messages that the callback received", texts, [WORDS.text])


@case(
    "iterator/callbacks/tool-calls",
    "The message that a callback receives has the tool calls.",
    source=REFERENCE,
    needs=["add_callback", "tool_calls", "message_tool_calls"],
    wires=TOOL_CALLS,
)
async def tool_calls(trial: IteratorTrial) -> None:
    names: list[str] = []
    stream = trial.stream("Let me look.", ToolCall.of("depth", {"of": "sea"}), ToolCall.of("now"))

    def note(message: Any) -> None:
        names.extend(call["name"] for call in trial.adapter.message_tool_calls(message))

    stream.add_callback(trial.callback(note))
    await stream.read()
    trial.expect("the tool calls that the callback received", names, ["depth", "now"])


@case(
    "iterator/callbacks/in-order",
    "Callbacks run in the order in which they were added.",
    source=CONTRACT,
    needs=["add_callback"],
)
async def in_order(trial: IteratorTrial) -> None:
    log: list[int] = []
    stream = trial.stream(WORDS)

    def noting(number: int) -> Callable[[Any], Any]:
        return trial.callback(lambda message: log.append(number))

    for number in range(4):
        stream.add_callback(noting(number))
    await stream.read()
    trial.expect("the order of the calls", log, [0, 1, 2, 3])


@case(
    "iterator/callbacks/same-message",
    "All callbacks receive the same message object, the output's.",
    source=CONTRACT,
    needs=["add_callback", "output", "messages"],
)
async def same_message(trial: IteratorTrial) -> None:
    received: list[Any] = []
    stream = trial.stream(WORDS)
    for _ in range(2):
        stream.add_callback(trial.callback(received.append))
    await stream.read()
    trial.expect("the number of messages", len(received), 2)
    trial.expect("they are the output's", [message is stream.message for message in received], [True] * 2)


@case(
    "iterator/callbacks/empty-stream",
    "Callbacks also run for a response without text.",
    source=CONTRACT,
    needs=["add_callback", "message_text"],
)
async def empty_stream(trial: IteratorTrial) -> None:
    texts: list[str] = []
    stream = trial.open(trial.encode(Script.of()))
    stream.add_callback(trial.callback(lambda message: texts.append(trial.adapter.message_text(message))))
    await stream.read()
    trial.expect("the text of the messages that the callback received", texts, [""])


@case(
    "iterator/callbacks/event-first",
    "The event is sent before the callbacks run.",
    source=REFERENCE,
    needs=["add_callback", "listen"],
)
async def event_first(trial: IteratorTrial) -> None:
    log: list[str] = []
    trial.listen(lambda kind, event: log.append(kind))
    stream = trial.stream(WORDS)
    stream.add_callback(trial.callback(lambda message: log.append("callback")))
    await stream.read()
    trial.expect("the order", log, ["completed", "callback"])


@case(
    "iterator/callbacks/added-while-streaming",
    "A callback that is added before the end runs.",
    source=CONTRACT,
    needs=["add_callback"],
)
async def added_while_streaming(trial: IteratorTrial) -> None:
    calls: list[Any] = []
    stream = trial.stream(WORDS)
    added = False
    async for _ in stream.chunks():
        if not added:
            stream.add_callback(trial.callback(calls.append))
            added = True
    trial.expect("how often the callback was called", len(calls), 1)


@case(
    "iterator/callbacks/returns-anything",
    "A callback's return value that is not a stream changes nothing.",
    source=CONTRACT,
    needs=["add_callback"],
)
async def returns_anything(trial: IteratorTrial) -> None:

    def returning(value: object) -> Callable[[Any], Any]:
        return trial.callback(lambda message: value)

    for value in (None, 0, "text", ["a"], object()):
        stream = trial.stream(WORDS)
        stream.add_callback(returning(value))
        trial.expect(f"the text of all chunks if a callback returns {value!r}", await stream.text(), WORDS.text)


@case(
    "iterator/callbacks/awaited",
    "Coroutine callbacks are awaited under async for.",
    source=CONTRACT,
    needs=["async", "add_callback"],
)
async def awaited(trial: IteratorTrial) -> None:
    log: list[str] = []

    async def note(message: Any) -> None:
        del message
        log.append("done")

    stream = trial.stream(WORDS)
    stream.add_callback(note)
    await stream.read()
    trial.expect("what the coroutine did", log, ["done"])


@case(
    "iterator/callbacks/coroutine-under-for",
    "A coroutine callback under a plain for is an error, never a coroutine that is not awaited.",
    source=CONTRACT,
    needs=["sync", "add_callback"],
)
async def coroutine_under_for(trial: IteratorTrial) -> None:
    async def note(message: Any) -> None:
        raise AssertionError(message)

    stream = trial.stream(WORDS)
    stream.add_callback(note)
    chunks, _ = await stream.failure()
    trial.expect("the text before the error", stream.joined(chunks), WORDS.text)


@case(
    "iterator/callbacks/raises",
    "An error of a callback reaches the reader after all chunks.",
    source=CONTRACT,
    needs=["add_callback"],
)
async def raises(trial: IteratorTrial) -> None:
    def fail(message: Any) -> None:
        raise CallbackFailedError(message)

    stream = trial.stream(WORDS)
    stream.add_callback(trial.callback(fail))
    chunks, error = await stream.failure()
    trial.expect("the text before the error", stream.joined(chunks), WORDS.text)
    if not isinstance(error, CallbackFailedError):
        trial.fail("the error", error, Prose("the callback's"))


@case(
    "iterator/callbacks/raises-keeps-output",
    "An error of a callback does not change the output.",
    source=CONTRACT,
    needs=["add_callback", "output", "messages", "message_text"],
)
async def raises_keeps_output(trial: IteratorTrial) -> None:
    def fail(message: Any) -> None:
        raise CallbackFailedError(message)

    stream = trial.stream(WORDS)
    stream.add_callback(trial.callback(fail))
    await stream.failure()
    trial.expect("the text of the output", stream.output_text, WORDS.text)


@case(
    "iterator/callbacks/error-handler",
    "A handler receives the errors of callbacks, and the other callbacks run.",
    source=CONTRACT,
    needs=["add_callback", "callback_errors"],
)
async def error_handler(trial: IteratorTrial) -> None:
    def fail(message: Any) -> None:
        raise CallbackFailedError(message)

    handled: list[type] = []
    calls: list[Any] = []
    stream = trial.open(trial.encode(WORDS), on_callback_error=lambda error: handled.append(type(error)))
    stream.add_callback(trial.callback(fail))
    stream.add_callback(trial.callback(calls.append))
    trial.expect("the text of all chunks", await stream.text(), WORDS.text)
    trial.expect("what the handler received", handled, [CallbackFailedError])
    trial.expect("calls of the next callback", len(calls), 1)
