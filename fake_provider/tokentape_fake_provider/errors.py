"""The errors of the fake provider, one tree, and lazy imports that name the extra to install.

FakeProviderError
├── BadRequestError       a request that the real provider would reject, and its HTTP status
├── UnknownWireError      a wire format name that is not in the table
├── UnknownDialectError   a dialect of openai_chat that is not in the table
├── TimingError           a timing that can't be read, or whose values are invalid
├── StepError             a step of a stream that is not possible
│   ├── StreamOverError   the stream is over, and how
│   └── StepTimeoutError  a step was not sent in time, or there was no stream to step
├── FaultError            a fault that is not in the catalogue, or whose parameters are invalid
├── FaultNotApplicableError  a fault that changes nothing about this response, and why
├── ScriptError           a script that contradicts itself or that the wire format can't express
├── SchemaError           a JSON Schema that is malformed, or that no value satisfies
├── PatternTimeoutError   a regular expression of a user or of a request that takes too long
├── UnknownSessionError   a session id that was never created, or is deleted
├── SessionExistsError    a session id that is taken
├── SessionNameError      a session id that does not fit into a path
├── SettingError          a setting of a session that is not valid
├── CassetteAccessError   a cassette that does not exist, or is outside the configured folders
├── CassetteExistsError   a new cassette whose name is taken
├── UnreadableRecordingError  a recording whose file can no longer be read
├── PortInUseError        another program listens on that port
├── UnsafeHostError       the server would be open to the network
├── ServerStateError      the server is not running, or runs already
├── StoreUnavailableError the store of the sessions can't be reached
│   └── SessionUnreadableError  what the store has of one session can't be read
└── MissingExtraError     a package that only an extra installs is missing
"""

from __future__ import annotations

import errno
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from typing import Any, Final


class FakeProviderError(Exception):
    """The base of all errors of the fake provider."""


class BadRequestError(FakeProviderError):
    """A request that the real provider would reject, with the provider's message.

    `status` is the provider's HTTP status; `param` is the invalid field, `code` and `type` are the provider's error
    code and type, if it reports them.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int = 400,
        param: str | None = None,
        code: str | None = None,
        type: str | None = None,  # noqa: A002
    ) -> None:
        super().__init__(message)
        self.message = message
        self.status = status
        self.param = param
        self.code = code
        self.type = type


class UnknownWireError(FakeProviderError, LookupError):
    """A wire format name, or a request path, that is not in the table."""


class UnknownDialectError(FakeProviderError, LookupError):
    """A dialect of `openai_chat` that is not in the table."""


UnknownDressError = UnknownDialectError  # the former name, which is kept


class TimingError(FakeProviderError, ValueError):
    """A timing that can't be read, or whose values are invalid."""


class FaultError(FakeProviderError, ValueError):
    """A fault that is not in the catalogue, or whose parameters are invalid.

    `where` is its place in the list of faults and the invalid field, such as `[0].frame`; empty if unknown.
    """

    where = ""


class FaultNotApplicableError(FakeProviderError):
    """A fault that can't happen to this response, and why."""


class StepError(FakeProviderError):
    """A step of a stream that is not possible."""


class StreamOverError(StepError):
    """The stream is over: `outcome` is `complete`, `dropped`, `client_left` or `server_stopped`."""

    def __init__(self, message: str, outcome: str) -> None:
        super().__init__(message)
        self.outcome = outcome


class StepTimeoutError(StepError, TimeoutError):
    """A step was not written to the socket in time, or there was no stream to step."""


class ScriptError(FakeProviderError, ValueError):
    """A script that contradicts itself, or that the wire format can't express."""


class SchemaError(FakeProviderError, ValueError):
    """A JSON Schema that is malformed, or that no value satisfies; the message names the place in it."""


class PatternTimeoutError(FakeProviderError):
    """A regular expression of a user or of a request that takes too long."""


class UnknownSessionError(FakeProviderError, LookupError):
    """A session id that was never created, or is deleted."""


class SessionExistsError(FakeProviderError):
    """A session id that is taken."""


class SessionNameError(FakeProviderError, ValueError):
    """A session id that does not fit into a path."""


class SettingError(FakeProviderError, ValueError):
    """A setting of a session that is not valid."""


class CassetteAccessError(FakeProviderError):
    """A cassette that does not exist, or is outside the configured folders."""


class CassetteExistsError(FakeProviderError):
    """A new cassette whose name is taken: nothing is overwritten."""


class UnreadableRecordingError(FakeProviderError):
    """A recording whose tape was to be read from disk when needed, but can't be read any more."""


class PortInUseError(FakeProviderError, OSError):
    """Another program listens on that port."""


def listen_error(error: OSError, host: str, port: int) -> FakeProviderError:
    """The error for an address on which a server can't listen."""
    if error.errno == errno.EADDRINUSE:
        return PortInUseError(
            f"port {port} on {host} is in use: stop the program that listens there, or use another port (0 finds a "
            "free one)"
        )
    return FakeProviderError(f"can't listen on {host}:{port}: {error.strerror or error}")


class UnsafeHostError(FakeProviderError):
    """The server would be open to the network without permission."""


class ServerStateError(FakeProviderError):
    """The server is not running, or it runs already."""


class StoreUnavailableError(FakeProviderError):
    """The store that the sessions are kept in can't be reached, or refuses to work."""


class SessionUnreadableError(StoreUnavailableError):
    """The store has something of one session that can't be read; the others are well."""


class MissingExtraError(FakeProviderError, ImportError):
    """A package that only an extra installs is missing: the message names the extra."""


PACKAGES: Final = frozenset(
    (
        "faker",
        "filelock",
        "locust",
        "prometheus_client",
        "pytest",
        "redis",
        "rich",
        "starlette",
        "testcontainers",
        "typer",
        "uvicorn",
        "vcr",
        "watchfiles",
        "yaml",
    )
)
"""The packages that the extras install, by their import names."""

_FEATURES: Final = frozenset(("locust", "prometheus_client", "redis", "testcontainers"))
"""Those that only the extra of one feature installs."""


@contextmanager
def extra_needed(extra: str, by: str) -> Iterator[None]:
    """A context for imports that `by` needs and `extra` installs. Raises `MissingExtraError`, which names both.

    Of several contexts around an import the outermost is named, but for a feature's own package the innermost.
    """
    try:
        yield
    except (ModuleNotFoundError, MissingExtraError) as error:
        package = (error.name or "").partition(".")[0]
        if package not in PACKAGES or (package in _FEATURES and isinstance(error, MissingExtraError)):
            raise
        raise MissingExtraError(
            f"{by} needs the package {package}, which is not installed: pip install 'tokentape[{extra}]'", name=package
        ) from None


def lazy_exports(
    package: str, table: Mapping[str, str], extra: str
) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """`__getattr__` and `__dir__` of a package that imports each name which it exports when it is first used.

    `table` has the module of each name, and `:attribute` if the names differ. `__getattr__` raises `AttributeError` for
    a name that is not in the table, and `MissingExtraError`.
    """
    exporting = sys.modules[package]

    def get(name: str) -> Any:
        if name not in table:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        module, _, attribute = table[name].partition(":")
        with extra_needed(extra, f"{package}.{name}"):
            value = getattr(import_module(f"{package}.{module}"), attribute or name)
        setattr(exporting, name, value)
        return value

    return get, lambda: sorted(exporting.__all__)
