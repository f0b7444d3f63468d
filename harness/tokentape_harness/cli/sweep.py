"""sweep: how a client handles each fault at each frame of a recording, or a reader each cut of an app's response."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.console import Console
from rich.progress import Progress

from tokentape_fake_provider.hosting import InProcessProvider
from tokentape_fake_provider.hosting.server import FakeProviderServer
from tokentape_harness import terminal_text
from tokentape_harness.cli.options import Data, Headers, Json, Method, ProviderPort
from tokentape_harness.cli.rejoin import RejoinRequest, rejoin
from tokentape_harness.errors import UsageError
from tokentape_harness.flush.rejoining import Limits
from tokentape_harness.sweep.clients import sdk_client
from tokentape_harness.sweep.command import command_client
from tokentape_harness.sweep.outcome import checked_outcomes
from tokentape_harness.sweep.plan import plan_sweep
from tokentape_harness.sweep.run import Client, run_sweep
from tokentape_harness.sweep.subject import read_subject

# Commands that wait for a silent server at the same time.
_PARALLEL: Final = 4


def sweep(
    cassette: Annotated[
        Path | None, typer.Argument(metavar="CASSETTE", help="Faults are injected into its first complete stream.")
    ] = None,
    command: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[-- COMMAND]",
            help="Sends one request and prints the answer; the SDKs' environment variables point to the fake provider.",
        ),
    ] = None,
    sdk: Annotated[
        str | None,
        typer.Option(
            metavar="SDK", help="Instead of a command, a client in this process: openai, anthropic or tokentape."
        ),
    ] = None,
    interaction: Annotated[int | None, typer.Option(min=0, help="Use this stream of the cassette, from 0.")] = None,
    faults: Annotated[
        list[str] | None,
        typer.Option(
            "--fault", metavar="NAME|SPEC", help="A fault at each place, or at one place; repeatable. [default: all]"
        ),
    ] = None,
    places: Annotated[int, typer.Option(min=6, help="Maximum number of places per fault, sampled with the seed.")] = 50,
    seed: Annotated[int, typer.Option(help="Seed of the sample.")] = 0,
    times: Annotated[int, typer.Option(min=0, help="How often a fault happens; 0 is always.")] = 1,
    patience: Annotated[
        float | None,
        typer.Option(
            min=0.01,
            metavar="S",
            help="How long a stalled client may wait: 1 s, or an hour of simulated time for an SDK.",
        ),
    ] = None,
    timeout: Annotated[
        float, typer.Option(min=0.1, metavar="S", help="How long the command, or a response, may take, in s.")
    ] = 60.0,
    fail_on: Annotated[
        str, typer.Option(metavar="OUTCOMES", help="Outcomes that give exit code 1, separated by commas; or none.")
    ] = "silent,hung",
    rejoin_url: Annotated[
        str | None,
        typer.Option(
            "--rejoin",
            metavar="URL",
            help="Instead of a client, test an app: cut a reader off at each event, and let it come back to this URL "
            "with Last-Event-ID. {id} is the id of the response. After -- the command that serves the app.",
        ),
    ] = None,
    begin: Annotated[
        str | None, typer.Option(metavar="URL", help="The URL that starts a response, if it is another one.")
    ] = None,
    method: Method = None,
    headers: Headers = None,
    data: Data = None,
    provider_port: ProviderPort = None,
    as_json: Json = False,
) -> int:
    """Print the matrix; 1 if there are outcomes of `fail_on`, or a reader that came back missed something, else 0.

    Raises `UsageError`, `SweepError`, `FlushError`, `CassetteError`, `FaultError`.
    """
    command = command or []
    of_clients = {"--sdk": sdk, "--interaction": interaction, "--fault": faults}
    of_rejoin = {"--begin": begin, "-X": method, "-H": headers, "--data": data, "--provider-port": provider_port}
    _refuse_options(of_rejoin if rejoin_url is None else of_clients, rejoining=rejoin_url is not None)
    if rejoin_url is not None:
        if times != 1 or fail_on != "silent,hung":
            raise UsageError("--times and --fail-on are for a client, not for --rejoin")
        request = RejoinRequest(rejoin_url, begin, method, headers or (), data)
        words = [*([str(cassette)] if cassette is not None else []), *command]  # what comes after --
        limits = Limits(patience=patience or Limits().patience, end=timeout)
        return rejoin(
            request, words, provider_port=provider_port, limits=limits, places=places, seed=seed, as_json=as_json
        )
    if cassette is None:
        raise UsageError("give a cassette, or --rejoin URL")
    if (sdk is None) == (not command):
        raise UsageError("give one client: --sdk openai|anthropic|tokentape, or -- COMMAND")
    failing = checked_outcomes(fail_on)
    subject = read_subject(cassette, interaction)
    plan = plan_sweep(subject.tape, subject.wire, faults or None, places, seed)
    client: Client
    if sdk is not None:
        client, name = sdk_client(sdk, subject)
    else:
        client, name = command_client(command, timeout), shlex.join(command)
    with Progress(console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty()) as progress:
        task = progress.add_task("sweep", total=len(plan.cells))
        with _provider(in_process=sdk is not None) as provider:
            matrix = run_sweep(
                client,
                subject,
                plan,
                provider,
                name=name,
                clock="automatic" if sdk is not None else "server",
                times=times or None,
                patience_s=patience,
                parallel=0 if sdk is not None else _PARALLEL,
                on_cell=lambda _: progress.advance(task),
            )
    failures = matrix.failures(failing)
    if as_json:
        print(terminal_text.dump({**matrix.to_builtins(), "failures": [result.cell for result in failures]}))
    else:
        for line in matrix.lines():
            print(terminal_text.printable(line))
        for line in matrix.explain(failures):
            print(terminal_text.printable(line))
    return 1 if failures else 0


def _refuse_options(options: Mapping[str, object], *, rejoining: bool) -> None:
    """Refuse options that would be ignored. Raises `UsageError`."""
    given = [name for name, value in options.items() if value is not None]
    if given:
        raise UsageError(f"{', '.join(given)}: {'not with' if rejoining else 'only with'} --rejoin")


def _provider(*, in_process: bool) -> InProcessProvider | FakeProviderServer:
    return InProcessProvider() if in_process else FakeProviderServer(port=0)
