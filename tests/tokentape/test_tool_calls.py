"""Promise 10: tool calls out of fragments, or whole."""

from __future__ import annotations

import itertools
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.tokentape.driver import Plain, both, fragment
from tokentape import ChatMessage, StreamedChatMessageIterator, ToolCall, ToolCallDelta, stream_bytes


def calls_of(*items: ChatMessage) -> list[tuple[str, str, dict[str, Any], bool]]:
    """The final calls; each must have appeared once in the chunks."""
    stream = StreamedChatMessageIterator(items)
    in_chunks = [call for chunk in stream for call in chunk.tool_calls]
    final = stream.get_chat_output().message.tool_calls
    assert sorted(in_chunks, key=repr) == sorted(final, key=repr)
    return [(call.id, call.name, call.arguments, call.valid) for call in final]


X = {"x": 1}
WHOLE = '{"x":1}'


@pytest.mark.parametrize(
    ("items", "expected"),
    [
        pytest.param(
            [fragment(0, "1", "f"), fragment(0, arguments='{"x"'), fragment(0, arguments=":1}")],
            [("1", "f", X, True)],
            id="fragments",
        ),
        pytest.param(
            [
                fragment(0, "1", "f"),
                fragment(1, "2", "g"),
                fragment(0, arguments='{"x"'),
                fragment(1, arguments="{"),
                fragment(0, arguments=":1}"),
                fragment(1, arguments="}"),
            ],
            [("1", "f", X, True), ("2", "g", {}, True)],
            id="interleaved",
        ),
        pytest.param(
            [ChatMessage(tool_call_deltas=(ToolCallDelta(0, "1", "f", WHOLE), ToolCallDelta(1, "2", "g", WHOLE)))],
            [("1", "f", X, True), ("2", "g", X, True)],
            id="two in one chunk",
        ),
        pytest.param(
            [fragment(None, "1", "f"), fragment(None, "", "", '{"x"'), fragment(None, "", "", ":1}")],
            [("1", "f", X, True)],
            id="without index",
        ),
        pytest.param(
            [fragment(None, "1", "f", WHOLE), fragment(None, "2", "g", WHOLE), fragment(None, "3", "f", WHOLE)],
            [("1", "f", X, True), ("2", "g", X, True), ("3", "f", X, True)],
            id="whole, without index",
        ),
        pytest.param(
            [fragment(None, "", "f", WHOLE), fragment(None, "", "f", WHOLE)],
            [("", "f", X, True), ("", "f", X, True)],
            id="whole, without index and id",
        ),
        pytest.param(
            [
                fragment(None, "1", "f", '{"x"'),
                fragment(None, "2", "g", "{"),
                fragment(None, "1", "", ":1}"),
                fragment(None, "2", "", "}"),
            ],
            [("1", "f", X, True), ("2", "g", {}, True)],
            id="interleaved by id alone",
        ),
        pytest.param(
            [fragment(0, "1", "f", WHOLE), fragment(0, "2", "g", '{"x"'), fragment(0, arguments=":1}")],
            [("1", "f", X, True), ("2", "g", X, True)],
            id="index reused with a new id",
        ),
        pytest.param(
            [fragment(0, "1", "f", '{"x"'), fragment(0, "1", "f", ":1"), fragment(0, "1", "f", "}")],
            [("1", "f", X, True)],
            id="id and name repeated in each fragment",
        ),
        pytest.param(
            [fragment(0, "1", "f", WHOLE), fragment(0, "1", "f", WHOLE)],
            [("1", "f", X, True)],
            id="the whole call repeated",
        ),
        pytest.param(
            [fragment(0, "1", "f", WHOLE), fragment(1, "1", "f", WHOLE)],
            [("1", "f", X, True)],
            id="the whole call repeated under another index",
        ),
        pytest.param(
            [fragment(None, "1", "f", WHOLE), fragment(None, "1", "f", WHOLE)],
            [("1", "f", X, True)],
            id="the whole call repeated without index",
        ),
        pytest.param(
            [fragment(3, "1", "f", WHOLE), fragment(1, "2", "g", WHOLE)],
            [("1", "f", X, True), ("2", "g", X, True)],
            id="indexes with gaps, out of order",
        ),
        pytest.param(
            [fragment(0, "", "f"), fragment(0, "1"), fragment(0, arguments=WHOLE)],
            [("1", "f", X, True)],
            id="the id comes late",
        ),
        pytest.param(
            [fragment(0, "1", "get_"), fragment(0, "", "weather"), fragment(0, arguments=WHOLE)],
            [("1", "get_weather", X, True)],
            id="the name comes in pieces",
        ),
        pytest.param([fragment(0, "1", "f")], [("1", "f", {}, True)], id="no arguments"),
        pytest.param([fragment(0, "1", "f", ""), fragment(0)], [("1", "f", {}, True)], id="empty arguments"),
        pytest.param([fragment(0, "1", "f", " \n")], [("1", "f", {}, True)], id="blank arguments"),
        pytest.param([fragment(0, "1", "f", "null")], [("1", "f", {}, True)], id="null arguments"),
        pytest.param([fragment(0, "1", "f", "{")], [("1", "f", {}, False)], id="invalid JSON"),
        pytest.param([fragment(0, "1", "f", "[1]")], [("1", "f", {}, False)], id="a list"),
        pytest.param([fragment(0, "1", "f", '"x"')], [("1", "f", {}, False)], id="a string"),
        pytest.param([fragment(0, "1", "f", "0")], [("1", "f", {}, False)], id="a number"),
        pytest.param([fragment(0, "1", "f", "[" * 100_000)], [("1", "f", {}, False)], id="nested too deep"),
        pytest.param([fragment(0, "1", "f", '{"a":"\ud800"}')], [("1", "f", {}, False)], id="half a surrogate pair"),
        pytest.param(
            [ChatMessage("x", tool_calls=(ToolCall("1", "f", X, WHOLE),))],
            [("1", "f", X, True)],
            id="a whole call in a chunk built by hand",
        ),
        pytest.param(
            [ChatMessage(tool_calls=(ToolCall("1", "f", X),)), ChatMessage("y", tool_calls=(ToolCall("1", "f", X),))],
            [("1", "f", X, True)],
            id="the same whole call in two chunks built by hand",
        ),
        pytest.param(
            [fragment(0, "1", "f", WHOLE), ChatMessage(tool_calls=(ToolCall("1", "f", X, WHOLE),))],
            [("1", "f", X, True)],
            id="fragments, and then the whole call",
        ),
    ],
)
def test_calls(items: list[ChatMessage], expected: list[Any]) -> None:
    """Fragments become these calls, and each finished call appears in one chunk."""
    assert calls_of(*items) == expected
    assert calls_of(*items, ChatMessage(finish_reason="tool_calls")) == expected


