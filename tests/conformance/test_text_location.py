"""Where an answer's text is in an output: learned from one answer, read in all others."""

from __future__ import annotations

import json
import random

import pytest

from tokentape_conformance.pipeline.text_location import TextLocation, locate_text
from tokentape_harness.flush.marker_tokens import generate_markers
from tokentape_harness.flush.observed_output import Head

MARKS = generate_markers(3, 0, random.Random(1))
FIRST, SECOND, THIRD = MARKS.tokens


def head(kind: str) -> Head:
    """A head with this content type."""
    return Head(0.0, 200, "HTTP/1.1", (("content-type", kind),))


def events(*documents: object) -> bytes:
    """Documents as server-sent events."""
    return b"".join(f"data: {json.dumps(document)}\n\n".encode() for document in documents)


def lines(*documents: object) -> bytes:
    """Documents as lines of JSON."""
    return b"".join(f"{json.dumps(document)}\n".encode() for document in documents)


@pytest.mark.parametrize(
    ("kind", "body", "text"),
    [
        ("text/plain; charset=utf-8", f"AI: {FIRST}{SECOND}\n".encode(), f"AI: {FIRST}{SECOND}\n"),
        ("text/event-stream", f"data: {FIRST}\n\ndata: {SECOND}\n\ndata: [DONE]\n\n".encode(), FIRST + SECOND),
        ("text/event-stream", events({"text": FIRST}, {"text": SECOND}, {"usage": {}}), FIRST + SECOND),
        (
            "text/event-stream",
            events({"choices": [{"delta": {"content": FIRST}}]}, {"choices": []}, {"choices": [{"delta": {}}]}),
            FIRST,
        ),
        ("application/x-ndjson", lines({"type": "message", "text": FIRST}, {"type": "done", "text": FIRST}), FIRST),
        ("application/json", lines({"a": FIRST}, {"a": SECOND}), FIRST + SECOND),
        (
            "text/event-stream",
            events(*({"so_far": "".join(MARKS.tokens[:n])} for n in (1, 2, 3))),
            "".join(MARKS.tokens),
        ),
        ("text/event-stream", events({"t": FIRST}, {"t": FIRST}, {"t": SECOND}), FIRST + FIRST + SECOND),
        ("", FIRST.encode(), FIRST),
        # Text so far: equal neighbours, a cursor, an empty last message, another kind of message at the end.
        ("application/x-ndjson", lines({"t": FIRST}, {"t": FIRST}, {"t": FIRST + SECOND}), FIRST + SECOND),
        ("application/x-ndjson", lines({"t": "…"}, {"t": FIRST}, {"t": FIRST + SECOND}), FIRST + SECOND),
        (
            "text/event-stream",
            events({"t": FIRST + "▌"}, {"t": FIRST + SECOND + "▌"}, {"t": FIRST + SECOND}),
            FIRST + SECOND,
        ),
        ("application/x-ndjson", lines({"t": FIRST}, {"t": FIRST + SECOND}, {"t": ""}), FIRST + SECOND),
        ("text/event-stream", f"data: {FIRST}\n\ndata: {FIRST}{SECOND}\n\n".encode(), FIRST + SECOND),
        ("text/event-stream", events([FIRST, None], [FIRST + SECOND, None]), FIRST + SECOND),
        # HTML in events and in JSON.
        (
            "text/event-stream",
            f'data: <p class="x">{FIRST}</p>\n\ndata: <p>{SECOND}&lt;b&gt; &amp;<br>&nbsp;</p>\n\n'.encode(),
            f"{FIRST}{SECOND}<b> &\n ",
        ),
        ("text/event-stream", events({"html": f"<i>{FIRST}</i>"}, {"html": f"<i>{SECOND}</i>"}), FIRST + SECOND),
        (
            "text/event-stream",
            f"data: <div>{FIRST}</div>\n\ndata: <div>{FIRST}\ndata: {SECOND}</div>\n\n".encode(),
            f"{FIRST}\n{SECOND}",
        ),
        ("text/event-stream", f"data: <p>\n\ndata: {FIRST}\n\ndata: </p>\n\n".encode(), FIRST),
        # Strings as the JSON of events, and lines with a name.
        ("text/event-stream", events(FIRST, SECOND), FIRST + SECOND),
        (
            "text/plain",
            f'f:{{"id":"1"}}\n0:"{FIRST}"\n0:"{SECOND}"\nd:{{"finishReason":"stop"}}\n'.encode(),
            FIRST + SECOND,
        ),
        ("application/json", f'[{{"t":"{FIRST}"}}\n,\n{{"t":"{SECOND}"}}]'.encode(), FIRST + SECOND),
    ],
)
def test_the_text_of_an_output(kind: str, body: bytes, text: str) -> None:
    """Whatever the framing, it is the whole text, and nothing else; what comes twice is there twice."""
    reading = locate_text(head(kind), body, MARKS)
    assert isinstance(reading, TextLocation)
    assert reading.text(body) == text


@pytest.mark.parametrize(
    ("kind", "body", "reason"),
    [
        ("text/html", f"<p>{FIRST}</p>".encode(), "the output is HTML"),
        ("application/octet-stream", FIRST.encode(), "the output is application/octet-stream"),
        ("text/event-stream", b"data: hello\n\n", "no event has a token"),
    ],
)
def test_why_it_cannot_be_read(kind: str, body: bytes, reason: str) -> None:
    """The reason is shown by a skipped case."""
    assert locate_text(head(kind), body, MARKS) == reason


def test_another_answer_is_read_where_the_first_one_was() -> None:
    """Text in other places, of other events, is not the answer's."""
    learned = locate_text(head("text/event-stream"), b"event: token\n" + events({"text": FIRST}), MARKS)
    assert isinstance(learned, TextLocation)
    other = b"event: token\n" + events({"text": "a\n"}) + b"event: title\n" + events({"text": "A title"})
    assert learned.text(other + b"event: token\n" + events({"text": "", "title": "b"}, {"text": "c"})) == "a\n"


def test_what_html_does_not_distinguish() -> None:
    """In HTML all line ends are one, by themselves or together; elsewhere each is itself."""
    pieces = ("a\r\n", "b\r", "\n", "c\u2028")
    text, markup = TextLocation("sse"), TextLocation("sse", markup=True)
    assert text.same("a\r\nb\r\nc\u2028", pieces)
    assert not text.same("a\nb\n\nc\n", pieces)
    assert markup.same("a\nb\n\nc\n", pieces)
    assert markup.same("a\nb\nc\n", pieces)
    assert not markup.same("a\nb\nc", pieces)
    assert not markup.same("a b\n\nc\n", pieces)


def test_only_growing_texts_are_text_so_far() -> None:
    """A message that lacks a token of the one before shows that each has a piece, and tokens that come twice."""
    for messages in ([FIRST, SECOND, FIRST + SECOND], [FIRST + SECOND, FIRST], [FIRST, FIRST], [FIRST + SECOND]):
        learned = locate_text(head("application/x-ndjson"), lines(*({"t": text} for text in messages)), MARKS)
        assert isinstance(learned, TextLocation)
        assert not learned.growing
