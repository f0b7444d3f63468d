"""The Vercel AI SDK rebuilds the output of a stream from our UI message stream: its transport, schema and reader."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest

from tests.case_notes import case
from tests.clients.environments import NODE, command
from tests.corpus import WIRES, Item, all_items, each
from tests.environments import UnavailableError
from tests.tokentape.test_ui_message_stream import with_tool_loop
from tokentape import ChatMessage, StreamedChatMessageIterator, ToolCall, stream_bytes
from tokentape.web import wsgi_stream
from tokentape.web.ui_message_stream import _FINISH

pytestmark = [pytest.mark.clients, pytest.mark.timeout(600), pytest.mark.xdist_group("node")]

VERSIONS = ("6", "7")
STREAMS = [item for item in all_items() if item.kind == "stream" and item.wire_format in WIRES]

Read = Callable[[str, Sequence[bytes]], list[Any]]


@pytest.fixture(scope="module")
def read() -> Iterator[Read]:
    """What a version of the SDK makes of bodies."""
    try:
        program = command(NODE, "ui_message_reader")
    except UnavailableError as error:
        pytest.skip(str(error))
    with subprocess.Popen(program, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None

        def ask(version: str, bodies: Sequence[bytes]) -> list[Any]:
            job = {"version": version, "bodies": [body.decode() for body in bodies]}
            process.stdin.write(json.dumps(job) + "\n")
            process.stdin.flush()
            return json.loads(process.stdout.readline())

        yield ask
        process.stdin.close()


def encoded(stream: Any) -> bytes:
    """The body of a response."""
    return b"".join(wsgi_stream(stream, format="ui-message-stream"))


def rebuilt(message: Any) -> dict[str, Any]:
    """What a UI message says, in the fields of a ChatMessage."""
    texts = {"text": "", "reasoning": "", "refusal": ""}
    calls = []
    for part in message["parts"]:
        if part["type"] in ("text", "reasoning"):
            is_refusal = "tokentape" in (part.get("providerMetadata") or {})
            texts["refusal" if is_refusal else part["type"]] += part["text"]
        elif part["type"].startswith("tool-"):
            # Of a call that is not valid, version 6 has the text of the arguments as `rawInput`.
            arguments = part.get("input", part.get("rawInput"))
            calls.append((part["type"].removeprefix("tool-"), part["state"], arguments, part["toolCallId"]))
    return {**texts, "tool_calls": calls, "finish": message["finishReason"], "error": message["error"]}


def expected(stream: StreamedChatMessageIterator) -> dict[str, Any]:
    """The same of a stream's output."""
    output = stream.get_chat_output()
    message = output.message
    return {
        "text": message.text,
        "reasoning": message.reasoning,
        "refusal": message.refusal,
        "tool_calls": [
            (
                call.name,
                "input-available" if call.valid else "output-error",
                call.arguments if call.valid else call.raw_arguments,
            )
            for call in message.tool_calls
        ],
        "finish": None if output.error or output.finish_reason is None else _FINISH[output.finish_reason],
        "error": None if output.error is None else type(output.error).__name__,
    }


def check(message: Any, stream: StreamedChatMessageIterator) -> None:
    """The SDK's message is the output: all parts are closed, and the calls have ids of their own."""
    found = rebuilt(message)
    ids = [call[3] for call in found["tool_calls"]]
    given = [call.id for call in stream.get_chat_output().message.tool_calls]
    assert len(set(ids)) == len(ids)
    if len(set(given)) == len(given) and all(given):
        assert ids == given
    found["tool_calls"] = [call[:3] for call in found["tool_calls"]]
    if found["error"] is not None:
        found["error"] = found["error"].rpartition(": ")[2]
    assert found == expected(stream)
    if found["error"] is None:
        assert all(part.get("state") != "streaming" for part in message["parts"])
        usage = message["metadata"]["usage"]
        assert usage.get("total") == stream.usage.total


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("wire_format", each(sorted({item.wire_format for item in STREAMS})))
def test_recorded_streams(read: Read, wire_format: str, version: str) -> None:
    """Of each recorded stream the SDK rebuilds text, reasoning, refusal, tool calls, finish reason, usage and error."""
    chosen: list[Item] = [item for item in STREAMS if item.wire_format == wire_format]
    streams = [stream_bytes([item.body], item.wire) for item in chosen]
    messages = read(version, [encoded(stream) for stream in streams])
    for item, stream, message in zip(chosen, streams, messages, strict=True):
        with case(item.id):
            check(message, stream)


@pytest.mark.parametrize("version", VERSIONS)
def test_steps_and_results(read: Read, version: str) -> None:
    """A loop over tools is one message with two steps, whose calls have their results and errors."""
    (message,) = read(version, [encoded(with_tool_loop())])
    assert message["error"] is None
    assert [
        (
            part["type"],
            part.get("state"),
            part.get("input"),
            part.get("output"),
            part.get("errorText"),
            part.get("text"),
        )
        for part in message["parts"]
    ] == [
        ("step-start", None, None, None, None, None),
        ("tool-weather", "output-available", {"city": "Oslo"}, {"sky": "blue"}, None, None),
        ("dynamic-tool", "output-error", {}, None, "broken", None),
        ("step-start", None, None, None, None, None),
        ("text", "done", None, None, None, "Blue"),
    ]
    assert message["metadata"] == {"finish_reason": "stop", "usage": {"input": 4, "output": 1, "total": 5}}
    assert message["finishReason"] == "stop"


@pytest.mark.parametrize("version", VERSIONS)
def test_an_aborted_stream(read: Read, version: str) -> None:
    """The text of a stream that was closed stays, and the SDK knows that it was aborted."""
    stream = StreamedChatMessageIterator(ChatMessage(text) for text in "abc")
    body = wsgi_stream(stream, format="ui-message-stream")
    first = next(body)
    stream.close()
    (message,) = read(version, [first + b"".join(body)])
    assert message["aborted"]
    assert rebuilt(message)["text"] == "a"


@pytest.mark.parametrize("version", VERSIONS)
def test_unusual_content(read: Read, version: str) -> None:
    """Line ends, other scripts, lone surrogates, calls without ids and calls of one id are read as they are."""
    text = "a\n\nb\r\u2028\x00\ufefféé👩‍👩‍👧 data: x\n\n"
    calls = (
        ToolCall("", "f", {"a": {"b": [1, None, "é"]}}),
        ToolCall("", "f", {}),
        ToolCall("c", "g-1.x", {"z": 1.5}),
        ToolCall("c", "h", {}),
    )
    chunks = [
        *(ChatMessage(letter) for letter in text),
        ChatMessage(tool_calls=calls),
        ChatMessage("end", finish_reason="pause"),
    ]
    stream = StreamedChatMessageIterator(chunks)
    (message,) = read(version, [encoded(stream)])
    check(message, stream)
    (message,) = read(version, [encoded(StreamedChatMessageIterator([ChatMessage("\ud800")]))])
    assert rebuilt(message)["text"] == "?"
