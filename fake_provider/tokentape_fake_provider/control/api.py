"""Checks access to the control API, reads its requests, and calls their handlers."""

from __future__ import annotations

import hmac
import logging
import re
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Final, TypeAlias, TypeVar

import msgspec
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from tokentape_fake_provider.config import ANSWERS, AppConfig
from tokentape_fake_provider.control.responses import DOCUMENT, Refused, json_response, refusal
from tokentape_fake_provider.errors import (
    CassetteAccessError,
    CassetteExistsError,
    FakeProviderError,
    FaultError,
    FaultNotApplicableError,
    SessionExistsError,
    SessionUnreadableError,
    StepTimeoutError,
    StoreUnavailableError,
    StreamOverError,
    UnknownSessionError,
)
from tokentape_fake_provider.http.access import ALLOW_IT, is_same_origin, names_this_machine
from tokentape_fake_provider.http.loopback import is_authority
from tokentape_fake_provider.http.request_body import BodyRefused, ClientLeft, read_body
from tokentape_fake_provider.sessions.session import Session

CONTROL_PATH: Final = "/_tokentape"
HEALTH_PATH: Final = "/health"
READY_PATH: Final = "/ready"
METRICS_PATH: Final = "/metrics"
_STATELESS: Final = (CONTROL_PATH, f"{CONTROL_PATH}/faults", f"{CONTROL_PATH}/openapi.json", METRICS_PATH)
_METHODS: Final = ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]

_logger: Final = logging.getLogger("tokentape_fake_provider")

Handler: TypeAlias = Callable[["Api", Request], Awaitable[Response]]
Routes: TypeAlias = Mapping[str, Mapping[str, Handler]]
"""The handlers of each path, by method."""
T = TypeVar("T")

_REFUSALS: Final[Mapping[type, tuple[int, str]]] = {
    UnknownSessionError: (404, f"POST {CONTROL_PATH}/sessions creates one"),
    SessionExistsError: (409, "delete it, or use another id"),
    CassetteExistsError: (409, "use another name"),
    CassetteAccessError: (404, "name a file below a cassette folder"),
    StreamOverError: (409, "the journal shows what was sent"),
    StepTimeoutError: (504, "give it a longer timeout (s), or see who is to read"),
    SessionUnreadableError: (503, f"DELETE {CONTROL_PATH}/sessions/ID deletes the session"),
    StoreUnavailableError: (503, "try again when it is there"),
    FakeProviderError: (400, f"see {DOCUMENT}"),
}
"""The status of each error and what to do about it; a subclass counts before its base."""


