"""Plain YAML: what is read and written without PyYAML is what PyYAML reads and writes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from tokentape_harness.cassettes import plain_yaml, yaml_io
from tokentape_harness.errors import CassetteFormatError

_CASSETTES = sorted((Path(__file__).parents[3] / "cassettes").rglob("*.yaml"))
_FILE = _CASSETTES[0].read_text()
_ODD = st.one_of(
    st.sampled_from(
        ["", "a", "yes", "no", "null", "~", "on", "0", "-1", "01", "1.5", "1.", "1e3", "0x1f", "1:30", "="]
    ),
    st.sampled_from(["2026-11-30", "a: b", "a #b", "a#b", "# a", "- a", "-", "--- a", "...", "a:", ":a", "<<", "é"]),
    st.sampled_from(["'a'", "'it''s'", "'a", "'a' b", '"a"', "[]", "{}", "[a]", "{a: b}", "&a b", "*a", "!!str a"]),
    st.sampled_from(["|", "|-", "|+", "|2", "|2-", ">", "a ", " a", "a\tb", "'\t'", "\ta", "\r"]),
)
_ODD_KEYS = st.sampled_from(["a", "b", "a-b", "on", "y", "null", "<<", "'a'", "é", "A_1", "? a"])
_PLAIN = st.sampled_from(["a", "b c", "x/y", "212", "1.25", "'no'"])
_VALUES = st.one_of(_PLAIN, _PLAIN, _PLAIN, _ODD)
_PLAIN_KEYS = st.sampled_from(["a", "b", "c", "d", "e", "f", "x-g"])
_KEYS = st.one_of(_PLAIN_KEYS, _PLAIN_KEYS, _PLAIN_KEYS, _ODD_KEYS)
_INDENT = st.sampled_from(["  "] * 8 + ["", " ", "    "])


def _indented(lines: list[str], margin: str) -> list[str]:
    return [margin + line for line in lines]


def _nodes(children: st.SearchStrategy[list[str]]) -> st.SearchStrategy[list[str]]:
    """The lines of a mapping or list of such nodes; sometimes its keys repeat or its margins are wrong."""
    entry = st.one_of(
        st.builds(lambda key, value: [f"{key}: {value}"], _KEYS, _VALUES),
        st.builds(lambda key, margin, lines: [f"{key}:", *_indented(lines, margin)], _KEYS, _INDENT, children),
        st.builds(lambda key, values: [f"{key}:", *(f"- {value}" for value in values)], _KEYS, st.lists(_VALUES)),
        st.builds(
            lambda key, header, margin, lines: [f"{key}: {header}", *_indented(lines, margin)],
            _KEYS,
            st.sampled_from(["|", "|-", "|+", "|2", "|2-", ">"]),
            _INDENT,
            st.lists(st.sampled_from(["a", "", " b", "a: b", "#", "- a", "  "]), max_size=4),
        ),
        st.builds(lambda key, lines: [f"{key}:", *_item(lines)], _KEYS, children),
    )
    return st.lists(entry, min_size=1, max_size=3).map(lambda entries: [line for lines in entries for line in lines])


def _item(lines: list[str]) -> list[str]:
    return [("- " if number == 0 else "  ") + line for number, line in enumerate(lines)]


_DOCUMENTS = st.recursive(st.builds(lambda key, value: [f"{key}: {value}"], _KEYS, _VALUES), _nodes, max_leaves=6)
_SCALARS = st.one_of(
    st.text(max_size=12),
    st.text(st.sampled_from("aA0.-:# '\"[]{},&*!|>%@/_~=+<?ny\n"), max_size=8),
    st.integers(-(10**6), 10**6),
    st.floats(allow_nan=False),
    _ODD,
)
_MAPPINGS = st.dictionaries(
    st.one_of(st.text(st.sampled_from("aon-_1"), min_size=1, max_size=4), st.text(max_size=3)),
    st.one_of(_SCALARS, st.lists(_SCALARS, max_size=3), st.dictionaries(st.sampled_from(["a", "b"]), _SCALARS)),
    min_size=1,
    max_size=4,
)


def _reference(data: bytes) -> Any:
    """What PyYAML reads; a text that no file has where it is an error."""
    try:
        return yaml.load(data, yaml.CSafeLoader)
    except (yaml.YAMLError, ValueError):
        return "no YAML"


@given(_DOCUMENTS.map("\n".join), st.sampled_from(["", "\n", "\n", "\n\n", " \n"]))
@example("a: |\n  b\n c\nd: e", "\n")
@example("a: |+\n  b\n\n\nd: e", "\n")
@example("a: |\n  b\n   \nd: e", "\n")
@example("a: |2-\n\n  b\n    c\nd: e", "")
@example("a:\n- b: c\n  d:\n  - e\n  f:\n  - g\n  - h\n", "")
@example("a:\n  b:\n  - c\n  b:\n  - d\n", "")
@example("a:\n  b:\n  - |\n    c\n", "")
def test_read_is_what_pyyaml_reads(text: str, ending: str) -> None:
    """Each text is read as PyYAML reads it, or left to PyYAML."""
    data = (text + ending).encode()
    found = plain_yaml.read(data)
    assert found is None or repr(found) == repr(_reference(data))


@given(st.integers(0, len(_FILE) - 1), st.text(st.sampled_from(" \n'\"|-+#:a0\té"), max_size=3), st.integers(0, 3))
def test_edited_cassettes_are_read_as_pyyaml_reads_them(at: int, new: str, removed: int) -> None:
    """A cassette that was edited by hand anywhere has the values that PyYAML finds in it."""
    data = (_FILE[:at] + new + _FILE[at + removed :]).encode()
    found = plain_yaml.read(data)
    if found is not None and repr(found) != repr(_reference(data)):
        # PyYAML takes the last of two equal keys; they are refused, and not read here.
        raise AssertionError(data)


@given(_MAPPINGS, st.sampled_from([0, 4]))
def test_write_is_what_pyyaml_writes(value: dict[str, Any], indent: int) -> None:
    """Each mapping is written as PyYAML writes it, or left to PyYAML."""
    written = plain_yaml.write(value, " " * indent)
    dumped = yaml.dump(
        value, Dumper=yaml.CSafeDumper, allow_unicode=True, default_flow_style=False, sort_keys=False, width=2**31 - 1
    )
    assert written is None or written == "".join(" " * indent + line for line in dumped.splitlines(keepends=True))


@pytest.mark.parametrize("value", [{}, []])
def test_an_empty_document_is_written(value: Any) -> None:
    """An empty mapping or list is a document of its own, and not nothing."""
    assert yaml.load(yaml_io.dump(value, 0), yaml.CSafeLoader) == value


def test_more_values_than_a_cassette_has_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """A plain file has no more values than any other."""
    monkeypatch.setattr(yaml_io, "_MOST", 100)
    assert yaml_io.load(b"a:\n" + b"- b\n" * 90)
    with pytest.raises(CassetteFormatError, match="more than"):
        yaml_io.load(b"a:\n" + b"- b\n" * 101)


@pytest.mark.parametrize("path", _CASSETTES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_our_cassettes_are_plain(path: Path) -> None:
    """What tokentape writes is read without PyYAML."""
    data = path.read_bytes()
    assert plain_yaml.read(data) == yaml.load(data, yaml.CSafeLoader)


@given(st.text() | st.text(st.characters(max_codepoint=0x7F)))
def test_a_text_is_printable_if_none_of_its_characters_is_not(text):
    """The quick look at a text of ASCII agrees with the pattern of what a block can't hold."""
    assert plain_yaml.is_printable(text) == (plain_yaml.not_printable().search(text) is None)
