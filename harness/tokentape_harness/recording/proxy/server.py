"""Server: the recording proxy on a port of this machine."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Final

from tokentape_fake_provider.hosting.server_thread import ServerThread
from tokentape_fake_provider.http.access import Access
from tokentape_fake_provider.http.http_protocol import refuse_in_json
from tokentape_fake_provider.playback.connection import RawHeaders
from tokentape_harness.errors import UsageError
from tokentape_harness.recording.clock import RecordingClock
from tokentape_harness.recording.proxy.app import LIMITS, ProxyApp
from tokentape_harness.recording.proxy.blocking import BlockingProxy
from tokentape_harness.recording.proxy.cassettes import CassetteFolder, check_replayable
from tokentape_harness.recording.proxy.totals import Totals
from tokentape_harness.recording.proxy.upstream import Upstream, command_environment, command_urls, with_urls
from tokentape_harness.redaction import DEFAULT_RULES, RedactionRules
from tokentape_harness.testing.project_settings import Normalise

if TYPE_CHECKING:
    from tokentape_harness.recording.proxy.forwarder import Forwarder

MODES: Final = ("new_episodes", "all", "none", "once")


class RecordingProxy:
    """A reverse proxy for these upstreams, each below `/NAME`, with a cassette `NAME.yaml` for each in `folder`.

    `mode` is a record mode of vcrpy. `timeout` is how long an upstream may be silent, in s. `normalise` is as in
    `use_cassette`. Web pages of this machine and of `allowed_origins` may send requests. `report` is called with the
    message of each error response of the proxy; with `explains` also with a line for each field in which an unmatched
    request differs from its nearest recording.
    Use it as a context manager; entering raises `CassetteError` and `PortInUseError`, leaving `CassetteWriteError`.
    """

    def __init__(
        self,
        upstreams: Mapping[str, Upstream],
        folder: Path,
        *,
        mode: str = "new_episodes",
        port: int = 0,
        timeout: float | None = None,
        speed: float | None = None,
        clock: RecordingClock | None = None,
        rules: RedactionRules = DEFAULT_RULES,
        expires: str | None = None,
        normalise: Normalise = None,
        allowed_origins: Sequence[str] = (),
        explains: bool = False,
        report: Callable[[str], None] = lambda _: None,
    ) -> None:
        if mode not in MODES:
            raise UsageError(f"mode {mode!r} is not one of {', '.join(MODES)}")
        self._upstreams = upstreams
        self._folder = folder
        self._mode = mode
        self._cassettes = CassetteFolder(
            folder,
            upstreams,
            mode=mode,
            clock=clock,
            speed=speed,
            rules=rules,
            expires=expires,
            normalise=normalise,
            report=report,
        )
        self._secret = secrets.token_urlsafe(16)
        access = Access.of(allowed_origins)
        self._timeout = timeout
        self._report = report
        self._app = ProxyApp(
            upstreams, self._cassettes, secret=self._secret, access=access, explains=explains, report=report
        )
        self._blocking = BlockingProxy(report) if mode == "none" else None
        self._thread = ServerThread("127.0.0.1", port, "tokentape-record", limits=LIMITS, refuse=self._refuse)
        self._stack = ExitStack()

    def _refuse(self, path: str, headers: RawHeaders, status: int, code: str, message: str) -> tuple[RawHeaders, bytes]:
        """Report what can't be recorded, and refuse it."""
        self._report(f"not recorded: {message}")
        return refuse_in_json(path, headers, status, code, message)

    @property
    def url(self) -> str:
        """Its URL without a slash at the end; an upstream's prefix follows."""
        return self._thread.url

    @property
    def own_url(self) -> str:
        """The URL for the user's own programs, with the secret of this run: only their requests to AWS are signed."""
        return f"{self._thread.url}/{self._secret}"

    def environment(self, environment: Mapping[str, str]) -> dict[str, str]:
        """This environment with the base URLs of the SDKs set to the proxy.

        In mode `none` it also has fake keys of the providers that were recorded, and a proxy that refuses requests to
        other hosts.
        """
        blocking = None if self._blocking is None else self._blocking.url
        recorded = [name for name, path in self._cassettes.paths.items() if path.exists()]
        keys = () if blocking is None else recorded
        return command_environment(self.own_url, environment, blocking=blocking, keys=keys)

    def command(self, command: Sequence[str]) -> list[str]:
        """This command with its placeholders, such as `{openai}`, replaced by base URLs at the proxy."""
        return with_urls(command, command_urls(self.own_url, self._upstreams))

    @property
    def requested(self) -> bool:
        """Whether any request has arrived."""
        return self._app.requested

    @property
    def totals(self) -> Mapping[str, Totals]:
        """What was done with the requests for each upstream that has any."""
        return {name: totals for name, totals in self._app.totals.items() if totals != Totals()}

    def wait_until_idle(self, timeout: float) -> bool:
        """Whether every client gets its response or leaves within `timeout` s."""
        return self._app.idle.wait(timeout)

    def __enter__(self) -> RecordingProxy:
        if self._mode == "none":
            check_replayable(self._cassettes.paths.values(), self._folder)
        with ExitStack() as stack:
            stack.enter_context(self._cassettes)
            if self._blocking is not None:
                stack.enter_context(self._blocking)
            if self._mode != "none":
                self._app.forwarder = self._forwarder()
            self._thread.start(self._app, self._app.aclose)
            stack.callback(self._thread.stop)
            self._stack = stack.pop_all()
        return self

    def _forwarder(self) -> Forwarder:
        """What the first request needs stands before it comes, so that its response is recorded with its true time."""
        from tokentape_harness.recording.proxy.forwarder import Forwarder

        return Forwarder(self._cassettes, timeout=self._timeout, is_stopping=lambda: self._app.stopping)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.__exit__(kind, error, trace)
