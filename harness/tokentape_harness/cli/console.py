"""console: open the page of a running fake provider."""

from __future__ import annotations

import json
import os
import webbrowser
from typing import Annotated, Any, Final
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import ProxyHandler, Request, build_opener

import typer

from tokentape_harness.cli.messages import print_error
from tokentape_harness.errors import HarnessError, UsageError

PAGE: Final = "/_tokentape/console"
TOKEN: Final = "TOKENTAPE_TOKEN"  # noqa: S105 - the name of the variable
_TIMEOUT_S: Final = 10.0


def console(
    url: Annotated[
        str, typer.Argument(metavar="[URL]", help="Where tokentape serve runs; any URL of that server will do.")
    ] = "http://127.0.0.1:8089",
    token: Annotated[
        str | None,
        typer.Option(
            envvar=TOKEN,
            help=f"The token that the server's control API requires. Other users see it in ps: set {TOKEN}.",
        ),
    ] = None,
    browser: Annotated[bool, typer.Option("--browser/--no-browser", help="Open it, or print its address only.")] = True,
) -> None:
    """Print the address of the page, and open it in a browser.

    A token is checked, and never part of the address, which the other users of the machine see in the list of
    processes: the page asks for it. Raises `UsageError` for what is no URL, and `HarnessError` if no server answers.
    """
    origin = _origin(url)
    _get(f"{origin}{PAGE}", None)
    if token is not None:
        _get(f"{origin}/_tokentape", token)
        if os.environ.get(TOKEN) != token:
            print_error(f"other users of this machine see --token in the list of processes: set {TOKEN} instead")
    print(f"{origin}{PAGE}", flush=True)
    if browser and not webbrowser.open(f"{origin}{PAGE}"):
        print_error("no browser can be opened here: open the address yourself")


def _origin(url: str) -> str:
    """The scheme and authority of an address; `http` if it has no scheme."""
    parts = urlsplit(url if "://" in url else f"http://{url}")
    try:
        valid = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        valid = False
    if "@" in parts.netloc:
        raise UsageError("the address has a user or a password: leave it out")
    if not valid:
        raise UsageError(f"{url!r} is not the address of a server: write it as http://127.0.0.1:8089")
    return f"{parts.scheme}://{parts.netloc}"


def _get(url: str, token: str | None) -> None:
    """Request something of a fake provider. Raises `HarnessError` if it is not there, or refuses."""
    headers = {} if token is None else {"authorization": f"Bearer {token}"}
    try:
        with build_opener(ProxyHandler({})).open(Request(url, headers=headers), timeout=_TIMEOUT_S) as response:  # noqa: S310 - http or https
            if b"tokentape" in response.read(100_000):
                return
    except HTTPError as error:
        with error:
            what, do = _refusal(error.read(100_000))
        if what:
            raise HarnessError(f"{url}: {what}: {do}") from None
    except (URLError, OSError, ValueError) as error:
        reason = getattr(error, "reason", error)
        raise HarnessError(
            f"no server answers at {url} ({getattr(reason, 'strerror', None) or reason}): start one with tokentape "
            "serve, or name its address"
        ) from None
    raise HarnessError(f"{url} is not a page of a fake provider: name the address that tokentape serve prints")


def _refusal(body: bytes) -> tuple[str, str]:
    """What the control API refused and what to do; empty for another server."""
    try:
        error: Any = json.loads(body)["error"]
        return str(error["what"]), str(error["do"])
    except (ValueError, KeyError, TypeError):
        return "", ""
