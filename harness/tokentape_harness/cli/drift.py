"""drift: recorded requests sent again, to see what the provider has changed."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from tokentape_harness import terminal_text
from tokentape_harness.cassettes.files import find_cassettes
from tokentape_harness.cassettes.reader import read_cassette
from tokentape_harness.cassettes.writer import write_atomically
from tokentape_harness.cli.messages import FAILED, counted, print_error
from tokentape_harness.cli.options import Json, RedactHeaders, RedactPaths, RedactTexts, redaction_rules
from tokentape_harness.errors import UsageError
from tokentape_harness.lint.drift import (
    SEVERITIES,
    Budget,
    Outcome,
    Plan,
    markdown,
    plan_requests,
    run_plan,
    summary,
    update_cassettes,
)
from tokentape_harness.recording.clock import SystemClock

NOT_COMPARED = 3


def drift(
    paths: Annotated[list[Path], typer.Argument(metavar="PATHS...", help="Cassettes, and folders of cassettes.")],
    key_env: Annotated[
        list[str] | None,
        typer.Option(
            metavar="[HOST=]VARIABLE",
            help="The environment variable with a provider's key, such as OPENAI_API_KEY, or with the key for a host; "
            "repeatable.",
        ),
    ] = None,
    upstreams: Annotated[
        list[str] | None,
        typer.Option(
            "--upstream",
            metavar="NAME=URL",
            help="Where the requests to a provider are sent instead, such as openai=https://gateway.example/v1; "
            "repeatable.",
        ),
    ] = None,
    live: Annotated[bool, typer.Option("--live", help="Send the requests. Without it nothing is sent.")] = False,
    max_requests: Annotated[int, typer.Option(min=1, metavar="N", help="The most requests that are sent.")] = 50,
    max_tokens: Annotated[
        int, typer.Option(min=1, metavar="N", help="The most tokens that they may take, input and output together.")
    ] = 100_000,
    only_expired: Annotated[bool, typer.Option("--expired", help="Only the recordings that have expired.")] = False,
    fail_on: Annotated[
        str, typer.Option(metavar="SEVERITY", help=f"The least severity that counts as drift: {', '.join(SEVERITIES)}.")
    ] = "fields",
    update: Annotated[
        bool, typer.Option("--update", help="Record the answers that drifted or whose recordings have expired.")
    ] = False,
    markdown_file: Annotated[
        Path | None, typer.Option("--markdown", metavar="FILE", help="Write the body of a pull request.")
    ] = None,
    timeout: Annotated[
        float, typer.Option(min=0.001, metavar="S", help="How long a provider may be silent, in s.")
    ] = 60.0,
    redact_header: RedactHeaders = None,
    redact_path: RedactPaths = None,
    redact_text: RedactTexts = None,
    as_json: Json = False,
) -> int:
    """Print what drifted; 1 if anything did, 3 if nothing did but some requests, or all, could not be compared.

    Raises `UsageError`, `CassetteError`.
    """
    if fail_on not in SEVERITIES:
        raise UsageError(f"--fail-on {fail_on!r} is not one of {', '.join(SEVERITIES)}")
    for option, given in (("--update", update), ("--markdown", markdown_file is not None)):
        if given and not live:
            raise UsageError(f"{option} needs --live: without it nothing is sent")
    rules = redaction_rules(redact_header, redact_path, redact_text)
    cassettes = [read_cassette(path) for path in find_cassettes(paths)]
    plan = plan_requests(
        cassettes,
        key_options=key_env or (),
        environment=os.environ,
        upstreams=upstreams or (),
        budget=Budget(max_requests, max_tokens),
        now=datetime.now(UTC),
        only_expired=only_expired,
    )
    if not live:
        _print_plan(plan, as_json)
        return 0
    if plan.keys.unset():
        raise UsageError(f"--key-env {plan.keys.unset()[0]}: this variable is not set: export the key, or leave it out")
    outcomes = run_plan(
        plan.requests,
        secrets=plan.keys.values,
        clock=SystemClock(),
        max_tokens=max_tokens,
        timeout=timeout,
        rules=rules,
    )
    drifted = [outcome for outcome in outcomes if _counts(outcome, fail_on)]
    renewed = [outcome for outcome in outcomes if outcome in drifted or outcome.request.expired]
    updated = [str(file) for file in update_cassettes(renewed)] if update else []
    if markdown_file is not None:
        write_atomically(markdown_file, markdown(plan, outcomes, updated=updated).encode())
    if as_json:
        print(terminal_text.dump(_fields(plan, outcomes, updated)))
    else:
        for line in summary(plan, outcomes):
            print(terminal_text.printable(line))
        for file in updated:
            print(f"recorded again: {file}")
    if update:
        for outcome in renewed:
            if not outcome.can_be_recorded:
                print_error(f"{outcome.request.place}: kept as it is, since its new answer is not complete")
    if drifted:
        return FAILED
    unchecked = any(outcome.failure for outcome in outcomes) or (not outcomes and not only_expired)
    return NOT_COMPARED if unchecked else 0


def _counts(outcome: Outcome, fail_on: str) -> bool:
    limit = [*SEVERITIES].index(fail_on) if fail_on in SEVERITIES else 0
    return any(SEVERITIES.index(finding.severity) <= limit for finding in outcome.findings)


def _print_plan(plan: Plan, as_json: bool) -> None:
    if as_json:
        print(terminal_text.dump(_fields(plan, (), ())))
        return
    tokens = sum(request.tokens for request in plan.requests)
    limited = all(request.limited for request in plan.requests)
    amount = f"{tokens:,} tokens at most" if limited else f"about {tokens:,} tokens, since some have no limit"
    print(f"{counted(len(plan.requests), 'request')} would be sent, {amount}:")
    hosts = Counter((request.host, request.key.variable if request.key else "") for request in plan.requests)
    for (host, variable), count in hosts.items():
        unset = " (not set)" if variable in plan.keys.unset() else ""
        key = f"with the key of {variable}{unset}" if variable else "without a key"
        print(f"  {host}: {counted(count, 'request')} {key}")
    for request in plan.requests:
        bound = f"{request.tokens:,} tokens" if request.limited else f"about {request.tokens:,} tokens, no limit"
        expired = ", expired" if request.expired else ""
        print(terminal_text.printable(f"  {request.place}: {bound}{expired}"))
    for request in plan.beyond:
        print(terminal_text.printable(f"  beyond the budget: {request.place}: {request.tokens:,} tokens"))
    for skipped in plan.skipped:
        print(terminal_text.printable(f"  skipped: {skipped.place}: {skipped.reason}"))
    print("nothing was sent: --live sends them")


def _fields(plan: Plan, outcomes: Sequence[Outcome], updated: Sequence[str]) -> dict[str, object]:
    return {
        "planned": [
            {
                "file": str(request.file),
                "interaction": request.number,
                "host": request.host,
                "key_env": request.key.variable if request.key else None,
                "tokens": request.tokens,
                "limited": request.limited,
                "expired": request.expired,
            }
            for request in plan.requests
        ],
        "beyond": [request.place for request in plan.beyond],
        "skipped": [{"place": skipped.place, "reason": skipped.reason} for skipped in plan.skipped],
        "outcomes": [
            {
                "file": str(outcome.request.file),
                "interaction": outcome.request.number,
                "tokens": outcome.tokens,
                "failure": outcome.failure or None,
                "findings": [
                    {"severity": finding.severity, "kind": finding.kind, "what": finding.what}
                    for finding in outcome.findings
                ],
            }
            for outcome in outcomes
        ],
        "updated": list(updated),
    }
