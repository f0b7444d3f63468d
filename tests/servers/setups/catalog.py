"""All set-ups, and what each does to a stream."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from tests.servers.setups.nginx import NGINX, nginx
from tests.servers.setups.proxies import (
    APACHE,
    CADDY,
    ENVOY,
    HAPROXY,
    LIGHTTPD,
    READS_THE_BODY,
    SQUID,
    VARNISH,
    apache,
    caddy,
    envoy,
    haproxy,
    lighttpd,
    squid,
    varnish,
)
from tests.servers.setups.servers import (
    LITELLM,
    OLD_STARLETTE,
    WEB,
    daphne,
    granian,
    gthread,
    gunicorn,
    hypercorn,
    litellm,
    uvicorn,
    waitress,
)
from tests.servers.setups.setup import Command, Setup
from tokentape_harness.flush import Verdict
from tokentape_harness.flush.report import TruncationOutcome


@dataclass(frozen=True)
class Expected:
    """A set-up with what a flush check is to find.

    `size` is that of the batches, in bytes or s, and `short` the verdict for a short answer where it is another.
    `cut` is what becomes of a stream that is cut off; `None` where that is the application's doing.
    """

    setup: Setup | Command
    verdict: Verdict
    cut: TruncationOutcome | None = None
    size: float | None = None
    short: Verdict | None = None


_HTTP_1_0: Final = "proxy_http_version 1.0"
_FLASK: Final = Setup("gunicorn gthread, Flask", WEB, gthread("flask_app:library"), "/chat")
_WITHOUT_HEADER: Final = Setup("gunicorn gthread, Flask", WEB, gthread("flask_app:library"), "/buffered")

PROXIES: Final = (
    Expected(
        Setup("nginx, HTTP/1.0 hop", NGINX, nginx(_HTTP_1_0)), "byte_batches", "hidden_truncation", 4096, "all_at_end"
    ),
    Expected(
        Setup("nginx, buffering off", NGINX, nginx(_HTTP_1_0, "proxy_buffering off")), "flushed", "hidden_truncation"
    ),
    Expected(Setup("nginx, X-Accel-Buffering: no", NGINX, nginx(_HTTP_1_0), behind=_FLASK), "flushed"),
    Expected(
        Setup("nginx, no X-Accel-Buffering", NGINX, nginx(_HTTP_1_0), behind=_WITHOUT_HEADER),
        "byte_batches",
        size=4096,
        short="all_at_end",
    ),
    Expected(Setup("nginx, HTTP/1.1 hop", NGINX, nginx("proxy_http_version 1.1")), "flushed", "passed_on"),
    Expected(Setup("HAProxy", HAPROXY, haproxy()), "time_batches", "passed_on", 0.2),
    Expected(Setup("HAProxy, no-delay", HAPROXY, haproxy("option http-no-delay")), "flushed", "passed_on"),
    Expected(Setup("lighttpd", LIGHTTPD, lighttpd()), "all_at_end", "hidden_truncation"),
    Expected(
        Setup("lighttpd, stream-response-body", LIGHTTPD, lighttpd("server.stream-response-body = 2")),
        "flushed",
        "passed_on",
    ),
    Expected(Setup("Varnish", VARNISH, varnish()), "flushed", "passed_on"),
    Expected(
        Setup("Varnish, do_stream false", VARNISH, varnish("set beresp.do_stream = false;")), "all_at_end", "passed_on"
    ),
    Expected(Setup("Varnish, do_gzip", VARNISH, varnish("set beresp.do_gzip = true;")), "headers_early", "passed_on"),
    Expected(Setup("Apache mod_proxy", APACHE, apache), "flushed", "passed_on"),
    Expected(Setup("Squid", SQUID, squid), "flushed", "passed_on"),
    Expected(Setup("Caddy", CADDY, caddy()), "flushed", "passed_on"),
    Expected(Setup("Caddy, response_buffers", CADDY, caddy("response_buffers 1MiB")), "all_at_end", "passed_on"),
    Expected(Setup("Envoy", ENVOY, envoy()), "flushed", "passed_on"),
    Expected(Setup("Envoy, Lua body()", ENVOY, envoy(READS_THE_BODY)), "all_at_end", "passed_on"),
    Expected(Setup("LiteLLM proxy", LITELLM, litellm, "/v1/chat/completions"), "flushed", "reported"),
)

APPLICATIONS: Final = (
    Expected(Setup("gunicorn sync, one worker", WEB, gunicorn("flask_app:library"), "/chat"), "first_reader_blocks"),
    Expected(_FLASK, "flushed"),
    Expected(
        Setup("gunicorn asgi, Starlette", WEB, gunicorn("starlette_app:library", "-k", "asgi"), "/chat"), "flushed"
    ),
    Expected(Setup("waitress, Flask", WEB, waitress("flask_app:library"), "/chat"), "flushed"),
    Expected(Setup("granian wsgi, Flask", WEB, granian("flask_app:library", "wsgi"), "/chat"), "flushed"),
    Expected(Setup("granian asgi, Starlette", WEB, granian("starlette_app:library", "asgi"), "/chat"), "flushed"),
    Expected(Setup("hypercorn, Starlette", WEB, hypercorn("starlette_app:library"), "/chat"), "flushed"),
    Expected(Setup("daphne, Starlette", WEB, daphne("starlette_app:library"), "/chat"), "flushed"),
    Expected(Setup("uvicorn, Starlette", WEB, uvicorn("starlette_app:library"), "/chat"), "flushed"),
    Expected(Setup("Starlette 1.10, GZipMiddleware", WEB, uvicorn("starlette_app:gzip"), "/chat"), "flushed"),
    Expected(
        Setup("Starlette 0.41, GZipMiddleware", OLD_STARLETTE, uvicorn("starlette_app:gzip", OLD_STARLETTE), "/chat"),
        "headers_early",
    ),
    Expected(
        Setup("Starlette, a middleware that reads the body", WEB, uvicorn("starlette_app:reading"), "/chat"),
        "all_at_end",
    ),
    Expected(
        Setup("Starlette, aiter_bytes(1024)", WEB, uvicorn("starlette_app:kilobytes"), "/chat"),
        "byte_batches",
        size=1024,
    ),
    Expected(Setup("flask-compress", WEB, gthread("flask_app:compressed"), "/chat"), "headers_early"),
    Expected(Setup("Django WSGI, plain iterator", WEB, gthread("django_app:wsgi"), "/iterator"), "flushed"),
    Expected(Setup("Django WSGI, async iterator", WEB, gthread("django_app:wsgi"), "/async-iterator"), "all_at_end"),
    Expected(Setup("Django WSGI, tokentape's response", WEB, gthread("django_app:wsgi"), "/chat"), "flushed"),
    Expected(Setup("Django ASGI, async iterator", WEB, uvicorn("django_app:asgi"), "/async-iterator"), "flushed"),
    Expected(Setup("Django ASGI, plain iterator", WEB, uvicorn("django_app:asgi"), "/iterator"), "headers_early"),
    Expected(Setup("Django ASGI, tokentape's response", WEB, uvicorn("django_app:asgi"), "/chat"), "flushed"),
    Expected(
        Setup("Django WSGI, GZipMiddleware", WEB, gthread("django_app:wsgi", GZIP="1"), "/iterator"), "headers_early"
    ),
    Expected(
        Setup("Django ASGI, GZipMiddleware", WEB, uvicorn("django_app:asgi", GZIP="1"), "/async-iterator"), "flushed"
    ),
    Expected(Command("python, print", WEB, (), ("printing.py",)), "byte_batches", size=8192, short="all_at_end"),
    Expected(Command("python -u, print", WEB, ("-u",), ("printing.py",)), "flushed"),
    Expected(Command("python, OutputBuffer", WEB, (), ("buffered_printing.py", "print")), "flushed"),
)

EXPECTED: Final = (*PROXIES, *APPLICATIONS)
