"""Control: the HTTP API by which any language sets sessions up and reads what happened.

docs/control-api.md describes it. It is open to programs of this machine only: it listens on the loopback
interface, asks for JSON (which a web page of another origin can't send unasked) and for a local `Host` (which
a rebound DNS name does not have). With a token, that is asked for instead.
"""

from __future__ import annotations

import asyncio
import hmac
import re
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeAlias, TypeVar

import msgspec
from msgspec import UNSET, UnsetType
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tokentape_fake_provider.body import read_body
from tokentape_fake_provider.errors import (
    CassetteAccessError,
    FakeProviderError,
    FaultError,
    SessionExistsError,
    UnknownSessionError,
)
from tokentape_fake_provider.faults.specification import Faults, catalog_of_faults, fault_of_object
from tokentape_fake_provider.folder import find_cassette
from tokentape_fake_provider.host import is_local_authority
from tokentape_fake_provider.rule import Rule
from tokentape_fake_provider.script import Script, Usage
from tokentape_fake_provider.session import QueueItem, Session, SessionSettings, Unplayed
from tokentape_fake_provider.tape import Tape
from tokentape_fake_provider.timing import Timing, parse_timing
from tokentape_fake_provider.wires import WIRES
from tokentape_fake_provider.wires.openai_dresses import DressName

if TYPE_CHECKING:
    from tokentape_fake_provider.app import AppConfig

CONTROL_PATH = "/_tokentape"
DOCUMENT = "docs/control-api.md"

# RFC 9110 section 5: a field name is a token, a value has no control characters.
_HEADER_NAME: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_HEADER_VALUE: Final = re.compile(r"[\t\x20-\x7e\x80-\xff]*")

Handler: TypeAlias = Callable[["Control", Request], Awaitable[Response]]
T = TypeVar("T")


