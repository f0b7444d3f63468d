"""Commands: the module and the line of help of each. A module is imported when its command runs."""

from __future__ import annotations

import gc
from collections.abc import Mapping
from importlib import import_module
from typing import Any, Final, NamedTuple

import typer
from typer.core import TyperCommand, TyperGroup


class Command(NamedTuple):
    """A command: its name, its function or `typer.Typer` (as `MODULE:NAME`), and its line of help."""

    name: str
    target: str
    help: str
    no_args_is_help: bool = False
    settings: Mapping[str, Any] = {}

    def load(self) -> Any:
        """Import the command; its signature is that of the function."""
        module, _, attribute = self.target.partition(":")
        found = getattr(import_module(module), attribute)
        if isinstance(found, typer.Typer):
            return typer.main.get_command(found)
        app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)
        app.command(
            self.name, help=self.help, no_args_is_help=self.no_args_is_help, context_settings=dict(self.settings)
        )(found)
        return typer.main.get_command(app)


COMMANDS: Final = (
    Command(
        "serve",
        "tokentape_harness.cli.serve:serve",
        "Start the fake provider: rules and cassettes answer requests, generated text answers the others.",
    ),
    Command(
        "init",
        "tokentape_harness.cli.init:init",
        "Write a commented rules file and two sample cassettes to begin with.",
    ),
    Command(
        "validate",
        "tokentape_harness.cli.validate:validate",
        "Check rules files and cassettes: each problem with file, line and field; exit with 1 if there are any.",
    ),
    Command(
        "console",
        "tokentape_harness.cli.console:console",
        "Open the page of a running fake provider in a browser: its requests, and each stream to step, cut or damage.",
    ),
    Command(
        "chat",
        "tokentape_harness.cli.chat:chat",
        "Send a prompt to a model and print the response as it arrives, then usage and timing.",
    ),
    Command(
        "synth",
        "tokentape_harness.cli.synth:synth",
        "Generate a streamed response and write it to a cassette.",
    ),
    Command(
        "faults",
        "tokentape_harness.cli.faults:faults",
        "List the faults that --fault, fake_provider.fault() and the control API can inject.",
    ),
    Command(
        "record",
        "tokentape_harness.cli.record:record",
        "Record the LLM responses that a command receives, or replay them; exit with the command's code.",
        settings={"allow_interspersed_args": False},
    ),
    Command(
        "show",
        "tokentape_harness.cli.show:show",
        "Show a cassette: requests, messages, usage, and a timeline of its chunks.",
    ),
    Command(
        "decode",
        "tokentape_harness.cli.decode:decode",
        "Decode a raw response body, such as the output of `curl -N`, to messages and output.",
    ),
    Command(
        "check",
        "tokentape_harness.cli.check:check",
        "Check cassettes for secrets, edits, truncated and old recordings; exit with 1 if there are any.",
    ),
    Command(
        "diff",
        "tokentape_harness.cli.diff:diff",
        "Compare the structure of the events in two cassettes, ignoring values; exit with 1 if it differs.",
    ),
    Command(
        "drift",
        "tokentape_harness.cli.drift:drift",
        "Send recorded requests again and rank what the providers changed; exit with 1 if anything did.",
    ),
    Command(
        "convert",
        "tokentape_harness.cli.convert:convert",
        "Convert a recording to the format of another provider or tool, and list what is lost. Secrets are redacted.",
    ),
    Command(
        "import",
        "tokentape_harness.cli.import_traces:import_traces",
        "Import the model calls of traces and logs as a cassette or scripts, and write a test that replays them.",
    ),
    Command(
        "fit",
        "tokentape_harness.cli.fit:fit",
        "Learn a timing profile from recorded streams, for --timing profile:FILE.",
    ),
    Command(
        "sweep",
        "tokentape_harness.cli.sweep:sweep",
        "Run a client with each fault at each frame of a recording; exit with 1 if it misses a truncation or hangs.",
        no_args_is_help=True,
    ),
    Command(
        "report",
        "tokentape_harness.cli.verdict:report",
        "Judge how a client handled failures, by a server's journal; exit with 1 if it was not resilient.",
    ),
    Command(
        "doctor",
        "tokentape_harness.cli.doctor:doctor",
        "Run a test with other splits, pauses and orders of its streams; name the one that changes its outcome.",
        no_args_is_help=True,
    ),
    Command(
        "flush-check",
        "tokentape_harness.cli.flush_check:flush_check",
        "Check that an app or a proxy passes on each token as it arrives; exit with 1 if it does not.",
        no_args_is_help=True,
    ),
    Command(
        "load",
        "tokentape_harness.cli.load:load",
        "Stream for many users at the same time; report latencies, rates and errors; exit with 1 if a stream fails.",
        no_args_is_help=True,
    ),
    Command(
        "conformance",
        "tokentape_conformance.cli:app",
        "Check whether an implementation keeps the contract of streaming.",
    ),
)


class LazyCommand(TyperCommand):
    """A command whose module is imported when its arguments are parsed; until then only its help is known."""

    def __init__(self, command: Command) -> None:
        super().__init__(command.name, help=command.help, short_help=command.help)
        self._command = command

    def make_context(self, info_name: str | None, args: list[str], parent: Any = None, **extra: Any) -> Any:
        """The context of the command itself."""
        context = self._command.load().make_context(info_name, args, parent, **extra)
        gc.enable()
        return context


class LazyGroup(TyperGroup):
    """All commands, without importing them."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.commands = {command.name: LazyCommand(command) for command in COMMANDS}
