"""The commands and their options. What a command needs is imported when it runs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tokentape_harness.cli.conformance_app import app as conformance_app

if TYPE_CHECKING:
    from tokentape_harness.redaction import RedactionRules

app = typer.Typer(
    name="tokentape",
    help="Fake, record and read streams of LLM providers.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(conformance_app)

Wire = Annotated[
    str, typer.Option("--wire", "-w", metavar="W", help="Wire format, such as openai_chat or anthropic_messages.")
]
Json = Annotated[bool, typer.Option("--json", help="JSON instead of text.")]
Seed = Annotated[int, typer.Option(help="Seed of ids, made-up text and jitter.")]
Fault = Annotated[
    list[str] | None,
    typer.Option(
        "--fault", metavar="SPEC", help="What goes wrong, such as fin@frame=5; repeatable. tokentape faults lists all."
    ),
]
_TIMING = (
    "instant, recorded, recorded:2 (twice as fast), synthetic:ttft=300ms,tps=50,jitter=0.2 or profile:FILE (see fit)"
)

RedactHeaders = Annotated[
    list[str] | None,
    typer.Option("--redact-header", metavar="NAME", help="A header whose values are secret, too; repeatable."),
]
RedactPaths = Annotated[
    list[str] | None,
    typer.Option("--redact-path", metavar="PATH", help="Members of JSON, such as '$.a.b' or '..email'; repeatable."),
]
RedactTexts = Annotated[
    list[str] | None,
    typer.Option("--redact-text", metavar="REGEX", help="Text, or the group `secret` of it; repeatable."),
]


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        print(f"tokentape {version('tokentape')}")
        raise typer.Exit


def _rules(
    headers: Sequence[str] | None, json_paths: Sequence[str] | None, text: Sequence[str] | None
) -> RedactionRules:
    from tokentape_harness.redaction import DEFAULT_RULES

    return DEFAULT_RULES.adding(headers=headers or (), json_paths=json_paths or (), text=text or ())


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    pass


@app.command()
def serve(
    paths: Annotated[
        list[Path] | None, typer.Argument(metavar="[PATHS]...", help="Cassettes, and folders of cassettes.")
    ] = None,
    host: Annotated[
        str, typer.Option(help="Address to listen on. Beyond this machine the control API is off.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on; 0 takes a free one.")] = 8089,
    timing: Annotated[str, typer.Option(metavar="SPEC", help=f"When tokens leave: {_TIMING}.")] = "instant",
    seed: Seed = 0,
    strict: Annotated[
        bool, typer.Option("--strict", help="Refuse what no cassette answers, instead of making text up.")
    ] = False,
    as_wire: Annotated[
        list[str] | None,
        typer.Option("--as", metavar="W", help="Serve the cassettes in this wire format, too; repeatable."),
    ] = None,
    dress: Annotated[
        str | None,
        typer.Option(metavar="D", help="Speak openai_chat as azure, groq, mistral, openrouter, deepseek or xai do."),
    ] = None,
    fault: Fault = None,
) -> None:
    """Start the fake provider: cassettes answer the requests they recorded, made-up text the others."""
    from tokentape_harness.cli.serve import serve as run

    run(
        paths or [],
        host=host,
        port=port,
        timing=timing,
        seed=seed,
        strict=strict,
        as_wires=as_wire or [],
        dress=dress,
        faults=fault or [],
    )


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
    """Check cassettes for secrets, cut-off or old recordings, edits, duplicates; exit with 1 if there are any."""
    from tokentape_harness.cli.check import check as run

    return run(
        paths,
        max_age=max_age,
        unused=unused,
        allow=allow or [],
        rules=_rules(redact_header, redact_path, redact_text),
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
        rules=_rules(redact_header, redact_path, redact_text),
        as_json=json,
    )


@app.command()
def chat(
    prompt: Annotated[str, typer.Argument(help="What to say; - reads it from standard input.")],
    provider: Annotated[
        str, typer.Option(metavar="P", help="Whose client: openai_chat, openai_responses, anthropic_messages, ...")
    ] = "openai_chat",
    base_url: Annotated[
        str | None, typer.Option(help="Another server, as the provider's SDK takes it. Local ones need no key.")
    ] = None,
    model: Annotated[str | None, typer.Option(help="The model to ask.")] = None,
    json: Json = False,
) -> int:
    """Ask a model and show its answer as it arrives, then usage and timing."""
    from tokentape_harness.cli.chat import chat as run

    return run(prompt, provider=provider, base_url=base_url, model=model, as_json=json)


@app.command()
def synth(
    wire: Wire,
    output: Annotated[Path, typer.Option("--output", "-o", metavar="FILE.yaml", help="The cassette to write.")],
    words: Annotated[int | None, typer.Option(min=0, help="Words of made-up text. [default: 60]")] = None,
    text: Annotated[str | None, typer.Option(help="The text to say, instead of made-up text.")] = None,
    reasoning: Annotated[int, typer.Option(min=0, help="Words of made-up reasoning before it.")] = 0,
    tool_call: Annotated[
        list[str] | None, typer.Option(metavar="NAME={...}", help="A tool call with its arguments; repeatable.")
    ] = None,
    usage: Annotated[
        str | None,
        typer.Option(
            metavar="input=12,cached=5",
            help="Token counts: input, output, total, cached, cache_write, reasoning; none leaves usage out.",
        ),
    ] = None,
    finish_reason: Annotated[
        str | None, typer.Option(metavar="R", help="stop, length, tool_calls, content_filter, refusal, ...")
    ] = None,
    locale: Annotated[str, typer.Option(help="Language of the made-up text.")] = "en_US",
    seed: Seed = 0,
    timing: Annotated[str, typer.Option(metavar="SPEC", help=f"When chunks come: {_TIMING}.")] = "synthetic",
    fault: Fault = None,
) -> None:
    """Make up a streamed response and write it as a cassette."""
    from tokentape_harness.cli.synth import synth as run

    run(
        wire,
        output,
        words=words,
        text=text,
        reasoning=reasoning,
        tool_calls=tool_call or [],
        usage=usage,
        finish_reason=finish_reason,
        locale=locale,
        seed=seed,
        timing=timing,
        faults=fault or [],
    )


@app.command()
def faults(
    name: Annotated[str | None, typer.Argument(metavar="[NAME]", help="One of them, with its parameters.")] = None,
    json: Json = False,
) -> None:
    """List what can go wrong with a response: for --fault, fake_provider.fault() and the control API."""
    from tokentape_harness.cli.faults import faults as run

    run(name, as_json=json)


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
        rules=_rules(redact_header, redact_path, redact_text),
    )


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
            help="TARGET is a URL that streams, or MODULE:NAME of an ASGI or WSGI app or of a function that yields. "
            "COMMAND serves the URL; without one, its standard output is what is checked.",
        ),
    ] = None,
    through: Annotated[
        str | None, typer.Option(metavar="URL", help="Ask the provider through this proxy, with no app at all.")
    ] = None,
    wire: Annotated[
        str, typer.Option("--wire", "-w", metavar="W", help="Wire format of the request that goes --through.")
    ] = "openai_chat",
    request: Annotated[
        str | None, typer.Option("--request", "-X", metavar="METHOD", help="GET, or POST with --data, unless given.")
    ] = None,
    header: Annotated[
        list[str] | None, typer.Option("--header", "-H", metavar="'NAME: VALUE'", help="Of the request; repeatable.")
    ] = None,
    data: Annotated[str | None, typer.Option("--data", "-d", metavar="TEXT|@FILE", help="Body of the request.")] = None,
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
    cut: Annotated[bool, typer.Option(help="Check what becomes of a stream that is cut off.")] = True,
    json: Json = False,
) -> int:
    """Check that an app, or a proxy, passes each token on as it comes; exit with 1 if it does not."""
    from tokentape_harness.cli.flush_check import flush_check as run
    from tokentape_harness.flush.check import FlushOptions
    from tokentape_harness.flush.probing import Pace

    pace = Pace(patience=patience, wait=wait, tokens=tokens, max_bytes=max_bytes)
    return run(
        target or [],
        through_url=through,
        wire=wire,
        method=request,
        headers=header or [],
        data=data,
        path=path,
        provider_port=provider_port,
        options=FlushOptions(pace=pace, start=start, warm_up=warm_up, readers=readers, cut=cut),
        as_json=json,
    )
