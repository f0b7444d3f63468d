"""report: how resilient the client of a session was."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final
from urllib.parse import urlsplit

import msgspec
import typer

from tokentape_fake_provider.control.journal import JournalPage
from tokentape_fake_provider.sessions.session import DEFAULT_SESSION
from tokentape_fake_provider.verdict.finding import KINDS
from tokentape_fake_provider.verdict.judge import judge
from tokentape_harness import terminal_text
from tokentape_harness.cli.options import Json
from tokentape_harness.errors import UsageError
from tokentape_harness.testing.control_api import ControlApi
from tokentape_harness.testing.project_settings import project_settings
from tokentape_harness.testing.verdicts.case import JudgedCase
from tokentape_harness.testing.verdicts.files import write_verdicts
from tokentape_harness.testing.verdicts.saved_journal import ROUTE, entries_of, read_journal
from tokentape_harness.testing.verdicts.text import verdict_lines

URL: Final = "http://127.0.0.1:8089"


def report(
    source: Annotated[
        str,
        typer.Argument(
            metavar="[URL|JOURNAL]",
            help="Where tokentape serve runs (a URL with /s/ID is for that session), or a file with a saved journal.",
        ),
    ] = URL,
    session: Annotated[str | None, typer.Option(metavar="ID", help="The session. [default: default]")] = None,
    token: Annotated[
        str | None, typer.Option(envvar="TOKENTAPE_TOKEN", help="The token that the server's control API requires.")
    ] = None,
    accepted: Annotated[
        bool | None,
        typer.Option("--accepted/--raised", help="Whether the app took its result as complete, or reported an error."),
    ] = None,
    ended: Annotated[
        bool | None,
        typer.Option(
            "--ended/--running",
            help="Whether the client sends nothing more. One that runs may retry a failure of the last minute yet. "
            "[default: running for a URL, ended for a file]",
        ),
    ] = None,
    most_retries: Annotated[int | None, typer.Option(min=0, metavar="N", help="More retries are a storm. [5]")] = None,
    least_wait: Annotated[
        int | None, typer.Option(min=0, metavar="MS", help="Retries that all come sooner have no back-off. [100]")
    ] = None,
    early: Annotated[
        int | None, typer.Option(min=0, metavar="MS", help="How much earlier than retry-after a retry may come. [5]")
    ] = None,
    longest_retry_after: Annotated[
        int | None, typer.Option(min=0, metavar="MS", help="A client need not retry if it has to wait longer. [60000]")
    ] = None,
    unread: Annotated[
        int | None, typer.Option(min=0, metavar="MS", help="How long a stream may be neither read nor closed. [2000]")
    ] = None,
    cancel: Annotated[
        int | None,
        typer.Option(min=0, metavar="MS", help="How long a stream may stay open once its client has gone on. [1000]"),
    ] = None,
    allow: Annotated[
        list[str] | None, typer.Option(metavar="KIND", help="A kind of finding to leave out; repeatable.")
    ] = None,
    certain_only: Annotated[
        bool | None, typer.Option("--certain-only/--all", help="Leave out findings that are only likely.")
    ] = None,
    location: Annotated[
        str,
        typer.Option(metavar="FILE[:LINE]", help="Where code-scanning pages show the findings, such as the test file."),
    ] = "",
    write: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="FILE", help="Also write the report to a .json, .xml (JUnit), .sarif or .html file; repeatable."
        ),
    ] = None,
    as_json: Json = False,
) -> int:
    """Print the findings; 1 if there are any, else 0. Raises `UsageError`."""
    by_url = "://" in source
    page, name = _running(source, session, token) if by_url else (_saved(source, session), source)
    changes = {
        "most_retries": most_retries,
        "least_wait_ms": least_wait,
        "early_ms": early,
        "longest_retry_after_ms": longest_retry_after,
        "unread_ms": unread,
        "cancel_ms": cancel,
        "allow": None if allow is None else [*allow],
        "certain_only": certain_only,
    }
    try:
        settings = project_settings(Path.cwd()).report.changed(
            **{name: value for name, value in changes.items() if value is not None}
        )
    except msgspec.ValidationError as error:
        raise UsageError(f"{error}: kinds of findings are {', '.join(KINDS)}") from None
    runs = by_url if ended is None else not ended
    verdict = judge(entries_of(page.entries), settings, accepted=accepted, now_ms=page.now, runs=runs)
    file, line = _place(location) if location else ("" if by_url else source, None)
    cases = [JudgedCase(name, verdict, file, line)]
    for path in write or ():
        write_verdicts(path, cases)
    if as_json:
        print(terminal_text.dump({"name": name, **verdict.to_builtins()}))
    else:
        print(name + ": " + "\n".join(verdict_lines(verdict)))
    return 0 if verdict.ok else 1


def _running(url: str, session: str | None, token: str | None) -> tuple[JournalPage, str]:
    """The journal of a running server, and where it is."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or "@" in parts.netloc:
        raise UsageError(f"{url!r} is not the address of a server: write it as {URL}")
    path = parts.path.split("/")
    found = session or (path[2] if path[1:2] == ["s"] and len(path) > 2 else DEFAULT_SESSION)
    origin = f"{parts.scheme}://{parts.netloc}"
    api = ControlApi(origin, token, "name its address, or a file with a saved journal")
    try:
        return msgspec.convert(api.call("GET", f"/sessions/{found}/{ROUTE}"), JournalPage), f"{origin}/s/{found}"
    except msgspec.ValidationError as error:
        raise UsageError(f"{url} answers with no journal ({error}): is it a fake provider of this version?") from None
    finally:
        api.close()


def _saved(source: str, session: str | None) -> JournalPage:
    if session is not None:
        raise UsageError("--session is for a running server: a saved journal has one session")
    return read_journal(Path(source))


def _place(location: str) -> tuple[str, int | None]:
    file, colon, line = location.rpartition(":")
    if colon and line.isdecimal():
        return file, max(1, int(line))
    return location, None
