"""Failures: a result as lines of text, for a terminal and for pytest."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from tokentape_conformance.result import Finding, Result
from tokentape_conformance.trial import TimedFrame
from tokentape_harness.terminal_text import printable

_WIDTH = 400
_HEAD, _TAIL = 20, 6
_LONG = 80
_FRAME_WIDTH, _SAME, _OVERLAP = 180, 60, 12


def failure_text(result: Result) -> str:
    """A failure in full: promise, source, and for each trial the request, the frames, expected and seen."""
    lines = [f"{result.status.upper()} {result.id}", f"  promise   {result.promise}", f"  source    {result.source}"]
    if result.reason:
        lines.append(f"  baseline  {result.reason}")
    if result.status == "fixed":
        lines.append("  it passes now: remove it from the baseline, or give it `sometimes = true`")
    for number, finding in enumerate(result.findings):
        same = [other for other in result.findings[:number] if _outcome(other) == _outcome(finding)]
        lines += [f"  the same  ({finding.label})"] if same else _finding(finding)
    if result.remedy:
        lines.append(f"  remedy    {result.remedy}")
    return "\n".join(printable(line) for line in lines)


def _outcome(finding: Finding) -> tuple[str, str, str]:
    return finding.what, finding.expected, finding.seen


def _finding(finding: Finding) -> Iterator[str]:
    if finding.request:
        yield f"  request   {_shorten(finding.request)}"
    for line in frame_lines(finding.frames):
        yield f"  {line}"
    where = f" ({finding.label})" if finding.label else ""
    yield f"  what      {finding.what}{where}"
    yield f"  expected  {_shorten(finding.expected)}"
    yield f"  seen      {_shorten(finding.seen)}"
    at = difference(finding.expected, finding.seen)
    if at is not None:
        yield f"  differ    from character {at}: {finding.expected[at : at + 40]!r} is {finding.seen[at : at + 40]!r}"
    for line in finding.traceback.rstrip().splitlines():
        yield f"  | {line}"


def frame_lines(frames: Sequence[TimedFrame]) -> Iterator[str]:
    """One line per frame: time, size and bytes; a common beginning is printed once, and the middle left out."""
    many = len(frames) > _HEAD + _TAIL
    shown = [*frames[:_HEAD], *frames[-_TAIL:]] if many else frames
    texts = [readable(frame.data) for frame in shown]
    for number, (frame, text) in enumerate(zip(shown, texts, strict=True)):
        if many and number == _HEAD:
            yield f"frames    ... {len(frames) - len(shown)} more ..."
        at = "   unread" if frame.at is None else f"{frame.at:6.1f} ms"
        width = _FRAME_WIDTH if number else _WIDTH
        index = number + (len(frames) - len(shown) if number >= _HEAD else 0)
        yield f"frame {index:3} {at} {len(frame.data):5} B  {_shorten(_new_part(text, texts[:number], texts), width)}"


def _new_part(text: str, printed: Sequence[str], texts: Sequence[str]) -> str:
    """The text without a long beginning that it shares with others, if one of those was printed before."""
    shared = [length for other in texts if other is not text and (length := _common_length(text, other)) >= _SAME]
    if not shared or not any(_common_length(text, other) >= min(shared) for other in printed):
        return text
    return f"… {text[min(shared) - _OVERLAP :]}"


def _common_length(one: str, other: str) -> int:
    """The length of the common beginning of two texts."""
    pairs = zip(one, other, strict=False)
    return next((at for at, (left, right) in enumerate(pairs) if left != right), min(len(one), len(other)))


def readable(data: bytes) -> str:
    """Bytes as text if they are UTF-8, with control characters escaped."""
    try:
        return repr(data.decode())[1:-1]
    except UnicodeDecodeError:
        return repr(data)[2:-1]


def difference(expected: str, seen: str) -> int | None:
    """Where two long values begin to differ; None for equal or short ones, and for those that begin differently."""
    if min(len(expected), len(seen)) < _LONG or expected == seen:
        return None
    return _common_length(expected, seen) or None


def _shorten(text: str, width: int = _WIDTH) -> str:
    line = " ".join(text.splitlines())
    return line if len(line) <= width else f"{line[: width - 1]}… ({len(line)} characters)"
