"""load: many users who stream from a URL at the same time."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

import typer
from msgspec.structs import replace

from tokentape_fake_provider.errors import extra_needed
from tokentape_harness import terminal_text
from tokentape_harness.cassettes.writer import write_atomically
from tokentape_harness.cli.messages import print_error
from tokentape_harness.cli.options import Headers, Json
from tokentape_harness.cli.request_log import without_secrets
from tokentape_harness.conversion.sample_request import client_for
from tokentape_harness.errors import LoadError
from tokentape_harness.flush.request_options import header_of
from tokentape_harness.load.page import load_page
from tokentape_harness.load.plan import Plan, run_plan
from tokentape_harness.load.provider_times import ProviderJournal, ProviderTimes
from tokentape_harness.load.report import summarise
from tokentape_harness.load.requirement import read_requirements
from tokentape_harness.load.sample import read_samples
from tokentape_harness.redaction.redact import redact_uri


def load(
    url: Annotated[str, typer.Argument(metavar="URL", help="Base URL, as in the provider's SDK.")],
    users: Annotated[int, typer.Option("--users", "-u", min=1, metavar="N", help="Users at the same time.")] = 10,
    spawn_rate: Annotated[
        float, typer.Option("--spawn-rate", "-r", min=0.01, metavar="R", help="Users that start per second.")
    ] = 10.0,
    duration: Annotated[
        float, typer.Option("--duration", "-t", min=0.1, metavar="S", help="For how long new streams begin, in s.")
    ] = 10.0,
    wire: Annotated[
        str, typer.Option("--wire", "-w", metavar="W", help="Wire format of the requests.")
    ] = "openai_chat",
    model: Annotated[str, typer.Option(help="The model.")] = "gpt-4o-mini",
    prompt: Annotated[str, typer.Option(help="The prompt of each request.")] = "How deep is the sea?",
    pause: Annotated[
        float, typer.Option(min=0, metavar="S", help="How long a user waits between two streams, in s.")
    ] = 0.0,
    key_env: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="The environment variable with the API key. [default: a fake key]"),
    ] = None,
    timeout: Annotated[
        float, typer.Option(min=0.1, metavar="S", help="How long to wait for a response, and for each next part of it.")
    ] = 60.0,
    headers: Headers = None,
    processes: Annotated[int, typer.Option(min=1, metavar="K", help="Processes that share the users.")] = 1,
    provider: Annotated[
        str | None,
        typer.Option(
            metavar="URL", help="The fake provider behind the URL, whose own times the report shows. [default: the URL]"
        ),
    ] = None,
    session: Annotated[
        str | None, typer.Option(metavar="ID", help="The provider's session. [default: that of its URL]")
    ] = None,
    token: Annotated[str | None, typer.Option(help="Token of the provider's control API.")] = None,
    require: Annotated[
        list[str] | None,
        typer.Option(
            metavar="LIMIT",
            help="A limit of a number of the report, such as time_to_first_token.p99<=500; repeatable. "
            "[default: failed<=0 and unfinished<=0]",
        ),
    ] = None,
    mark_prompt: Annotated[
        bool, typer.Option(help="End each prompt with the mark of its request: for gateways that drop its header.")
    ] = False,
    page: Annotated[
        Path | None, typer.Option("--html", metavar="FILE", help="Also write the report with plots to this file.")
    ] = None,
    as_json: Json = False,
) -> int:
    """Print the report; 1 if it breaks a requirement or lacks samples; after a signal, 128 and its number.

    Raises `UsageError`, `LoadError`, `UnknownWireError`.
    """
    with extra_needed("load", "tokentape load"):
        # It runs in a process of its own: in this one it would patch sockets and locks.
        if find_spec("locust") is None:
            raise ModuleNotFoundError(name="locust")
    _check_url(url, "URL")
    if provider is not None:
        _check_url(provider, "--provider")
    requirements = read_requirements(require or ())
    if page is not None:
        _check_page(page)
    settings = {} if key_env is None else {"api_key": _key(key_env)}
    client_for(wire, model, **settings).close()
    journal = ProviderJournal(provider or url, session, token)
    if provider is not None:
        _check_journal(journal)
    if users / spawn_rate > duration + 1:
        rate = f"{spawn_rate:g} users/s start {spawn_rate * duration:.0f} of the {users} users within {duration:g} s"
        print_error(f"warning: {rate}: the others never stream")
    with tempfile.TemporaryDirectory() as folder:
        plan = Plan(
            url=url,
            samples=str(Path(folder, "samples.jsonl")),
            wire=wire,
            model=model,
            prompt=prompt,
            users=users,
            spawn_rate=spawn_rate,
            duration=duration,
            pause=pause,
            timeout=timeout,
            processes=processes,
            settings=settings,
            headers=dict(map(header_of, headers or ())),
            mark_prompt=mark_prompt,
        )
        if sys.stderr.isatty():
            print(f"{users} users for {duration:g} s ...", file=sys.stderr)
        ran = run_plan(plan)
        for warning in ran.warnings:
            print_error(f"warning: {warning}")
        samples = read_samples(Path(plan.samples)) if ran.signal is None or Path(plan.samples).exists() else []
    if all(sample.unfinished for sample in samples):
        if ran.signal is not None:
            print_error("interrupted before a stream ended")
            return 128 + ran.signal
        raise LoadError(
            f"no stream ended within {duration:g} s: is {redact_uri(url)} right? A longer --duration may help"
        )
    times = _times(journal, required=provider is not None)
    report = summarise(samples, users=users, provider=times)
    redact = without_secrets(settings.values())
    report = replace(report, problems={error: redact(text)[:300] for error, text in report.problems.items()})
    if as_json:
        print(terminal_text.dump(report))
    else:
        print("\n".join(terminal_text.printable(line) for line in report.lines()))
    if page is not None:
        write_atomically(page, load_page(f"{users} users of {redact_uri(url)}", report, samples, times).encode())
    if ran.signal is not None:
        return 128 + ran.signal
    broken = [problem for one in requirements if (problem := one.broken_by(report))]
    for problem in broken:
        print_error(problem)
    return 1 if broken or ran.lost else 0


def _check_url(url: str, hint: str) -> None:
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:  # of the port, or of an address in brackets
        usable = False
    if not usable:
        raise typer.BadParameter(f"{redact_uri(url)}: give a URL such as http://127.0.0.1:8089/v1", param_hint=hint)


def _check_page(page: Path) -> None:
    if page.is_dir():
        raise typer.BadParameter(f"{page} is a folder", param_hint="--html")
    if not page.parent.is_dir():
        raise typer.BadParameter(f"there is no folder {page.parent}", param_hint="--html")


def _key(variable: str) -> str:
    key = os.environ.get(variable)
    if not key:
        raise typer.BadParameter(f"{variable} is not set", param_hint="--key-env")
    return key


def _check_journal(journal: ProviderJournal) -> None:
    missing = journal.missing()
    if missing is not None:
        raise LoadError(f"no journal of a fake provider at {journal.url}: {missing.reason}")


def _times(journal: ProviderJournal, *, required: bool) -> Mapping[str, ProviderTimes] | None:
    """The provider's own times, if it has a journal: it may have come up after the command."""
    missing = journal.missing()
    if missing is not None:
        if missing.is_ours or required:
            print_error(f"warning: the report lacks the provider's own times: {missing.reason}")
        return None
    try:
        return journal.times()
    except LoadError as error:
        print_error(f"warning: {error}")
        return None
