"""Target: a server, and what is known of it."""

from __future__ import annotations

import os
import time
import weakref
from collections.abc import Callable, Mapping, Sequence
from urllib.parse import urlsplit

import httpx2

from tokentape_conformance.provider.control import Control, wires_of
from tokentape_conformance.provider.exchange import Exchange, exchange
from tokentape_conformance.provider.grammars import GRAMMARS
from tokentape_conformance.provider.http_request import HttpRequest, path_of, raw_request, request_of
from tokentape_conformance.provider.scenario import Scenario
from tokentape_fake_provider.wires import wire_named
from tokentape_harness.errors import UsageError

CAPABILITIES: Mapping[str, str] = {
    "not_streamed": "requests without streaming",
    "usage": "usage is reported",
    "usage_on_request": "usage is reported only with `stream_options.include_usage`",
    "finish_length": "a token limit is kept, and reported as the finish reason",
    "tool_calls": "a tool that must be called is called",
    "parallel_tool_calls": "two tools are called in one response",
    "reasoning": "reasoning is shown",
    "unknown_model": "an unknown model is refused",
    "unknown_path": "an unknown path is a 404",
    "bad_json": "a body that is not JSON is refused",
    "missing_field": "a request without its prompt is refused",
    "sdk": "the official SDKs can read it",
    "incremental": "pieces are sent as they are generated",
    "keep_alive": "a connection serves more than one request",
    "names": "server-sent events have the `event:` field that the specification has",
    "sequence": "events have a `sequence_number`",
    "scripted": "its responses can be scripted (the fake provider's can)",
}
"""What a server may lack, by the name that `--lacks` takes."""
UNSCRIPTED = "scripted: the server's responses can't be scripted"
_WAIT_S = 60.0
_START_S = 10.0
_AGAIN_S = 0.05


class Target:
    """A server at a base URL, with or without `/v1`, which may take `start` s to start.

    `lacks` are reasons by (`wire.`)capability. `control` is the URL of a fake provider that it stands in front of, as a
    gateway does; `token` is that of its control API.
    """

    def __init__(
        self,
        base_url: str,
        wires: Sequence[str] | None = None,
        *,
        model: str = "",
        key: str = "-",
        lacks: Mapping[str, str] = {},
        start: float = 0.0,
        control: str = "",
        token: str | None = None,
    ) -> None:
        self.base_url = base_url.rstrip("/").removesuffix("/v1")  # other wire formats have other versions
        self.model = model
        self.key = key
        self.lacks = dict(lacks)
        self.client = self._connected()
        self._await(start)
        reported = wires_of(self.base_url, self.client, token)
        if control and wires_of(control, self.client, token) is None:
            raise UsageError(f"--control {control}: no usable control API of a fake provider answers there")
        if control:
            self.control: Control | None = Control(control, self.client, gateway=self.base_url, token=token)
        else:
            self.control = None if reported is None else Control(self.base_url, self.client, token=token)
        self.wires: list[str] = list(wires or reported or self._answered())
        self._known: dict[tuple[str, str, bool], Exchange] = {}

    @classmethod
    def like(cls, other: Target) -> Target:
        """The same server with its own connections, for another thread."""
        copy = cls.__new__(cls)
        copy.__dict__ |= other.__dict__
        copy.client = copy._connected()
        copy._known = {}
        return copy

    def _await(self, seconds: float) -> None:
        """Wait at most this time until the server answers. Raises `UsageError`."""
        deadline = time.monotonic() + seconds
        while True:
            try:
                self.client.get(self.base_url)
            except httpx2.ConnectError as error:
                if time.monotonic() > deadline:
                    raise UsageError(f"target {self.base_url}: it does not answer ({error})") from error
                time.sleep(_AGAIN_S)
            except httpx2.HTTPError:
                return
            else:
                return

    def _connected(self) -> httpx2.Client:
        client = httpx2.Client(timeout=_WAIT_S, trust_env=False)
        weakref.finalize(self, client.close)
        return client

    def model_for(self, wire: str) -> str:
        """The model to request."""
        return self.model or wire_named(wire).facts.sample_model

    def lack(self, need: str, wire: str) -> str | None:
        """Why it lacks this capability; None if it has it."""
        for name in (f"{wire}.{need}", need):
            if name in self.lacks:
                return f"{need}: {self.lacks[name]}"
        if need == "scripted" and self.control is None:
            return UNSCRIPTED
        if need == "parallel_tool_calls":
            return self.lack("tool_calls", wire)
        if need in ("tool_calls", "reasoning") and not getattr(wire_named(wire).facts, need):
            return f"{need}: this wire format does not have it"
        return None

    def url(self, *scenarios: Scenario) -> str:
        """The URL for these scenarios: a new session scripted for them, or the server itself."""
        return self.base_url if self.control is None else self.control.session(*scenarios)

    def auth(self, wire: str) -> dict[str, str]:
        """The authorization headers."""
        return dict(GRAMMARS[wire].request.auth(self.key))

    def new_response(
        self, wire: str, scenario: Scenario, *, stream: bool = True, leave_after: int | None = None
    ) -> Exchange:
        """Send a new request."""
        request = request_of(wire, scenario, self.model_for(wire), stream=stream)
        return self.send(self.url(scenario), wire, request, leave_after=leave_after)

    def response(self, wire: str, scenario: Scenario, *, stream: bool = True) -> Exchange:
        """The response to a scenario, cached: most cases read the same few streams."""
        key = (wire, scenario.name, stream)
        if key not in self._known:
            self._known[key] = self.new_response(wire, scenario, stream=stream)
        return self._known[key]

    def send(
        self,
        url: str,
        wire: str,
        request: HttpRequest,
        *,
        leave_after: int | None = None,
        on_read: Callable[[], object] = bool,
    ) -> Exchange:
        """Send a request to a URL of the server."""
        joined = HttpRequest(request.method, below(url, request.path), request.headers, request.body)
        self.client.base_url = httpx2.URL(origin(url))
        answer = exchange(self.client, joined, self.auth(wire), leave_after=leave_after, on_read=on_read)
        if answer.unanswered:
            # RFC 9112, 9.3.1: a connection may be closed while it idles, and the request is sent again on a new one.
            answer = exchange(self.client, joined, self.auth(wire), leave_after=leave_after, on_read=on_read)
        return answer

    def _answered(self) -> list[str]:
        """The wire formats whose paths the server answers."""
        found = []
        for wire in GRAMMARS:
            reply = self.send(self.base_url, wire, raw_request(wire, b"{}", self.model_for(wire)))
            if not reply.status:
                raise UsageError(f"target {self.base_url}: it does not answer ({reply.error})")
            if reply.status not in (404, 405, 501):
                found.append(wire)
        if not found:
            paths = ", ".join(path_of(wire, self.model_for(wire)) for wire in GRAMMARS)
            raise UsageError(f"target {self.base_url}: it answers on no path of {paths}")
        return found


