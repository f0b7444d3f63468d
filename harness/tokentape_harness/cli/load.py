"""load: many users who stream from a URL at the same time."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path
from typing import Annotated

import typer

from tokentape_fake_provider.errors import extra_needed
from tokentape_fake_provider.wires import wire_named
from tokentape_harness import terminal_text
from tokentape_harness.cassettes.writer import write_atomically
from tokentape_harness.cli.messages import print_error
from tokentape_harness.cli.options import Json
from tokentape_harness.errors import LoadError
from tokentape_harness.load.page import load_page
from tokentape_harness.load.plan import Plan, run_plan
from tokentape_harness.load.provider_times import ProviderJournal
from tokentape_harness.load.report import summarise
from tokentape_harness.load.sample import read_samples


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
    processes: Annotated[int, typer.Option(min=1, metavar="K", help="Processes that share the users.")] = 1,
    provider: Annotated[
        str | None,
        typer.Option(
            metavar="URL", help="The fake provider behind the URL, whose own times the report shows. [default: the URL]"
        ),
    ] = None,
    session: Annotated[str, typer.Option(metavar="ID", help="The provider's session.")] = "default",
    token: Annotated[str | None, typer.Option(help="Token of the provider's control API.")] = None,
    mark_prompt: Annotated[
        bool, typer.Option(help="End each prompt with the mark of its request: for gateways that drop its header.")
    ] = False,
    page: Annotated[
        Path | None, typer.Option("--html", metavar="FILE", help="Also write the report with plots to this file.")
    ] = None,
    as_json: Json = False,
) -> int:
    """Print the report; 1 if a stream was truncated or failed.

    Raises `UsageError`, `LoadError`, `UnknownWireError`.
    """
    with extra_needed("load", "tokentape load"):
        import locust  # noqa: F401 - it runs in a process of its own
    wire_named(wire)
    settings = {}
    if key_env is not None:
        if not os.environ.get(key_env):
            raise typer.BadParameter(f"{key_env} is not set", param_hint="--key-env")
        settings["api_key"] = os.environ[key_env]
    journal = ProviderJournal(provider or url, session, token)
    with_provider = journal.exists()
    if provider is not None and not with_provider:
        raise LoadError(f"no fake provider with the session {session} at {provider}: see --session, --token")
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
            processes=processes,
            settings=settings,
            mark_prompt=mark_prompt,
        )
        if sys.stderr.isatty():
            print(f"{users} users for {duration:g} s ...", file=sys.stderr)
        for warning in run_plan(plan):
            print_error(f"warning: {warning}")
        samples = read_samples(Path(plan.samples))
    if not samples:
        raise LoadError(f"no stream ended within {duration:g} s: is {url} right? A longer --duration may help")
    times = journal.times() if with_provider else None
    report = summarise(samples, users=users, provider=times)
    if page is not None:
        write_atomically(page, load_page(f"{users} users of {url}", report, samples, times).encode())
    if as_json:
        print(terminal_text.dump(report))
    else:
        print("\n".join(terminal_text.printable(line) for line in report.lines()))
    return 1 if report.errors else 0
