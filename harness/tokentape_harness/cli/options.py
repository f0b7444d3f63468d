"""Options that several commands share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from tokentape_harness.redaction import RedactionRules

WireName = Annotated[
    str, typer.Option("--wire", "-w", metavar="W", help="Wire format, such as openai_chat or anthropic_messages.")
]
Json = Annotated[bool, typer.Option("--json", help="JSON instead of text.")]
Seed = Annotated[int, typer.Option(help="Seed of ids, generated text and jitter.")]
FaultSpecs = Annotated[
    list[str] | None,
    typer.Option(
        "--fault",
        metavar="SPEC",
        help="A fault to inject, such as fin@frame=5; repeatable. `tokentape faults` lists all.",
    ),
]
AllowedOrigins = Annotated[
    list[str] | None,
    typer.Option(
        "--allow-origin",
        metavar="ORIGIN",
        help="Web pages that may send requests, such as https://app.example, besides local ones; repeatable.",
    ),
]
Data = Annotated[
    str | None,
    typer.Option(
        "--data", "-d", metavar="TEXT|@FILE", help="Body of the request, or the first message to a WebSocket."
    ),
]
Reader = Annotated[
    str | None,
    typer.Option(
        metavar="MODULE:FUNCTION|COMMAND",
        help="Reads the app and yields or prints its output: for apps that answer by other means than HTTP.",
    ),
]
Until = Annotated[
    str,
    typer.Option(metavar="REGEX", help="The last message of an answer over a WebSocket that stays open."),
]
AppPath = Annotated[str, typer.Option(help="Path and query to request from MODULE:APP.")]
Method = Annotated[
    str | None, typer.Option("--request", "-X", metavar="METHOD", help="Method. [default: GET, or POST with --data]")
]
Headers = Annotated[
    list[str] | None,
    typer.Option("--header", "-H", metavar="'NAME: VALUE'", help="A header of the request; repeatable."),
]
ProviderPort = Annotated[
    int | None,
    typer.Option(
        min=0, max=65535, help="Port of the fake provider. [default: 8089 for a running app, else a free one]"
    ),
]
Start = Annotated[
    float, typer.Option(min=0.1, metavar="S", help="How long the target may take to call the provider, in s.")
]
Patience = Annotated[
    float, typer.Option(min=0.01, metavar="S", help="How long a token may take before it counts as held, in s.")
]
ReportedBy = Annotated[
    str,
    typer.Option(
        "--reported-by",
        "--told-by",
        metavar="REGEX",
        help="Matches the output of an app that reports a cut-off stream.",
    ),
]
TIMINGS = (
    "instant, recorded, recorded:2 (twice as fast), synthetic:ttft=300ms,tps=50,jitter=0.2 or profile:FILE (see fit)"
)

RedactHeaders = Annotated[
    list[str] | None,
    typer.Option("--redact-header", metavar="NAME", help="Another header with secret values; repeatable."),
]
RedactPaths = Annotated[
    list[str] | None,
    typer.Option(
        "--redact-path", metavar="PATH", help="Secret members of JSON, such as '$.a.b' or '..email'; repeatable."
    ),
]
RedactTexts = Annotated[
    list[str] | None,
    typer.Option("--redact-text", metavar="REGEX", help="Secret text, or the text of the group `secret`; repeatable."),
]


def redaction_rules(
    headers: Sequence[str] | None, json_paths: Sequence[str] | None, text: Sequence[str] | None
) -> RedactionRules:
    """The default redaction rules, and the user's own."""
    from tokentape_harness.redaction import DEFAULT_RULES

    return DEFAULT_RULES.adding(headers=headers or (), json_paths=json_paths or (), text=text or ())
