"""The commands around a provider: the fake one, and asking one."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tokentape_harness.cli.options import TIMINGS, AllowedOrigins, Fault, Json, Seed, Wire

app = typer.Typer()


@app.command()
def serve(
    paths: Annotated[
        list[Path] | None, typer.Argument(metavar="[PATHS]...", help="Cassettes, and folders of cassettes.")
    ] = None,
    host: Annotated[
        str, typer.Option(help="Address to listen on. Beyond this machine the control API needs a token.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on; 0 takes a free one.")] = 8089,
    timing: Annotated[str, typer.Option(metavar="SPEC", help=f"When tokens leave: {TIMINGS}.")] = "instant",
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
    token: Annotated[
        str | None,
        typer.Option(
            envvar="TOKENTAPE_TOKEN",
            help="What the control API asks for, also beyond this machine; else it is off there.",
        ),
    ] = None,
    allow_origin: AllowedOrigins = None,
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
        token=token,
        allowed_origins=allow_origin or [],
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
    timing: Annotated[str, typer.Option(metavar="SPEC", help=f"When chunks come: {TIMINGS}.")] = "synthetic",
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
