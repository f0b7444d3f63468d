"""Promise 17: a stream out of something finished loses nothing."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.tokentape.chunk_strategies import chunks
from tests.tokentape.driver import Events, events
from tokentape import (
    ChatMessage,
    ChatOutput,
    ProviderPart,
    ReasoningPart,
    StreamContext,
    StreamedChatMessageIterator,
    TextPart,
    TokenUsage,
    ToolCall,
    replay,
)

__all__ = ["events"]


def read(stream: Any) -> ChatOutput:
    """The output of a stream that was read whole."""
    for _ in stream:
        pass
    return stream.get_chat_output()


@given(st.lists(chunks(), max_size=8), st.none() | st.integers(1, 3))
def test_replaying_an_output_gives_an_equal_output(given_chunks: list[ChatMessage], size: int | None) -> None:
    """An output of any chunks is replayed equal, in pieces of any size."""
    output = read(StreamedChatMessageIterator(given_chunks))
    again = replay(output, chunk_size=size)
    assert read(again) == output
    assert (again.usage, again.finish_reason) == (output.usage, output.finish_reason)
    assert again.provider_finish_reason == output.provider_finish_reason


@given(st.text(), st.none() | st.integers(1, 5))
def test_replaying_a_text(text: str, size: int | None) -> None:
    """The joined chunks are the text, each of the requested size."""
    stream = replay(text, chunk_size=size)
    pieces = [chunk.text for chunk in stream if chunk.text]
    assert "".join(pieces) == text == stream.text
    assert all(len(piece) == size for piece in pieces[:-1]) or size is None
    assert (stream.finish_reason, stream.status) == ("stop", "complete")


WHOLE = ChatMessage(
    "Hello",
    "assistant",
    {"id": "r-1"},
    "Hmm",
    (ToolCall("1", "f", {"x": 1}, '{"x":1}'), ToolCall("", "g", {}, "not JSON", False)),
    usage=TokenUsage(1, 2, 9, 0, None, 1, {"prompt_tokens": 1}),
    finish_reason="other",
    provider_finish_reason="odd",
    refusal="No",
    model="m-1",
    name="bot",
)


@pytest.mark.parametrize(
    "message",
    [
        ChatMessage(),
        WHOLE,
        ChatMessage.tool("result", tool_call_id="1"),
        ChatMessage.user("0"),
        ChatMessage("text", parts=(ProviderPart("image", {"url": "x"}),)),
        ChatMessage("text", reasoning="why", tool_calls=WHOLE.tool_calls, parts=(TextPart("text", ({"at": 1},)),)),
        ChatMessage("text", reasoning="why", parts=(ReasoningPart("why", "signed"),)),
        ChatMessage("ab", parts=(TextPart("a"), ReasoningPart("", "", "sealed"), TextPart("b"))),
    ],
    ids=["empty", "everything", "tool result", "user", "text beside an image", "citations", "signature", "two texts"],
)
def test_replaying_a_message(message: ChatMessage) -> None:
    """Every field of a message is replayed, even if `parts` contain only some of it."""
    output = read(replay(message, chunk_size=1))
    again = output.message
    for name in message.__struct_fields__:
        if name not in ("parts", "usage"):
            assert getattr(again, name) == getattr(message, name), name
    assert again.usage == message.usage
    other_parts = [part for part in again.parts if not isinstance(part, ToolCall)]
    assert [part for part in other_parts if part in message.parts] == list(message.parts)


def test_replaying_a_broken_output_breaks_at_the_same_place() -> None:
    """What had arrived comes first, then the same error."""
    error = OSError("gone")
    broken = StreamedChatMessageIterator(iter([ChatMessage("a")]))
    with pytest.raises(OSError, match="gone"):  # noqa: PT012
        broken = StreamedChatMessageIterator(failing(error))
        list(broken)
    stream = replay(broken.get_chat_output())
    seen: list[str] = []
    with pytest.raises(OSError, match="gone"):  # noqa: PT012
        for chunk in stream:
            seen.append(chunk.text)
    assert "".join(seen) == "a"
    assert stream.get_chat_output() == broken.get_chat_output()


def failing(error: Exception) -> Any:
    """A source that breaks."""
    yield ChatMessage("a")
    raise error


def test_a_replay_is_a_stream_like_any_other(events: Events) -> None:
    """It has callbacks, an event, a context, and is lazy."""
    got: list[ChatMessage] = []
    stream = replay("Hello", context=StreamContext("thread-1", tags=("replayed",)))
    stream.add_callback(got.append)
    assert stream.status == "pending"
    list(stream)
    assert (len(got), events.completed[0].tags, events.completed[0].request_thread_id) == (1, ("replayed",), "thread-1")


def test_replaying_all_choices() -> None:
    """Several choices keep their numbers."""
    output = ChatOutput((ChatMessage("a", finish_reason="stop"), ChatMessage("b", index=3, finish_reason="length")))
    assert read(replay(output)).messages == tuple(
        ChatMessage(m.text, finish_reason=m.finish_reason, index=m.index, metadata={}, parts=(TextPart(m.text),))
        for m in output.messages
    )
