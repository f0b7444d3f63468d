"""Target: a server that speaks wire formats, and what is known of it."""

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
from tokentape_conformance.provider.request import Request, path_of, raw_request, request_of
from tokentape_conformance.provider.scenario import Scenario
from tokentape_fake_provider.wires import wire_named
from tokentape_harness.errors import UsageError

CAPABILITIES: Mapping[str, str] = {
    "not_streamed": "the same without streaming",
    "usage": "usage is reported",
    "usage_on_request": "usage only where `stream_options.include_usage` asks for it",
    "finish_length": "a limit of tokens is kept and told",
    "tool_calls": "a tool that must be called is called",
    "parallel_tool_calls": "two tools are called in one answer",
    "reasoning": "reasoning is shown",
    "unknown_model": "a model that there is not is refused",
    "unknown_path": "a path that there is not is a 404",
    "bad_json": "a body that is not JSON is refused",
    "missing_field": "a request without its prompt is refused",
    "sdk": "the official SDKs are asked to read it",
    "incremental": "pieces are sent as they are made",
    "keep_alive": "a connection serves more than one request",
    "names": "server-sent events have an `event:` field where the specification has one",
    "sequence": "events have a `sequence_number`",
    "scripted": "it can be told what to say (the fake provider can)",
}
"""What a server may lack, by the name that `--lacks` takes."""
UNSCRIPTED = "scripted: the server can't be told what to say"
_WAIT_S = 60.0
_START_S = 10.0
_AGAIN_S = 0.05


class Target:
    """A server at a base URL, which may take `start` s to answer. `lacks` are reasons by (`wire.`)capability.

    `control` is the URL of a fake provider that it stands in front of, as a gateway does; `token` is that of its
    control API.
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
        self.base_url = base_url.rstrip("/")
        self.model = model
        self.key = key
        self.lacks = dict(lacks)
        self.client = self._connected()
        self._await(start)
        spoken = wires_of(self.base_url, self.client, token)
        if control and wires_of(control, self.client, token) is None:
            raise UsageError(f"--control {control}: no fake provider whose control API can be used answers there")
        if control:
            self.control: Control | None = Control(control, self.client, gateway=self.base_url, token=token)
        else:
            self.control = None if spoken is None else Control(self.base_url, self.client, token=token)
        self.wires: list[str] = list(wires or spoken or self._answered())
        self._known: dict[tuple[str, str, bool], Exchange] = {}

    @classmethod
    def like(cls, other: Target) -> Target:
        """The same server, with connections of its own: for another thread."""
        made = cls.__new__(cls)
        made.__dict__ |= other.__dict__
        made.client = made._connected()
        made._known = {}
        return made

    def _await(self, seconds: float) -> None:
        """Wait so long until anything answers. Raises `UsageError`."""
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
        """The model to ask for."""
        return self.model or wire_named(wire).facts.sample_model

    def lack(self, need: str, wire: str) -> str | None:
        """Why it has not this capability; None if it has."""
        for name in (f"{wire}.{need}", need):
            if name in self.lacks:
                return f"{need}: {self.lacks[name]}"
        if need == "scripted" and self.control is None:
            return UNSCRIPTED
        if need == "parallel_tool_calls":
            return self.lack("tool_calls", wire)
        if need in ("tool_calls", "reasoning") and not getattr(wire_named(wire).facts, need):
            return f"{need}: this wire format has none"
        return None

    def url(self, *scenarios: Scenario) -> str:
        """Where to ask for these: a session that was told to say them, or the server itself."""
        return self.base_url if self.control is None else self.control.session(*scenarios)

    def auth(self, wire: str) -> dict[str, str]:
        """The headers that say who asks."""
        return dict(GRAMMARS[wire].request.auth(self.key))

    def ask(self, wire: str, scenario: Scenario, *, stream: bool = True, leave_after: int | None = None) -> Exchange:
        """Ask anew."""
        request = request_of(wire, scenario, self.model_for(wire), stream=stream)
        return self.send(self.url(scenario), wire, request, leave_after=leave_after)

    def asked(self, wire: str, scenario: Scenario, *, stream: bool = True) -> Exchange:
        """The answer that was had for this before, or else a new one: most cases look at the same few streams."""
        key = (wire, scenario.name, stream)
        if key not in self._known:
            self._known[key] = self.ask(wire, scenario, stream=stream)
        return self._known[key]

    def send(
        self,
        url: str,
        wire: str,
        request: Request,
        *,
        leave_after: int | None = None,
        on_read: Callable[[], object] = bool,
    ) -> Exchange:
        """Send a request to a URL of the server."""
        joined = Request(request.method, below(url, request.path), request.headers, request.body)
        self.client.base_url = httpx2.URL(origin(url))
        answer = exchange(self.client, joined, self.auth(wire), leave_after=leave_after, on_read=on_read)
        if answer.unheard:
            # RFC 9112, 9.3.1: a connection may be closed while it idles, and the request is sent again on a new one.
            answer = exchange(self.client, joined, self.auth(wire), leave_after=leave_after, on_read=on_read)
        return answer

    def _answered(self) -> list[str]:
        """The wire formats at whose paths there is anything."""
        found = []
        for wire in GRAMMARS:
            reply = self.send(self.base_url, wire, raw_request(wire, b"{}", self.model_for(wire)))
            if not reply.status:
                raise UsageError(f"target {self.base_url}: it does not answer ({reply.error})")
            if reply.status not in (404, 405, 501):
                found.append(wire)
        if not found:
            paths = ", ".join(path_of(wire, self.model_for(wire)) for wire in GRAMMARS)
            raise UsageError(f"target {self.base_url}: it answers at none of {paths}")
        return found


def below(url: str, path: str) -> str:
    """A path below a URL's own path; what both have in common, as `/v1`, is not said twice."""
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

    The last is `NAME=REASON`, with `;` between. Raises `UsageError`.
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
    lacks = dict(_lack(told) for told in options.get("lacks", "").split(";") if told.strip())
    # Those that are asked for need no looking for; a baseline may tell of the others all the same.
    spoken = list(GRAMMARS) if wires else None
    model = options.get("model", "")
    return Target(
        base_url, spoken, model=model, key=key or "-", lacks=lacks, start=_START_S, control=control, token=token
    )


def _secret(options: Mapping[str, str], option: str) -> str | None:
    """What the environment variable that an option names holds."""
    name = options.get(option, "")
    if not name:
        return None
    if not os.environ.get(name):
        raise UsageError(f"--{option.replace('_', '-')} {name}: this variable is not set")
    return os.environ[name]


def _lack(told: str) -> tuple[str, str]:
    name, equals, reason = told.partition("=")
    wire, dot, capability = name.strip().rpartition(".")
    if capability not in CAPABILITIES or (dot and wire not in GRAMMARS):
        raise UsageError(f"--lacks {name.strip()}: the known capabilities are {', '.join(CAPABILITIES)}")
    if not equals or not reason.strip():
        raise UsageError(f"--lacks {name.strip()}: give the reason, {name.strip()}=REASON")
    return name.strip(), reason.strip()
