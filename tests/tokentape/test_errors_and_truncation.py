"""Promise 7: what breaks a stream propagates, and nothing that had arrived is lost."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.tokentape.driver import Events, Plain, both, events
from tokentape import (
    ChatMessage,
    DecodeError,
    OverloadedError,
    ProviderError,
    RateLimitError,
    TokentapeError,
    TruncatedStreamError,
    UnknownWireError,
    errors,
    stream_bytes,
)

__all__ = ["events"]

TEXT = b'data: {"choices":[{"delta":{"content":"a"}}]}\n\n'
STOP = b'data: {"choices":[{"delta":{},"finish_reason":"stop"}]}\n\n'
A_TEXT = (
    b"event: content_block_delta\n"
    b'data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"a"}}\n\n'
)


@both
@pytest.mark.parametrize("position", [0, 1, 2, 3])
async def test_an_error_of_the_source_propagates_from_any_position(drive: Plain, events: Events, position: int) -> None:
    """The very exception, after the chunks before it; source closed once, no completion event, no callback."""
    items: list[Any] = ["a", "b", "c"]
    items.insert(position, error := ConnectionResetError("reset"))
    source = drive.Source(*items)
    stream = drive.of(source)
    calls: list[Any] = []
    stream.add_callback(calls.append)
    seen: list[str] = []
    with pytest.raises(ConnectionResetError) as caught:  # noqa: PT012
        async for chunk in drive.loop(stream):
            seen.append(chunk.text)
    assert caught.value is error
    assert seen == ["a", "b", "c"][:position]
    assert (stream.status, stream.error, source.closed, calls) == ("failed", error, 1, [])
    assert (len(events.completed), len(events.failed)) == (0, 1)
    assert stream.get_chat_output().text == "".join(seen)


@both
async def test_a_failed_stream_fails_again_in_a_second_loop(drive: Plain, events: Events) -> None:
    """The replay ends with the same error; the signal is not sent again."""
    stream = drive.stream("a", error := OSError("gone"))
    for _ in range(3):
        seen: list[str] = []
        with pytest.raises(OSError, match="gone") as caught:  # noqa: PT012
            async for chunk in drive.loop(stream):
                seen.append(chunk.text)
        assert (caught.value, seen) == (error, ["a"])
    assert len(events.all) == 1


@both
async def test_the_cause_is_chained(drive: Plain) -> None:
    """`raise ... from ...` in a source stays; a decode error has the parser's as its cause."""
    cause = KeyError("inner")
    error = OSError("outer")
    error.__cause__ = cause
    with pytest.raises(OSError, match="outer") as caught:
        await drive.read(drive.stream(error))
    assert caught.value.__cause__ is cause
    with pytest.raises(DecodeError) as malformed:
        await drive.read(drive.bytes([b"data: {nope\n\n"]))
    assert isinstance(malformed.value.__cause__, ValueError)


@both
@pytest.mark.parametrize(
    ("wire", "body", "text"),
    [
        ("openai_chat", b"", ""),
        ("openai_chat", b"\n\n", ""),
        ("openai_chat", b"\xef\xbb\xbf", ""),
        ("openai_chat", b": comment\n\n", ""),
        ("openai_chat", TEXT, "a"),
        ("openai_chat", TEXT + TEXT[:-1], "aa"),
        ("openai_chat", TEXT + TEXT[:20], "a"),
        ("openai_chat", TEXT + STOP[:-20], "a"),
        ("openai_chat", TEXT + STOP + b'data: {"choices":[],"usage":{"pro', "a"),
        ("anthropic_messages", b"", ""),
        ("anthropic_messages", A_TEXT, "a"),
        ("anthropic_messages", A_TEXT + A_TEXT[:-10], "a"),
        ("anthropic_messages", A_TEXT + b'data: {"type":"message_delta","delta":{"stop_reason":"end_turn"}}\n\n', "a"),
        ("anthropic_messages", A_TEXT + b"data: [DONE]\n\n", "a"),
    ],
)
async def test_a_cut_stream_raises_and_keeps_what_came(
    drive: Plain, events: Events, wire: str, body: bytes, text: str
) -> None:
    """Input that ends before the terminal event, or inside an event, is an error with the partial output."""
    for pieces in ([body], [bytes([byte]) for byte in body]):
        stream = drive.bytes(pieces, wire)
        with pytest.raises(TruncatedStreamError, match="the stream was cut after event") as caught:
            await drive.read(stream)
        assert caught.value.output is stream.get_chat_output()
        assert (stream.status, stream.text) == ("failed", text)
    assert (len(events.completed), len(events.failed)) == (0, 2)