def test_raw_arguments_are_kept() -> None:
    """An invalid call has the text as it came."""
    stream = StreamedChatMessageIterator([fragment(0, "1", "f", "not "), fragment(0, arguments="JSON")])
    list(stream)
    (call,) = stream.get_chat_output().message.tool_calls
    assert (call.raw_arguments, call.arguments, call.valid) == ("not JSON", {}, False)


@both
async def test_a_finished_call_is_in_the_chunk_that_finishes_it(drive: Plain) -> None:
    """The chunk with the finish reason carries the calls; with `done`, the call's own last fragment does."""
    by_reason = await drive.read(
        drive.stream(fragment(0, "1", "f", "{"), fragment(0, arguments="}"), ChatMessage(finish_reason="tool_calls"))
    )
    assert [len(chunk.tool_calls) for chunk in by_reason] == [0, 0, 1]
    assert [len(chunk.tool_call_deltas) for chunk in by_reason] == [1, 1, 0]
    by_mark = await drive.read(
        drive.stream(
            fragment(0, "1", "f", "{}"),
            fragment(0, done=True),
            fragment(1, "2", "g"),
            ChatMessage(finish_reason="stop"),
        )
    )
    assert [[call.id for call in chunk.tool_calls] for chunk in by_mark] == [[], ["1"], [], ["2"]]


