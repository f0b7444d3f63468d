"""The commands under `tokentape conformance`, one for each suite, and the options that they share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tokentape_harness.cli.options import Data, Reader, Until

app = typer.Typer(
    name="conformance",
    help="Check whether an implementation keeps the contract of streaming.",
    no_args_is_help=True,
)

Wires = Annotated[
    list[str] | None, typer.Option("--wire", "-w", metavar="W", help="Only this wire format; repeatable.")
]
Cases = Annotated[
    list[str] | None,
    typer.Option("--case", metavar="PATTERN", help="Only this case, area (text) or pattern (*/last*); repeatable."),
]
Include = Annotated[
    list[str] | None, typer.Option("--include", metavar="FILE|MODULE", help="Cases of your own; repeatable.")
]
BaselineFile = Annotated[
    Path | None, typer.Option("--baseline", metavar="FILE", help="Known deviations, each with a reason, as TOML.")
]
Seed = Annotated[int, typer.Option(help="Seed of the cases' random values.")]
Jobs = Annotated[int | None, typer.Option("--jobs", "-j", min=1, help="Processes. [default: one per processor]")]
Timeout = Annotated[float, typer.Option(min=0.01, metavar="S", help="How long a case may take, in s.")]
JsonFile = Annotated[str | None, typer.Option("--json", metavar="FILE|-", help="Write the whole report as JSON.")]
JunitFile = Annotated[Path | None, typer.Option("--junit", metavar="FILE", help="Write JUnit's XML.")]
HtmlFile = Annotated[Path | None, typer.Option("--html", metavar="FILE", help="Write a scorecard page.")]


@app.command()
def iterator(
    target: Annotated[
        str,
        typer.Argument(
            metavar="MODULE:FACTORY", help="The function that creates the adapter, see docs/conformance.md."
        ),
    ],
    wire: Wires = None,
    case: Cases = None,
    include: Include = None,
    baseline: BaselineFile = None,
    seed: Seed = 0,
    jobs: Jobs = None,
    timeout: Timeout = 30.0,
    json: JsonFile = None,
    junit: JunitFile = None,
    html: HtmlFile = None,
) -> int:
    """Check an iterator: text, usage, tool calls, callbacks, events, how streams end."""
    from tokentape_conformance.command import conformance

    return conformance(
        "iterator",
        target,
        wires=wire or [],
        cases=case or [],
        include=include or [],
        baseline=baseline,
        seed=seed,
        jobs=jobs,
        timeout=timeout,
        json=json,
        junit=junit,
        html=html,
    )


@app.command()
def provider(
    target: Annotated[
        str, typer.Argument(metavar="BASE_URL", help="A server: a fake provider, a gateway, a local model server.")
    ],
    wire: Wires = None,
    model: Annotated[str | None, typer.Option("--model", "-m", metavar="M", help="The model to request.")] = None,
    key_env: Annotated[
        str | None, typer.Option("--key-env", metavar="NAME", help="The environment variable that holds the key.")
    ] = None,
    lacks: Annotated[
        list[str] | None,
        typer.Option(
            "--lacks",
            metavar="NAME=REASON",
            help="What the server can't do, such as tool_calls or ollama.usage: skipped, not failed; repeatable.",
        ),
    ] = None,
    control: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            help="The fake provider behind the server, if that is a gateway: its responses are scripted there.",
        ),
    ] = None,
    token_env: Annotated[
        str | None,
        typer.Option(
            "--token-env", metavar="NAME", help="The environment variable that holds the control API's token."
        ),
    ] = None,
    case: Cases = None,
    include: Include = None,
    baseline: BaselineFile = None,
    seed: Seed = 0,
    jobs: Jobs = None,
    timeout: Timeout = 30.0,
    json: JsonFile = None,
    junit: JunitFile = None,
    html: HtmlFile = None,
) -> int:
    """Check a server's streams against the specification: grammar, fields, usage, tools, errors."""
    from tokentape_conformance.command import conformance

    wires = wire or []
    options = {
        "wires": ",".join(wires),
        "model": model or "",
        "key_env": key_env or "",
        "lacks": ";".join(lacks or []),
        "control": control or "",
        "token_env": token_env or "",
    }
    return conformance(
        "provider",
        target,
        options,
        wires=wires,
        cases=case or [],
        include=include or [],
        baseline=baseline,
        seed=seed,
        # The fake provider behind a gateway serves one script at a time.
        jobs=1 if control else jobs,
        timeout=timeout,
        json=json,
        junit=junit,
        html=html,
    )