def below(url: str, path: str) -> str:
    """A path below a URL's own path; a part that both share, such as `/v1`, is not repeated."""
    prefix = urlsplit(url).path.rstrip("/")
    parts = prefix.split("/")
    for size in range(len(parts) - 1, 0, -1):
        shared = "/" + "/".join(parts[-size:])
        if path.startswith(f"{shared}/"):
            return prefix + path.removeprefix(shared)
    return prefix + path


def origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def target_of(base_url: str, options: Mapping[str, str]) -> Target:
    """A target from the options `wires`, `model`, `key_env`, `token_env`, `control`, `lacks`.

    `lacks` is a list of `NAME=REASON`, separated by `;`. Raises `UsageError`.
    """
    if urlsplit(base_url).scheme not in ("http", "https"):
        raise UsageError(f"target {base_url!r}: give the URL of a server, such as http://127.0.0.1:8089")
    wires = [wire for wire in options.get("wires", "").split(",") if wire]
    for wire in wires:
        if wire not in GRAMMARS:
            raise UsageError(f"--wire {wire}: the known ones are {', '.join(GRAMMARS)}")
    key = _secret(options, "key_env")
    token = _secret(options, "token_env")
    control = options.get("control", "")
    lacks = dict(_lack(item) for item in options.get("lacks", "").split(";") if item.strip())
    # With --wire nothing need be detected; a baseline may still name the others.
    reported = list(GRAMMARS) if wires else None
    model = options.get("model", "")
    return Target(
        base_url, reported, model=model, key=key or "-", lacks=lacks, start=_START_S, control=control, token=token
    )


def _secret(options: Mapping[str, str], option: str) -> str | None:
    """The value of the environment variable that an option names."""
    name = options.get(option, "")
    if not name:
        return None
    if not os.environ.get(name):
        raise UsageError(f"--{option.replace('_', '-')} {name}: this variable is not set")
    return os.environ[name]


def _lack(item: str) -> tuple[str, str]:
    name, equals, reason = item.partition("=")
    wire, dot, capability = name.strip().rpartition(".")
    if capability not in CAPABILITIES or (dot and wire not in GRAMMARS):
        raise UsageError(f"--lacks {name.strip()}: the known capabilities are {', '.join(CAPABILITIES)}")
    if not equals or not reason.strip():
        raise UsageError(f"--lacks {name.strip()}: give the reason, {name.strip()}=REASON")
    return name.strip(), reason.strip()