class Api:
    """Gives handlers the configuration, the sessions and the content of requests."""

    def __init__(self, config: AppConfig) -> None:
        self.config = config
        self.store = config.store

    def application(self, *tables: Routes, public: Routes) -> Starlette:
        """Return the routes as an ASGI application; the `public` ones need no token."""
        routes = [Route(HEALTH_PATH, self._health), Route(READY_PATH, self._ready), Route("/", self._root)]
        for path, handlers in public.items():
            routes.append(Route(path, partial(self._serve, handlers, public=True), methods=_METHODS))
        for path, handlers in ((path, handlers) for table in tables for path, handlers in table.items()):
            routes.append(Route(path, partial(self._serve, handlers), methods=_METHODS))
        routes.append(Route(f"{CONTROL_PATH}/{{rest:path}}", partial(self._serve, {}), methods=_METHODS))
        return Starlette(routes=routes, exception_handlers={HTTPException: self._not_routed})

    async def session(self, request: Request) -> Session:
        """Return the session that the path names. Raises `UnknownSessionError`."""
        return await self.store.read(request.path_params["id"])

    async def change(self, session: Session, work: Callable[[], T]) -> T:
        """Run `work`, which changes the session; it may run again. Return what it returns."""

        async def change() -> T:
            return work()

        return await self.store.change(session, change)

    async def read(self, request: Request, kind: type[T], default: T | None = None) -> T:
        """Read the body as JSON of this type; without a body return the default. Raises `Refused`."""
        try:
            body = await read_body(request.receive, request.headers.raw, self.config.limits)
        except BodyRefused as refused:
            raise Refused(refused.status, refused.message, "send less, or send it faster") from None
        if not body and default is not None:
            return default
        if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
            raise Refused(415, "the body is not declared as JSON", "send content-type: application/json")
        try:
            return msgspec.json.decode(body, type=kind)
        except msgspec.ValidationError as error:
            what, _, where = str(error).partition(" - at `")
            where = where.rstrip("`")
            if isinstance(error.__cause__, FaultError):
                where = f"{where or '$'}.faults{error.__cause__.where}"
            raise Refused(400, what, f"see {DOCUMENT}", where) from None
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise Refused(400, f"the body is not JSON: {error}", "send a JSON object") from None

    async def _health(self, _: Request) -> Response:
        """GET /health."""
        return json_response({"status": "ok"})

    async def _ready(self, _: Request) -> Response:
        """GET /ready: whether all workers answer, and the store that they share."""
        problems, worker = [], self.config.worker
        workers = 1 if worker is None else worker.of
        answering = 1 if worker is None else worker.answering().count(ANSWERS)
        if answering < workers:
            problems.append(f"{answering} of {workers} workers answer: the others are starting, or suspended")
        try:
            await self.store.check()
        except StoreUnavailableError as error:
            problems.append(str(error))
        status = "not ready" if problems else "ready"
        return json_response(
            {"status": status, "workers": workers, "answering": answering, "problems": problems},
            503 if problems else 200,
        )

    async def _root(self, request: Request) -> Response:
        """GET /: the console for a browser, health for others."""
        if self.config.control and "text/html" in request.headers.get("accept", ""):
            return RedirectResponse(f"{CONTROL_PATH}/console")
        return await self._health(request)

    async def _not_routed(self, request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        return refusal(request, Refused(error.status_code, error.detail, f"see the list of routes in {DOCUMENT}"))

    async def _serve(self, handlers: Mapping[str, Handler], request: Request, *, public: bool = False) -> Response:
        try:
            self._admit(request, public)
            if not handlers:
                raise Refused(404, "no such route", f"see the list of routes in {DOCUMENT}")
            handler = handlers.get("GET" if request.method == "HEAD" else request.method)
            if handler is None:
                raise Refused(405, f"{request.method} is not allowed here", f"use {' or '.join(handlers)}")
            return await handler(self, request)
        except Refused as refused:
            return refusal(request, refused)
        except FaultNotApplicableError as error:
            return refusal(request, Refused(409, f"the fault can't be applied: {error}", "name another place or fault"))
        except FaultError as error:
            return refusal(request, Refused(400, str(error), f"see {DOCUMENT}", f"$.faults{error.where}"))
        except FakeProviderError as error:
            status, remedy = next(found for kind in type(error).__mro__ if (found := _REFUSALS.get(kind)))
            return refusal(request, Refused(status, str(error), remedy))
        except ClientLeft:
            return refusal(request, Refused(400, "the client left", "send the whole body"))
        except RecursionError:
            return refusal(request, Refused(400, "the body is nested too deeply", "send less"))
        except Exception as error:
            _logger.exception("%s %s can't be answered", request.method, request.scope["path"])
            what = f"the server failed: {type(error).__name__}: {error}"
            return refusal(request, Refused(500, what, "see its log, and report it"))

    def _admit(self, request: Request, public: bool) -> None:
        foreign = self.config.access.refusal(request.headers.raw)
        # The console of a server on another machine is a page of that server, and knows the token.
        if foreign and not (self._has_token(request) and is_same_origin(request.headers.raw)):
            raise Refused(403, foreign, ALLOW_IT)
        if not self.config.control:
            raise Refused(
                403,
                "the control API is off: the server listens beyond this machine and has no token",
                "start it on 127.0.0.1, or with a token",
            )
        worker = self.config.worker
        path = request.scope["path"].rstrip("/")
        if worker is not None and not self.store.shared and path not in _STATELESS:
            raise Refused(
                501,
                f"{worker.of} workers share no sessions and no journal, so only one of them would know",
                "start the server with --store, or without --workers",
            )
        token = self.config.token
        if token is None:
            if not names_this_machine(request.headers.raw):
                raise Refused(403, "the Host header names another machine", "use http://127.0.0.1 or http://localhost")
        elif not public and not self._has_token(request):
            raise Refused(401, "the control API's token is missing or wrong", "send Authorization: Bearer TOKEN")

    def _has_token(self, request: Request) -> bool:
        """Whether a request has the control API's token; there is none to have without one."""
        token = self.config.token
        scheme, _, given = request.headers.get("authorization", "").partition(" ")
        if token is None or scheme.lower() != "bearer":
            return False
        return hmac.compare_digest(given.strip().encode(), token.encode())


def flag(request: Request, name: str) -> bool:
    """Return a query parameter that is on or off. Raises `Refused`."""
    value = request.query_params.get(name, "0").lower()
    if value not in ("0", "1", "false", "true"):
        raise Refused(400, f"{name} is {value!r}", "use 1 or 0", f"?{name}")
    return value in ("1", "true")


def number(request: Request, name: str) -> int:
    """Return a query parameter that is a number. Raises `Refused`."""
    text = request.query_params.get(name, "0")
    found = whole_number(text)
    if found is None:
        raise Refused(400, f"{name} is {text[:40]!r}", "use a whole number", f"?{name}")
    return found


def whole_number(text: str) -> int | None:
    """Read a number in a URL; return `None` if it is not one, or has more than 18 digits."""
    return int(text) if re.fullmatch(r"[0-9]{1,18}", text) else None


def origin(request: Request) -> str:
    """Return the URL of the server, as the client uses it."""
    host = request.headers.get("host", "")
    if not is_authority(host):
        name, port = request.scope.get("server") or ("127.0.0.1", 80)
        host = f"[{name}]:{port}" if ":" in name else f"{name}:{port}"
    return f"{request.scope['scheme']}://{host}"