@app.command(context_settings={"allow_interspersed_args": True})
def pipeline(
    target: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[URL|MODULE:APP] [-- COMMAND...]",
            help="What responds; COMMAND serves the URL, or the app that a function or --reader reads.",
        ),
    ] = None,
    reader: Reader = None,
    until: Until = "",
    path: Annotated[str, typer.Option(help="Path and query of the request to MODULE:APP.")] = "/",
    request: Annotated[
        str | None, typer.Option("--request", "-X", metavar="METHOD", help="[default: GET, or POST with --data]")
    ] = None,
    header: Annotated[
        list[str] | None,
        typer.Option("--header", "-H", metavar="'NAME: VALUE'", help="A header of the request; repeatable."),
    ] = None,
    data: Data = None,
    through: Annotated[
        bool, typer.Option("--through", help="The URL is a gateway: send it a provider's requests, without an app.")
    ] = False,
    wire: Wires = None,
    model: Annotated[str, typer.Option("--model", "-m", metavar="M", help="The model to request of a gateway.")] = (
        "tokentape"
    ),
    provider_port: Annotated[
        int | None,
        typer.Option(
            min=0, max=65535, help="Port of the fake provider. [default: 8089 for a running app, else a free one]"
        ),
    ] = None,
    lacks: Annotated[
        list[str] | None,
        typer.Option(
            "--lacks", metavar="NAME=REASON", help="What it is not meant to do: skipped, not failed; repeatable."
        ),
    ] = None,
    declare: Annotated[
        str | None, typer.Option(metavar="FILE", help="The same as TOML: a table [lacks] of names and reasons.")
    ] = None,
    start: Annotated[
        float, typer.Option(min=0.1, metavar="S", help="How long the target may take to call the provider, in s.")
    ] = 30.0,
    patience: Annotated[
        float, typer.Option(min=0.01, metavar="S", help="How long a token may take before it counts as held, in s.")
    ] = 2.0,
    limit: Annotated[
        float, typer.Option(min=0.1, metavar="S", help="How long a response may take to end, in s.")
    ] = 15.0,
    reported_by: Annotated[
        str | None,
        typer.Option(
            "--reported-by",
            "--told-by",
            metavar="REGEX",
            help="Matches the output of an app that reports a cut-off stream.",
        ),
    ] = None,
    case: Cases = None,
    include: Include = None,
    baseline: BaselineFile = None,
    seed: Seed = 0,
    jobs: Jobs = None,
    timeout: Timeout = 60.0,
    json: JsonFile = None,
    junit: JunitFile = None,
    html: HtmlFile = None,
) -> int:
    """Check an app in front of a provider: order, text, flushing, stream ends, disconnects, errors, headers."""
    import shlex

    from tokentape_conformance.command import conformance
    from tokentape_harness.errors import UsageError

    words = list(target or ())
    if reader is None and not words:
        raise UsageError("nothing to check: give a URL, module:app, or --reader")
    name = reader if reader is not None else words.pop(0)
    options = {
        "reader": "true" if reader is not None else None,
        "until": until,
        "path": path,
        "method": request,
        "header": "\n".join(header or []),
        "data": data,
        "through": "true" if through else None,
        "model": model,
        "provider_port": None if provider_port is None else str(provider_port),
        "command": shlex.join(words),
        "lacks": "\n".join(lacks or []),
        "declare": declare,
        "start": str(start),
        "patience": str(patience),
        "limit": str(limit),
        "reported_by": reported_by,
    }
    # A gateway forwards what is requested of it; two processes can't share a target that is set to one fake provider.
    wires = wire or (["openai_chat"] if through else [])
    return conformance(
        "pipeline",
        name,
        {option: value for option, value in options.items() if value},
        wires=wires,
        cases=case or [],
        include=include or [],
        baseline=baseline,
        seed=seed,
        # Nor one that a command serves: it would want the same port in both.
        jobs=1 if "://" in name or words or reader is not None else jobs,
        timeout=timeout,
        json=json,
        junit=junit,
        html=html,
    )
