"""Proxy hints: the servers and proxies that a response's headers name, and the setting that makes each one flush."""

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


class ProxyHint(NamedTuple):
    """A server or proxy, the header that identifies it (with a pattern of its value), and its remedy.

    One that is not `holding` passes on what its app sends: the app holds the tokens.
    """

    name: str
    header: str
    pattern: str
    remedy: str

    @property
    def holding(self) -> bool:
        """Whether it can hold a stream itself."""
        return self.name not in _APP_SERVERS

    @property
    def where(self) -> str:
        """Where the stream may be held."""
        return f"in {self.name}, or behind it" if self.holding else f"in the app behind {self.name}"


PROXY_HINTS: Final = (
    ProxyHint(
        "nginx",
        "server",
        r"nginx|openresty|tengine",
        "`proxy_buffering off;` for this path, or `X-Accel-Buffering: no` in the app's response; `proxy_http_version "
        "1.1;` towards the app (uwsgi_buffering, fastcgi_buffering for those protocols)",
    ),
    ProxyHint(
        "Varnish",
        "via",
        r"varnish",
        "in vcl_backend_response: `set beresp.do_stream = true;`, and no `do_gzip` of streams; or `return (pipe)`",
    ),
    ProxyHint("Varnish", "x-varnish", r"", "in vcl_backend_response: `set beresp.do_stream = true;`, and no `do_gzip`"),
    ProxyHint("lighttpd", "server", r"lighttpd", "`server.stream-response-body = 2`"),
    ProxyHint(
        "Caddy",
        "via",
        r"caddy",
        "`flush_interval -1` in reverse_proxy, and no `response_buffers`; `encode` without this path",
    ),
    ProxyHint(
        "Caddy",
        "server",
        r"caddy",
        "`flush_interval -1` in reverse_proxy, and no `response_buffers`; `encode` without this path",
    ),
    ProxyHint(
        "Envoy", "server", r"envoy", "no filter that reads the body (buffer, Lua's `body()`, compressor) on this route"
    ),
    ProxyHint(
        "Envoy",
        "x-envoy-upstream-service-time",
        r"",
        "no filter that reads the body (buffer, Lua's `body()`) on this route",
    ),
    ProxyHint(
        "Apache", "server", r"apache", "`ProxyPass ... flushpackets=on`, and no mod_deflate for text/event-stream"
    ),
    ProxyHint("Squid", "via", r"squid", "no adaptation (ICAP, eCAP) of this response; read_ahead_gap only delays"),
    ProxyHint(
        "IIS",
        "server",
        r"microsoft-iis",
        'ARR: `responseBufferLimit="0"`; no dynamic compression for text/event-stream',
    ),
    ProxyHint(
        "LiteSpeed",
        "server",
        r"litespeed",
        "`X-Accel-Buffering: no` or `X-LiteSpeed-Cache-Control: no-cache` in the response",
    ),
    ProxyHint(
        "Cloudflare",
        "server",
        r"cloudflare",
        "`Cache-Control: no-transform` and text/event-stream; no features that rewrite the body",
    ),
    ProxyHint("CloudFront", "via", r"cloudfront", "no compression of this behaviour; an origin that sends chunks"),
    ProxyHint(
        "Google's front end",
        "server",
        r"google frontend|^gws$",
        "App Engine standard holds responses: Cloud Run or flexible don't",
    ),
    ProxyHint("Passenger", "server", r"passenger", "`passenger_buffer_response off;`"),
    ProxyHint(
        "LiteLLM",
        "x-litellm-version",
        r"",
        "`stream: true` in the request; no guardrail or callback that waits for the whole answer",
    ),
    ProxyHint(
        "gunicorn",
        "server",
        r"gunicorn",
        "a body that yields each token as it arrives; for several readers --threads, gthread or more workers",
    ),
    ProxyHint(
        "Werkzeug",
        "server",
        r"werkzeug",
        "a body that yields each token as it arrives, and no middleware that reads it",
    ),
    ProxyHint(
        "wsgiref",
        "server",
        r"wsgiserver",
        "a body that yields each token as it arrives, and no middleware that reads it",
    ),
    ProxyHint(
        "waitress",
        "server",
        r"waitress",
        "a body that yields each token as it arrives; `send_bytes` as it is by default, 1",
    ),
    ProxyHint(
        "uvicorn",
        "server",
        r"uvicorn",
        "a streaming response, and no middleware that reads it (BaseHTTPMiddleware passes it on)",
    ),
    ProxyHint("hypercorn", "server", r"hypercorn", "a streaming response, and no middleware that reads it"),
    ProxyHint("granian", "server", r"granian", "a streaming response, and no middleware that reads it"),
    ProxyHint(
        "Express",
        "x-powered-by",
        r"express",
        "`res.write()` for each token as it comes; with the compression middleware `res.flush()` after it",
    ),
    ProxyHint(
        "Next.js",
        "x-powered-by",
        r"next\.js",
        "a Response over a ReadableStream that is read token by token; `compress: false` in next.config.js",
    ),
    ProxyHint(
        "PHP",
        "x-powered-by",
        r"php",
        "`ob_flush(); flush();` after each token; `output_buffering = 0`, `zlib.output_compression = Off`",
    ),
    ProxyHint("Daphne", "server", r"daphne", "a StreamingHttpResponse of an async iterator"),
)


def proxy_hints(head: Head) -> Iterable[tuple[ProxyHint, str]]:
    """The servers and proxies that a response's headers name, each once, with that header."""
    names: set[str] = set()
    for hint in PROXY_HINTS:
        value = head.header(hint.header)
        if value is not None and hint.name not in names and re.search(hint.pattern, value, re.IGNORECASE):
            names.add(hint.name)
            yield hint, f"{hint.header}: {value}"
