"""Options that several commands have."""

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
Seed = Annotated[int, typer.Option(help="Seed of ids, made-up text and jitter.")]
FaultSpecs = Annotated[
    list[str] | None,
    typer.Option(
        "--fault", metavar="SPEC", help="What goes wrong, such as fin@frame=5; repeatable. tokentape faults lists all."
    ),
]
AllowedOrigins = Annotated[
    list[str] | None,
    typer.Option(
        "--allow-origin",
        metavar="ORIGIN",
        help="Web pages that may ask, such as https://app.example, besides those of this machine; repeatable.",
    ),
]
Data = Annotated[
    str | None,
    typer.Option(
        "--data", "-d", metavar="TEXT|@FILE", help="Body of the request; the first message that a WebSocket is sent."
    ),
]
Reader = Annotated[
    str | None,
    typer.Option(
        metavar="MODULE:FUNCTION|COMMAND",
        help="Reads the app and yields, or prints, what came out of it: for apps that answer by other means than HTTP.",
    ),
]
Until = Annotated[
    str,
    typer.Option(metavar="REGEX", help="An answer over a WebSocket that stays open ends with a message like this."),
]
TIMINGS = (
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


def redaction_rules(
    headers: Sequence[str] | None, json_paths: Sequence[str] | None, text: Sequence[str] | None
) -> RedactionRules:
    """The rules that every recording is redacted by, and the user's own."""
    from tokentape_harness.redaction import DEFAULT_RULES

    return DEFAULT_RULES.adding(headers=headers or (), json_paths=json_paths or (), text=text or ())
