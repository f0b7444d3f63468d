"""Headers: what is told to browsers, caches and proxies of a stream."""

from __future__ import annotations

import re

from tokentape_conformance.case_registry import case
from tokentape_conformance.pipeline.pipeline_trial import PipelineTrial
from tokentape_conformance.trial import Prose
from tokentape_harness.flush.observed_output import Head
from tokentape_harness.flush.targets import AsgiTarget, HttpTarget, WsgiTarget
from tokentape_harness.flush.text import report_text


def _head(trial: PipelineTrial) -> Head:
    head = trial.whole.head
    if head is None:
        trial.fail("the head of the response", Prose("none"), Prose("one"))
    return head


@case(
    "pipeline/headers/no-content-length",
    "A response that is not yet complete doesn't say how long it is.",
    source="RFC 9112, 6.2",
    needs=["http"],
)
def no_content_length(trial: PipelineTrial) -> None:
    trial.expect("content-length", _head(trial).header("content-length"), None)


@case(
    "pipeline/headers/content-type",
    "The content type is that of the body: text/event-stream for server-sent events, and for nothing else.",
    source="WHATWG HTML, 9.2.3: a browser's EventSource refuses any other",
    needs=["http"],
)
def content_type(trial: PipelineTrial) -> None:
    kind = (_head(trial).header("content-type") or "").partition(";")[0].strip().lower()
    if not kind:
        trial.fail("content-type", None, Prose("one"))
    is_events = re.match(rb"(\xef\xbb\xbf)?(data|event|id|retry)?:", trial.whole.body.lstrip()) is not None
    if is_events != (kind == "text/event-stream"):
        trial.fail(
            "content-type",
            kind,
            "text/event-stream" if is_events else Prose("that of the body, which is no events"),
        )


@case(
    "pipeline/headers/charset",
    "Text says that it is UTF-8.",
    source="RFC 2046, 4.1.2: text without a charset is US-ASCII, and windows-1252 in browsers",
    needs=["http"],
)
def charset(trial: PipelineTrial) -> None:
    kind, _, parameters = (_head(trial).header("content-type") or "").lower().partition(";")
    if not kind.startswith("text/") or kind.strip() == "text/event-stream":
        return
    trial.expect("charset", re.sub(r"[\s\"]", "", parameters).removeprefix("charset="), "utf-8")


@case(
    "pipeline/headers/not-cached",
    "No cache is told that it may keep an answer, and none may guess.",
    source="RFC 9111, 5.2.2",
    needs=["http"],
)
def not_cached(trial: PipelineTrial) -> None:
    told = (_head(trial).header("cache-control") or "").lower()
    forbidden = any(word in told for word in ("no-cache", "no-store"))
    if forbidden:
        return
    target = trial.bench.target
    asked = target.ask.verb if isinstance(target, HttpTarget | AsgiTarget | WsgiTarget) else "GET"
    allowed = "public" in told or re.search(r"(s-maxage|max-age)\s*=\s*[1-9]", told) is not None
    if allowed or asked == "GET":
        trial.fail("cache-control", told or None, Prose("no-cache or no-store"))


@case(
    "pipeline/headers/not-buffered",
    "Proxies are told not to buffer: `X-Accel-Buffering: no`.",
    source="nginx, ngx_http_proxy_module: proxy_buffering",
    needs=["http", "proxy_headers"],
)
def not_buffered(trial: PipelineTrial) -> None:
    trial.expect("x-accel-buffering", (_head(trial).header("x-accel-buffering") or "").lower() or None, "no")


@case(
    "pipeline/headers/compression-flushes",
    "A response that is compressed is flushed after each token.",
    source="tokentape, docs/flush.md: compressors that don't flush",
    needs=["http", "flushing"],
)
def compression_flushes(trial: PipelineTrial) -> None:
    coding = _head(trial).header("content-encoding")
    report = trial.pipeline.flush_report(trial.wire)
    if coding not in (None, "identity") and report.verdict not in ("flushed", "first_reader_blocks"):
        trial.fail(f"what is compressed with {coding}", Prose("\n" + report_text(report)), Prose("flushed"))
