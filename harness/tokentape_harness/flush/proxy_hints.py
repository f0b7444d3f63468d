"""Hops: servers and proxies that a response's headers name, and what makes each of them pass tokens on."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final, NamedTuple

from tokentape_harness.flush.observed_output import Head

_APP_SERVERS: Final = frozenset(
    (
        "gunicorn",
        "Werkzeug",
        "wsgiref",
        "waitress",
        "uvicorn",
        "hypercorn",
        "granian",
        "Daphne",
        "Express",
        "Next.js",
        "PHP",
    )
)


class Hop(NamedTuple):
    """A server or proxy: by which header it is known (a pattern of its value), and its remedy.

    One that is not `holding` passes on what its app gives it: what is held is held in the app.
    """

    name: str
    header: str
    pattern: str
    remedy: str

    @property
    def holding(self) -> bool:
        """Whether it may hold a stream itself."""
        return self.name not in _APP_SERVERS

    @property
    def where(self) -> str:
        """Where it may be held."""
        return f"in {self.name}, or behind it" if self.holding else f"in the app behind {self.name}"


HOPS: Final = (
    Hop(
        "nginx",
        "server",
        r"nginx|openresty|tengine",
        "`proxy_buffering off;` for this path, or `X-Accel-Buffering: no` in the app's response; `proxy_http_version "
        "1.1;` towards the app (uwsgi_buffering, fastcgi_buffering where it speaks those)",
    ),
    Hop(
        "Varnish",
        "via",
        r"varnish",
        "in vcl_backend_response: `set beresp.do_stream = true;`, and no `do_gzip` of streams; or `return (pipe)`",
    ),
    Hop("Varnish", "x-varnish", r"", "in vcl_backend_response: `set beresp.do_stream = true;`, and no `do_gzip`"),
    Hop("lighttpd", "server", r"lighttpd", "`server.stream-response-body = 2`"),
    Hop(
        "Caddy",
        "via",
        r"caddy",
        "`flush_interval -1` in reverse_proxy, and no `response_buffers`; `encode` without this path",
    ),
    Hop(
        "Caddy",
        "server",
        r"caddy",
        "`flush_interval -1` in reverse_proxy, and no `response_buffers`; `encode` without this path",
    ),
    Hop(
        "Envoy", "server", r"envoy", "no filter that reads the body (buffer, Lua's `body()`, compressor) on this route"
    ),
    Hop(
        "Envoy",
        "x-envoy-upstream-service-time",
        r"",
        "no filter that reads the body (buffer, Lua's `body()`) on this route",
    ),
    Hop("Apache", "server", r"apache", "`ProxyPass ... flushpackets=on`, and no mod_deflate for text/event-stream"),
    Hop("Squid", "via", r"squid", "no adaptation (ICAP, eCAP) of this response; read_ahead_gap only delays"),
    Hop(
        "IIS",
        "server",
        r"microsoft-iis",
        'ARR: `responseBufferLimit="0"`; no dynamic compression for text/event-stream',
    ),
    Hop(
        "LiteSpeed",
        "server",
        r"litespeed",
        "`X-Accel-Buffering: no` or `X-LiteSpeed-Cache-Control: no-cache` in the response",
    ),
    Hop(
        "Cloudflare",
        "server",
        r"cloudflare",
        "`Cache-Control: no-transform` and text/event-stream; no features that rewrite the body",
    ),
    Hop("CloudFront", "via", r"cloudfront", "no compression of this behaviour; an origin that sends chunks"),
    Hop(
        "Google's front end",
        "server",
        r"google frontend|^gws$",
        "App Engine standard holds responses: Cloud Run or flexible don't",
    ),
    Hop("Passenger", "server", r"passenger", "`passenger_buffer_response off;`"),
    Hop(
        "LiteLLM",
        "x-litellm-version",
        r"",
        "`stream: true` in the request; no guardrail or callback that waits for the whole answer",
    ),
    Hop(
        "gunicorn",
        "server",
        r"gunicorn",
        "a body that yields as it comes; for several readers --threads, gthread or more workers",
    ),
    Hop("Werkzeug", "server", r"werkzeug", "a body that yields as it comes, and no middleware that reads it"),
    Hop("wsgiref", "server", r"wsgiserver", "a body that yields as it comes, and no middleware that reads it"),
    Hop("waitress", "server", r"waitress", "a body that yields as it comes; `send_bytes` as it is by default, 1"),
    Hop(
        "uvicorn",
        "server",
        r"uvicorn",
        "a streaming response, and no middleware that reads it (BaseHTTPMiddleware passes it on)",
    ),
    Hop("hypercorn", "server", r"hypercorn", "a streaming response, and no middleware that reads it"),
    Hop("granian", "server", r"granian", "a streaming response, and no middleware that reads it"),
    Hop(
        "Express",
        "x-powered-by",
        r"express",
        "`res.write()` for each token as it comes; with the compression middleware `res.flush()` after it",
    ),
    Hop(
        "Next.js",
        "x-powered-by",
        r"next\.js",
        "a Response over a ReadableStream that is read token by token; `compress: false` in next.config.js",
    ),
    Hop(
        "PHP",
        "x-powered-by",
        r"php",
        "`ob_flush(); flush();` after each token; `output_buffering = 0`, `zlib.output_compression = Off`",
    ),
    Hop("Daphne", "server", r"daphne", "a StreamingHttpResponse of an async iterator"),
)


def hops_named(head: Head) -> Iterable[tuple[Hop, str]]:
    """The hops that a response's headers name, each once, with the header that does."""
    told: set[str] = set()
    for hop in HOPS:
        value = head.header(hop.header)
        if value is not None and hop.name not in told and re.search(hop.pattern, value, re.IGNORECASE):
            told.add(hop.name)
            yield hop, f"{hop.header}: {value}"
