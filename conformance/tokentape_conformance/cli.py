"""The commands under `tokentape conformance`, one a suite, and the options that they share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tokentape_harness.cli.options import Data, Reader, Until

app = typer.Typer(
    name="conformance",
    help="Tell whether an implementation keeps the contract of streaming.",
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
Seed = Annotated[int, typer.Option(help="Seed of what cases draw at random.")]
Jobs = Annotated[int | None, typer.Option("--jobs", "-j", min=1, help="Processes. [default: one a processor]")]
Timeout = Annotated[float, typer.Option(min=0.01, metavar="S", help="How long a case may take, in s.")]
JsonFile = Annotated[str | None, typer.Option("--json", metavar="FILE|-", help="Write all of it as JSON.")]
JunitFile = Annotated[Path | None, typer.Option("--junit", metavar="FILE", help="Write JUnit's XML.")]
HtmlFile = Annotated[Path | None, typer.Option("--html", metavar="FILE", help="Write a scorecard page.")]


@app.command()
def iterator(
    target: Annotated[
        str, typer.Argument(metavar="MODULE:FACTORY", help="What makes the adapter, see docs/conformance.md.")
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
    """Ask an iterator for the promises of a stream: text, usage, tool calls, callbacks, events, endings."""
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
    model: Annotated[str | None, typer.Option("--model", "-m", metavar="M", help="The model to ask for.")] = None,
    key_env: Annotated[
        str | None, typer.Option("--key-env", metavar="NAME", help="The environment variable that has the key.")
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
            help="The fake provider behind the server, where that is a gateway: what it is to say is told there.",
        ),
    ] = None,
    token_env: Annotated[
        str | None,
        typer.Option(
            "--token-env", metavar="NAME", help="The environment variable that has the token of the control API."
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
    """Ask a server whether its streams are what its wire format specifies: grammar, fields, usage, tools, errors."""
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
        # What is behind a gateway is told one thing at a time.
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
            help="What answers; COMMAND serves the URL, or the app that a function or --reader reads.",
        ),
    ] = None,
    reader: Reader = None,
    until: Until = "",
    path: Annotated[str, typer.Option(help="Path and query to ask MODULE:APP for.")] = "/",
    request: Annotated[
        str | None, typer.Option("--request", "-X", metavar="METHOD", help="GET, or POST with --data, unless given.")
    ] = None,
    header: Annotated[
        list[str] | None, typer.Option("--header", "-H", metavar="'NAME: VALUE'", help="Of the request; repeatable.")
    ] = None,
    data: Data = None,
    through: Annotated[
        bool, typer.Option("--through", help="The URL is a gateway: ask it as a provider, with no app at all.")
    ] = False,
    wire: Wires = None,
    model: Annotated[str, typer.Option("--model", "-m", metavar="M", help="The model to ask a gateway for.")] = (
        "tokentape"
    ),
    provider_port: Annotated[
        int | None,
        typer.Option(min=0, max=65535, help="Port of the fake provider: 8089 for what runs already, else a free one."),
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
        float, typer.Option(min=0.1, metavar="S", help="How long the target may take to ask the provider, in s.")
    ] = 30.0,
    patience: Annotated[
        float, typer.Option(min=0.01, metavar="S", help="How long a token may take before it counts as held, in s.")
    ] = 2.0,
    limit: Annotated[
        float, typer.Option(min=0.1, metavar="S", help="How long an answer may take to end, in s.")
    ] = 15.0,
    told_by: Annotated[
        str | None, typer.Option(metavar="REGEX", help="What the output matches if the app tells of a cut-off stream.")
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
    """Ask an app in front of a provider: order, text, flushing, endings, readers who leave, errors, headers."""
    import shlex

    from tokentape_conformance.command import conformance
    from tokentape_harness.errors import UsageError

    words = list(target or ())
    if reader is None and not words:
        raise UsageError("nothing to check: give a URL, module:app, or --reader")
    name = reader if reader is not None else words.pop(0)
    given = {
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
        "told_by": told_by,
    }
    # A gateway passes on what it is asked for; what is set to one fake provider can't be asked by two processes.
    wires = wire or (["openai_chat"] if through else [])
    return conformance(
        "pipeline",
        name,
        {option: value for option, value in given.items() if value},
        wires=wires,
        cases=case or [],
        include=include or [],
        baseline=baseline,
        seed=seed,
        # So can nothing that is served: what two processes start would want the same port.
        jobs=1 if "://" in name or words or reader is not None else jobs,
        timeout=timeout,
        json=json,
        junit=junit,
        html=html,
    )
