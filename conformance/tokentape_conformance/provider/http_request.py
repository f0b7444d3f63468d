"""HTTP request: a scenario as a request in a wire format."""

from __future__ import annotations

import json
from collections.abc import Mapping
from urllib.parse import quote

import msgspec

from tokentape_conformance.provider.grammars import GRAMMARS
from tokentape_conformance.provider.scenario import Scenario


class HttpRequest(msgspec.Struct, frozen=True):
    """A request below a server's base URL; `shown` is its line in reports, without keys."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def shown(self) -> str:
        """One line."""
        return f"{self.method} {self.path} {self.body.decode(errors='replace')}"


def path_of(wire: str, model: str, *, stream: bool = True) -> str:
    """The path of a request, with its query."""
    form = GRAMMARS[wire].request
    return (form.streamed if stream else form.whole).format(model=quote(model, safe=""))


def request_of(wire: str, scenario: Scenario, model: str, *, stream: bool = True) -> HttpRequest:
    """A scenario as a request, without keys."""
    return raw_request(
        wire, json.dumps(GRAMMARS[wire].request.body(scenario, model, stream)).encode(), model, stream=stream
    )


def raw_request(wire: str, body: bytes, model: str, *, stream: bool = True) -> HttpRequest:
    """A request with this body, valid or not."""
    headers = {"content-type": "application/json", "accept-encoding": "identity"}
    return HttpRequest("POST", path_of(wire, model, stream=stream), headers, body)
