"""`tokentape validate`: every problem with its file, line, column and field, and what to do."""

# ruff: noqa: E501 - lines of output

from __future__ import annotations

import json
from pathlib import Path

import pytest
from inline_snapshot import snapshot

from tokentape_fake_provider.sessions.rules_file import rules_schema
from tokentape_harness.cli.run import run
from tokentape_harness.served_files.rules_files import toml_document

MANY = """\
settings:
  strict: yes
  timing: fast
  sede: 3
rules:
  - contains: 1.0
    scripts: [x]
  - contains: 2026-01-01
    wire: opanai_chat
    scripts: [no]
  - matches: "(a"
    scripts: [x]
  - turn: 0
    scripts: [x]
  - scripts: [x]
    faults: [fim]
  - scripts:
      - choices: [{items: [{type: tool_cal, name: f}]}]
queue:
  - {script: x, tape: {}}
sessions:
  a b: {}
  default: {}
  ok:
    rule: []
rulez: []
"""


def printed(
    path: Path, content: str | bytes, capsys: pytest.CaptureFixture[str], folder: Path | None = None
) -> list[str]:
    """The lines for a file with this content, without its folder."""
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    run(["validate", str(folder or path)])
    return capsys.readouterr().out.replace(f"{path.parent}/", "").splitlines()


