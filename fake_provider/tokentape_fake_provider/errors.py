"""Errors of the fake provider, one tree.

FakeProviderError
├── BadRequestError       a request that the real provider would refuse, with the HTTP status it answers
├── UnknownWireError      a wire format name that is not in the table
├── UnknownDressError     a dress of openai_chat that is not in the table
├── TimingError           a --timing specification that can't be read
├── StepError             a step of a stream that can't be done
│   ├── StreamOverError   the stream is over, and how
│   └── StepTimeoutError  what was stepped was not sent in time, or no stream came to step
├── FaultError            a fault that is not in the catalog, or whose parameters make no sense
├── FaultNotApplicableError  a fault that changes nothing about this response, and why
├── ScriptError           a script that contradicts itself or that the wire format can't express
├── UnknownSessionError   a session id that was never created, or is deleted
├── SessionExistsError    a session id that is taken
├── SessionNameError      a session id that does not fit into a path
├── SettingError          a setting of a session that is of no use
├── CassetteAccessError   a cassette that is not there, or outside the configured folders
├── UnreadableRecordingError  a recording that was left on the disk and can't be read there any more
├── PortInUseError        another program listens on that port
├── UnsafeHostError       the server would be open to the network
├── ServerStateError      the server is not running, or runs already
└── MissingExtraError     a package that only an extra installs is not there
"""

from __future__ import annotations


class FakeProviderError(Exception):
    """Whatever goes wrong in the fake provider."""


class BadRequestError(FakeProviderError):
    """A request that the real provider would refuse, in its words.

    `status` is the HTTP status it answers, `param` the field at fault and `code` its own error code, where it
    names them.
    """

    def __init__(self, message: str, *, status: int = 400, param: str | None = None, code: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.status = status
        self.param = param
        self.code = code


class UnknownWireError(FakeProviderError, LookupError):
    """A wire format name, or a request path, that is not in the table."""


class UnknownDressError(FakeProviderError, LookupError):
    """A dress of `openai_chat` that is not in the table."""


class TimingError(FakeProviderError, ValueError):
    """A timing that can't be read, or that makes no sense."""


class FaultError(FakeProviderError, ValueError):
    """A fault that is not in the catalog, or whose parameters make no sense.

    `where` is its place in the list of faults and the field that is wrong, such as `[0].frame`; empty if unknown.
    """

    where = ""


class FaultNotApplicableError(FakeProviderError):
    """A fault that can't happen to this response, and why."""


class StepError(FakeProviderError):
    """A step of a stream that can't be done."""


class StreamOverError(StepError):
    """The stream is over: `outcome` is `complete`, `dropped`, `client_left` or `server_stopped`."""

    def __init__(self, message: str, outcome: str) -> None:
        super().__init__(message)
        self.outcome = outcome


class StepTimeoutError(StepError, TimeoutError):
    """What was stepped was not handed to the socket in time, or no stream came to step."""


class ScriptError(FakeProviderError, ValueError):
    """A script that contradicts itself, or that the wire format can't express."""


class UnknownSessionError(FakeProviderError, LookupError):
    """A session id that was never created, or is deleted."""


class SessionExistsError(FakeProviderError):
    """A session id that is taken."""


class SessionNameError(FakeProviderError, ValueError):
    """A session id that does not fit into a path."""


class SettingError(FakeProviderError, ValueError):
    """A setting of a session that is of no use."""


class CassetteAccessError(FakeProviderError):
    """A cassette that is not there, or that lies outside the configured folders."""


class UnreadableRecordingError(FakeProviderError):
    """A recording that was left on the disk until it was asked for, and that can't be read there any more."""


class PortInUseError(FakeProviderError, OSError):
    """Another program listens on that port."""


class UnsafeHostError(FakeProviderError):
    """The server would be open to the network, which nobody asked for."""


class ServerStateError(FakeProviderError):
    """The server is not running, or it runs already."""


class MissingExtraError(FakeProviderError, ImportError):
    """A package that only an extra installs is not there: the message says which extra to install."""
