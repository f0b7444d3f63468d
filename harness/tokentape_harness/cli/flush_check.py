"""flush-check: does an app or a proxy pass on each token as it arrives?"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from tokentape_fake_provider.hosting.server import FakeProviderServer
from tokentape_harness import terminal_text
from tokentape_harness.cli.options import (
    AppPath,
    Data,
    Headers,
    Json,
    Method,
    Patience,
    ProviderPort,
    Reader,
    ReportedBy,
    Start,
    Until,
)
from tokentape_harness.errors import FlushError, UsageError
from tokentape_harness.flush.check import FlushOptions, check_flush
from tokentape_harness.flush.prober import Pace
from tokentape_harness.flush.report import FlushReport, report_lines, token_row
from tokentape_harness.flush.request_options import body_of, header_of
from tokentape_harness.flush.serving import KNOWN_PORT
from tokentape_harness.flush.targets import (
    NAMED,
    AppRequest,
    CommandTarget,
    ReaderTarget,
    Target,
    by_url,
    reader_of,
    reader_target,
    target_of,
    through,
    url_target,
)
from tokentape_harness.testing.fake_provider import FakeProvider
from tokentape_harness.testing.sdk_environment import sdk_environment


def flush_check(
    arguments: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[TARGET] [-- COMMAND]",
            help="TARGET is a URL that streams (http, https, ws, wss), or MODULE:NAME of an ASGI or WSGI app or of a "
            "function that yields. COMMAND serves the URL, or the app that the function reads; without a TARGET its "
            "standard output is checked.",
        ),
    ] = None,
    through_url: Annotated[
        str | None,
        typer.Option("--through", metavar="URL", help="Send a request through this proxy, without an app."),
    ] = None,
    reader: Reader = None,
    until: Until = "",
    wire: Annotated[
        str, typer.Option("--wire", "-w", metavar="W", help="Wire format of the request that goes --through.")
    ] = "openai_chat",
    method: Method = None,
    headers: Headers = None,
    data: Data = None,
    path: AppPath = "/",
    provider_port: ProviderPort = None,
    tokens: Annotated[int, typer.Option(min=2, max=1000, help="Short tokens to send one by one.")] = 10,
    patience: Patience = 2.0,
    wait: Annotated[
        float,
        typer.Option(min=0.01, metavar="S", help="How long to wait for each further token once tokens are held, in s."),
    ] = 0.25,
    max_bytes: Annotated[int, typer.Option(min=0, help="Bytes of tokens to send to find a buffer's size.")] = 65_536,
    start: Start = 30.0,
    warm_up: Annotated[bool, typer.Option(help="Send one request first, without judging its answer.")] = True,
    readers: Annotated[bool, typer.Option(help="Check whether a second reader waits for the first.")] = True,
    leaving: Annotated[
        bool, typer.Option(help="Check whether the provider's stream ends when the reader disconnects.")
    ] = True,
    cut: Annotated[bool, typer.Option(help="Check the output of a provider's stream that is cut off.")] = True,
    reported_by: ReportedBy = "",
    as_json: Json = False,
) -> int:
    """Print the report; 0 if the target flushes and hides no truncation, else 1.

    Raises `UsageError`, `FlushError`, `PortInUseError`.
    """
    pace = Pace(patience=patience, wait=wait, tokens=tokens, max_bytes=max_bytes)
    options = FlushOptions(
        pace=pace, start=start, warm_up=warm_up, readers=readers, leaving=leaving, cut=cut, reported_by=reported_by
    )
    named, command = _split(arguments or [])
    given = [
        name
        for name, value in (("--through", through_url), ("--reader", reader), (str(named), named))
        if value is not None
    ]
    if len(given) > 1:
        raise UsageError(f"{' and '.join(given)} exclude each other: give only one")
    if not given and not command:
        raise UsageError("nothing to check: give a URL, module:app, --through URL, or -- COMMAND (see --help)")
    request = AppRequest(method=method or "", headers=tuple(map(header_of, headers or ())), body=body_of(data))
    if until and not by_url(named or ""):
        raise UsageError("--until is for the URL of a WebSocket")
    runs_already = not command and (named is None or by_url(named))
    port = provider_port if provider_port is not None else KNOWN_PORT if runs_already else 0
    with FakeProviderServer(port=port) as server:
        provider = FakeProvider(server, server.default)
        target: Target
        if through_url is not None:
            target = through(through_url, wire, headers=request.headers)
        elif named is not None and by_url(named):
            target = url_target(named, request, until)
        elif reader is not None:
            os.environ.update(sdk_environment(server.url))
            target = reader_of(reader, _imported)
        elif named is not None:
            os.environ.update(sdk_environment(server.url))
            target = target_of(_imported(named), path, request)
            if command:
                target = reader_target(target, named)
        else:
            target, command = CommandTarget(tuple(command)), ()
        if isinstance(target, ReaderTarget) and request != AppRequest():
            raise UsageError(f"{target} sends its own request: --request, --header and --data are for a URL or an app")
        if (runs_already or command) and not as_json:
            _print_address(server.url, through_url, started=bool(command))
        report = check_flush(target, provider, options, serve=command)
    print(terminal_text.dump(report.to_builtins()) if as_json else _as_text(report))
    return 0 if report.ok else 1


def _split(arguments: Sequence[str]) -> tuple[str | None, Sequence[str]]:
    """The URL or app before the command, if there is one, and the command."""
    if arguments and (by_url(arguments[0]) or NAMED.fullmatch(arguments[0])):
        return arguments[0], arguments[1:]
    return None, arguments


def _imported(name: str) -> Any:
    """Import `module:attribute`, with the working folder on the path. Raises `FlushError`, `UsageError`."""
    module_name, _, attribute = name.partition(":")
    sys.path.insert(0, str(Path.cwd()))
    try:
        found: Any = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        raise FlushError(f"{name}: {error} (looked in {Path.cwd()} and the installed packages)") from None
    except Exception as error:
        raise FlushError(f"{name}: importing {module_name} failed with {type(error).__name__}: {error}") from error
    for part in attribute.split("."):
        if not hasattr(found, part):
            raise FlushError(f"{name}: {module_name} has no {attribute}")
        found = getattr(found, part)
    if not callable(found):
        raise UsageError(f"{name} is of type {type(found).__name__}: give an app or a function")
    return found


def _print_address(url: str, through_url: str | None, *, started: bool) -> None:
    if through_url is not None:
        note = f"the proxy at {through_url} must forward requests to it"
    elif started:
        note = "the command gets it in OPENAI_BASE_URL and the other SDKs' variables"
    else:
        note = f"the app must send its requests there: OPENAI_BASE_URL={url}/v1, ANTHROPIC_BASE_URL={url}, ..."
    print(f"fake provider: {url} ({note})", file=sys.stderr)


def _as_text(report: FlushReport) -> str:
    console = Console(highlight=False, soft_wrap=True)
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("token", "result", "came out"):
        table.add_column(column, justify="right" if column == "token" else "left")
    colours = {"flushed": "green", "late": "yellow", "held": "red", "lost": "red"}
    for token in report.tokens:
        number, verdict, when = token_row(token)
        table.add_row(number, Text(verdict, style=colours[token.verdict]), when)
    title, *lines = (terminal_text.printable(line) for line in report_lines(report))
    with console.capture() as captured:
        console.print(Text(title))
        console.print(table)
        for line in lines:
            style = ("bold green" if report.flushes else "bold red") if line.startswith("verdict:") else ""
            console.print(Text(line, style=style))
    return captured.get().rstrip("\n")
