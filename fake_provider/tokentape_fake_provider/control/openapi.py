"""The OpenAPI document of the control API, made from its routes and from the structs that they read and send."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from importlib.metadata import version
from typing import Any, Final

import msgspec
from starlette.responses import Response

from tokentape_fake_provider.control.api import CONTROL_PATH, Routes
from tokentape_fake_provider.control.operation import Operation, operation
from tokentape_fake_provider.control.responses import Problem, json_response
from tokentape_fake_provider.sessions.rules_file.schema import rules_schema

OPENAPI_PATH: Final = f"{CONTROL_PATH}/openapi.json"

_REF: Final = "#/components/schemas/{name}"
_JSON: Final = "application/json"
_PATH_PARAMETERS: Final[Mapping[str, Mapping[str, Any]]] = {
    "id": {"type": "string", "description": "The id of a session."},
    "number": {"type": "integer", "minimum": 0, "description": "The number of a request in the journal."},
    "name": {"type": "string"},
}
_PARAMETER: Final = re.compile(r"\{(\w+)\}")


def with_openapi(tables: Iterable[Routes]) -> Routes:
    """Return all routes, and that of the document which describes them."""
    routes = {path: handlers for table in tables for path, handlers in table.items()}
    documents: list[Any] = []

    @operation(media=_JSON)
    async def show_document() -> Response:
        """Show this document."""
        if not documents:
            documents.append(openapi_document(described))
        return json_response(documents[0])

    described: Routes = {**routes, OPENAPI_PATH: {"GET": show_document}}
    return described


def openapi_document(routes: Routes) -> dict[str, Any]:
    """Return the document of these routes. All of their handlers must be operations."""
    found = [(path, method.lower(), handler) for path, method, handler in _operations(routes)]
    kinds = {kind for _, _, one in found for kind in (one.body, *one.answer) if kind is not None}
    kinds.update((Problem,))
    ordered = sorted(kinds, key=lambda kind: kind.__name__)
    schemas, components = msgspec.json.schema_components(ordered, ref_template=_REF)
    components["FaultRequest"]["properties"]["fault"] = {"$ref": _REF.format(name="Fault")}
    by_kind = dict(zip(ordered, schemas, strict=True))
    paths: dict[str, Any] = {}
    for path, method, one in found:
        paths.setdefault(path, {})[method] = _described(path, one, by_kind)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "tokentape control API",
            "version": version("tokentape"),
            "description": "Sets up the fake provider and reads what happened: docs/control-api.md.",
        },
        "servers": [{"url": "/"}],
        "security": [{}, {"token": []}],
        "paths": paths,
        "components": {
            "schemas": {**components, **_rules_components()},
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer", "description": "serve --token"}},
        },
    }


def _operations(routes: Routes) -> Iterator[tuple[str, str, Operation]]:
    for path, handlers in routes.items():
        for method, handler in handlers.items():
            assert isinstance(handler, Operation), f"{method} {path}: decorate its handler with @operation"
            yield path, method, handler


def _described(path: str, one: Operation, schemas: Mapping[type, Any]) -> dict[str, Any]:
    parameters = [
        {"name": name, "in": "path", "required": True, "schema": _PATH_PARAMETERS[name]}
        for name in _PARAMETER.findall(path)
    ]
    if one.query is not None:
        _, components = msgspec.json.schema_components([one.query], ref_template=_REF)
        properties = components[one.query.__name__]["properties"]
        parameters += [{"name": name, "in": "query", "schema": kind} for name, kind in properties.items()]
    described: dict[str, Any] = {
        "operationId": one.name,
        "summary": one.summary,
        "parameters": parameters,
        "responses": {
            str(one.status): {"description": "Done.", **_content(one, schemas)},
            "default": {"description": "Refused.", "content": {_JSON: {"schema": schemas[Problem]}}},
        },
    }
    if one.body is not None:
        described["requestBody"] = {"required": one.needs_body, "content": {_JSON: {"schema": schemas[one.body]}}}
    return described


def _content(one: Operation, schemas: Mapping[type, Any]) -> dict[str, Any]:
    if one.status == 204:
        return {}
    found = [schemas[kind] for kind in one.answer]
    schema = found[0] if len(found) == 1 else {"allOf": found} if found else {}
    return {"content": {one.media: {"schema": schema}}}


def _rules_components() -> dict[str, Any]:
    """The schemas of rules, scripts and settings, as rules files have them: with what their own checks add."""
    text = msgspec.json.encode(rules_schema()["$defs"]).replace(b'"#/$defs/', b'"#/components/schemas/')
    components: dict[str, Any] = msgspec.json.decode(text)
    return components
