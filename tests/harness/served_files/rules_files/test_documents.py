"""Documents of rules files: YAML, JSON and TOML are the same values, and each part is at its place."""

from __future__ import annotations

import json
import tomllib
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from tokentape_harness.served_files.rules_files.document import Document, Place, TextProblem
from tokentape_harness.served_files.rules_files.parser import parse_document

NAMES = st.text("abz_-. $/é\U0001f600", min_size=1, max_size=4)
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text("ab: #'\"\\\n\té\u2028\U0001f600{}[],&*!|>%@`-", max_size=8),
    st.sampled_from(["yes", "on", "2026-01-01", "12:30", "0o7", "1e3", "~", "null", "<<", "=", "010"]),
)
VALUES = st.recursive(
    SCALARS, lambda part: st.one_of(st.lists(part, max_size=3), st.dictionaries(NAMES, part, max_size=3)), max_leaves=8
)
DOCUMENTS = st.dictionaries(NAMES, VALUES, min_size=1, max_size=4)


def check_places(document: Document, text: str, path: tuple[Any, ...] = ()) -> None:
    """In JSON each name and each value begins where its place is."""
    lines = text.split("\n")
    value: Any = document.value
    for part in path:
        value = value[part]

    def at(place: Place | None) -> str:
        assert place is not None
        return lines[place.line - 1][place.column - 1 :]

    if path and isinstance(path[-1], str):
        assert at(document.place(path, key=True)).startswith(json.dumps(path[-1]))
    start = "{" if isinstance(value, dict) else "[" if isinstance(value, list) else json.dumps(value)
    assert at(document.place(path)).startswith(start)
    for name in value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ():
        check_places(document, text, (*path, name))


@given(DOCUMENTS, st.sampled_from([None, 1]))
def test_json_is_read_with_its_places(value: dict[str, Any], indent: int | None) -> None:
    """JSON is what the standard library reads, and each part of it is found at its line and column."""
    text = json.dumps(value, indent=indent)
    document = parse_document(text.encode(), ".json")
    assert document.value == json.loads(text)
    check_places(document, text)


@given(DOCUMENTS)
def test_yaml_is_what_was_written(value: dict[str, Any]) -> None:
    """What PyYAML writes with quotes is read as it was, and each part has a place, as in its blocks without quotes."""
    quoted = parse_document(yaml.safe_dump(value, default_style='"', allow_unicode=True).encode(), ".yaml")
    assert quoted.value == value
    blocks = parse_document(yaml.safe_dump(value, allow_unicode=True, default_flow_style=False).encode(), ".yaml")
    assert quoted.places.keys() == blocks.places.keys()


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a: yes\nb: [on, No, n]", {"a": "yes", "b": ["on", "No", "n"]}),
        ("a: 2026-01-01\nb: 12:30:45", {"a": "2026-01-01", "b": "12:30:45"}),
        ("a: [true, TRUE, False, null, ~, ]", {"a": [True, True, False, None, None]}),
        ("a: [010, 0o17, 0x1F, -3, +4, 1_000]", {"a": [10, 15, 31, -3, 4, "1_000"]}),
        ("a: [1.5, .5, 1., 1e3, -2E-2, 1.2.3]", {"a": [1.5, 0.5, 1.0, 1000.0, -0.02, "1.2.3"]}),
        ("a: &x {b: 1, c: 2}\nd: {<<: *x, c: 3}", {"a": {"b": 1, "c": 2}, "d": {"b": 1, "c": 3}}),
        ("a: |\n  x\n  y\nb: >\n  p\n  q\n", {"a": "x\ny\n", "b": "p q\n"}),
        ('{"a": "\\u00e9", "b":\t1}', {"a": "é", "b": 1}),
        ("\ufeffa: 1\r\nb: 2\r\n", {"a": 1, "b": 2}),
        ("1: a\ntrue: b\n", {"1": "a", "true": "b"}),
    ],
)
def test_yaml_is_that_of_editors(text: str, value: dict[str, Any]) -> None:
    """Plain scalars are resolved by the core schema of YAML 1.2; names of fields are text."""
    assert parse_document(text.encode(), ".yaml").value == value


def test_toml_is_read_with_text_for_dates() -> None:
    """TOML is what the standard library reads, but for dates and times, which are text."""
    text = 'a = 2026-01-01\nb = 12:30:00\n[[c.d]]\ne = """\n[x]\nf = 1\n"""\n"g h" = 1\n[[c.d]]\ni.j = 2\n'
    document = parse_document(text.encode(), ".toml")
    assert document.value == {**tomllib.loads(text), "a": "2026-01-01", "b": "12:30:00"}
    places = {(): 1, ("b",): 2, ("c", "d", 0): 3, ("c", "d", 0, "g h"): 8, ("c", "d", 1, "i", "j"): 10}
    assert {path: (document.place(path) or Place(0, 0)).line for path in places} == places
    assert document.place(("c", "d", 1, "nothing")) == document.place(("c", "d", 1))


@given(st.binary(max_size=60), st.sampled_from([".yaml", ".json", ".toml"]))
def test_any_bytes_are_a_document_or_one_problem(data: bytes, suffix: str) -> None:
    """Whatever a file has, it is parsed, or there is one problem with a remedy."""
    try:
        parse_document(data, suffix)
    except TextProblem as problem:
        assert problem.what
        assert problem.do
