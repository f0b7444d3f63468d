"""The commands around cassettes: recording, reading, checking and converting them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tokentape_harness.cli.options import (
    AllowedOrigins,
    Json,
    RedactHeaders,
    RedactPaths,
    RedactTexts,
    Wire,
    redaction_rules,
)

app = typer.Typer()


@app.command(context_settings={"allow_interspersed_args": False})
def record(
    cassettes: Annotated[
        Path, typer.Option(metavar="DIR", help="The folder to record to: a cassette for each provider.")
    ],
    command: Annotated[
        list[str] | None, typer.Argument(metavar="[-- COMMAND]...", help="What to run, in any language.")
    ] = None,
    upstream: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=URL", help="Where the requests below /NAME go, such as openai=URL; repeatable."),
    ] = None,
    mode: Annotated[
        str, typer.Option(help="As in vcrpy: new_episodes, all (record anew), none (only replay) or once.")
    ] = "new_episodes",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on; 0 takes a free one.")] = 0,
    timeout: Annotated[
        float | None,
        typer.Option(min=0.001, metavar="S", help="How long a provider may be silent, in s; no limit unless given."),
    ] = None,
    speed: Annotated[
        float | None, typer.Option(min=0.001, help="Replay in recorded time, 2 twice as fast; at once unless given.")
    ] = None,
    redact_header: RedactHeaders = None,
    redact_path: RedactPaths = None,
    redact_text: RedactTexts = None,
    allow_origin: AllowedOrigins = None,
) -> int:
    """Record what a command's LLM clients stream, live, or replay it; exit with the command's code."""
    from tokentape_harness.cli.record import record as run

    return run(
        command or [],
        folder=cassettes,
        upstreams=upstream or [],
        mode=mode,
        port=port,
        timeout=timeout,
        speed=speed,
        rules=redaction_rules(redact_header, redact_path, redact_text),
        allowed_origins=allow_origin or (),
    )


@app.command()
def show(
    file: Annotated[Path, typer.Argument(help="A cassette.")],
    interaction: Annotated[
        int | None, typer.Option("--interaction", "-i", min=0, metavar="N", help="Only this one, from 0.")
    ] = None,
    json: Json = False,
) -> None:
    """Show a cassette: requests, messages, usage, and a picture of when each chunk came."""
    from tokentape_harness.cli.show import show as run

    run(file, interaction=interaction, as_json=json)


@app.command()
def decode(
    file: Annotated[str, typer.Argument(metavar="FILE|-", help="A raw response body; - reads standard input.")],
    wire: Wire,
    json: Json = False,
    pieces: Annotated[int | None, typer.Option(min=1, metavar="N", help="Feed the decoder N bytes at a time.")] = None,
) -> int:
    """Decode a raw response body to messages and output: what is in this `curl -N`?"""
    from tokentape_harness.cli.decode import decode as run

    return run(file, wire=wire, as_json=json, pieces=pieces)


@app.command()
def check(
    paths: Annotated[list[Path], typer.Argument(metavar="PATHS...", help="Cassettes, and folders of cassettes.")],
    max_age: Annotated[
        str | None, typer.Option(metavar="AGE", help="Older recordings are a problem, such as 90d.")
    ] = None,
    unused: Annotated[
        Path | None,
        typer.Option(
            metavar="REPORT", help="What /_tokentape/sessions/default/unplayed of `tokentape serve` said at the end."
        ),
    ] = None,
    allow: Annotated[
        list[str] | None,
        typer.Option(metavar="KIND", help="A kind of problem that is meant, such as client_closed; repeatable."),
    ] = None,
    redact_header: RedactHeaders = None,
    redact_path: RedactPaths = None,
    redact_text: RedactTexts = None,
    json: Json = False,
) -> int:
    """Check cassettes for secrets, cut-off or old recordings, edits; exit with 1 if there are any."""
    from tokentape_harness.cli.check import check as run

    return run(
        paths,
        max_age=max_age,
        unused=unused,
        allow=allow or [],
        rules=redaction_rules(redact_header, redact_path, redact_text),
        as_json=json,
    )


@app.command()
def diff(
    a: Annotated[Path, typer.Argument(metavar="A", help="A cassette.")],
    b: Annotated[Path, typer.Argument(metavar="B", help="A later recording of the same requests.")],
    json: Json = False,
) -> int:
    """Show what changed in the shape of the events, values aside; exit with 1 if anything did."""
    from tokentape_harness.cli.diff import diff as run

    return run(a, b, as_json=json)


@app.command()
def convert(
    source: Annotated[Path, typer.Argument(metavar="IN", help="What was recorded.")],
    output: Annotated[Path, typer.Argument(metavar="OUT", help="The file to write.")],
    to: Annotated[
        str,
        typer.Option(
            "--to",
            "-t",
            metavar="W",
            help="Wire format to say it in; or cassette, vcrpy (without times), har, raw (a body).",
        ),
    ],
    kind: Annotated[
        str, typer.Option("--from", metavar="KIND", help="What IN is: cassette, vcrpy, har or raw (a body).")
    ] = "cassette",
    wire: Annotated[
        str | None, typer.Option("--wire", "-w", metavar="W", help="Wire format of a raw body, such as openai_chat.")
    ] = None,
    interaction: Annotated[
        int | None, typer.Option("--interaction", "-i", min=0, metavar="N", help="Only this one, from 0.")
    ] = None,
    fail_on_loss: Annotated[bool, typer.Option("--fail-on-loss", help="Exit with 1 if anything was lost.")] = False,
    redact_header: RedactHeaders = None,
    redact_path: RedactPaths = None,
    redact_text: RedactTexts = None,
    json: Json = False,
) -> int:
    """Turn a recording into one of another provider or tool, and list what that can't express. Secrets are redacted."""
    from tokentape_harness.cli.convert import convert as run

    return run(
        source,
        output,
        to=to,
        kind=kind,
        wire=wire,
        interaction=interaction,
        fail_on_loss=fail_on_loss,
        rules=redaction_rules(redact_header, redact_path, redact_text),
        as_json=json,
    )


@app.command()
def fit(
    paths: Annotated[list[Path], typer.Argument(metavar="CASSETTES...", help="Cassettes, and folders of cassettes.")],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="The profile to write. [standard output]")
    ] = None,
    model: Annotated[
        str | None, typer.Option(metavar="PATTERN", help="Only streams of such models, like 'gpt-4o*'.")
    ] = None,
    wire: Annotated[
        str | None, typer.Option("--wire", "-w", metavar="W", help="Only streams in this wire format.")
    ] = None,
    json: Json = False,
) -> None:
    """Learn a timing profile from recorded streams: what --timing profile:FILE plays."""
    from tokentape_harness.cli.fit import fit as run

    run(paths, output=output, model=model, wire=wire, as_json=json)
