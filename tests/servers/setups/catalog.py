"""All set-ups, and what each does to a stream."""

from __future__ import annotations

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
from tests.servers.setups.setup import Setup

_FLASK = Setup("gunicorn gthread, Flask", WEB, gthread("flask_app:library"), "/chat")
_BUFFERED_FLASK = Setup("gunicorn gthread, Flask", WEB, gthread("flask_app:library"), "/buffered")

SETUPS: Final = (
    Setup("nginx, HTTP/1.0 hop", NGINX, nginx("proxy_http_version 1.0")),
    Setup("nginx, proxy_buffering off", NGINX, nginx("proxy_http_version 1.0", "proxy_buffering off")),
    Setup("nginx, X-Accel-Buffering", NGINX, nginx("proxy_http_version 1.0"), behind=_FLASK),
    Setup("nginx, no X-Accel-Buffering", NGINX, nginx("proxy_http_version 1.0"), behind=_BUFFERED_FLASK),
    Setup("nginx, HTTP/1.1 hop", NGINX, nginx("proxy_http_version 1.1")),
    Setup("HAProxy", HAPROXY, haproxy()),
    Setup("HAProxy, no-delay", HAPROXY, haproxy("option http-no-delay")),
    Setup("lighttpd", LIGHTTPD, lighttpd()),
    Setup("lighttpd, streaming", LIGHTTPD, lighttpd("server.stream-response-body = 2")),
    Setup("Varnish, do_stream off", VARNISH, varnish("set beresp.do_stream = false;")),
    Setup("Varnish, do_gzip", VARNISH, varnish("set beresp.do_gzip = true;")),
    Setup("Varnish", VARNISH, varnish()),
    Setup("Apache", APACHE, apache),
    Setup("Squid", SQUID, squid),
    Setup("Caddy", CADDY, caddy()),
    Setup("Caddy, response_buffers", CADDY, caddy("response_buffers 1MiB")),
    Setup("Envoy", ENVOY, envoy()),
    Setup("Envoy, Lua body()", ENVOY, envoy(READS_THE_BODY)),
    Setup("gunicorn sync, 1 worker", WEB, gunicorn("flask_app:library"), "/chat"),
    _FLASK,
    Setup("gunicorn gthread, flask-compress", WEB, gthread("flask_app:compressed"), "/chat"),
    Setup("gunicorn asgi, Starlette", WEB, gunicorn("starlette_app:library", "-k", "asgi"), "/chat"),
    Setup("waitress, Flask", WEB, waitress("flask_app:library"), "/chat"),
    Setup("granian wsgi, Flask", WEB, granian("flask_app:library", "wsgi"), "/chat"),
    Setup("granian asgi, Starlette", WEB, granian("starlette_app:library", "asgi"), "/chat"),
    Setup("hypercorn, Starlette", WEB, hypercorn("starlette_app:library"), "/chat"),
    Setup("daphne, Starlette", WEB, daphne("starlette_app:library"), "/chat"),
    Setup("uvicorn, Starlette", WEB, uvicorn("starlette_app:library"), "/chat"),
    Setup("Starlette 1, GZipMiddleware", WEB, uvicorn("starlette_app:gzip"), "/chat"),
    Setup("Starlette 0.41, GZipMiddleware", OLD_STARLETTE, uvicorn("starlette_app:gzip", OLD_STARLETTE), "/chat"),
    Setup("Starlette, aiter_bytes(1024)", WEB, uvicorn("starlette_app:kilobytes"), "/chat"),
    Setup("Starlette, a middleware that reads the body", WEB, uvicorn("starlette_app:reading"), "/chat"),
    Setup("Django WSGI, response", WEB, gthread("django_app:wsgi"), "/chat"),
    Setup("Django ASGI, response", WEB, uvicorn("django_app:asgi"), "/achat"),
    Setup("Django ASGI, response of a plain stream", WEB, uvicorn("django_app:asgi"), "/chat"),
    Setup("Django WSGI, plain iterator", WEB, gthread("django_app:wsgi"), "/iterator"),
    Setup("Django WSGI, async iterator", WEB, gthread("django_app:wsgi"), "/async-iterator"),
    Setup("Django ASGI, plain iterator", WEB, uvicorn("django_app:asgi"), "/iterator"),
    Setup("Django ASGI, async iterator", WEB, uvicorn("django_app:asgi"), "/async-iterator"),
    Setup("Django WSGI, GZipMiddleware", WEB, gthread("django_app:wsgi", GZIP="1"), "/iterator"),
    Setup("Django ASGI, GZipMiddleware", WEB, uvicorn("django_app:asgi", GZIP="1"), "/async-iterator"),
    Setup("LiteLLM proxy", LITELLM, litellm, "/v1/chat/completions"),
)
