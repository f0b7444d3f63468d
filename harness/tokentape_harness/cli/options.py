"""Options that several commands share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from tokentape_fake_provider.sessions.matching.ignored_parts import CLASSES
from tokentape_harness.errors import UsageError

if TYPE_CHECKING:
    from tokentape_fake_provider.sessions.matching.ignored_parts import IgnoredParts
    from tokentape_harness.redaction import RedactionRules

WireName = Annotated[
    str, typer.Option("--wire", "-w", metavar="W", help="Wire format, such as openai_chat or anthropic_messages.")
]
Json = Annotated[bool, typer.Option("--json", help="JSON instead of text.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print no line for each request.")]
JsonLog = Annotated[
    bool, typer.Option("--json-log", help="Print each request as a line of JSON; all else goes to stderr.")
]
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
        "--cors",
        metavar="ORIGIN",
        help="Web pages that may send requests, such as https://app.example or *, besides local ones; repeatable.",
    ),
]
ApiKeys = Annotated[
    list[str] | None,
    typer.Option(
        "--api-key",
        metavar="KEY",
        envvar="TOKENTAPE_API_KEY",
        help="Answer 401 to requests to the provider with any other API key; repeatable.",
    ),
]
AllowOrigin = Annotated[
    list[str] | None, typer.Option("--allow-origin", hidden=True, help="The former name of --cors.")
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
NoNormalise = Annotated[
    list[str] | None,
    typer.Option(
        "--no-normalise",
        metavar="CLASSES",
        help=f"Compare exactly what is of these classes ({', '.join(CLASSES)}, or all), separated by commas.",
    ),
]
IgnorePaths = Annotated[
    list[str] | None,
    typer.Option(
        "--ignore-path",
        metavar="JSONPATH",
        help="Ignore this part of requests, such as '$.metadata' or 'input[*].id'; repeatable.",
    ),
]
IgnoreTexts = Annotated[
    list[str] | None,
    typer.Option("--ignore-text", metavar="REGEX", help="Ignore this text in requests; repeatable."),
]


def ignored_parts(
    off: Sequence[str] | None, ignore_path: Sequence[str] | None, ignore_text: Sequence[str] | None
) -> IgnoredParts:
    """What is ignored when requests are compared: the project's settings with these on top. Raises `UsageError`."""
    from tokentape_harness.testing.project_settings import project_ignored_parts

    names = [name.strip() for names in off or () for name in names.split(",")]
    if unknown := next((name for name in names if name not in ("all", *CLASSES)), None):
        raise UsageError(f"--no-normalise: no class {unknown!r}; the classes are {', '.join(CLASSES)}, or all")
    base = project_ignored_parts(None, ignore_path or (), ignore_text or ())
    kept = () if "all" in names else tuple(name for name in base.classes if name not in names)
    return msgspec.structs.replace(base, classes=kept)


def redaction_rules(
    headers: Sequence[str] | None, json_paths: Sequence[str] | None, text: Sequence[str] | None
) -> RedactionRules:
    """The default redaction rules, and the user's own."""
    from tokentape_harness.redaction import DEFAULT_RULES

    return DEFAULT_RULES.adding(headers=headers or (), json_paths=json_paths or (), text=text or ())
