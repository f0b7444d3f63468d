"""Api: who may use the control API, what it is asked, and which handler answers."""

from __future__ import annotations

import hmac
import re
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Final, TypeAlias, TypeVar

import msgspec
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tokentape_fake_provider.config import AppConfig
from tokentape_fake_provider.control.responses import DOCUMENT, Refused, json_response, refusal
from tokentape_fake_provider.errors import (
    CassetteAccessError,
    FakeProviderError,
    FaultError,
    SessionExistsError,
    StepTimeoutError,
    StreamOverError,
    UnknownSessionError,
)
from tokentape_fake_provider.faults.specification import fault_of_object
from tokentape_fake_provider.http.loopback import is_local_authority
from tokentape_fake_provider.http.request_body import read_body
from tokentape_fake_provider.sessions.session import Session

CONTROL_PATH: Final = "/_tokentape"
_METHODS: Final = ["GET", "POST", "PUT", "PATCH", "DELETE"]

Handler: TypeAlias = Callable[["Api", Request], Awaitable[Response]]
Routes: TypeAlias = Mapping[str, Mapping[str, Handler]]
"""Of each path below `CONTROL_PATH`, who handles which method."""
T = TypeVar("T")


class Api:
    """What handlers need: the configuration, the sessions, and the request read."""

    def __init__(self, config: AppConfig) -> None:
        self.config = config
        self.sessions = config.sessions

    def application(self, *tables: Routes) -> Starlette:
        """The routes as an ASGI application."""
        routes = [Route("/health", self._health), Route("/", self._health)]
        for path, handlers in ((path, handlers) for table in tables for path, handlers in table.items()):
            routes.append(Route(f"{CONTROL_PATH}{path}", partial(self._serve, handlers), methods=_METHODS))
        routes.append(Route(f"{CONTROL_PATH}/{{rest:path}}", partial(self._serve, {}), methods=_METHODS))
        return Starlette(routes=routes)

    def session(self, request: Request) -> Session:
        """The session that the path names. Raises `UnknownSessionError`."""
        return self.sessions.get(request.path_params["id"])

    async def read(self, request: Request, kind: type[T], default: T | None = None) -> T:
        """The body as JSON of this kind; without a body the default. Raises `Refused`."""
        body = await read_body(request.receive, request.headers.raw, self.config.max_body)
        if body is None:
            limit = self.config.max_body / 1e6
            raise Refused(413, f"the body is larger than {limit:g} MB", "send less, or raise the server's max_body")
        if not body and default is not None:
            return default
        if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
            raise Refused(415, "the body is not declared as JSON", "send content-type: application/json")
        try:
            return msgspec.json.decode(body, type=kind)
        except msgspec.ValidationError as error:
            what, _, where = str(error).partition(" - at `")
            raise Refused(400, _fault_problem(body, where) or what, f"see {DOCUMENT}", where.rstrip("`")) from None
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise Refused(400, f"the body is not JSON: {error}", "send a JSON object") from None

    async def _health(self, _: Request) -> Response:
        """GET /health."""
        return json_response({"status": "ok"})

    async def _serve(self, handlers: Mapping[str, Handler], request: Request) -> Response:
        try:
            self._admit(request)
            if not handlers:
                raise Refused(404, "no such route", f"see the list of routes in {DOCUMENT}")
            handler = handlers.get("GET" if request.method == "HEAD" else request.method)
            if handler is None:
                raise Refused(405, f"{request.method} is not possible here", f"use {' or '.join(handlers)}")
            return await handler(self, request)
        except Refused as refused:
            return refusal(request, refused)
        except UnknownSessionError as error:
            return refusal(request, Refused(404, str(error), f"POST {CONTROL_PATH}/sessions creates one"))
        except SessionExistsError as error:
            return refusal(request, Refused(409, str(error), "delete it, or use another id"))
        except CassetteAccessError as error:
            return refusal(request, Refused(404, str(error), "name a file below a cassette folder"))
        except StreamOverError as error:
            return refusal(request, Refused(409, str(error), "the journal tells what was sent"))
        except StepTimeoutError as error:
            return refusal(request, Refused(504, str(error), "give it a longer timeout (s), or see who is to read"))
        except FakeProviderError as error:
            return refusal(request, Refused(400, str(error), f"see {DOCUMENT}"))

    def _admit(self, request: Request) -> None:
        if not self.config.control:
            raise Refused(
                403,
                "the control API is off: the server listens beyond this machine and has no token",
                "start it on 127.0.0.1, or with a token",
            )
        token = self.config.token
        if token is not None:
            given = request.headers.get("authorization", "")
            if not hmac.compare_digest(given.encode(), f"Bearer {token}".encode()):
                raise Refused(401, "the control API's token is missing or wrong", "send Authorization: Bearer TOKEN")
        elif not is_local_authority(request.headers.get("host", "")):
            raise Refused(403, "the Host header names another machine", "use http://127.0.0.1 or http://localhost")


def _fault_problem(body: bytes, where: str) -> str:
    """What is wrong with the fault at a place of a body, if one is there."""
    if "faults[" not in where:
        return ""
    value = msgspec.json.decode(body)
    for name, index in re.findall(
        r"([a-z_]+)|\[(\d+)\]", where.partition("faults[")[0] + where[where.index("faults[") :]
    ):
        if isinstance(value, dict) and "fault" in value:
            break
        value = value[int(index)] if index else value[name]
    try:
        fault_of_object(value)
    except FaultError as error:
        return str(error)
    return ""


def flag(request: Request, name: str) -> bool:
    """A query parameter that is on or off. Raises `Refused`."""
    value = request.query_params.get(name, "0").lower()
    if value not in ("0", "1", "false", "true"):
        raise Refused(400, f"{name} is {value!r}", "use 1 or 0", f"?{name}")
    return value in ("1", "true")


def number(request: Request, name: str) -> int:
    """A query parameter that is a number. Raises `Refused`."""
    value = request.query_params.get(name, "0")
    if not value.isdecimal():
        raise Refused(400, f"{name} is {value!r}", "use a whole number", f"?{name}")
    return int(value)


def origin(request: Request) -> str:
    """The URL of the server, as the client knows it."""
    return f"{request.url.scheme}://{request.url.netloc}"
