"""Headers: a stream's headers for browsers, caches and proxies."""

from __future__ import annotations

import re

from tokentape_conformance.case_registry import case
from tokentape_conformance.pipeline.pipeline_trial import PipelineTrial
from tokentape_conformance.trial import Prose
from tokentape_harness.flush.observed_output import Head
from tokentape_harness.flush.targets import AsgiTarget, HttpTarget, WsgiTarget


def _head(trial: PipelineTrial) -> Head:
    head = trial.whole.head
    if head is None:
        trial.fail("the head of the response", Prose("none"), Prose("one"))
    return head


@case(
    "pipeline/headers/no-content-length",
    "A streamed response has no content-length.",
    source="RFC 9112, 6.2",
    needs=["http"],
)
def no_content_length(trial: PipelineTrial) -> None:
    trial.expect("content-length", _head(trial).header("content-length"), None)


@case(
    "pipeline/headers/content-type",
    "The content type fits the body: text/event-stream for server-sent events, and for nothing else.",
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
            "text/event-stream" if is_events else Prose("another, since the body has no events"),
        )


@case(
    "pipeline/headers/charset",
    "The charset of text is declared as UTF-8.",
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
    "Caches are forbidden to keep a response, explicitly if they could by default.",
    source="RFC 9111, 5.2.2",
    needs=["http"],
)
def not_cached(trial: PipelineTrial) -> None:
    value = (_head(trial).header("cache-control") or "").lower()
    forbidden = any(word in value for word in ("no-cache", "no-store"))
    if forbidden:
        return
    target = trial.bench.target
    method = target.request.verb if isinstance(target, HttpTarget | AsgiTarget | WsgiTarget) else "GET"
    allowed = "public" in value or re.search(r"(s-maxage|max-age)\s*=\s*[1-9]", value) is not None
    if allowed or method == "GET":
        trial.fail("cache-control", value or None, Prose("no-cache or no-store"))


@case(
    "pipeline/headers/not-buffered",
    "Proxies are instructed not to buffer: `X-Accel-Buffering: no`.",
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
        trial.fail(f"what is compressed with {coding}", Prose("\n" + str(report)), Prose("flushed"))
