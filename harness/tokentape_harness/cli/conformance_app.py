"""The commands under `tokentape conformance`, one a suite, and the options that they share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

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
    from tokentape_harness.cli.conformance import conformance

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
    from tokentape_harness.cli.conformance import conformance

    wires = wire or []
    options = {
        "wires": ",".join(wires),
        "model": model or "",
        "key_env": key_env or "",
        "lacks": ";".join(lacks or []),
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
        jobs=jobs,
        timeout=timeout,
        json=json,
        junit=junit,
        html=html,
    )
