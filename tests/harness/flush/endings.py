"""Ways in which apps end their outputs: each with what becomes of a stream that is cut off."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, NamedTuple

from tokentape_harness.flush.report import TruncationOutcome


class Answer(NamedTuple):
    """What an app knows of an answer: its number, which no other answer has, and the tokens so far."""

    number: int
    tokens: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """The text so far."""
        return "".join(self.tokens)

    @property
    def id(self) -> str:
        """An id of letters and digits."""
        return f"a{self.number:06x}{self.number * 7919:x}"

    @property
    def name(self) -> str:
        """An id of letters only."""
        return "".join("klmnopqrst"[int(digit)] for digit in str(self.number * 104_729))

    @property
    def seconds(self) -> float:
        """How long it took."""
        return 0.25 + self.number / 7


Part = Callable[[Answer], str]


class App(NamedTuple):
    """How an app sends a token, the end of a whole answer, and that of one that was cut off."""

    outcome: TruncationOutcome
    token: Part
    end: Part = lambda _: ""
    failed: Part = lambda _: ""
    kind: str = "application/x-ndjson"
    begin: str = ""

    def output(self, tokens: tuple[str, ...], number: int, *, cut: bool) -> bytes:
        """The whole output for these tokens."""
        answers = [Answer(number, tokens[:length]) for length in range(1, len(tokens) + 1)]
        end = (self.failed if cut else self.end)(answers[-1] if answers else Answer(number))
        return "".join((self.begin, *map(self.token, answers), end)).encode()


def line(make: Callable[[Answer], Any]) -> Part:
    """A line of JSON, or several."""

    def part(answer: Answer) -> str:
        content = make(answer)
        return "".join(f"{json.dumps(each)}\n" for each in (content if isinstance(content, list) else [content]))

    return part


def event(make: Callable[[Answer], Any], name: str = "") -> Part:
    """A server-sent event with text or JSON."""

    def part(answer: Answer) -> str:
        content = make(answer)
        data = content if isinstance(content, str) else json.dumps(content)
        return f"event: {name}\ndata: {data}\n\n" if name else f"data: {data}\n\n"

    return part


def both(*parts: Part) -> Part:
    """One after the other."""
    return lambda answer: "".join(part(answer) for part in parts)


def last(answer: Answer) -> str:
    """The token that came last."""
    return answer.tokens[-1]


def hiding(
    token: Part, end: Part = lambda _: "", cut_end: Part | None = None, kind: str = "application/x-ndjson"
) -> App:
    """An app that ends alike whatever happened, but perhaps for what differs by itself."""
    return App("hidden_truncation", token, end, cut_end or end, kind)


SSE = "text/event-stream"
PLAIN = "text/plain"
TEXT = line(lambda a: {"text": last(a)})
DONE = line(lambda _: {"text": "", "done": True})
DATA = event(lambda a: {"text": last(a)})
OVER = event(lambda _: "[DONE]")
BARE = event(last)
SPAN = event(lambda a: f"<span>{last(a)}</span>")
CLOSE = event(lambda _: "", "close")
SO_FAR = line(lambda a: {"text": a.text})


def state(**keys: Any) -> Part:
    """A line with these keys and an empty text."""
    return line(lambda _: {"text": "", **keys})


def constant(text: str) -> Part:
    """Always this."""
    return lambda _: text


def choices(reason: str | None) -> Part:
    """The end of a choice as OpenAI has it."""
    return event(lambda _: {"choices": [{"delta": {}, "finish_reason": reason}]})


CHOICE = event(lambda a: {"choices": [{"delta": {"content": last(a)}, "finish_reason": None}]})
ERRORS = line(lambda a: {"text": last(a), "error": None, "code": 0, "status": 200, "isError": False, "level": "info"})


def usual(**keys: Any) -> Part:
    """A last line with what an app always sends, and these keys."""
    given = {"error": None, "code": 0, "status": 200, "isError": False, "level": "info"}
    return state(**{**given, **keys})


REPORTING = {
    "null that becomes a text": App("reported", ERRORS, usual(done=True), usual(error="upstream closed early")),
    "null that becomes an object": App("reported", ERRORS, usual(done=True), usual(error={"kind": "eof"}, done=True)),
    "a code": App("reported", ERRORS, usual(done=True), usual(code=50001, done=True)),
    "a code of 1": App("reported", ERRORS, usual(done=True), usual(code=1, done=True)),
    "a status": App("reported", ERRORS, usual(done=True), usual(status=502, done=True)),
    "a flag": App("reported", ERRORS, usual(done=True), usual(isError=True, done=True)),
    "a word": App("reported", ERRORS, usual(done=True), usual(level="warn", done=True)),
    "a status in words": App("reported", TEXT, state(status="completed"), state(status="stopped")),
    "a status beside usage": App(
        "reported",
        TEXT,
        line(lambda a: {"status": "ok", "usage": {"completion_tokens": len(a.tokens)}}),
        line(lambda a: {"status": "partial", "usage": {"completion_tokens": len(a.tokens)}}),
    ),
    "a flag that is not set": App("reported", TEXT, state(done=True, success=True), state(done=True, success=False)),
    "a flag that tokens have unset": App(
        "reported",
        line(lambda a: {"text": last(a), "done": False, "complete": False}),
        state(done=True, complete=True),
        state(done=True, complete=False),
    ),
    "a finish reason that stays null": App(
        "reported",
        line(lambda a: {"text": last(a), "done": False, "finish_reason": None}),
        state(done=True, finish_reason="stop"),
        state(done=True, finish_reason=None),
    ),
    "a finish reason": App("reported", CHOICE, both(choices("stop"), OVER), both(choices("error"), OVER), SSE),
    "a finish reason of length": App(
        "reported", CHOICE, both(choices("stop"), OVER), both(choices("length"), OVER), SSE
    ),
    "a new key": App("reported", TEXT, DONE, state(done=True, truncated=True)),
    "a new key with an id": App("reported", TEXT, DONE, state(done=True, error_id="e7")),
    "a count of errors": App("reported", TEXT, state(done=True, errorCount=0), state(done=True, errorCount=1)),
    "an item of a list": App(
        "reported", TEXT, state(done=True, warnings=[]), state(done=True, warnings=[{"message": "only a part"}])
    ),
    "JSON-RPC": App(
        "reported",
        line(lambda a: {"jsonrpc": "2.0", "params": {"text": last(a)}}),
        line(lambda _: {"jsonrpc": "2.0", "id": 1, "result": "ok"}),
        line(lambda _: {"jsonrpc": "2.0", "id": 1, "error": {"code": -32000, "message": "x"}}),
    ),
    "German": App("reported", TEXT, DONE, both(state(text="Die Antwort ist leider abgerissen."), DONE)),
    "Japanese": App("reported", DATA, OVER, both(event(lambda _: {"text": "申し訳ありません"}), OVER), SSE),
    "Arabic in plain text": App("reported", last, failed=constant(" انقطع الرد"), kind=PLAIN),
    "an apology": App("reported", TEXT, DONE, both(state(text="⚠️ Sorry, I could not finish this answer."), DONE)),
    "an apology in pieces": App(
        "reported", TEXT, DONE, both(*(state(text=f"{word} ") for word in ("I", "lost", "my", "thread")), DONE)
    ),
    "a sign": App("reported", last, failed=constant("❌"), kind=PLAIN),
    "a rule": App("reported", DATA, OVER, both(event(lambda _: {"text": "\n\n---\n"}), OVER), SSE),
    "a footer": App(
        "reported",
        last,
        lambda a: f"\n-- {len(a.tokens)} tokens, id {a.id} --",
        lambda a: f"\n-- only half: {len(a.tokens)} tokens, id {a.id} --",
        PLAIN,
    ),
    "an event's name": App("reported", DATA, event(lambda _: {}, "done"), event(lambda _: {}, "halt"), SSE),
    "an event more": App("reported", BARE, OVER, both(event(lambda _: "x", "problem"), OVER), SSE),
    "another last event": App("reported", BARE, OVER, event(lambda _: "[CUT]"), SSE),
    "a comment": App("reported", DATA, OVER, both(constant(": the upstream went away\n\n"), OVER), SSE),
    "a line of another type": App(
        "reported",
        line(lambda a: {"type": "delta", "text": last(a)}),
        line(lambda a: {"type": "done", "id": a.id}),
        both(line(lambda _: {"type": "notice"}), line(lambda a: {"type": "done", "id": a.id})),
    ),
    "a line that is no JSON": App("reported", TEXT, DONE, constant("abgebrochen\n")),
    "a line of the AI SDK": App(
        "reported",
        lambda a: f"0:{json.dumps(last(a))}\n",
        constant('d:{"finishReason":"stop"}\n'),
        constant('3:"x"\n'),
        PLAIN,
    ),
    "an element of an array": App(
        "reported",
        lambda a: f"{'[' if len(a.tokens) == 1 else ','}{json.dumps({'text': last(a)})}\n",
        constant("]\n"),
        constant(',{"note": "half"}\n]\n'),
        "application/json",
    ),
    "an HTML class": App("reported", SPAN, CLOSE, both(event(lambda _: '<span class="warn"></span>'), CLOSE), SSE),
    "an HTML class of a page": App(
        "reported",
        lambda a: f"<span>{last(a)}</span>",
        constant("</p></body>"),
        constant('<i class="broken"></i></p></body>'),
        "text/html",
        "<body><p>",
    ),
    "text so far and an error": App(
        "reported",
        line(lambda a: {"text": a.text, "error": None}),
        line(lambda a: {"text": a.text, "error": None, "final": True}),
        line(lambda a: {"text": a.text, "error": "EOF", "final": True}),
    ),
    "text so far and a note": App("reported", SO_FAR, SO_FAR, line(lambda a: {"text": f"{a.text} … (lost)"})),
    "another body": App("reported", DATA, OVER, constant('{"detail": "no answer"}'), SSE),
}

HIDING = {
    "the same line": hiding(TEXT, DONE),
    "nothing": hiding(TEXT),
    "plain text": hiding(last, kind=PLAIN),
    "white space": hiding(last, constant("\n\n"), kind=PLAIN),
    "[DONE]": hiding(DATA, OVER, kind=SSE),
    "[DONE] without a finish reason": hiding(CHOICE, both(choices("stop"), OVER), OVER, kind=SSE),
    "[DONE] after a finish reason of null": hiding(
        DATA, both(choices("stop"), OVER), both(choices(None), OVER), kind=SSE
    ),
    "[DONE] after an empty finish reason": hiding(
        CHOICE, both(choices("stop"), OVER), both(choices(""), OVER), kind=SSE
    ),
    "ids": hiding(
        line(lambda a: {"text": last(a), "id": a.id, "seq": len(a.tokens)}),
        line(lambda a: {"done": True, "id": a.id, "request": a.name, "messageId": a.name}),
    ),
    "times": hiding(
        TEXT,
        line(
            lambda a: {
                "done": True,
                "created": 1_764_000_000 + a.number // 2,
                "now": 1_764_000_000_000 + a.number * 3000,
                "finished": f"2026-11-29T19:{a.number:02d}:00Z",
                "on": f"Sun Nov 29 19:{a.number:02d}:00 2026",
                "took": a.seconds,
            }
        ),
    ),
    "usage": hiding(
        TEXT,
        line(
            lambda a: {
                "usage": {"prompt": 9, "completion": len(a.tokens), "all": 9 + len(a.tokens)},
                "chunks": len(a.tokens),
                "characters": len(a.text),
                "rate": len(a.tokens) / a.seconds,
                "finish_reason": "stop",
            }
        ),
    ),
    "usage that is gone": hiding(
        TEXT, state(done=True, usage={"prompt_tokens": 9, "details": {"cached": 3}}), state(done=True, usage=None)
    ),
    "usage of nothing": hiding(TEXT, state(done=True, usage={"prompt": 9}), state(done=True, usage={"prompt": 0})),
    "usage that is missing": hiding(TEXT, state(done=True, usage={"prompt": 9}), state(done=True)),
    "a footer": hiding(last, lambda a: f"\n-- {len(a.tokens)} tokens in {a.seconds:.3f} s, id {a.id} --", kind=PLAIN),
    "a footer with a name": hiding(last, lambda a: f"\n-- ref {a.name} --", kind=PLAIN),
    "a footer in the text": hiding(TEXT, line(lambda a: {"text": f"({len(a.tokens)} tokens · {a.seconds:.2f}s)"})),
    "text so far": hiding(
        SO_FAR, line(lambda a: {"text": a.text, "final": True, "length": len(a.text), "digest": a.id})
    ),
    "the text again": hiding(
        TEXT, line(lambda a: {"full_text": a.text, "message_id": a.id, "latency_ms": a.seconds * 1000})
    ),
    "a title": hiding(TEXT, line(lambda a: {"done": True, "title": f"About {a.name}"})),
    "HTML": hiding(
        event(lambda a: f"<span id='t-{len(a.tokens)}'>{last(a)}</span>"),
        event(lambda a: f"<i id='{a.name}'></i>", "close"),
        kind=SSE,
    ),
    "numbered events": hiding(
        lambda a: f"id: {len(a.tokens)}\n{DATA(a)}", lambda a: f"id: {len(a.tokens) + 1}\n{OVER(a)}", kind=SSE
    ),
    "a sign of life": hiding(DATA, OVER, both(constant(": ping - 2026-11-29 19:21:18+00:00\n\n"), OVER), kind=SSE),
    "OpenAI's ending": hiding(
        event(lambda a: {"id": a.id, "choices": [{"index": 0, "delta": {"content": last(a)}}]}),
        both(
            event(lambda a: {"id": a.id, "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}),
            event(lambda a: {"id": a.id, "choices": [], "usage": {"total_tokens": len(a.tokens)}}),
            OVER,
        ),
        kind=SSE,
    ),
    "Anthropic's ending": hiding(
        event(lambda a: {"type": "content_block_delta", "index": 0, "delta": {"text": last(a)}}),
        both(
            event(lambda _: {"type": "content_block_stop", "index": 0}),
            event(lambda a: {"type": "message_delta", "stop_reason": "end_turn", "usage": {"output": len(a.tokens)}}),
            event(lambda _: {"type": "message_stop"}),
        ),
        kind=SSE,
    ),
}

JUST_ENDING = {
    "no last line": App("unfinished", TEXT, DONE),
    "no [DONE]": App("unfinished", DATA, OVER, kind=SSE),
    "no event": App("unfinished", BARE, CLOSE, kind=SSE),
    "no words": App("unfinished", last, constant("\n[end]"), kind=PLAIN),
    "no final message": App("unfinished", SO_FAR, line(lambda a: {"text": a.text, "final": True})),
    "no usage": App("unfinished", TEXT, line(lambda a: {"usage": {"completion_tokens": len(a.tokens)}})),
    "no end of the page": App(
        "unfinished", lambda a: f"<b>{last(a)}</b>", constant("</body></html>"), kind="text/html", begin="<html><body>"
    ),
    "half a line": App("unfinished", TEXT, DONE, constant('{"text": "", "do')),
}

APPS = {
    f"{kind}: {name}": app
    for kind, apps in (("reports", REPORTING), ("hides", HIDING), ("ends", JUST_ENDING))
    for name, app in apps.items()
}
