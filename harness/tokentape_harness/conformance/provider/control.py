"""Control: tells a fake provider what to say, over its control API, as any program can."""

from __future__ import annotations

from typing import Any

import httpx2
import msgspec

from tokentape_harness.conformance.provider.scenario import Scenario

_PATH = "/_tokentape"
_PATIENCE_S = 5.0
_TURNS = 5
_SLOW = "synthetic:ttft=20ms,tps=250"


class Control:
    """The control API at a URL; each request that is scripted has a session of its own."""

    def __init__(self, base_url: str, client: httpx2.Client) -> None:
        self._base_url = base_url
        self._client = client

    def session(self, *scenarios: Scenario) -> str:
        """A new session that says these, in this order: its URL."""
        slow = any(scenario.slow for scenario in scenarios)
        settings: dict[str, Any] = {"timing": _SLOW if slow else "instant"}
        made = self._ask("POST", "/sessions", {"settings": settings})
        items = [{"script": msgspec.to_builtins(scenario.script)} for scenario in scenarios]
        self._ask("POST", f"/sessions/{made['id']}/queue", {"items": items})
        return f"{self._base_url}/s/{made['id']}"

    def rules(self, *scenarios: Scenario) -> str:
        """A new session that answers each of these by its prompt, in steps that `take_turns` makes: its URL."""
        made = self._ask("POST", "/sessions", {"settings": {"timing": "stepped"}})
        for scenario in scenarios:
            rule = {"scripts": [msgspec.to_builtins(scenario.script)], "contains": scenario.prompt}
            self._ask("POST", f"/sessions/{made['id']}/rules", rule)
        return f"{self._base_url}/s/{made['id']}"

    def take_turns(self, session_url: str, streams: int) -> bool:
        """Let so many streams of a session go on by turns, then by themselves; False if they are not open at once."""
        name = session_url.rpartition("/")[2]
        try:
            taken = [
                self._ask("POST", f"/sessions/{name}/streams/next", {"timeout": _PATIENCE_S}) for _ in range(streams)
            ]
            for number in [stream["number"] for stream in taken] * _TURNS:
                self._ask("POST", f"/sessions/{name}/streams/{number}/step", {"timeout": _PATIENCE_S})
        except httpx2.HTTPStatusError:
            return False
        finally:
            for stream in self._ask("GET", f"/sessions/{name}/streams", None)["streams"]:
                self._ask("POST", f"/sessions/{name}/streams/{stream['number']}/release", None)
        return True

    def outcomes(self, session_url: str) -> list[str]:
        """What became of each of a session's responses."""
        name = session_url.rpartition("/")[2]
        return [entry["outcome"] for entry in self._ask("GET", f"/sessions/{name}/journal", None)["entries"]]

    def _ask(self, method: str, path: str, body: Any) -> Any:
        response = self._client.request(method, f"{self._base_url}{_PATH}{path}", json=body)
        response.raise_for_status()
        return response.json()


def wires_of(base_url: str, client: httpx2.Client) -> list[str] | None:
    """The wire formats of a fake provider there; None if it is something else."""
    try:
        told = client.get(f"{base_url}{_PATH}").json()
    except (httpx2.HTTPError, ValueError):
        return None
    if not isinstance(told, dict) or told.get("server") != "tokentape":
        return None
    return [wire["name"] for wire in told["wires"]]
