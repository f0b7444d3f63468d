"""The README of cassettes/, generated from the cases."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from tests.record.cases import Case

DEMO = (
    "`openai_chat/walk.yaml`",
    "the demo: reasoning, text and a tool call, then the answer to the tool's result",
    "scripted, with synthetic timing: `python -m examples.make_walk_cassette cassettes/openai_chat/walk.yaml`",
)


def readme(cases: Iterable[Case], versions: Mapping[str, str], seed: int) -> str:
    """The page, with one row for each cassette."""
    rows = sorted([DEMO, *(_row(case) for case in cases)])
    table = "\n".join(f"| {' | '.join(row)} |" for row in rows)
    with_ = ", ".join(f"{name} {version}" for name, version in versions.items())
    return f"""\
# Cassettes of this project

`make record` records all cassettes but the demo's again, and writes this page (the code is in `tests/record`; the first
run installs the model server into `.venv/record`). Last recorded with
{with_}.

- **model server**: recorded from llama.cpp's HTTP server (xllamacpp) on loopback, through the official SDK over a real
  socket. The model is a small Llama with random weights (seed {seed}) and a tokenizer trained on invented words,
  so its text has no meaning; a grammar of the server gives most responses a form. Chunk boundaries, times and ends are
  the server's own, at about 1 ms for a token.
- **scripted**: responses that this server can't generate. The fake provider sent them, from a script with synthetic
  timing, and they were recorded in the same way.

Ports are replaced by 8080, and headers that describe the machine are removed. In `server_killed` the connection broke
off while tokens came, and in `client_leaves` the client closed it. `tokentape check` reports both, so allow them:

    tokentape check cassettes --allow truncated --allow client_closed

| cassette | content | recorded from |
|---|---|---|
{table}
"""


def _row(case: Case) -> tuple[str, str, str]:
    sdk = "anthropic SDK" if case.wire == "anthropic_messages" else "openai SDK"
    return f"`{case.path}`", case.what, f"{'model server' if case.script is None else 'scripted'}, {sdk}"