class SettingsChange(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Settings to change; `timing` is an object or a specification like `recorded:2`."""

    timing: str | Timing | UnsetType = UNSET
    strict: bool | UnsetType = UNSET
    seed: int | UnsetType = UNSET
    usage: Usage | UnsetType = UNSET
    repeat: bool | UnsetType = UNSET
    locale: str | UnsetType = UNSET
    dress: DressName | UnsetType | None = UNSET
    faults: Faults | UnsetType = UNSET

    def applied(self, settings: SessionSettings) -> SessionSettings:
        """The settings with these changes. Raises `TimingError`, `FaultError`."""
        changes = {name: value for name in self.__struct_fields__ if (value := getattr(self, name)) is not UNSET}
        if isinstance(self.timing, str):
            changes["timing"] = parse_timing(self.timing)
        return msgspec.structs.replace(settings, **changes)


class SessionRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """POST /sessions."""

    id: str | None = None
    settings: SettingsChange = SettingsChange()


class ScriptItem(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One response to queue: a script or a tape."""

    script: Script | None = None
    tape: Tape | None = None

    def __post_init__(self) -> None:
        if (self.script is None) == (self.tape is None):
            raise ValueError("an item is a string, or an object with either `script` or `tape`")
        if self.tape is not None:
            _check_head(self.tape)

    @property
    def item(self) -> QueueItem:
        """Whichever it is."""
        made = self.script if self.script is not None else self.tape
        assert made is not None
        return made


def _check_head(tape: Tape) -> None:
    """Refuse what can't be written as an HTTP response."""
    if not 200 <= tape.status <= 599:
        raise ValueError(f"a tape's status is 200 to 599, not {tape.status}")
    for name, value in tape.headers:
        if not _HEADER_NAME.fullmatch(name) or not _HEADER_VALUE.fullmatch(value):
            raise ValueError(f"header {name!r} can't be sent: letters, digits and -; no line breaks in its value")


class QueueRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """POST /sessions/{id}/queue; a string is a script that says it."""

    items: list[str | ScriptItem]


class CassetteRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """POST /sessions/{id}/cassettes."""

    name: str


class _Refused(Exception):  # noqa: N818 - a response
    def __init__(self, status: int, what: str, do: str, where: str = "") -> None:
        super().__init__(what)
        self.status, self.what, self.do, self.where = status, what, do, where


class Control:
    """The control API's handlers."""

    def __init__(self, config: AppConfig) -> None:
        self._config = config
        self._sessions = config.sessions

    def routes(self) -> Starlette:
        """The routes as an ASGI application."""
        session = f"{CONTROL_PATH}/sessions/{{id}}"
        table: list[tuple[str, dict[str, Handler]]] = [
            (CONTROL_PATH, {"GET": Control.info}),
            (f"{CONTROL_PATH}/", {"GET": Control.info}),
            (f"{CONTROL_PATH}/faults", {"GET": Control.list_faults}),
            (f"{CONTROL_PATH}/sessions", {"GET": Control.list_sessions, "POST": Control.create_session}),
            (session, {"GET": Control.show_session, "DELETE": Control.delete_session}),
            (f"{session}/settings", {"GET": Control.show_settings, "PATCH": Control.change_settings}),
            (f"{session}/queue", {"POST": Control.push}),
            (f"{session}/rules", {"POST": Control.add_rule}),
            (f"{session}/cassettes", {"POST": Control.load_cassette}),
            (f"{session}/journal", {"GET": Control.read_journal, "DELETE": Control.clear_journal}),
            (f"{session}/unplayed", {"GET": Control.show_unplayed}),
        ]
        routes = [Route("/health", self.health), Route("/", self.health)]
        for path, handlers in table:
            routes.append(Route(path, partial(self._serve, handlers), methods=_METHODS))
        routes.append(Route(f"{CONTROL_PATH}/{{rest:path}}", partial(self._serve, {}), methods=_METHODS))
        return Starlette(routes=routes)

    async def health(self, _: Request) -> Response:
        """GET /health."""
        return _json({"status": "ok"})

    async def _serve(self, handlers: dict[str, Handler], request: Request) -> Response:
        try:
            self._admit(request)
            if not handlers:
                raise _Refused(404, "no such route", f"see the list of routes in {DOCUMENT}")
            handler = handlers.get("GET" if request.method == "HEAD" else request.method)
            if handler is None:
                raise _Refused(405, f"{request.method} is not possible here", f"use {' or '.join(handlers)}")
            return await handler(self, request)
        except _Refused as refused:
            return _refusal(request, refused)
        except UnknownSessionError as error:
            return _refusal(request, _Refused(404, str(error), f"POST {CONTROL_PATH}/sessions creates one"))
        except SessionExistsError as error:
            return _refusal(request, _Refused(409, str(error), "delete it, or use another id"))
        except CassetteAccessError as error:
            return _refusal(request, _Refused(404, str(error), "name a file below a cassette folder"))
        except FakeProviderError as error:
            return _refusal(request, _Refused(400, str(error), f"see {DOCUMENT}"))

    def _admit(self, request: Request) -> None:
        if not self._config.control:
            raise _Refused(
                403,
                "the control API is off: the server listens beyond this machine and has no token",
                "start it on 127.0.0.1, or with a token",
            )
        token = self._config.token
        if token is not None:
            given = request.headers.get("authorization", "")
            if not hmac.compare_digest(given.encode(), f"Bearer {token}".encode()):
                raise _Refused(401, "the control API's token is missing or wrong", "send Authorization: Bearer TOKEN")
        elif not is_local_authority(request.headers.get("host", "")):
            raise _Refused(403, "the Host header names another machine", "use http://127.0.0.1 or http://localhost")

    async def _read(self, request: Request, kind: type[T], default: T | None = None) -> T:
        body = await read_body(request.receive, request.headers.raw, self._config.max_body)
        if body is None:
            limit = self._config.max_body / 1e6
            raise _Refused(413, f"the body is larger than {limit:g} MB", "send less, or raise the server's max_body")
        if not body and default is not None:
            return default
        if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
            raise _Refused(415, "the body is not declared as JSON", "send content-type: application/json")
        try:
            return msgspec.json.decode(body, type=kind)
        except msgspec.ValidationError as error:
            what, _, where = str(error).partition(" - at `")
            raise _Refused(400, _fault_problem(body, where) or what, f"see {DOCUMENT}", where.rstrip("`")) from None
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise _Refused(400, f"the body is not JSON: {error}", "send a JSON object") from None

    def _session(self, request: Request) -> Session:
        return self._sessions.get(request.path_params["id"])

    async def info(self, request: Request) -> Response:
        """GET /: what this server is."""
        wires = [
            {"name": wire.name, "paths": list(wire.paths), "base_url": f"{_origin(request)}{wire.base_path}"}
            for wire in WIRES.values()
        ]
        return _json({"server": "tokentape", "wires": wires, "sessions": [made.id for made in self._sessions]})

    async def list_faults(self, request: Request) -> Response:  # noqa: ARG002 - it is always the same
        """GET /faults."""
        return _json({"faults": catalog_of_faults()})

    async def list_sessions(self, request: Request) -> Response:
        """GET /sessions."""
        return _json({"sessions": [_shown(made, request) for made in self._sessions]})

    async def create_session(self, request: Request) -> Response:
        """POST /sessions."""
        asked = await self._read(request, SessionRequest, SessionRequest())
        settings = asked.settings.applied(self._sessions.settings)
        return _json(_shown(self._sessions.create(asked.id, settings), request), 201)

    async def show_session(self, request: Request) -> Response:
        """GET /sessions/{id}."""
        return _json(_shown(self._session(request), request))

    async def delete_session(self, request: Request) -> Response:
        """DELETE /sessions/{id}."""
        self._sessions.delete(request.path_params["id"])
        return Response(status_code=204)

    async def show_settings(self, request: Request) -> Response:
        """GET /sessions/{id}/settings."""
        return _json(self._session(request).settings)

    async def change_settings(self, request: Request) -> Response:
        """PATCH /sessions/{id}/settings."""
        session = self._session(request)
        session.settings = (await self._read(request, SettingsChange)).applied(session.settings)
        return _json(session.settings)

    async def push(self, request: Request) -> Response:
        """POST /sessions/{id}/queue."""
        session = self._session(request)
        asked = await self._read(request, QueueRequest)
        session.push(*(item if isinstance(item, str) else item.item for item in asked.items))
        return _json({"queued": len(session.queue)}, 201)

    async def add_rule(self, request: Request) -> Response:
        """POST /sessions/{id}/rules."""
        session = self._session(request)
        session.add_rule(await self._read(request, Rule))
        return _json({"rules": len(session.rules)}, 201)

    async def load_cassette(self, request: Request) -> Response:
        """POST /sessions/{id}/cassettes."""
        session = self._session(request)
        asked = await self._read(request, CassetteRequest)
        loader = self._config.loader
        if loader is None:
            raise CassetteAccessError(f"cassette {asked.name!r}: this server has no cassette loader")
        path = find_cassette(self._config.folders, asked.name)
        try:
            recordings = await asyncio.to_thread(loader, path)  # streams go on meanwhile
        except Exception as error:
            raise _Refused(
                422, f"cassette {asked.name!r} can't be read: {error}", "repair or record it again"
            ) from None
        return _json({"loaded": session.add_recordings(recordings), "recordings": len(session.recordings)}, 201)

    async def read_journal(self, request: Request) -> Response:
        """GET /sessions/{id}/journal."""
        journal = self._session(request).journal
        frames = _flag(request, "frames")
        since = _number(request, "since")
        entries = [entry.to_builtins(frames=frames) for entry in journal.entries if entry.number >= since]
        return _json({"forgotten": journal.forgotten, "entries": entries})

    async def clear_journal(self, request: Request) -> Response:
        """DELETE /sessions/{id}/journal."""
        self._session(request).journal.clear()
        return Response(status_code=204)

    async def show_unplayed(self, request: Request) -> Response:
        """GET /sessions/{id}/unplayed."""
        return _json(_unplayed(self._session(request).unplayed))


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


_METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE"]


def control_routes(config: AppConfig) -> Starlette:
    """The control API and the health route as an ASGI application."""
    return Control(config).routes()


def _shown(session: Session, request: Request) -> dict[str, Any]:
    prefix = f"{_origin(request)}/s/{session.id}"
    return {
        "id": session.id,
        "base_urls": {wire.name: f"{prefix}{wire.base_path}" for wire in WIRES.values()},
        "settings": session.settings,
        "queued": len(session.queue),
        "rules": len(session.rules),
        "recordings": len(session.recordings),
        "requests": len(session.journal.entries),
    }


def _unplayed(unplayed: Unplayed) -> dict[str, Any]:
    return {
        "queue": len(unplayed.queue),
        "recordings": [recording.label for recording in unplayed.recordings],
        "rules": list(unplayed.rules),
        "summary": str(unplayed),
    }


def _origin(request: Request) -> str:
    return f"{request.url.scheme}://{request.url.netloc}"


def _flag(request: Request, name: str) -> bool:
    value = request.query_params.get(name, "0").lower()
    if value not in ("0", "1", "false", "true"):
        raise _Refused(400, f"{name} is {value!r}", "use 1 or 0", f"?{name}")
    return value in ("1", "true")


def _number(request: Request, name: str) -> int:
    value = request.query_params.get(name, "0")
    if not value.isdecimal():
        raise _Refused(400, f"{name} is {value!r}", "use a whole number", f"?{name}")
    return int(value)


def _json(value: Any, status: int = 200) -> Response:
    return Response(msgspec.json.encode(value), status, media_type="application/json")


def _refusal(request: Request, refused: _Refused) -> Response:
    where = f"{request.method} {request.url.path}" + (f", {refused.where}" if refused.where else "")
    return _json({"error": {"what": refused.what, "where": where, "do": refused.do}}, refused.status)
