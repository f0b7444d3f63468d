"""The commands that try an app: what it does when things go wrong, and whether it flushes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tokentape_harness.cli.options import Data, Json, Reader, Until

app = typer.Typer()


@app.command(no_args_is_help=True)
def sweep(
    cassette: Annotated[Path, typer.Argument(metavar="CASSETTE", help="Its first whole stream is damaged.")],
    command: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[-- COMMAND]",
            help="Asks once, and prints the answer; the SDKs' variables send it to the fake provider.",
        ),
    ] = None,
    sdk: Annotated[
        str | None, typer.Option(metavar="SDK", help="openai, anthropic or tokentape, in this process, instead.")
    ] = None,
    interaction: Annotated[int | None, typer.Option(min=0, help="Another stream of the cassette, from 0.")] = None,
    fault: Annotated[
        list[str] | None,
        typer.Option("--fault", metavar="NAME|SPEC", help="Of the catalog, or one at one place; repeatable."),
    ] = None,
    places: Annotated[int, typer.Option(min=6, help="Places of each fault to try at most, drawn from the seed.")] = 50,
    seed: Annotated[int, typer.Option(help="What the places are drawn from.")] = 0,
    times: Annotated[int, typer.Option(min=0, help="How often a fault happens; 0 is always.")] = 1,
    patience: Annotated[
        float | None,
        typer.Option(
            min=0.01, metavar="S", help="How long a stalled client may wait: 1 s, of an SDK an hour that takes no time."
        ),
    ] = None,
    timeout: Annotated[float, typer.Option(min=0.1, metavar="S", help="How long the command may take, in s.")] = 60.0,
    fail_on: Annotated[
        str, typer.Option(metavar="OUTCOMES", help="What makes the exit code 1, with commas between; or none.")
    ] = "silent,hung",
    json: Json = False,
) -> int:
    """Show what a client does with each fault at each frame of a recording; exit with 1 if it is silent, or hangs."""
    from tokentape_harness.cli.sweep import sweep as run

    return run(
        cassette,
        command or [],
        sdk=sdk,
        interaction=interaction,
        faults=fault or [],
        places=places,
        seed=seed,
        times=times,
        patience=patience,
        timeout=timeout,
        fail_on=fail_on,
        as_json=json,
    )


@app.command("flush-check", no_args_is_help=True)
def flush_check(
    target: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[TARGET] [-- COMMAND]",
            help="TARGET is a URL that streams (http, https, ws, wss), or MODULE:NAME of an ASGI or WSGI app or of a "
            "function that yields. COMMAND serves the URL, or the app that the function reads; without a TARGET its "
            "standard output is what is checked.",
        ),
    ] = None,
    through: Annotated[
        str | None, typer.Option(metavar="URL", help="Ask the provider through this proxy, with no app at all.")
    ] = None,
    reader: Reader = None,
    until: Until = "",
    wire: Annotated[
        str, typer.Option("--wire", "-w", metavar="W", help="Wire format of the request that goes --through.")
    ] = "openai_chat",
    request: Annotated[
        str | None, typer.Option("--request", "-X", metavar="METHOD", help="GET, or POST with --data, unless given.")
    ] = None,
    header: Annotated[
        list[str] | None, typer.Option("--header", "-H", metavar="'NAME: VALUE'", help="Of the request; repeatable.")
    ] = None,
    data: Data = None,
    path: Annotated[str, typer.Option(help="Path and query to ask MODULE:APP for.")] = "/",
    provider_port: Annotated[
        int | None,
        typer.Option(min=0, max=65535, help="Port of the fake provider: 8089 for what runs already, else a free one."),
    ] = None,
    tokens: Annotated[int, typer.Option(min=2, max=1000, help="Short tokens to send one by one.")] = 10,
    patience: Annotated[
        float, typer.Option(min=0.01, metavar="S", help="How long a token may take before it counts as held, in s.")
    ] = 2.0,
    wait: Annotated[
        float, typer.Option(min=0.01, metavar="S", help="How long to wait for each more once tokens are held, in s.")
    ] = 0.25,
    max_bytes: Annotated[int, typer.Option(min=0, help="Bytes of tokens to send to find a buffer's size.")] = 65_536,
    start: Annotated[
        float, typer.Option(min=0.1, metavar="S", help="How long the target may take to ask the provider, in s.")
    ] = 30.0,
    warm_up: Annotated[bool, typer.Option(help="Ask once before, unjudged.")] = True,
    readers: Annotated[bool, typer.Option(help="Check whether a second reader waits for the first.")] = True,
    leaving: Annotated[
        bool, typer.Option(help="Check whether a reader of what is served who leaves ends the stream.")
    ] = True,
    cut: Annotated[bool, typer.Option(help="Check what becomes of a stream that is cut off.")] = True,
    told_by: Annotated[
        str, typer.Option(metavar="REGEX", help="What the output matches if the app tells of a cut-off stream.")
    ] = "",
    json: Json = False,
) -> int:
    """Check that an app, or a proxy, passes each token on as it comes; exit with 1 if it does not."""
    from tokentape_harness.cli.flush_check import flush_check as run
    from tokentape_harness.flush.check import FlushOptions
    from tokentape_harness.flush.prober import Pace

    pace = Pace(patience=patience, wait=wait, tokens=tokens, max_bytes=max_bytes)
    return run(
        target or [],
        through_url=through,
        reader=reader,
        until=until,
        wire=wire,
        method=request,
        headers=header or [],
        data=data,
        path=path,
        provider_port=provider_port,
        options=FlushOptions(
            pace=pace, start=start, warm_up=warm_up, readers=readers, leaving=leaving, cut=cut, told_by=told_by
        ),
        as_json=json,
    )