@both
async def test_calls_that_nothing_finishes_come_in_a_last_chunk(drive: Plain) -> None:
    """A source that ends without a finish reason still hands out its calls, before the callbacks."""
    seen: list[str] = []
    stream = drive.stream("a", fragment(0, "1", "f", WHOLE))
    stream.add_callback(lambda message: seen.append("callback"))
    async for chunk in drive.loop(stream):
        seen.extend(call.id for call in chunk.tool_calls)
    assert seen == ["1", "callback"]


def test_calls_of_several_choices_do_not_mix() -> None:
    """The same index in two choices is two calls."""
    items = [
        ChatMessage(index=choice, tool_call_deltas=(ToolCallDelta(0, id_, name, arguments),))
        for choice, id_, name, arguments in [
            (0, "1", "f", '{"x"'),
            (1, "2", "g", '{"y"'),
            (0, "", "", ":1}"),
            (1, "", "", ":2}"),
        ]
    ]
    stream = StreamedChatMessageIterator(items)
    finishing = [(chunk.index, call.id) for chunk in stream for call in chunk.tool_calls]
    first, second = stream.get_chat_output().messages
    assert finishing == [(0, "1"), (1, "2")]
    assert (first.tool_calls[0].arguments, second.tool_calls[0].arguments) == ({"x": 1}, {"y": 2})


@given(st.dictionaries(st.text(max_size=3), st.integers() | st.text(max_size=3)), st.data())
def test_arguments_cut_anywhere(arguments: dict[str, Any], data: st.DataObject) -> None:
    """Calls whose arguments are cut anywhere and dealt in any order of calls come out whole."""
    text = json.dumps(arguments)
    pieces = [
        data.draw(st.lists(st.integers(0, len(text)), max_size=5).map(lambda cuts: [0, *sorted(cuts), len(text)]))
        for _ in range(2)
    ]
    queues = [[text[a:b] for a, b in itertools.pairwise(cuts)] for cuts in pieces]
    items = [fragment(0, "1", "f"), fragment(1, "2", "g")]
    while any(queues):
        index = data.draw(st.sampled_from([number for number, queue in enumerate(queues) if queue]))
        items.append(fragment(index, arguments=queues[index].pop(0)))
    assert calls_of(*items) == [("1", "f", arguments, True), ("2", "g", arguments, True)]


def openai(*deltas: str) -> bytes:
    """A stream of these deltas, and a finish reason."""
    events = [f'{{"choices":[{{"delta":{delta}}}]}}' for delta in deltas]
    events.append('{"choices":[{"delta":{},"finish_reason":"tool_calls"}]}')
    return "".join(f"data: {event}\n\n" for event in events).encode()


@pytest.mark.parametrize(
    ("deltas", "expected"),
    [
        (
            ['{"function_call":{"name":"f","arguments":"{"}}', '{"function_call":{"arguments":"}"}}'],
            ("", "f", {}, True),
        ),
        (['{"tool_calls":[{"index":0,"id":"1","function":{"name":"f"}}]}'], ("1", "f", {}, True)),
        (['{"tool_calls":[{"index":0,"id":"1","function":{"name":"f","arguments":null}}]}'], ("1", "f", {}, True)),
        (['{"tool_calls":[{"id":"1","function":{"name":"f","arguments":{"x":1}}}]}'], ("1", "f", X, True)),
        (['{"tool_calls":[{"index":"0","id":1,"function":{"name":"f"}}]}'], ("1", "f", {}, True)),
        (['{"tool_calls":[{"index":0,"id":"1","function":null}]}'], ("1", "", {}, True)),
    ],
    ids=["legacy function_call", "no arguments", "null", "an object", "wrong types", "no function"],
)
def test_calls_on_the_wire(deltas: list[str], expected: Any) -> None:
    """Odd shapes of OpenAI's format give a call all the same."""
    stream = stream_bytes(openai(*deltas))
    list(stream)
    assert [(c.id, c.name, c.arguments, c.valid) for c in stream.get_chat_output().message.tool_calls] == [expected]
