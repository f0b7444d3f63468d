"""Targets: what is checked, and how its output is obtained."""

from __future__ import annotations

import inspect
import re
import shlex
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final, TypeAlias, assert_never
from urllib.parse import urlsplit

import msgspec

from tokentape_fake_provider.wires import wire_named
from tokentape_harness.conversion.sample_request import sample_request
from tokentape_harness.errors import UsageError

# The form of the name of an app or a function, which neither a URL nor a command's name has.
NAMED: Final = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_][\w.]*")
ID: Final = "{id}"
"""Stands for the id of a response in the URL or path, the headers and the body of a request over HTTP."""
# The encodings that a browser accepts and that can be decoded here.
_ACCEPT_ENCODING = "gzip, deflate"


class AppRequest(msgspec.Struct, frozen=True, kw_only=True):
    """The request that the app answers. `method` is by default POST with a body and GET without."""

    method: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes | None = None

    @property
    def verb(self) -> str:
        """The method."""
        return self.method.upper() or ("GET" if self.body is None else "POST")

    @property
    def all_headers(self) -> tuple[tuple[str, str], ...]:
        """The headers, with defaults for those that were not given."""
        given = {name.lower() for name, _ in self.headers}
        filled = [("accept", "text/event-stream, */*"), ("accept-encoding", _ACCEPT_ENCODING)]
        if self.body is not None:
            is_json = self.body.lstrip()[:1] in (b"{", b"[")
            filled.append(("content-type", "application/json" if is_json else "application/x-www-form-urlencoded"))
        return (*self.headers, *((name, value) for name, value in filled if name not in given))


class HttpTarget(msgspec.Struct, frozen=True):
    """A URL that answers with a stream."""

    url: str
    request: AppRequest = AppRequest()

    def __str__(self) -> str:
        return f"{self.request.verb} {self.url}"


class WebSocketTarget(msgspec.Struct, frozen=True):
    """A WebSocket URL: the handshake has the headers of `request`, and its body is the first message that is sent.

    The output ends when the server closes the socket, or with the first message that `until` (a regular expression)
    matches. If neither happens after a complete answer, it ends when nothing more arrives.
    """

    url: str
    request: AppRequest = AppRequest()
    until: str = ""

    def __str__(self) -> str:
        return self.url


class AsgiTarget(msgspec.Struct, frozen=True):
    """An ASGI app, called directly, without a server."""

    app: Any
    path: str = "/"
    request: AppRequest = AppRequest()

    def __str__(self) -> str:
        return f"{self.request.verb} {self.path} of an ASGI app"


class WsgiTarget(msgspec.Struct, frozen=True):
    """A WSGI app, called directly, without a server."""

    app: Any
    path: str = "/"
    request: AppRequest = AppRequest()

    def __str__(self) -> str:
        return f"{self.request.verb} {self.path} of a WSGI app"


class CommandTarget(msgspec.Struct, frozen=True):
    """A command whose standard output is read through a pipe. `environment` is added to the inherited one."""

    command: tuple[str, ...]
    environment: tuple[tuple[str, str], ...] = ()
    folder: str | None = None

    def __str__(self) -> str:
        return " ".join(self.command)


class CallTarget(msgspec.Struct, frozen=True):
    """A function without arguments that returns (or awaits) an iterable, or an async one, of its output.

    The items are bytes, text, or objects that `str` converts to text. A function that `runs_once`, because it returns
    an existing iterator, is only checked for flushing.
    """

    call: Callable[[], Any]
    runs_once: bool = False

    def __str__(self) -> str:
        return str(getattr(self.call, "__qualname__", self.call))


class ReaderTarget(msgspec.Struct, frozen=True):
    """A function or a command that reads an app in another process, and yields or prints the app's output.

    Each time it runs it sends the app one request, and ends when the answer has ended. If it fails (with an exception
    or an exit code), the output counts as cut off.
    """

    reader: CallTarget | CommandTarget

    def __str__(self) -> str:
        return f"the reader {self.reader}"


Target: TypeAlias = HttpTarget | WebSocketTarget | AsgiTarget | WsgiTarget | CommandTarget | CallTarget | ReaderTarget


def is_shared(target: Target) -> bool:
    """Whether two readers share the target, so that one may wait for the other."""
    match target:
        case HttpTarget() | WebSocketTarget() | AsgiTarget() | WsgiTarget() | CallTarget() | ReaderTarget():
            return True
        case CommandTarget():
            return False
        case _:
            assert_never(target)


def is_served(target: Target) -> bool:
    """Whether the target is read through a server, which notifies the app when its reader disconnects."""
    return isinstance(target, HttpTarget | WebSocketTarget | ReaderTarget)


def with_headers(target: Target, headers: Mapping[str, str]) -> Target | None:
    """The same target, with these headers in its request; `None` if it is not read over HTTP."""
    match target:
        case HttpTarget(request=request) | AsgiTarget(request=request) | WsgiTarget(request=request):
            changed = {name.lower() for name in headers}
            kept = tuple((name, value) for name, value in request.headers if name.lower() not in changed)
            changed_request = msgspec.structs.replace(request, headers=(*kept, *headers.items()))
            return msgspec.structs.replace(target, request=changed_request)
        case WebSocketTarget() | CommandTarget() | CallTarget() | ReaderTarget():
            return None
        case _:
            assert_never(target)


