"""A request as one line of the log of serve: for people, or as JSON."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, tzinfo
from typing import Any, Final

import msgspec

from tokentape_fake_provider.playback.journal import Entry
from tokentape_fake_provider.playback.near_miss import NearMiss
from tokentape_fake_provider.sessions.session import DEFAULT_SESSION

JSON_FIELDS: Final = (
    *("time", "session", "number", "method", "path", "http_version", "wire", "model", "status", "answered_by"),
    *("source", "note", "faults", "misses", "usage", "outcome", "started", "first_frame", "ended", "lateness"),
    *("frames_planned", "frames_sent", "bytes_sent"),
)
"""The fields of a JSON line, which the journal explains: all of an entry but what the client sent."""

_LONGEST: Final = 200
_SHOWN_DIFFERENCES: Final = 3
_RESET, _DIM, _GREEN, _YELLOW, _RED = "\x1b[0m", "\x1b[2m", "\x1b[32m", "\x1b[33m", "\x1b[31m"


def request_line(
    entry: Entry, *, colours: bool = False, zone: tzinfo | None = None, redact: Callable[[str], str] = str
) -> str:
    """The request as a line without its end, in colours of a terminal; below it, indented, a near miss or a note.

    `zone` is that of the time, by default the machine's; `redact` removes secrets from texts.
    """
    path = entry.path if entry.session == DEFAULT_SESSION else f"/s/{entry.session}{entry.path}"
    status = entry.status or 0
    colour = _RED if status >= 500 else _YELLOW if status >= 400 else _GREEN
    sent = [
        f"{entry.method} {path}".strip(),
        entry.wire or "",
        entry.model or "",
        entry.source if entry.answered_by == "rule" else _joined(entry.answered_by or "", entry.source),
        _tokens(entry),
        "" if entry.first_frame is None else f"first {_duration(entry.first_frame)}",
        "" if entry.ended is None else f"total {_duration(entry.ended)}",
    ]
    parts = [
        _coloured(datetime.fromtimestamp(entry.time, zone).strftime("%H:%M:%S"), _DIM, colours),
        _coloured(f"{entry.status or '---'}", colour, colours),
        *(_safe(redact(part)) for part in sent if part),
        _coloured(entry.outcome, _DIM if entry.outcome == "complete" else _YELLOW, colours),
        *([_safe(_joined("faults", " ".join(entry.faults)))] if entry.faults else []),
    ]
    lines = ["  ".join(parts)]
    if entry.misses:
        lines.append(f"    nearest: {_safe(redact(_miss(entry.misses[0])), 3 * _LONGEST)}")
    elif entry.note:
        lines.append(f"    {_safe(redact(entry.note), 3 * _LONGEST)}")
    return "\n".join(lines)


def json_line(entry: Entry, *, redact: Callable[[str], str] = str) -> str:
    """The request as one line of JSON with `JSON_FIELDS`."""
    fields = entry.to_builtins()
    shown = {name: fields[name] for name in JSON_FIELDS}
    return msgspec.json.encode(_redacted(msgspec.to_builtins(shown), redact)).decode()


def _coloured(text: str, colour: str, colours: bool) -> str:
    return f"{colour}{text}{_RESET}" if colours else text


def _joined(label: str, text: str) -> str:
    return f"{label}: {text}" if text else label


def _tokens(entry: Entry) -> str:
    usage = entry.usage
    if usage is None or (usage.input is None and usage.output is None):
        return ""
    return f"{'?' if usage.input is None else usage.input} in, {'?' if usage.output is None else usage.output} out"


def _duration(ms: float) -> str:
    return f"{ms:.1f} ms" if ms < 10 else f"{ms:.0f} ms" if ms < 10_000 else f"{ms / 1000:.1f} s"


def _miss(miss: NearMiss) -> str:
    shown, more = miss.differences[:_SHOWN_DIFFERENCES], len(miss.differences) - _SHOWN_DIFFERENCES
    fields = list(map(str, shown))
    if more > 0:
        fields.append(f"and {more} more")
    name = miss.name if miss.kind == "rule" else f"recording {miss.name}"
    return _joined(name, "; ".join(fields) or miss.note)


def _safe(text: str, longest: int = _LONGEST) -> str:
    """Text on one line that can't control the terminal or begin another line, cut where it is too long."""
    cut = text if len(text) <= longest else f"{text[:longest]}…"
    if cut.isprintable():
        return cut
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in cut)


def _redacted(value: Any, redact: Callable[[str], str]) -> Any:
    match value:
        case str():
            return redact(value)
        case dict():
            return {key: _redacted(item, redact) for key, item in value.items()}
        case list() | tuple():
            return [_redacted(item, redact) for item in value]
        case _:
            return value
