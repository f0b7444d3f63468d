"""The commands under `tokentape conformance`, one for each suite."""

from __future__ import annotations

import enum
import functools
import inspect
from collections.abc import Callable
from typing import Annotated, get_type_hints

import typer

from tokentape_conformance.run_options import RunOptions
from tokentape_harness.cli.options import (
    AppPath,
    Data,
    Headers,
    Method,
    Patience,
    ProviderPort,
    Reader,
    ReportedBy,
    Start,
    Until,
)

app = typer.Typer(
    name="conformance",
    help="Check whether an implementation keeps the contract of streaming.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

Lacks = Annotated[
    list[str] | None,
    typer.Option(
        "--lacks",
        metavar="NAME=REASON",
        help="What the target can't or need not do, such as tool_calls or ollama.usage: skipped, not failed; "
        "repeatable.",
    ),
]

AppTargets = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[URL|MODULE:APP] [-- COMMAND...]",
        help="What responds; COMMAND serves the URL, or the app that a function or --reader reads.",
    ),
]
Declare = Annotated[
    str | None, typer.Option(metavar="FILE", help="The same as TOML: a table [lacks] of names and reasons.")
]
Limit = Annotated[float, typer.Option(min=0.1, metavar="S", help="How long a response may take to end, in s.")]


class Content(enum.StrEnum):
    """Whether prompts and responses are recorded."""

    ON = "on"
    OFF = "off"


def suite_command(timeout: float = 30.0) -> Callable[[Callable[..., int]], Callable[..., int]]:
    """Add a command to the app: its own options, then `RunOptions`, which its function gets as `run`."""

    def add(function: Callable[..., int]) -> Callable[..., int]:
        @functools.wraps(function)
        def command(**values: object) -> int:
            run = RunOptions(**{name: values.pop(name) for name in RunOptions._fields})  # type: ignore[arg-type]
            return function(**values, run=run)

        own = inspect.signature(function, eval_str=True).parameters.values()
        defaults = RunOptions._field_defaults | {"timeout": timeout}
        shared = (
            inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=defaults[name], annotation=annotation)
            for name, annotation in get_type_hints(RunOptions, include_extras=True).items()
        )
        parameters = (*(parameter for parameter in own if parameter.name != "run"), *shared)
        command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        command.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
        return app.command(short_help=inspect.getdoc(function))(command)  # a long line is wrapped, not cut

    return add


@suite_command()
def iterator(
    run: RunOptions,
    target: Annotated[
        str,
        typer.Argument(
            metavar="MODULE:FACTORY", help="The function that creates an adapter: an object with open() and text()."
        ),
    ],
) -> int:
    """Check an iterator: text, usage, tool calls, callbacks, events, how streams end."""
    from tokentape_conformance.command import conformance

    return conformance("iterator", target, {}, run)


@suite_command()
def provider(
    run: RunOptions,
    target: Annotated[
        str, typer.Argument(metavar="BASE_URL", help="A server: a fake provider, a gateway, a local model server.")
    ],
    model: Annotated[str | None, typer.Option("--model", "-m", metavar="M", help="The model to request.")] = None,
    key_env: Annotated[
        str | None, typer.Option("--key-env", metavar="NAME", help="The environment variable that holds the key.")
    ] = None,
    lacks: Lacks = None,
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
) -> int:
    """Check a server's streams against the specification: grammar, fields, usage, tools, errors."""
    from tokentape_conformance.command import conformance

    options = {
        "wires": ",".join(run.wires or []),
        "model": model or "",
        "key_env": key_env or "",
        "lacks": ";".join(lacks or []),
        "control": control or "",
        "token_env": token_env or "",
    }
    # The fake provider behind a gateway serves one script at a time.
    return conformance("provider", target, options, run._replace(jobs=1) if control else run)


@suite_command(timeout=60.0)
def pipeline(
    run: RunOptions,
    target: AppTargets = None,
    reader: Reader = None,
    until: Until = "",
    path: AppPath = "/",
    method: Method = None,
    header: Headers = None,
    data: Data = None,
    through: Annotated[
        bool, typer.Option("--through", help="The URL is a gateway: send it a provider's requests, without an app.")
    ] = False,
    model: Annotated[str, typer.Option("--model", "-m", metavar="M", help="The model to request of a gateway.")] = (
        "tokentape"
    ),
    rejoin: Annotated[
        str,
        typer.Option(
            metavar="URL|PATH",
            help="Where a reader comes back to a response with Last-Event-ID; {id} there and in the request is its id.",
        ),
    ] = "",
    kept: Annotated[
        float | None,
        typer.Option(min=0.0, metavar="S", help="How many s after its end a response is kept for --rejoin, at most."),
    ] = None,
    provider_port: ProviderPort = None,
    lacks: Lacks = None,
    declare: Declare = None,
    start: Start = 30.0,
    patience: Patience = 2.0,
    limit: Limit = 15.0,
    reported_by: ReportedBy = "",
) -> int:
    """Check an app in front of a provider: order, text, flushing, stream ends, disconnects, errors, headers."""
    name, options = _app_options(locals())
    from tokentape_conformance.command import conformance

    if through and not run.wires:
        # A gateway forwards what is requested of it.
        run = run._replace(wires=["openai_chat"])
    if "://" in name or "command" in options or reader is not None:
        # Two processes can't share a target that calls one fake provider, nor a port that a command listens on.
        run = run._replace(jobs=1)
    return conformance("pipeline", name, options, run)


@suite_command(timeout=60.0)
def telemetry(
    run: RunOptions,
    target: AppTargets = None,
    reader: Reader = None,
    until: Until = "",
    path: AppPath = "/",
    method: Method = None,
    header: Headers = None,
    data: Data = None,
    content: Annotated[
        Content, typer.Option("--content", help="Whether the app is to record prompts and responses.")
    ] = Content.OFF,
    provider_port: ProviderPort = None,
    otlp_port: Annotated[
        int | None,
        typer.Option(
            "--otlp-port",
            min=1,
            max=65535,
            metavar="N",
            help="The port of the OTLP receiver. [default: 4318 for a URL, else a free one]",
        ),
    ] = None,
    delay: Annotated[
        float, typer.Option(min=0.1, metavar="S", help="How long telemetry may take to arrive after a response, in s.")
    ] = 3.0,
    lacks: Lacks = None,
    declare: Declare = None,
    start: Start = 30.0,
    patience: Patience = 2.0,
    limit: Limit = 15.0,
) -> int:
    """Check whether an app's spans and metrics report what the provider sent."""
    name, options = _app_options(locals())
    from tokentape_conformance.command import conformance

    # Cases judge the same few responses: each process would request them again.
    return conformance("telemetry", name, options, run._replace(jobs=1))


def _app_options(got: dict[str, object]) -> tuple[str, dict[str, str]]:
    """The target's name, and the options that were given, as strings; `got` is all that the command got.

    Raises `UsageError`.
    """
    import shlex

    from tokentape_harness.errors import UsageError

    values = {name: value for name, value in got.items() if name != "run"}
    words, reader = list(values.pop("target") or ()), values.pop("reader")  # type: ignore[call-overload]
    if reader is None and not words:
        raise UsageError("nothing to check: give a URL, module:app, or --reader")
    name = str(words.pop(0) if reader is None else reader)
    values |= {"reader": reader is not None, "command": shlex.join(words)}
    given = {
        option: "\n".join(value) if isinstance(value, list) else "true" if value is True else str(value)
        for option, value in values.items()
        if value not in (None, "", []) and value is not False
    }
    return name, given