def test_all_problems_of_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Unknown fields, wrong types, values and names are all reported, in the order of the file."""
    assert printed(tmp_path / "r.yaml", MANY, capsys) == snapshot(
        [
            "r.yaml:2:11: settings.strict: `strict` is the text 'yes', but must be true or false: write true",
            "r.yaml:3:11: settings.timing: timing: 'fast' is not one of instant, recorded, recorded:SPEED, stepped, synthetic:OPTIONS, profile:FILE",
            "r.yaml:4:3: settings.sede: unknown field `sede`: did you mean seed?",
            "r.yaml:6:15: rules[0].contains: `contains` is 1.0, but must be text: put quotes around it: without them 1.0 is not text",
            "r.yaml:9:11: rules[1].wire: `wire` can't be 'opanai_chat': did you mean openai_chat?",
            "r.yaml:11:14: rules[2].matches: `matches` is not a regular expression: missing ), unterminated subpattern at position 0",
            "r.yaml:13:11: rules[3].turn: `turn` is 0: the first message of the user is turn 1",
            "r.yaml:16:14: rules[4].faults[0]: no fault 'fim': did you mean fin?",
            "r.yaml:18:35: rules[5].scripts[0].choices[0].items[0].type: there is no type 'tool_cal': did you mean tool_call?",
            "r.yaml:20:5: queue[0]: an item must be a string, or an object with either `script` or `tape`",
            "r.yaml:22:3: sessions.a b: the name 'a b' is not possible: use 1 to 200 of the characters A-Z a-z 0-9 . _ ~ - for its name; the default session is the top level of the file",
            "r.yaml:23:3: sessions.default: the name 'default' is not possible: use 1 to 200 of the characters A-Z a-z 0-9 . _ ~ - for its name; the default session is the top level of the file",
            "r.yaml:25:5: sessions.ok.rule: unknown field `rule`: did you mean rules?",
            "r.yaml:26:1: rulez: unknown field `rulez`: did you mean rules?",
            "1 rules file, 0 cassettes: 14 problems",
        ]
    )


@pytest.mark.parametrize(
    ("name", "content", "line"),
    [
        ("r.yaml", "rules:\n\t- scripts: [x]\n", "r.yaml:2:1: not YAML: "),
        ("r.yaml", "rules:\n  - last_user: a: b\n", "r.yaml:2:17: not YAML: "),
        ("r.yaml", "rules: []\nqueue: []\nrules: []\n", "r.yaml:3:1: `rules` is there twice, first in line 1"),
        ("r.yaml", "rules:\n- {scripts: [x], scripts: [y]}\n", "r.yaml:2:18: `scripts` is there twice"),
        ("r.yaml", "rules: !!python/object:os.system x\n", "r.yaml:1:8: the tag !!python/object:os.system is not"),
        ("r.yaml", "rules: &a [*a]\n", "r.yaml:1:8: values are nested more than 100 deep"),
        ("r.yaml", f"rules: {'[' * 5000}\n", "r.yaml:1:"),
        (
            "r.yaml",
            "rules: [{scripts: [x], turn: .inf}]\n",
            "r.yaml:1:30: rules[0].turn: inf is not a number that JSON",
        ),
        ("r.yaml", f"settings: {{seed: {'1' * 5000}}}\n", "r.yaml:1:18: 1111"),
        ("r.yaml", "rules: []\n---\nrules: []\n", "r.yaml:2:1: not YAML: "),
        ("r.yaml", b"rules: [\xff]\n", "r.yaml:1:9: the text is not UTF-8: save the file as UTF-8"),
        ("r.yaml", "rules: [{scripts: [\x07]}]\n", "r.yaml:1:20: not YAML: "),
        ("r.yaml", "? [a]\n: b\nrules: []\n", "r.yaml:1:3: the name of a field is not text"),
        (
            "r.yaml",
            "queue:\n",
            "r.yaml:1:7: queue: `queue` is empty (null), but must be a list: write a list, or remove it",
        ),
        ("r.yaml", "", "r.yaml: the file is empty"),
        ("r.yaml", "# nothing yet\n", "r.yaml: the file is empty"),
        ("r.yaml", "rules: []\ninteractions: []\n", "r.yaml: both a cassette and a rules file: split it into two"),
        ("r.yaml", "# x\nruels: []\n", "r.yaml:2:1: unknown field `ruels`: did you mean rules?"),
        ("r.yaml", "services: {}\n", "r.yaml: neither a cassette"),
        ("r.yaml", "interactions: [\n", "r.yaml:2:1: not YAML, or cut short"),
        ("r.json", '{"rules": [],\n "queue": [5,]}', "r.json:2:1"),
        ("r.json", '{"rules": [],\n "rules": []}', "r.json:2:2: `rules` is there twice, first in line 1"),
        ("r.json", '{"rules": [{"scripts": ["x"],\n  "trun": 1}]}', "r.json:2:3: rules[0].trun: unknown field `trun`"),
        ("r.json", '{"queue": ["\\ud83d"]}', "r.json:1:12: queue[0]: the text has half a character"),
        ("r.json", '{"settings": {"seed": NaN}}', "r.json:1:23: settings.seed: nan is not a number that JSON has"),
        ("r.toml", '[[rules]]\nscripts = ["x"]\n\n[[rules]]\nturn = "1"\n', "r.toml:5:8: rules[1].turn: `turn` is the"),
        ("r.toml", "[sessions.a.settings]\nstric = true\n", "r.toml:2:1: sessions.a.settings.stric: unknown field"),
        ("r.toml", "[settings\n", "r.toml:1:10: not TOML: "),
    ],
)
def test_a_problem_has_its_place(
    name: str, content: str | bytes, line: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whatever is wrong in the text of a file is one line with the place."""
    first, *_, last = printed(tmp_path / name, content, capsys)
    assert first.startswith(line)
    assert last == f"{last.partition(':')[0]}: 1 problem"


