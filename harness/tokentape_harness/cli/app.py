"""App: the group of all commands, and its options."""

from __future__ import annotations

from typing import Annotated

import typer

from tokentape_harness.cli.commands import LazyGroup

app = typer.Typer(
    name="tokentape",
    cls=LazyGroup,
    help="Fake, record and read streams of LLM providers.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    # Rich would more than double the time that `--help` takes.
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(show: bool) -> None:
    if show:
        from importlib.metadata import version

        print(f"tokentape {version('tokentape')}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    pass
