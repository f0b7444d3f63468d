"""Options of the pipeline suite: the request, the time limits, and what the target is not meant to do."""

from __future__ import annotations

import shlex
import tomllib
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final

import msgspec

from tokentape_harness.errors import UsageError
from tokentape_harness.flush.request_options import body_of, header_of
from tokentape_harness.flush.targets import AppRequest

CAPABILITIES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "text": "the output is text, server-sent events or lines of JSON, from which the response's text can be read",
        "bare_text": "the output has nothing before or after the response's text",
        "flushing": "tokens are forwarded as they arrive",
        "http": "the target answers by HTTP, ASGI or WSGI, and so has headers",
        "proxy_headers": "the response instructs proxies not to buffer it",
        "leaving": "the target notices that its reader left",
        "readers": "the target serves more than one reader at once",
        "errors": "errors are reported to the reader",
        "tools": "the app offers tools to the model, runs them, and streams the follow-up",
        "rejoin": "a reader may come back to a response, with `Last-Event-ID`; `--rejoin` is where",
        "relay": "the output is the provider's own wire format",
    }
)
"""What cases need of a target. A target is assumed to have all but those that it visibly lacks (`Pipeline.lack`)."""


class PipelineOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All are strings or numbers, since each worker process receives them.

    With `reader` the target is a function or a command line that reads a served app; `until` matches the last message
    of a response over a WebSocket (see `WebSocketTarget`).
    `header` has one header per line, `command` is split as in a shell, `lacks` has lines of `NAME=REASON`, and
    `declare` is a TOML file with a table `[lacks]`. `reported_by` is that of `FlushOptions`. `through` means a gateway:
    the suite itself sends a provider's request. `rejoin` is the path or URL at which a reader comes back; `{id}` in it
    and in the request is the id of the response. Times are in s: how long the target may take to call the provider, how
    long a token may take before it counts as held, how long a response may take to end.
    """

    reader: bool = False
    until: str = ""
    path: str = "/"
    method: str = ""
    header: str = ""
    data: str | None = None
    through: bool = False
    rejoin: str = ""
    model: str = "tokentape"
    provider_port: int | None = None
    command: str = ""
    lacks: str = ""
    declare: str = ""
    reported_by: str = ""
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

    def declared(self) -> dict[str, str]:
        """What the target is not meant to do, and why. Raises `UsageError`."""
        lacks = dict(_read(Path(self.declare)) if self.declare else {})
        for line in filter(None, self.lacks.splitlines()):
            name, _, reason = line.partition("=")
            lacks[name.strip()] = reason.strip()
        for name, reason in lacks.items():
            if name not in CAPABILITIES:
                raise UsageError(f"lacks {name!r}, which is not one of {', '.join(CAPABILITIES)}")
            if not reason:
                raise UsageError(f"lacks {name} without a reason: {name}=REASON")
        return lacks


def read_options(options: Mapping[str, str]) -> PipelineOptions:
    """Parse options from strings. Raises `UsageError`."""
    try:
        return msgspec.convert(dict(options), PipelineOptions, strict=False)
    except msgspec.ValidationError as error:
        known = ", ".join(PipelineOptions.__struct_fields__)
        raise UsageError(f"options of the pipeline suite: {error}; the known ones are {known}") from None


class _Declared(msgspec.Struct, forbid_unknown_fields=True):
    lacks: dict[str, str]


def _read(path: Path) -> dict[str, str]:
    try:
        return msgspec.convert(tomllib.loads(path.read_text("utf-8")), _Declared).lacks
    except (tomllib.TOMLDecodeError, msgspec.ValidationError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: {error}") from error
    except OSError as error:
        raise UsageError(f"--declare {path}: {error.strerror}") from error
