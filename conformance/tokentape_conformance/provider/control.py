"""Control: scripts a fake provider over its control API."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import httpx2
import msgspec

from tokentape_conformance.provider.scenario import Scenario
from tokentape_fake_provider.wires import WIRES

_PATH = "/_tokentape"
_DEFAULT = "default"
_PATIENCE_S = 5.0
_TURNS = 5
_SLOW = "synthetic:ttft=20ms,tps=250"


class Control:
    """The control API at a URL; each scripted request has its own session.

    `gateway` is a server in front of the fake provider, which receives the requests. It uses only one session, that of
    `base_url`, which is therefore reset for each request.
    """

    def __init__(self, base_url: str, client: httpx2.Client, *, gateway: str = "", token: str | None = None) -> None:
        self._base_url, name = _located(base_url)
        self._gateway = gateway
        self._session = name or _DEFAULT
        self._client = client
        self._headers = authorization(token)
        if gateway:
            self._new_session("instant")

    def session(self, *scenarios: Scenario) -> str:
        """Create a session that responds with these scripts, in order; its URL."""
        name = self._new_session(_SLOW if any(scenario.slow for scenario in scenarios) else "instant")
        scripts = [msgspec.to_builtins(scenario.script) for scenario in scenarios]
        self._call("POST", f"/sessions/{name}/rules", {"scripts": scripts})
        return self._url(name)

    def rules(self, *scenarios: Scenario) -> str:
        """Create a session that responds to each prompt with its script, stepped by `take_turns`; its URL."""
        name = self._new_session("stepped")
        for scenario in scenarios:
            rule = {"scripts": [msgspec.to_builtins(scenario.script)], "contains": scenario.prompt}
            self._call("POST", f"/sessions/{name}/rules", rule)
        return self._url(name)

    def take_turns(self, session_url: str, streams: int) -> bool:
        """Step this number of streams by turns, then release them; False if they are not open at once."""
        name = self._named(session_url)
        try:
            taken = [
                self._call("POST", f"/sessions/{name}/streams/next", {"timeout": _PATIENCE_S}) for _ in range(streams)
            ]
            for number in [stream["number"] for stream in taken] * _TURNS:
                self._call("POST", f"/sessions/{name}/streams/{number}/step", {"timeout": _PATIENCE_S})
        except httpx2.HTTPStatusError:
            return False
        finally:
            self._release(name)
        return True

    @contextlib.contextmanager
    def held(self, session_url: str) -> Iterator[None]:
        """Hold the next stream of a session after its first frame, while the context is open."""
        name = self._named(session_url)
        try:
            stream = self._call("POST", f"/sessions/{name}/streams/next", {"timeout": _PATIENCE_S})
            self._call("POST", f"/sessions/{name}/streams/{stream['number']}/step", {"timeout": _PATIENCE_S})
            yield
        finally:
            self._release(name)

    def _release(self, name: str) -> None:
        for stream in self._call("GET", f"/sessions/{name}/streams", None)["streams"]:
            self._call("POST", f"/sessions/{name}/streams/{stream['number']}/release", None)

    def outcomes(self, session_url: str) -> list[str]:
        """The outcome of each of a session's responses, after a limited wait for their ends."""
        path = f"/sessions/{self._named(session_url)}/journal"
        try:
            journal = self._call("GET", f"{path}?wait={_PATIENCE_S}", None)
        except httpx2.HTTPStatusError:
            journal = self._call("GET", path, None)
        return [entry["outcome"] for entry in journal["entries"]]

    def _new_session(self, timing: str) -> str:
        """Create a session with this timing; its name."""
        settings: dict[str, Any] = {"timing": timing}
        if not self._gateway:
            name: str = self._call("POST", "/sessions", {"settings": settings})["id"]
            return name
        if any(known == self._session for known in self._sessions()):
            self._call("DELETE", f"/sessions/{self._session}", None)
        if self._session == _DEFAULT:
            self._call("PATCH", f"/sessions/{_DEFAULT}/settings", settings)
        else:
            self._call("POST", "/sessions", {"id": self._session, "settings": settings})
        return self._session

    def _sessions(self) -> list[str]:
        return [session["id"] for session in self._call("GET", "/sessions", None)["sessions"]]

    def _url(self, name: str) -> str:
        return self._gateway or f"{self._base_url}/s/{name}"

    def _named(self, session_url: str) -> str:
        return self._session if self._gateway else session_url.rpartition("/")[2]

    def _call(self, method: str, path: str, body: Any) -> Any:
        response = self._client.request(method, f"{self._base_url}{_PATH}{path}", json=body, headers=self._headers)
        response.raise_for_status()
        return response.json() if response.content else None


def _located(url: str) -> tuple[str, str]:
    """The address of a fake provider and the session, if any, in a base URL, which may end as SDKs want it (`/v1`)."""
    address, _, rest = url.rstrip("/").partition("/s/")
    for wire in WIRES.values():
        address = address.removesuffix(wire.base_path)
    return address, rest.partition("/")[0]


def authorization(token: str | None) -> dict[str, str]:
    """The header for the control API's token."""
    return {} if token is None else {"authorization": f"Bearer {token}"}


def wires_of(base_url: str, client: httpx2.Client, token: str | None = None) -> list[str] | None:
    """The wire formats of the fake provider at this URL; None if it is another server."""
    try:
        answer = client.get(f"{_located(base_url)[0]}{_PATH}", headers=authorization(token)).json()
    except (httpx2.HTTPError, ValueError):
        return None
    if not isinstance(answer, dict) or answer.get("server") != "tokentape":
        return None
    return [wire["name"] for wire in answer["wires"]]
