"""Causes: what is held in the app has the app's remedy, and what is held in a proxy the proxy's."""

from __future__ import annotations

import pytest

from tokentape_harness.flush.causes import likely_causes
from tokentape_harness.flush.observed_output import Head
from tokentape_harness.flush.report import Cause
from tokentape_harness.flush.targets import AsgiTarget, CallTarget, HttpTarget, Target
from tokentape_harness.flush.verdict import Shape, Verdict

URL = HttpTarget("http://127.0.0.1:8000/chat")


def causes(verdict: Verdict, target: Target = URL, *, size: float | None = None, **headers: str) -> tuple[Cause, ...]:
    """The causes of a verdict, for a response with these headers."""
    head = Head(0.0, 200, "HTTP/1.1", tuple((name.replace("_", "-"), value) for name, value in headers.items()))
    shape = Shape("flushed" if verdict == "first_reader_blocks" else verdict, size)
    blocked = verdict == "first_reader_blocks"
    return likely_causes(verdict, shape, target, head, None, as_whole=False, plain=None, blocked=blocked)


@pytest.mark.parametrize(
    ("target", "headers", "where", "remedy", "absent"),
    [
        (AsgiTarget(None), {}, "in the app, which", "workers_per_device", "gunicorn"),
        (CallTarget(list), {}, "in the app, which", "no lock", "gunicorn"),
        (URL, {"server": "uvicorn"}, "in the app, which", "concurrency_limit", "gunicorn"),
        (URL, {"x_powered_by": "Express"}, "in the app, which", "no blocking call", "gunicorn"),
        (URL, {"server": "WSGIServer/0.2 CPython/3.11"}, "in the server, which", "gunicorn --threads", "---"),
        (URL, {"server": "gunicorn"}, "in the server, which", "gunicorn --threads", "---"),
        (URL, {}, "in the server or the app, which", "gunicorn --threads", "---"),
    ],
)
def test_who_answers_one_reader_at_a_time(
    target: Target, headers: dict[str, str], where: str, remedy: str, absent: str
) -> None:
    """Behind a server that gives each reader a task, or none, it is the app; a server of few threads is it itself."""
    (cause,) = causes("first_reader_blocks", target, **headers)
    assert cause.where.startswith(where)
    assert remedy in cause.remedy
    assert absent not in cause.remedy


@pytest.mark.parametrize(
    ("target", "size", "headers", "where", "remedy"),
    [
        (AsgiTarget(None), 0.1, {}, "in a timer of the app", "debounce_by=None"),
        (URL, 0.1, {"server": "uvicorn"}, "in a timer of the app", "debounce_by=None"),
        (URL, 0.1, {"server": "nginx"}, "in a timer", "FlushInterval -1"),
        (URL, 0.1, {}, "in a timer", "debounce_by=None"),
        (URL, 0.2, {}, "in a timer, as the kernel's", "option http-no-delay"),
    ],
)
def test_whose_timer_it_is(target: Target, size: float, headers: dict[str, str], where: str, remedy: str) -> None:
    """Where no proxy is named or in between, a timer is the app's."""
    cause = causes("time_batches", target, size=size, **headers)[-1 if isinstance(target, AsgiTarget) else 0]
    assert cause.where.startswith(where)
    assert remedy in cause.remedy


@pytest.mark.parametrize(
    ("headers", "where", "remedy"),
    [
        ({"server": "uvicorn"}, "in the app behind uvicorn", "no middleware"),
        ({"server": "Werkzeug/3.1"}, "in the app behind Werkzeug", "a body that yields"),
        ({"x_powered_by": "Express"}, "in the app behind Express", "`res.flush()`"),
        ({"x_powered_by": "Next.js"}, "in the app behind Next.js", "ReadableStream"),
        ({"x_powered_by": "PHP/8.3"}, "in the app behind PHP", "`ob_flush(); flush();`"),
        ({"server": "nginx/1.22.1"}, "in nginx, or behind it", "proxy_buffering off"),
        ({"server": "lighttpd/1.4"}, "in lighttpd, or behind it", "server.stream-response-body"),
    ],
)
def test_who_holds_everything(headers: dict[str, str], where: str, remedy: str) -> None:
    """A server that forwards what its app sends is not named as a cause; a proxy is."""
    (cause,) = causes("all_at_end", **headers)
    assert cause.where == where
    assert remedy in cause.remedy


def test_a_compressor_has_to_flush() -> None:
    """The remedy of compression names what flushes it."""
    assert "`res.flush()`" in causes("headers_early", content_encoding="gzip")[0].remedy
