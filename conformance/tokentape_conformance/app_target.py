"""App target: an application, a URL or a command, with the fake provider behind it."""

from __future__ import annotations

import atexit
import os
import random
import shlex
import tomllib
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from tokentape_conformance.case_registry import import_named
from tokentape_fake_provider.hosting.server import FakeProviderServer
from tokentape_harness.errors import UsageError
from tokentape_harness.flush.bench import Bench, event_loop
from tokentape_harness.flush.reading.lifespan import Lifespan
from tokentape_harness.flush.request_options import body_of, header_of
from tokentape_harness.flush.serving import KNOWN_PORT, serving
from tokentape_harness.flush.targets import (
    NAMED,
    AppRequest,
    AsgiTarget,
    ReaderTarget,
    Target,
    by_url,
    reader_of,
    reader_target,
    target_of,
    url_target,
)
from tokentape_harness.testing.fake_provider import FakeProvider
from tokentape_harness.testing.sdk_environment import sdk_environment

Options = TypeVar("Options", bound="AppOptions")


class AppOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The request, the time limits, and what the target is not meant to do.

    All are strings or numbers, since each worker process receives them.
    With `reader` the target is a function or a command line that reads a served app; `until` matches the last message
    of a response over a WebSocket (see `WebSocketTarget`).
    `header` has one header per line, `command` is split as in a shell, `lacks` has lines of `NAME=REASON`, and
    `declare` is a TOML file with a table `[lacks]`. Times are in s: how long the target may take to call the provider,
    how long a token may take before it counts as held, how long a response may take to end.
    """

    reader: bool = False
    until: str = ""
    path: str = "/"
    method: str = ""
    header: str = ""
    data: str | None = None
    provider_port: int | None = None
    command: str = ""
    lacks: str = ""
    declare: str = ""
    start: float = 30.0
    patience: float = 2.0
    limit: float = 15.0

    @property
    def request(self) -> AppRequest:
        """The request to the app. Raises `UsageError`."""
        return AppRequest(
            method=self.method, headers=tuple(map(header_of, self.header.splitlines())), body=body_of(self.data)
        )

    @property
    def words(self) -> list[str]:
        """The words of the command."""
        return shlex.split(self.command)

    def declared(self, capabilities: Mapping[str, str]) -> dict[str, str]:
        """Which of these the target is not meant to have, and why. Raises `UsageError`."""
        lacks = dict(_read(Path(self.declare)) if self.declare else {})
        for line in filter(None, self.lacks.splitlines()):
            name, _, reason = line.partition("=")
            lacks[name.strip()] = reason.strip()
        for name, reason in lacks.items():
            if name not in capabilities:
                raise UsageError(f"lacks {name!r}, which is not one of {', '.join(capabilities)}")
            if not reason:
                raise UsageError(f"lacks {name} without a reason: {name}=REASON")
        return lacks


def read_options(suite: str, kind: type[Options], options: Mapping[str, str]) -> Options:
    """Parse a suite's options from strings. Raises `UsageError`."""
    try:
        return msgspec.convert(dict(options), kind, strict=False)
    except msgspec.ValidationError as error:
        known = ", ".join(kind.__struct_fields__)
        raise UsageError(f"options of the {suite} suite: {error}; the known ones are {known}") from None


class AppTarget:
    """An app with the fake provider behind it; `close` ends all that was started for it.

    `app` is the application itself; without it, `name` names it. An app in process and a command get the SDKs'
    variables, and those of `environment`. Raises `UsageError`, `FlushError`, `PortInUseError`.
    """

    def __init__(
        self,
        name: str,
        options: AppOptions,
        capabilities: Mapping[str, str],
        app: Any = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.name = name
        self.lacks = options.declared(capabilities)
        self.draw = random.Random(0)  # noqa: S311 - not for secrets
        """The source of marker tokens, so that no two responses have the same."""
        self._stack = ExitStack()
        at_url = by_url(name) and not options.reader
        if options.until and not at_url:
            raise UsageError("--until requires the URL of a WebSocket")
        if app is None and not at_url and not options.reader and not NAMED.fullmatch(name):
            raise UsageError(f"target {name!r}: give a URL or module:app")
        port = options.provider_port
        if port is None:
            port = KNOWN_PORT if (at_url or options.reader) and not options.command else 0
        try:
            server = self._stack.enter_context(FakeProviderServer(port=port))
            self.provider = FakeProvider(server, server.default)
            os.environ.update(environment or {})
            self._loop = self._stack.enter_context(event_loop())
            self._target = self._create_target(app, options)
            self.app_bench = Bench(self._target, self.provider, self._loop)
            """The app between the provider and a reader."""
            self._serving = self._stack.enter_context(ExitStack())
            self._served = options
            self._serve()
        except BaseException:
            self._stack.close()
            raise
        atexit.register(self._stack.close)

    def _serve(self) -> None:
        self._serving.enter_context(serving(self._served.words, self.app_bench, self._served.start))

    def restart(self) -> None:
        """End the command that serves the app, and start it again. Raises `FlushError`."""
        self._serving.close()
        self._serve()

    def _create_target(self, app: Any, options: AppOptions) -> Target:
        if by_url(self.name) and not options.reader:
            return url_target(self.name, options.request, options.until)
        os.environ.update(sdk_environment(self.provider.url))
        if options.reader:
            target: Target = reader_of(self.name, _imported)
        else:
            target = target_of(app or _imported(self.name), options.path, options.request)
            if options.command:
                target = reader_target(target, self.name)
        if isinstance(target, ReaderTarget) and options.request != AppRequest():
            raise UsageError(f"{target} sends its own request: --request, --header and --data are for a URL or an app")
        if isinstance(target, AsgiTarget):
            started = self._stack.enter_context(Lifespan(target.app, self._loop))
            target = AsgiTarget(started, target.path, target.request)
        return target

    def close(self) -> None:
        """Stop the fake provider, and a command."""
        atexit.unregister(self._stack.close)
        self._stack.close()


class _Declared(msgspec.Struct, forbid_unknown_fields=True):
    lacks: dict[str, str]


def _read(path: Path) -> dict[str, str]:
    try:
        return msgspec.convert(tomllib.loads(path.read_text("utf-8")), _Declared).lacks
    except (tomllib.TOMLDecodeError, msgspec.ValidationError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: {error}") from error
    except OSError as error:
        raise UsageError(f"--declare {path}: {error.strerror}") from error


def _imported(name: str) -> Any:
    module, _, attribute = name.partition(":")
    found: Any = import_named(module, "target")
    for part in attribute.split("."):
        if not hasattr(found, part):
            raise UsageError(f"target {name!r}: {module} has no {attribute}")
        found = getattr(found, part)
    if not callable(found):
        raise UsageError(f"target {name!r} is of type {type(found).__name__}, not an app or a function")
    return found
