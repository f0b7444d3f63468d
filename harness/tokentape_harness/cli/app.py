"""The command line, put together. What a command needs is imported when it runs."""

from __future__ import annotations

from importlib.metadata import entry_points
from typing import Annotated, Final

import typer

from tokentape_harness.cli import cassettes_app, provider_app, trials_app

COMMANDS: Final = "tokentape.commands"
"""The group of entry points whose `typer.Typer`s are commands too."""

app = typer.Typer(
    name="tokentape",
    help="Fake, record and read streams of LLM providers.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for part in (provider_app, cassettes_app, trials_app):
    app.add_typer(part.app)
for command in entry_points(group=COMMANDS):
    app.add_typer(command.load())


def _version(wanted: bool) -> None:
    if wanted:
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