def with_id(target: Target, response_id: str) -> Target:
    """The same target, with this id where it has `{id}`."""
    match target:
        case HttpTarget(url=url, request=request):
            return HttpTarget(url.replace(ID, response_id), _request_with_id(request, response_id))
        case AsgiTarget(path=path, request=request) | WsgiTarget(path=path, request=request):
            changed = _request_with_id(request, response_id)
            return msgspec.structs.replace(target, path=path.replace(ID, response_id), request=changed)
        case WebSocketTarget() | CommandTarget() | CallTarget() | ReaderTarget():
            return target
        case _:
            assert_never(target)


def _request_with_id(request: AppRequest, response_id: str) -> AppRequest:
    return msgspec.structs.replace(
        request,
        headers=tuple((name, value.replace(ID, response_id)) for name, value in request.headers),
        body=None if request.body is None else request.body.replace(ID.encode(), response_id.encode()),
    )


def through(
    url: str, wire: str, *, prefix: str = "", headers: Iterable[tuple[str, str]] = (), model: str = "tokentape"
) -> HttpTarget:
    """A provider's streaming request that the checker itself sends through a proxy at `url`.

    `prefix` (that of a session) comes before the provider's path. Raises `UsageError`, `UnknownWireError`.
    """
    sample = sample_request(wire, model, "Hello")
    if wire_named(wire).document_paths.wrapped:
        raise UsageError(f"{wire} sends its tokens in base64, where markers can't be found: use bedrock_converse")
    parts = urlsplit(sample.uri)
    path = parts.path + (f"?{parts.query}" if parts.query else "")
    base = url.rstrip("/")
    base_path = wire_named(wire).base_path
    if base_path and base.endswith(base_path):
        base = base.removesuffix(base_path)
    request = AppRequest(headers=(*sample.headers, *headers), body=sample.body)
    return HttpTarget(checked_url(base) + prefix + path, request)


def checked_url(url: str, *schemes: str) -> str:
    """The URL, if its scheme is HTTP's or one of these. Raises `UsageError`."""
    parts = urlsplit(url)
    if parts.scheme not in (schemes or ("http", "https")) or not parts.hostname:
        raise UsageError(f"{url!r} is not a URL: give http://HOST:PORT/PATH")
    return url


def url_target(url: str, request: AppRequest, until: str = "") -> HttpTarget | WebSocketTarget:
    """A URL of HTTP or of a WebSocket. Raises `UsageError`."""
    if urlsplit(url).scheme in ("ws", "wss"):
        _check_pattern(until)
        if request.method:
            raise UsageError(
                f"{url}: a WebSocket has no method {request.method}: give headers, and the first message as body"
            )
        return WebSocketTarget(checked_url(url, "ws", "wss"), request, until)
    if until:
        raise UsageError(f"{url}: only a WebSocket is read until a message matches; an HTTP response ends by itself")
    return HttpTarget(checked_url(url), request)


def by_url(name: str) -> bool:
    """Whether a target's name is a URL."""
    return "://" in name


def reader_of(text: str, imported: Callable[[str], object]) -> ReaderTarget:
    """The reader that `MODULE:FUNCTION` or a command line names. Raises `UsageError`, and what `imported` raises."""
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise UsageError(f"reader {text!r} is not a command line: {error}") from None
    if not words:
        raise UsageError("the reader is empty: give MODULE:FUNCTION or a command line")
    return reader_target(target_of(imported(text)) if NAMED.fullmatch(text) else CommandTarget(tuple(words)), text)


def reader_target(target: Target, name: str = "") -> ReaderTarget:
    """A function or a command as the reader of a served app. Raises `UsageError` for other targets."""
    if isinstance(target, CommandTarget) or (isinstance(target, CallTarget) and not target.runs_once):
        return ReaderTarget(target)
    raise UsageError(
        f"{name or target} runs in this process: a command can serve a URL, or the app that a function without "
        "arguments or a command reads"
    )


def target_of(target: object, path: str = "/", request: AppRequest | None = None, until: str = "") -> Target:
    """The target for a URL, a command (a list), an ASGI or WSGI app, a function without arguments, or an iterator.

    ASGI and WSGI apps are distinguished by the number of their arguments. Raises `UsageError`.
    """
    request = request or AppRequest()
    match target:
        case (
            HttpTarget()
            | WebSocketTarget()
            | AsgiTarget()
            | WsgiTarget()
            | CommandTarget()
            | CallTarget()
            | ReaderTarget()
        ):
            return target
        case str():
            return url_target(target, request, until)
        case list() | tuple():
            return CommandTarget(tuple(map(str, target)))
    if hasattr(target, "__next__") or hasattr(target, "__anext__"):
        return CallTarget(lambda: target, runs_once=True)
    if callable(target):
        taken = _required_arguments(target)
        if taken == 3 or _is_asgi_framework(target):
            return AsgiTarget(target, path, request)
        if taken == 2:
            return WsgiTarget(target, path, request)
        if taken == 0:
            return CallTarget(target)
    raise UsageError(
        f"{target!r} can't be checked: give a URL, a command as a list, an ASGI app (3 arguments), a WSGI app (2), "
        "a function without arguments that returns an iterable, or an iterator"
    )


def _check_pattern(pattern: str) -> None:
    try:
        re.compile(pattern)
    except re.error as error:
        raise UsageError(f"until {pattern!r} is not a regular expression: {error}") from None


def _is_asgi_framework(app: object) -> bool:
    return inspect.iscoroutinefunction(type(app).__call__)


def _required_arguments(function: Callable[..., Any]) -> int | None:
    try:
        parameters: Sequence[inspect.Parameter] = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):
        return None
    positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return sum(each.kind in positional and each.default is each.empty for each in parameters)
