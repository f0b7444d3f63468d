"""Verdicts as files for people and CI, and the command that writes them."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import httpx2
import jsonschema
import msgspec
import pytest
from inline_snapshot import snapshot

from tokentape_fake_provider.verdict.finding import KINDS, Finding, Verdict
from tokentape_fake_provider.verdict.sdks import SDKS, remedy_for, sdk_of
from tokentape_fake_provider.verdict.settings import VerdictSettings
from tokentape_harness import FakeProvider
from tokentape_harness.cli.run import run
from tokentape_harness.testing.verdicts.case import JudgedCase
from tokentape_harness.testing.verdicts.files import write_verdicts
from tokentape_harness.testing.verdicts.text import finding_lines

PAGE = (Path(__file__).parents[4] / "docs" / "verdict.md").read_text()
STORM = Finding("retry_storm", "certain", [0, 1], [0.0, 5.25], "seen <b>&\x01", "why", "remedy", "openai (Python) 3")
LIKELY = Finding("slow_cancel", "likely", [2, 3], [7.0, 8.0], "slow", "why", "remedy")
CASES = [
    JudgedCase("tests/test_a.py::test_one", Verdict(4, [STORM, LIKELY], ["a note"]), "tests/test a.py", 12),
    JudgedCase("tests/test_a.py::test_two", Verdict(1, [])),
]
TEXT = {"type": "object", "required": ["text"], "properties": {"text": {"type": "string", "minLength": 1}}}
SARIF = {
    "type": "object",
    "required": ["version", "runs"],
    "additionalProperties": False,
    "properties": {
        "$schema": {"type": "string", "format": "uri"},
        "version": {"const": "2.1.0"},
        "runs": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["tool"],
                "additionalProperties": False,
                "properties": {
                    "tool": {
                        "type": "object",
                        "required": ["driver"],
                        "additionalProperties": False,
                        "properties": {
                            "driver": {
                                "type": "object",
                                "required": ["name"],
                                "additionalProperties": False,
                                "properties": {
                                    "name": {"type": "string"},
                                    "version": {"type": "string"},
                                    "rules": {
                                        "type": "array",
                                        "uniqueItems": True,
                                        "items": {
                                            "type": "object",
                                            "required": ["id"],
                                            "additionalProperties": False,
                                            "properties": {
                                                "id": {"type": "string"},
                                                "name": {"type": "string"},
                                                "shortDescription": TEXT,
                                                "fullDescription": TEXT,
                                                "help": TEXT,
                                                "defaultConfiguration": {
                                                    "type": "object",
                                                    "properties": {
                                                        "level": {"enum": ["none", "note", "warning", "error"]}
                                                    },
                                                },
                                            },
                                        },
                                    },
                                },
                            }
                        },
                    },
                    "invocations": {
                        "type": "array",
                        "items": {
                            "type": "object",
                            "required": ["executionSuccessful"],
                            "properties": {
                                "toolExecutionNotifications": {
                                    "type": "array",
                                    "items": {
                                        "type": "object",
                                        "required": ["message"],
                                        "properties": {"message": TEXT},
                                    },
                                }
                            },
                        },
                    },
                    "results": {
                        "type": "array",
                        "items": {
                            "type": "object",
                            "required": ["message"],
                            "additionalProperties": False,
                            "properties": {
                                "ruleId": {"type": "string"},
                                "ruleIndex": {"type": "integer", "minimum": -1},
                                "level": {"enum": ["none", "note", "warning", "error"]},
                                "message": TEXT,
                                "partialFingerprints": {"additionalProperties": {"type": "string"}},
                                "properties": {"type": "object"},
                                "locations": {
                                    "type": "array",
                                    "items": {
                                        "properties": {
                                            "physicalLocation": {
                                                "required": ["artifactLocation"],
                                                "properties": {
                                                    "artifactLocation": {
                                                        "properties": {
                                                            "uri": {"type": "string", "pattern": r"^[^ \\]+$"}
                                                        }
                                                    },
                                                    "region": {
                                                        "properties": {"startLine": {"type": "integer", "minimum": 1}}
                                                    },
                                                },
                                            }
                                        }
                                    },
                                },
                            },
                        },
                    },
                },
            },
        },
    },
}
"""The part of the SARIF 2.1.0 schema for what is written; what it does not name is refused."""


def written(tmp_path: Path, name: str) -> str:
    """A file with the verdicts."""
    write_verdicts(tmp_path / name, CASES)
    return (tmp_path / name).read_text(encoding="utf-8")


def test_sarif(tmp_path):
    """SARIF keeps to its schema, has a rule for each kind, and a result for each finding with its place."""
    document = json.loads(written(tmp_path, "v.sarif"))
    jsonschema.validate(document, SARIF)
    (one,) = document["runs"]
    rules = [rule["id"] for rule in one["tool"]["driver"]["rules"]]
    assert rules == list(KINDS)
    assert [(result["ruleId"], result["level"]) for result in one["results"]] == [
        ("retry_storm", "error"),
        ("slow_cancel", "warning"),
    ]
    assert all(rules[result["ruleIndex"]] == result["ruleId"] for result in one["results"])
    assert one["results"][0]["locations"] == snapshot(
        [{"physicalLocation": {"artifactLocation": {"uri": "tests/test%20a.py"}, "region": {"startLine": 12}}}]
    )
    assert len({result["partialFingerprints"]["tokentape/v1"] for result in one["results"]}) == 2
    notes = one["invocations"][0]["toolExecutionNotifications"]
    assert [note["message"]["text"] for note in notes] == ["tests/test_a.py::test_one: a note"]


def test_junit(tmp_path):
    """JUnit has a failed case for each finding, and one that passed for a verdict without."""
    (suite,) = ET.fromstring(written(tmp_path, "v.xml"))
    assert (suite.get("tests"), suite.get("failures")) == ("3", "2")
    assert [(case.get("classname"), case.get("name"), len(case)) for case in suite] == [
        ("tests/test_a.py::test_one", "retry_storm", 1),
        ("tests/test_a.py::test_one", "slow_cancel", 1),
        ("tests/test_a.py::test_two", "resilient", 0),
    ]
    assert suite[0].get("line") == "12"
    assert "seen <b>&\ufffd" in (suite[0][0].get("message") or "")


def test_html(tmp_path):
    """The page has each finding, escapes what it quotes, and requests nothing."""
    page = written(tmp_path, "v.html")
    tags: list[str] = []
    parser = HTMLParser()
    parser.handle_starttag = lambda tag, attrs: tags.append(tag)  # type: ignore[method-assign]
    parser.feed(page)
    assert tags.count("section") == 2
    assert not {"script", "link", "img", "b"} & set(tags)
    assert "seen &lt;b&gt;&amp;" in page
    assert "<h1>2 findings</h1>" in page


def test_json(tmp_path):
    """JSON has the verdicts as they are."""
    assert msgspec.convert(json.loads(written(tmp_path, "v.json"))["cases"], list[JudgedCase]) == msgspec.convert(
        msgspec.to_builtins(CASES), list[JudgedCase]
    )


@pytest.fixture
def journal(fake_provider_in_process: FakeProvider, tmp_path: Path) -> Path:
    """A saved journal in which a request was sent twice to no avail."""
    from tokentape_fake_provider.control.journal import shown_entry

    fake_provider_in_process.fault("http_error", status=400)
    with httpx2.Client(transport=fake_provider_in_process.transport()) as client:
        for _ in range(2):
            body = {"model": "m", "messages": [{"role": "user", "content": "Hi"}]}
            client.post(f"{fake_provider_in_process.base_url()}/chat/completions", json=body)
    entries = [shown_entry(entry, frames=True, response=True) for entry in fake_provider_in_process.requests]
    path = tmp_path / "journal.json"
    path.write_bytes(msgspec.json.encode({"forgotten": 0, "now": 9.0, "entries": entries}))
    return path


def test_the_command(journal, capsys, monkeypatch, tmp_path):
    """`tokentape report FILE` prints the finding, exits with 1, and writes the files; what is allowed is no finding."""
    monkeypatch.chdir(tmp_path)
    location = ("--location", "tests/test_x.py:7")
    assert run(["report", str(journal), *location, "--write", "out/r.sarif", "--write", "r.xml"]) == 1
    out = capsys.readouterr().out
    assert "retried what can't succeed (retried_in_vain, certain)" in out
    assert "request 0 was sent again after 400: it can't succeed" in out
    result = json.loads((tmp_path / "out" / "r.sarif").read_text())["runs"][0]["results"][0]
    assert result["locations"][0]["physicalLocation"]["region"] == {"startLine": 7}
    assert (tmp_path / "r.xml").exists()
    assert run(["report", str(journal), "--allow", "retried_in_vain"]) == 0
    assert capsys.readouterr().out.endswith("2 requests: resilient\n")
    assert run(["report", str(journal), "--json"]) == 1
    shown = json.loads(capsys.readouterr().out)
    assert (shown["ok"], shown["findings"][0]["kind"], shown["requests"]) == (False, "retried_in_vain", 2)
    (tmp_path / "pyproject.toml").write_text("[tool.tokentape.report]\nallow = ['retried_in_vain']\n")
    assert run(["report", str(journal)]) == 0
    assert capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nothing.json"], "nothing.json can't be read (No such file or directory): give a saved journal"),
        (["bad.json"], "bad.json is not a journal"),
        (["http://127.0.0.1:1"], "no fake provider answers at http://127.0.0.1:1"),
        (["ftp://x"], "'ftp://x' is not the address of a server"),
        (["bad.json", "--session", "x"], "--session is for a running server"),
    ],
)
def test_misuse(arguments, message, capsys, monkeypatch, tmp_path):
    """What can't be judged is one line, and exit code 2."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bad.json").write_text('{"entries": [{}]}')
    assert run(["report", *arguments]) == 2
    assert message in capsys.readouterr().err


