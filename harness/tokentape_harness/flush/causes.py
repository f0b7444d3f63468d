"""Causes: where tokens were probably held, and the remedy. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, assert_never

import msgspec

from tokentape_fake_provider.playback.journal import Entry
from tokentape_harness.flush.observed_output import Head
from tokentape_harness.flush.proxy_hints import proxy_hints
from tokentape_harness.flush.report import Cause
from tokentape_harness.flush.targets import (
    AsgiTarget,
    CallTarget,
    CommandTarget,
    HttpTarget,
    ReaderTarget,
    Target,
    WebSocketTarget,
    WsgiTarget,
)
from tokentape_harness.flush.verdict import Shape, Verdict

_PIPE: Final = "print(..., flush=True) after each token; or python -u, PYTHONUNBUFFERED=1, stdbuf -oL"


_FULL_BUFFER: Final = "in a buffer that is sent when it is full"
# Servers that run each request in a task of its own: readers wait only if the app makes them wait.
_TASK_SERVERS: Final = ("uvicorn", "hypercorn", "granian", "Daphne", "Express", "Next.js")
_IN_APP: Final = (
    "no lock around the answer, and no blocking call in a coroutine (an async client, or a plain `def`); LitServe: "
    "more `workers_per_device`; Gradio: `concurrency_limit` of the event, which is 1 by default"
)
_IN_SERVER: Final = "more workers or threads (gunicorn --threads 8, or an ASGI server)"
WHOLE_REQUESTED: Final = "it requested the whole answer, not a stream"
"""The evidence that an app streams nothing because it requests nothing else."""
_NOT_STREAMED: Final = Cause(
    "in the app's request to the provider",
    WHOLE_REQUESTED,
    "request stream=True (or use the SDK's streaming method), and pass on each chunk",
    proved=True,
)
_UNKNOWN: Final = Cause(
    "in the app, its server, or what is in front of it",
    "no header names it",
    "check the app on its own port, or in process (tokentape flush-check MODULE:APP): if that flushes, what is in "
    "front of it holds",
)


def likely_causes(
    verdict: Verdict,
    shape: Shape,
    target: Target,
    head: Head | None,
    request: Entry | None,
    *,
    as_whole: bool,
    plain: Shape | None,
    blocked: bool,
) -> tuple[Cause, ...]:
    """The probable causes, proved ones first.

    `as_whole` is whether the app requested the whole answer. `plain` is the shape without compression, if that was
    tried; `blocked` is whether a second reader waits.
    """
    causes = [_one_at_a_time(target, head)] if blocked else []
    if verdict in ("flushed", "first_reader_blocks"):
        return tuple(causes)
    if as_whole:
        return (*causes, _NOT_STREAMED)
    causes += [*_by_compression(head, plain), *_by_head(head), *_by_request(request)]
    named = [hint for hint, _ in proxy_hints(head)] if head is not None else []
    in_app = not isinstance(target, HttpTarget) or (bool(named) and not any(hint.holding for hint in named))
    by_hint, by_shape = list(_by_hint(head)), list(_by_shape(shape, target, in_app=in_app))
    if by_hint and by_shape and by_shape[0].where == _FULL_BUFFER:
        # A named proxy has its own remedy; the size of the batches is more evidence.
        by_hint = [
            msgspec.structs.replace(each, evidence=f"{each.evidence}; {by_shape[0].evidence}") for each in by_hint
        ]
        by_shape = []
    causes += [*by_shape, *by_hint, *_by_target(target)]
    if not causes:
        causes.append(_UNKNOWN)
    return tuple(sorted(causes, key=lambda cause: not cause.proved))


def _one_at_a_time(target: Target, head: Head | None) -> Cause:
    hints = [hint for hint, _ in proxy_hints(head)] if head is not None else []
    in_app = not isinstance(target, HttpTarget) or any(hint.name in _TASK_SERVERS for hint in hints)
    servers = [hint for hint in hints if not hint.holding]
    if in_app:
        where, remedy = "in the app", _IN_APP
    elif servers:
        where, remedy = "in the server", f"{_IN_SERVER}; {_IN_APP}"
    else:
        where, remedy = "in the server or the app", f"{_IN_SERVER}; in the app {_IN_APP}"
    return Cause(
        f"{where}, which answers one reader at a time",
        "the second reader received its answer only after the first answer had ended",
        remedy,
        proved=True,
    )


def _by_compression(head: Head | None, plain: Shape | None) -> Iterator[Cause]:
    coding = head.header("content-encoding") if head is not None else None
    if coding is None or coding.lower() == "identity":
        return
    where = "in what compresses the response"
    remedy = (
        "no compression of text/event-stream and other streams (or one that flushes after each chunk, as Starlette's "
        "GZipMiddleware does from 0.46 on, and Express's compression with `res.flush()`)"
    )
    if plain is None:
        yield Cause(where, f"content-encoding: {coding}", remedy)
    elif plain.verdict == "flushed":
        yield Cause(where, f"content-encoding: {coding}; without compression, it flushes", remedy, proved=True)


def _by_head(head: Head | None) -> Iterator[Cause]:
    if head is None:
        return
    length = head.header("content-length")
    if length is not None:
        yield Cause(
            "in something that reads the whole body before it answers",
            f"content-length: {length}, which is not known before the end",
            "a streaming response in the app; no middleware, cache or proxy that reads the body to count it",
        )
    if head.http_version == "HTTP/1.0":
        yield Cause(
            "in the server, which answers in HTTP/1.0",
            "HTTP/1.0 in the response",
            "a server of HTTP/1.1, which can send chunks",
        )


def _by_request(request: Entry | None) -> Iterator[Cause]:
    if request is None:
        return
    via = ", ".join(value for name, value in request.headers if name.lower() in ("via", "x-forwarded-for"))
    if request.http_version == "1.0":
        yield Cause(
            "in the proxy that sends HTTP/1.0 to the provider",
            f"HTTP/1.0 in the request to the provider{f' ({via})' if via else ''}",
            "nginx: `proxy_http_version 1.1;` and `proxy_buffering off;`",
        )


def _timer(seconds: float, in_app: bool) -> Cause:
    evidence = f"tokens come out together, {seconds * 1000:.0f} ms after the first of them"
    app = "pydantic-ai: `debounce_by=None`, which is 0.1 s by default; no batching of writes"
    if in_app:
        return Cause("in a timer of the app", evidence, app)
    if 0.15 <= seconds <= 0.25:
        where, proxy = "in a timer, as the kernel's for a corked socket (200 ms)", "HAProxy: `option http-no-delay`"
    else:
        where, proxy = "in a timer", "no flush interval in the proxy (Go's ReverseProxy: FlushInterval -1)"
    return Cause(where, evidence, f"{proxy}; in the app, {app}")


def _by_shape(shape: Shape, target: Target, *, in_app: bool) -> Iterator[Cause]:
    piped = isinstance(target, CommandTarget)
    match shape.verdict:
        case "byte_batches" if shape.size is not None:
            size = round(shape.size)
            if piped:
                yield Cause(
                    "in the command's own output buffer: a pipe is written in blocks",
                    f"{size} bytes at a time",
                    _PIPE,
                )
            elif shape.counted == "provider" or size <= 2048:
                yield Cause(
                    "in what reads the provider's stream in blocks",
                    f"{size} bytes at a time, counted {_counted(shape)}",
                    f"iter_bytes() or iter_raw() without a chunk size, instead of {size}; or an SDK's own stream",
                )
            else:
                yield Cause(
                    _FULL_BUFFER,
                    f"{size} bytes at a time",
                    "buffering off in the proxy (nginx: `proxy_buffering off;` or `X-Accel-Buffering: no`), or a flush "
                    "after each token in the app",
                )
        case "time_batches" if shape.size is not None:
            yield _timer(shape.size, in_app)
        case "token_batches":
            yield Cause(
                "in the app, which keeps the last tokens back" if shape.lag else "in the app, which collects tokens",
                f"always {shape.size:.0f} behind" if shape.lag else f"{shape.size:.0f} tokens at a time",
                "pass on each token before waiting for the next",
            )
        case "all_at_end" | "headers_early" if piped:
            yield Cause(
                "in the command's own output buffer: a pipe is written in blocks", "nothing until the end", _PIPE
            )
        case _:
            return


def _counted(shape: Shape) -> str:
    return "in what the provider sent" if shape.counted == "provider" else "in what came out"


def _by_hint(head: Head | None) -> Iterator[Cause]:
    if head is None:
        return
    accel = head.header("x-accel-buffering")
    for hint, evidence in proxy_hints(head):
        buffering = f"; x-accel-buffering: {accel}" if accel is not None else ""
        yield Cause(hint.where, evidence + buffering, hint.remedy)


def _by_target(target: Target) -> Iterator[Cause]:
    match target:
        case AsgiTarget() | WsgiTarget():
            yield Cause(
                "in the app or its middleware",
                "no server or proxy is in between",
                "a streaming response over an iterator that yields each token; no middleware that reads the body",
                proved=True,
            )
        case CallTarget():
            yield Cause("in the function itself", "nothing is in between", "a yield for each token", proved=True)
        case HttpTarget() | WebSocketTarget() | CommandTarget() | ReaderTarget():
            return
        case _:
            assert_never(target)
