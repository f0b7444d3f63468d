"""Control: tells a fake provider what to say, over its control API, as any program can."""

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
    """The control API at a URL; each request that is scripted has a session of its own.

    `gateway` is a server in front of that one, which is asked in its place. It knows one session only, the one that
    is in `base_url`: that is emptied for each request.
    """

    def __init__(self, base_url: str, client: httpx2.Client, *, gateway: str = "", token: str | None = None) -> None:
        self._base_url, name = _located(base_url)
        self._gateway = gateway
        self._session = name or _DEFAULT
        self._client = client
        self._headers = authorization(token)
        if gateway:
            self._begin("instant")

    def session(self, *scenarios: Scenario) -> str:
        """A new session that says these, in this order: its URL."""
        name = self._begin(_SLOW if any(scenario.slow for scenario in scenarios) else "instant")
        scripts = [msgspec.to_builtins(scenario.script) for scenario in scenarios]
        self._ask("POST", f"/sessions/{name}/rules", {"scripts": scripts})
        return self._url(name)

    def rules(self, *scenarios: Scenario) -> str:
        """A new session that answers each of these by its prompt, in steps that `take_turns` makes: its URL."""
        name = self._begin("stepped")
        for scenario in scenarios:
            rule = {"scripts": [msgspec.to_builtins(scenario.script)], "contains": scenario.prompt}
            self._ask("POST", f"/sessions/{name}/rules", rule)
        return self._url(name)

    def take_turns(self, session_url: str, streams: int) -> bool:
        """Let so many streams of a session go on by turns, then by themselves; False if they are not open at once."""
        name = self._named(session_url)
        try:
            taken = [
                self._ask("POST", f"/sessions/{name}/streams/next", {"timeout": _PATIENCE_S}) for _ in range(streams)
            ]
            for number in [stream["number"] for stream in taken] * _TURNS:
                self._ask("POST", f"/sessions/{name}/streams/{number}/step", {"timeout": _PATIENCE_S})
        except httpx2.HTTPStatusError:
            return False
        finally:
            self._release(name)
        return True

    @contextlib.contextmanager
    def held(self, session_url: str) -> Iterator[None]:
        """While this is open the next stream of a session has sent one frame and waits; then it goes by itself."""
        name = self._named(session_url)
        try:
            stream = self._ask("POST", f"/sessions/{name}/streams/next", {"timeout": _PATIENCE_S})
            self._ask("POST", f"/sessions/{name}/streams/{stream['number']}/step", {"timeout": _PATIENCE_S})
            yield
        finally:
            self._release(name)

    def _release(self, name: str) -> None:
        for stream in self._ask("GET", f"/sessions/{name}/streams", None)["streams"]:
            self._ask("POST", f"/sessions/{name}/streams/{stream['number']}/release", None)

    def outcomes(self, session_url: str) -> list[str]:
        """What became of each of a session's responses."""
        name = self._named(session_url)
        return [entry["outcome"] for entry in self._ask("GET", f"/sessions/{name}/journal", None)["entries"]]

    def _begin(self, timing: str) -> str:
        """A new session with this timing: its name."""
        settings: dict[str, Any] = {"timing": timing}
        if not self._gateway:
            made: str = self._ask("POST", "/sessions", {"settings": settings})["id"]
            return made
        if any(known == self._session for known in self._sessions()):
            self._ask("DELETE", f"/sessions/{self._session}", None)
        if self._session == _DEFAULT:
            self._ask("PATCH", f"/sessions/{_DEFAULT}/settings", settings)
        else:
            self._ask("POST", "/sessions", {"id": self._session, "settings": settings})
        return self._session

    def _sessions(self) -> list[str]:
        return [session["id"] for session in self._ask("GET", "/sessions", None)["sessions"]]

    def _url(self, name: str) -> str:
        return self._gateway or f"{self._base_url}/s/{name}"

    def _named(self, session_url: str) -> str:
        return self._session if self._gateway else session_url.rpartition("/")[2]

    def _ask(self, method: str, path: str, body: Any) -> Any:
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
    """The header that a control API with a token asks for."""
    return {} if token is None else {"authorization": f"Bearer {token}"}


def wires_of(base_url: str, client: httpx2.Client, token: str | None = None) -> list[str] | None:
    """The wire formats of a fake provider there; None if it is something else."""
    try:
        told = client.get(f"{_located(base_url)[0]}{_PATH}", headers=authorization(token)).json()
    except (httpx2.HTTPError, ValueError):
        return None
    if not isinstance(told, dict) or told.get("server") != "tokentape":
        return None
    return [wire["name"] for wire in told["wires"]]
