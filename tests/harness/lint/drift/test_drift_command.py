"""Drift: the plan, the budget, what is skipped, and what the command prints."""

from __future__ import annotations

import json
import re
from pathlib import Path

import httpx2
import msgspec
import pytest
import yaml
from inline_snapshot import snapshot

from tests.harness.lint.drift.recorded_exchange import CHAT, REQUESTS, events, local, record
from tokentape_fake_provider import Script, Usage
from tokentape_harness import read_cassette, use_cassette, write_cassette
from tokentape_harness.cassettes.model import Cassette, Interaction
from tokentape_harness.lint.drift import SEVERITIES


def test_the_dry_run_sends_nothing(server, drift, tmp_path):
    """By default only the plan is printed: requests, hosts, the variable of the key, tokens; and the exit code is 0."""
    record(server, tmp_path / "a.yaml")
    record(server, tmp_path / "a.yaml", body=CHAT | {"max_tokens": 7, "n": 1})
    record(server, tmp_path / "b.yaml", "openai_responses")
    done = drift(tmp_path, "--key-env", "OPENAI_API_KEY")
    assert (done.code, done.err, server.received) == (0, "", [])
    assert local(done.out.replace(f"{tmp_path}/", ""), server) == snapshot("""\
3 requests would be sent, about 71 tokens, since some have no limit:
  localhost:1: 3 requests with the key of OPENAI_API_KEY
  a.yaml: interaction 0: 53 tokens
  a.yaml: interaction 1: 10 tokens
  b.yaml: interaction 0: about 8 tokens, no limit
nothing was sent: --live sends them
""")


def test_the_page_names_every_severity_and_exit_code():
    """docs/drift.md has a row for each severity, in their order, and for each exit code."""
    page = (Path(__file__).parents[4] / "docs" / "drift.md").read_text()
    assert tuple(re.findall(r"^\| `(\w+)` \|", page, re.MULTILINE)) == SEVERITIES
    assert re.findall(r"^\| (\d) \|", page, re.MULTILINE) == ["0", "1", "2", "3"]


def test_the_workflow_uses_what_there_is(drift):
    """The example of a nightly job is a workflow whose options the command has, and whose keys come from secrets."""
    workflow = yaml.safe_load((Path(__file__).parents[4] / "examples" / "drift.yml").read_text())
    (step,) = (step for step in workflow["jobs"]["drift"]["steps"] if step.get("id") == "drift")
    options = drift("--help").out
    used = re.findall(r"--[\w-]+", step["run"])
    assert {"--live", "--update", "--markdown", "--max-tokens"} <= set(used)
    assert all(option in options for option in used)
    named = re.findall(r"--key-env (\w+)", step["run"])
    assert {name: f"${{{{ secrets.{name} }}}}" for name in named} == step["env"]


def test_the_budget_bounds_requests_and_tokens(server, drift, tmp_path):
    """What does not fit into the budget is not sent, and is named."""
    for limit in (10, 20, 30):
        record(server, tmp_path / "a.yaml", body=CHAT | {"max_tokens": limit})
    done = drift(tmp_path, "--key-env", "OPENAI_API_KEY", "--live", "--max-requests", "2")
    assert len(server.received) == 2
    assert "1 beyond the budget" in done.out
    server.received.clear()
    drift(tmp_path, "--key-env", "OPENAI_API_KEY", "--live", "--max-tokens", "25")
    assert [body["max_tokens"] for _, _, body in server.received] == [10]


def test_answers_that_take_more_than_expected_end_the_run(server, drift, tmp_path):
    """Requests without a limit count as what their answers take: when the tokens are used up, the rest is not sent."""
    for text in ("One?", "Two?", "Three?"):
        record(server, tmp_path / "a.yaml", body={"model": "m", "messages": [{"role": "user", "content": text}]})
    server.script = Script.of("Very deep.", usage=Usage(input=5, output=90))
    done = drift(tmp_path, "--key-env", "OPENAI_API_KEY", "--live", "--max-tokens", "100")
    assert (done.code, len(server.received)) == (0, 1)
    assert "1 sent (95 tokens), 0 differ, 2 beyond the budget" in done.out


def test_what_is_not_sent_is_named(server, drift, tmp_path):
    """Recorded errors, broken streams, other requests and repeated ones are skipped with the reason."""
    path = tmp_path / "a.yaml"
    record(server, path)
    server.status = 429
    record(server, path, "anthropic_messages")
    server.status, server.cut = 200, 0.5
    with use_cassette(path, record_mode="new_episodes"), pytest.raises(httpx2.RemoteProtocolError):
        httpx2.post(server.url + "/v1/responses", json=REQUESTS["openai_responses"][1])
    again = read_cassette(path).interactions
    write_cassette(path, Cassette((*again, again[0])))
    done = drift(path, "--key-env", "OPENAI_API_KEY", "--json")
    assert [skipped["reason"] for skipped in json.loads(done.out)["skipped"]] == [
        "its recorded response has the status 429",
        "its recorded answer was cut off",
        "the same request as another one",
    ]


@pytest.mark.parametrize("body", [b"[1]", b"nonsense", b"\xff\xfe", b"null", b'{"model": 5}', None])
def test_a_request_that_cannot_be_read_is_skipped(server, drift, tmp_path, body):
    """A recorded request that is no JSON object, or none of its wire format, is named and not sent."""
    path = tmp_path / "a.yaml"
    interaction = record(server, path)
    request = msgspec.structs.replace(interaction.request, body=body)
    write_cassette(path, Cassette((Interaction(request, interaction.response),)))
    done = drift(path, "--key-env", "OPENAI_API_KEY", "--live")
    assert (done.code, server.received) == (3, [])
    assert re.search("its request is not (a JSON object|one of openai_chat)", drift(path).out)


def test_markdown_for_a_pull_request(server, drift, tmp_path):
    """The file has a table for each severity, with a provider's text as code, and the files recorded again."""
    path = tmp_path / "a.yaml"
    record(server, path)
    server.change = lambda body: events(body, lambda value: value | {"`a|b`": "<script>"})
    drift("a.yaml", "--key-env", "OPENAI_API_KEY", "--live", "--update", "--markdown", "body.md")
    assert (tmp_path / "body.md").read_text() == snapshot("""\
## Drift of recorded providers

1 sent (8 tokens), 1 differ

### Fields

| what | difference | where |
|---|---|---|
| new field | ``chat.completion.chunk: `a\\|b` (string)`` | `a.yaml: interaction 0` |

### Recorded again

- `a.yaml`
""")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--update"], "--update needs --live: without it nothing is sent"),
        (["--markdown", "x.md"], "--markdown needs --live: without it nothing is sent"),
        (["--fail-on", "all"], "--fail-on 'all' is not one of breaks, events, fields, timing"),
        (["--upstream", "nobody=https://a.example"], "--upstream nobody: not a provider: take one of openai,"),
        (["--live", "--key-env", "UNSET_KEY"], "--key-env UNSET_KEY: this variable is not set: export the key"),
    ],
)
def test_wrong_usage(server, drift, tmp_path, arguments, message):
    """A wrong argument is one line and exit code 2, before anything is sent."""
    record(server, tmp_path / "a.yaml")
    done = drift(tmp_path, *arguments)
    assert (done.code, server.received) == (2, [])
    assert done.err.startswith(f"tokentape: {message}")