@pytest.mark.parametrize(
    "body",
    [
        TEXT + STOP,
        TEXT + STOP[:-1],
        TEXT + STOP[:-2],
        TEXT + STOP + b"data: [DONE]",
        TEXT + STOP + b"data: [DO",
        TEXT + STOP + b": comment",
        TEXT + b"data: [DONE]\n\n",
        TEXT + b"data: [DONE]",
        TEXT + b"data:[DONE]\r\n\r\n",
        TEXT + b"data: [DONE] \n\n",
        TEXT + b"data: [DONE]\n\ngarbage\n\ndata: {nope\n\n",
    ],
)
def test_a_stream_without_its_last_line_ends_is_whole(body: bytes) -> None:
    """Servers exist that send no [DONE] or no last blank line; nothing is read after [DONE]."""
    for pieces in ([body], [bytes([byte]) for byte in body]):
        stream = stream_bytes(pieces)
        assert "".join(chunk.text for chunk in stream) == "a"
        assert stream.status == "complete"


@both
@pytest.mark.parametrize(
    ("wire", "body", "kind", "fields"),
    [
        (
            "openai_chat",
            TEXT + b'data: {"error":{"message":"slow down","type":"rate_limit_exceeded","code":"x"}}\n\n',
            RateLimitError,
            ("slow down", None, "rate_limit_exceeded", "x"),
        ),
        (
            "openai_chat",
            TEXT + b'data: {"error":{"message":"busy","code":503,"metadata":{}},"choices":[]}\n\n',
            OverloadedError,
            ("busy", 503, None, "503"),
        ),
        ("openai_chat", TEXT + b'data: {"error":"plain words"}\n\n', ProviderError, ("plain words", None, None, None)),
        (
            "openai_chat",
            TEXT + b'event: error\ndata: {"x_groq":{"error":{"message":"over"}},"choices":[]}\n\n',
            ProviderError,
            ("over", None, None, None),
        ),
        (
            "openai_chat",
            TEXT + b'data: {"object":"error","message":"bad","type":"invalid_request_error"}\n\n',
            errors.BadRequestError,
            ("bad", None, "invalid_request_error", None),
        ),
        (
            "openai_chat",
            b'{"error":{"message":"no key","type":"authentication_error"}}',
            errors.AuthenticationError,
            ("no key", None, "authentication_error", None),
        ),
        (
            "openai_chat",
            b'{\n  "error": {\n    "message": "no key",\n    "status": 401\n  }\n}\n',
            errors.AuthenticationError,
            ("no key", 401, None, None),
        ),
        (
            "openai_chat",
            TEXT + b'data: {"choices":[{"delta":{"content":""},"finish_reason":"error"}],"error":{"message":"mid"}}\n\n'
            b'data: {"choices":[],"usage":{"prompt_tokens":1}}\n\ndata: [DONE]\n\n',
            ProviderError,
            ("mid", None, None, None),
        ),
        (
            "openai_chat",
            TEXT + b'data: {"error":{"message":7,"type":[],"code":{}}}\n\n',
            ProviderError,
            ("7", None, None, "{}"),
        ),
        (
            "anthropic_messages",
            A_TEXT + b'event: error\ndata: {"type":"error","error":{"type":"overloaded_error","message":"busy"}}\n\n',
            OverloadedError,
            ("busy", None, "overloaded_error", None),
        ),
        (
            "anthropic_messages",
            b'{"type":"error","error":{"type":"authentication_error","message":"no key"}}',
            errors.AuthenticationError,
            ("no key", None, "authentication_error", None),
        ),
        (
            "anthropic_messages",
            A_TEXT + b'data: {"type":"error","error":"words"}\n\n',
            ProviderError,
            ("words", None, None, None),
        ),
    ],
)
async def test_an_error_in_the_stream_is_the_providers(
    drive: Plain, wire: str, body: bytes, kind: type[ProviderError], fields: tuple[Any, ...]
) -> None:
    """Raised where it stands, after the text before it, as the class of its status or type; the output is kept."""
    for pieces in ([body], [bytes([byte]) for byte in body]):
        stream = drive.bytes(pieces, wire)
        seen: list[str] = []
        with pytest.raises(ProviderError) as caught:  # noqa: PT012
            async for chunk in drive.loop(stream):
                seen.append(chunk.text)
        error = caught.value
        assert type(error) is kind
        assert (error.message, error.status, error.type, error.code) == fields
        assert "".join(seen) == stream.text == ("a" if body[:1] != b"{" else "")
        assert (stream.status, stream.get_chat_output().error) == ("failed", error)


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (b"data: {nope\n\n", "is not JSON"),
        (b"data: \xff\xfe\n\n", "is not JSON"),
        (b"data: [1]\n\n", "is not a JSON object"),
        (b"data: 0\n\n", "is not a JSON object"),
        (b"data: null\n\n", "is not a JSON object"),
        (b"data: " + b'{"a":' * 100_000 + b"\n\n", "is not JSON"),
        (b"data: " + b'{"a":' * 100_000 + b"1" + b"}" * 100_000 + b"\n\n", "nested too deep"),
    ],
)
@pytest.mark.parametrize("wire", ["openai_chat", "anthropic_messages"])
def test_data_that_is_not_json_is_a_clear_error(wire: str, data: bytes, what: str) -> None:
    """The error has the event's number, offset and beginning; the chunks before it are delivered."""
    first = {"openai_chat": TEXT, "anthropic_messages": A_TEXT}[wire]
    split = [first + data[:8], data[8:]], [first[:10], first[10:], data]
    for pieces in ([first + data], [first, data], *split):
        stream = stream_bytes(pieces, wire)
        with pytest.raises(DecodeError, match=what) as caught:
            list(stream)
        assert caught.value.event == 1
        assert caught.value.offset == len(first) + 6
        assert len(str(caught.value)) < 250
        assert stream.text == "a"


