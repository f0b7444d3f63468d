"""Flush probe: the flush checker in a test."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from tokentape_harness.errors import UsageError
from tokentape_harness.flush import targets
from tokentape_harness.flush.check import FlushOptions, acheck_flush, check_flush
from tokentape_harness.flush.prober import Pace
from tokentape_harness.flush.report import FlushReport
from tokentape_harness.flush.targets import AppRequest, Target, target_of
from tokentape_harness.testing.fake_provider import FakeProvider

_UNSET: Any = object()
_OF_THE_REQUEST = ("path", "method", "headers", "body", "json", "serve", "until")


class FlushProbe:
    """The fixture `flush_probe`: checks how the stream of this test's fake provider comes out of an app.

    `provider` is the fake provider; the environment variables that point to it are set.
    """

    def __init__(self, provider: FakeProvider, options: FlushOptions | None = None) -> None:
        self.provider = provider
        self.options = options or FlushOptions()

    def check(
        self,
        target: object,
        path: str = "/",
        *,
        method: str = "",
        headers: Mapping[str, str] | None = None,
        body: bytes | str | None = None,
        json: Any = _UNSET,
        serve: Sequence[str] = (),
        until: str = "",
        **options: Any,
    ) -> FlushReport:
        """Check a URL, an ASGI or WSGI app, a command (a list), or a function that returns an iterable.

        `path` is the path of an app. `serve` is a command that serves a URL, or the app that a function or a command
        reads; `until` matches the last message of an answer over a WebSocket. The `options` are those of
        `FlushOptions`: `pace`, `start`, `warm_up`, `readers`, `leaving`, `cut`, `experiments`, `reported_by`,
        `seed`; and those of `Pace`: `patience`, `wait`, `longest`, `tokens`, `max_bytes`. Raises `FlushError` if the
        target can't be checked, `UsageError`.
        """
        checked = target_of(target, path, _request(method, headers, body, json), until)
        return check_flush(checked, self.provider, self._with(options), serve=serve)

    async def acheck(
        self,
        target: object,
        path: str = "/",
        *,
        method: str = "",
        headers: Mapping[str, str] | None = None,
        body: bytes | str | None = None,
        json: Any = _UNSET,
        serve: Sequence[str] = (),
        until: str = "",
        **options: Any,
    ) -> FlushReport:
        """`check` for coroutines: async targets run in this event loop."""
        checked = target_of(target, path, _request(method, headers, body, json), until)
        return await acheck_flush(checked, self.provider, self._with(options), serve=serve)

    def through(self, url: str, wire: str = "openai_chat", **options: Any) -> FlushReport:
        """Check a proxy at `url` that forwards requests to the fake provider, with a request of this wire format.

        The request's path begins with this test's session, `/s/<session>`. Raises `FlushError`, `UsageError`,
        `UnknownWireError`.
        """
        return check_flush(self.proxied(url, wire), self.provider, self._with(options))

    def proxied(self, url: str, wire: str = "openai_chat") -> Target:
        """The target that `through` checks."""
        return targets.through(url, wire, prefix=f"/s/{self.provider.session.id}")

    def _with(self, options: Mapping[str, Any]) -> FlushOptions:
        options = {
            "reported_by" if name == "told_by" else name: value for name, value in options.items()
        }  # its old name
        updated = self.options
        pace = {name: value for name, value in options.items() if name in Pace.__struct_fields__}
        own = {name: value for name, value in options.items() if name in FlushOptions.__struct_fields__}
        unknown = options.keys() - pace.keys() - own.keys()
        if unknown:
            known = (*_OF_THE_REQUEST, *FlushOptions.__struct_fields__, *Pace.__struct_fields__)
            raise UsageError(f"unknown option {', '.join(sorted(unknown))}: use {', '.join(known)}")
        updated = msgspec.structs.replace(updated, **own)
        return msgspec.structs.replace(updated, pace=msgspec.structs.replace(updated.pace, **pace))


def _request(method: str, headers: Mapping[str, str] | None, body: bytes | str | None, json: Any) -> AppRequest:
    sent = tuple((headers or {}).items())
    if json is not _UNSET:
        if body is not None:
            raise UsageError("body and json exclude each other: give only one")
        body = msgspec.json.encode(json)
        if not any(name.lower() == "content-type" for name, _ in sent):
            sent = (*sent, ("content-type", "application/json"))
    if isinstance(body, str):
        body = body.encode()
    return AppRequest(method=method, headers=sent, body=body)