def test_a_wrong_kind_and_a_wrong_file(journal, capsys, monkeypatch, tmp_path):
    """An unknown kind and an unknown format name what there is."""
    monkeypatch.chdir(tmp_path)
    assert run(["report", str(journal), "--allow", "nothing"]) == 2
    assert "kinds of findings are truncation_accepted, " in capsys.readouterr().err
    assert run(["report", str(journal), "--write", "r.pdf"]) == 2
    assert "name a file that ends with .json, .xml, .sarif, .html" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("agent", "label"),
    [
        ("OpenAI/Python 3.54.0", "openai (Python) 3.54.0"),
        ("AsyncOpenAI/Python 3.54.0", "openai (Python) 3.54.0"),
        ("OpenAI/JS 6.49.0", "openai (npm) 6.49.0"),
        ("AsyncAnthropicBedrock/Python 2.12.0", "anthropic (Python) 2.12.0"),
        ("langchain-anthropic/1.7.7", "langchain-anthropic 1.7.7"),
        ("google-genai-sdk/3.4.0 gl-python/3.11.7", "google-genai (Python) 3.4.0"),
        ("google-genai-sdk/2.32.0 gl-node/v20.20.2", "google-genai (npm) 2.32.0"),
        ("google-genai-sdk/2.34.0 gl-python/3.11 langchain-google-genai/4.4.2-Chat", "langchain-google-genai 4.4.2"),
        ("ai/6.0.326 ai-sdk/openai/3.0.141 ai-sdk/provider-utils/4.0.66", "Vercel AI SDK 6.0.326"),
        ("ai-sdk/openai/3.0.141 ai-sdk/provider-utils/4.0.66", "Vercel AI SDK 3.0.141"),
        ("Boto3/1.44.5 md/Botocore#1.44.5", "boto3 1.44.5"),
        ("litellm/1.106.2", "litellm 1.106.2"),
        ("python-httpx/0.28", None),
        ("", None),
    ],
)
def test_the_sdk_is_recognised(agent, label):
    """The user agents of the SDKs, as they send them, name the SDK and its version."""
    found = sdk_of({"user-agent": agent})
    assert (None if found is None else found.label) == label


def test_the_page_has_every_kind_limit_and_sdk():
    """docs/verdict.md lists each finding, each limit with its default, and each SDK by name."""
    for kind in KINDS:
        assert f"| `{kind}` |" in PAGE
        assert all(remedy_for(kind, sdk_of({"user-agent": agent})) for agent in ("", "OpenAI/Python 3"))
    rows = [
        f"| `{field.name}` | {field.default} | {_description(field)} |"
        for field in msgspec.structs.fields(VerdictSettings)
        if field.name not in ("allow", "certain_only")
    ]
    assert "\n".join(rows) in PAGE
    for sdk in SDKS:
        assert sdk.name.partition(" (")[0].replace("@anthropic-ai/sdk", "anthropic") in PAGE


def _description(field: Any) -> str:
    description: str = field.type.__metadata__[-1].description
    return description


def test_the_text_of_a_storm_is_short() -> None:
    """A finding in hundreds of requests lists the first, and counts the others."""
    storm = msgspec.structs.replace(STORM, requests=list(range(100)), at_ms=[0.0] * 100)
    line = next(line for line in finding_lines(storm) if "requests:" in line)
    assert line.endswith("7 at 0 ms, and 92 more")
    assert "more" not in "".join(finding_lines(STORM))