def test_an_error_is_final() -> None:
    """After an error nothing more is read, even if the source could go on."""

    def source() -> Iterator[bytes]:
        yield TEXT
        yield b"data: {nope\n\n"
        raise AssertionError("read on")

    stream = stream_bytes(source())
    for _ in range(2):
        with pytest.raises(DecodeError):
            list(stream)
    assert (stream.status, stream.text) == ("failed", "a")


def test_an_unknown_wire_is_a_clear_error() -> None:
    """It names the wires that there are, at once."""
    with pytest.raises(
        UnknownWireError, match=r"unknown wire format 'nope': use one of anthropic_messages, .*openai_chat"
    ):
        stream_bytes([], "nope")


def test_every_error_is_in_the_tree_that_its_docstring_draws() -> None:
    """The tree in the docstring is the tree of classes."""
    drawn: dict[str, int] = {}
    for line in (errors.__doc__ or "").splitlines():
        name = line.lstrip("│├└─ ").split(" ")[0]
        if name.endswith("Error"):
            drawn[name] = (len(line) - len(line.lstrip("│├└─ "))) // 4
    classes = {
        name: kind for name, kind in vars(errors).items() if isinstance(kind, type) and issubclass(kind, TokentapeError)
    }
    assert set(drawn) == set(classes)
    for name, depth in drawn.items():
        ours = [base for base in classes[name].__mro__[1:] if base.__name__ in classes]
        assert len(ours) == depth, name


def test_text_before_an_error_in_the_same_piece_is_delivered() -> None:
    """However the bytes were cut, what stands before the error comes first."""
    body = TEXT * 3 + b"data: {nope\n\n" + TEXT
    stream = stream_bytes([body])
    seen: list[ChatMessage] = []
    with pytest.raises(DecodeError):  # noqa: PT012
        for chunk in stream:
            seen.append(chunk)
    assert "".join(chunk.text for chunk in seen) == "aaa"