def test_an_alias_bomb_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Aliases that stand for a million values are not written out."""
    levels = "".join(f"{b}: &{b} [{','.join([f'*{a}'] * 10)}]\n" for a, b in zip("abcde", "bcdef", strict=True))
    lines = printed(tmp_path / "r.yaml", f"a: &a [{'x,' * 10}]\n{levels}rules: [*f]\n", capsys)
    assert "there are more than 100,000 values: remove aliases, or split the file" in lines[0]


@pytest.mark.parametrize("text", ["{names} = 1", "[{names}]", "[[{names}]]", "a = {{b = 1, {names} = 1}}"])
def test_a_toml_key_of_very_many_names_is_refused(
    text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """`tomllib` would take minutes for it; a text with as many dots is no key."""
    names = ".".join(["a"] * 100_000)
    lines = printed(tmp_path / "r.toml", f"strict = 1\n{text.format(names=names)}\n", capsys)
    assert lines[0].startswith("r.toml:2:")
    assert "values are nested more than 100 deep" in lines[0]
    dots = printed(tmp_path / "s.toml", f'rules = [{{contains = "x", scripts = ["{names}"]}}]\n', capsys)
    assert "nested" not in dots[0]


def test_a_toml_file_of_very_many_values_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As one in YAML is."""
    monkeypatch.setattr(toml_document, "MOST", 100)
    lines = printed(tmp_path / "r.toml", "".join(f"rules.a{number} = 1\n" for number in range(100)), capsys)
    assert "there are more than" in lines[0]


def test_yaml_is_read_as_editors_read_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """By YAML 1.2 `yes`, a date, a time and an octal of old are text or numbers; anchors and merges are allowed."""
    text = """\
rules:
  - &first {contains: yes, scripts: [on, 2026-01-01, 12:30:00, off]}
  - {<<: *first, contains: no, turn: 010}
  - {contains: "1.0", scripts: [!!str 1, "", ~a], times: 0x10}
"""
    assert printed(tmp_path / "r.yaml", text, capsys) == ["1 rules file, 0 cassettes: nothing wrong"]


def test_a_file_lists_cassettes_and_a_profile(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A cassette or a profile that is not there is a problem of the line that names it."""
    text = "cassettes: [a.yaml]\nsessions:\n  s:\n    cassettes:\n      - none\n"
    assert printed(tmp_path / "r.yaml", text, capsys) == [
        "r.yaml:1:13: cassettes[0]: a.yaml: no such cassette or folder: check the path",
        "r.yaml:5:9: sessions.s.cassettes[0]: none: no such cassette or folder: check the path",
        "1 rules file, 0 cassettes: 2 problems",
    ]
    lines = printed(tmp_path / "r.yaml", "settings: {timing: 'profile:none.yaml'}\n", capsys)
    assert lines[0] == (
        "r.yaml:1:20: settings.timing: profile none.yaml: can't be read (No such file or directory): check the path"
    )


def test_a_setting_in_two_files_of_a_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Files that are served together must not set the same setting of a session twice."""
    (tmp_path / "a.yaml").write_text("settings: {seed: 1}\nsessions: {s: {settings: {seed: 1}}}\n")
    lines = printed(tmp_path / "b.yaml", "settings: {seed: 2, strict: true}\nqueue: [x]\n", capsys, tmp_path)
    assert lines == [
        "b.yaml:1:18: settings.seed: `seed` is set in a.yaml, too: keep one of them",
        "2 rules files, 0 cassettes: 1 problem",
    ]


def test_json_for_programs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With --json the files and their problems are one object; the exit code is that of the text."""
    path = tmp_path / "r.yaml"
    path.write_text("rules:\n  - {scripts: [x], turn: 0}\n")
    assert run(["validate", "--json", str(path)]) == 1
    assert json.loads(capsys.readouterr().out) == {
        "files": [{"file": str(path), "kind": "rules"}],
        "problems": [
            {
                "file": str(path),
                "line": 2,
                "column": 26,
                "field": "rules[0].turn",
                "what": "`turn` is 0: the first message of the user is turn 1",
                "do": "",
            }
        ],
    }
    path.write_text("rules: []\n")
    assert run(["validate", "--json", str(path)]) == 0
    assert json.loads(capsys.readouterr().out)["problems"] == []


def test_what_is_misused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """No path is a misuse, a path that is not there a failure; --schema prints the schema."""
    assert run(["validate"]) == 2
    assert run(["validate", str(tmp_path / "none.yaml")]) == 1
    assert "no such" in capsys.readouterr().err
    assert run(["validate", "--schema"]) == 0
    assert json.loads(capsys.readouterr().out) == rules_schema()
