"""Operations: handlers of the control API whose signature gives what they read and what they answer."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from typing import Any, get_args, get_type_hints

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from tokentape_fake_provider.control.api import Api, flag, number
from tokentape_fake_provider.control.responses import json_response
from tokentape_fake_provider.sessions.session import Session


class Query(msgspec.Struct, frozen=True):
    """The parameters of a query, which may be missing: numbers, texts, and flags that are on or off."""


class Operation:
    """A handler with what it takes from the request, by the types of its parameters.

    `Api` and `Request` are these, `Session` is that of the path, a `Query` its parameters, and another struct the body,
    which may be missing if the parameter has a default. The handler returns a struct, which is sent as JSON with
    `status`, nothing for a 204, or a response of the media type `media`. `answer` is for the document: the struct whose
    fields are sent, or several that have them together, where the annotation does not name it.
    """

    def __init__(
        self, handler: Callable[..., Awaitable[Any]], status: int, answer: tuple[Any, ...], media: str
    ) -> None:
        kinds = get_type_hints(handler)
        returned = kinds.pop("return")
        self.summary = (handler.__doc__ or "").strip()
        self.name = handler.__name__
        self.status = status
        self.media = media
        self.answer = answer or (() if returned in (Response, type(None)) else (returned,))
        self._handler = handler
        self._kinds: dict[str, type] = kinds
        self._defaults = {
            name: parameter.default
            for name, parameter in inspect.signature(handler).parameters.items()
            if parameter.default is not inspect.Parameter.empty
        }

    @property
    def body(self) -> type | None:
        """The type of its body; `None` without one."""
        return next((kind for name, kind in self._kinds.items() if self._is_body(name)), None)

    @property
    def needs_body(self) -> bool:
        """Whether its body can't be left out."""
        return not self._defaults

    @property
    def query(self) -> type[Query] | None:
        """The parameters of its query."""
        return next((kind for kind in self._kinds.values() if issubclass(kind, Query)), None)

    def _is_body(self, name: str) -> bool:
        kind = self._kinds[name]
        return kind not in (Api, Request, Session) and not issubclass(kind, Query)

    async def __call__(self, api: Api, request: Request) -> Response:
        """Read what the handler takes, in the order of its parameters, and send what it returns."""
        given: dict[str, Any] = {}
        for name, kind in self._kinds.items():
            if kind is Api:
                given[name] = api
            elif kind is Request:
                given[name] = request
            elif kind is Session:
                given[name] = await api.session(request)
            elif issubclass(kind, Query):
                given[name] = _read_query(request, kind)
            else:
                given[name] = await api.read(request, kind, self._defaults.get(name))
        value = await self._handler(**given)
        if isinstance(value, Response):
            return value
        return Response(status_code=self.status) if value is None else json_response(value, self.status)


def operation(
    *answer: Any, status: int = 200, media: str = "application/json"
) -> Callable[[Callable[..., Awaitable[Any]]], Operation]:
    """Decorate a handler: see `Operation`."""
    return lambda handler: Operation(handler, status, answer, media)


def _read_query(request: Request, kind: type[Query]) -> Query:
    """Read the parameters of a query. Raises `Refused`."""
    given: dict[str, Any] = {}
    for field in msgspec.structs.fields(kind):
        name, types = field.name, (field.type, *get_args(field.type))
        if name in request.query_params:
            given[name] = (
                flag(request, name)
                if bool in types
                else number(request, name)
                if int in types
                else request.query_params[name]
            )
    return kind(**given)
