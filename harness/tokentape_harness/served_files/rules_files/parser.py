"""Parses the text of a rules file: YAML, JSON or TOML."""

from __future__ import annotations

from tokentape_harness.served_files.rules_files.document import Document, Place, TextProblem, too_deep
from tokentape_harness.served_files.rules_files.json_document import parse_json
from tokentape_harness.served_files.rules_files.toml_document import parse_toml
from tokentape_harness.served_files.rules_files.yaml_document import parse_yaml


def parse_document(data: bytes, suffix: str) -> Document:
    """Parse a text; `suffix` is that of its file. Raises `TextProblem`."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        column = error.start - data.rfind(b"\n", 0, error.start)
        raise TextProblem("the text is not UTF-8", "save the file as UTF-8", Place(line, column)) from None
    try:
        match suffix:
            case ".toml":
                return parse_toml(text)
            case ".json":
                return parse_json(text)
            case _:
                return parse_yaml(text)
    except RecursionError:
        raise too_deep() from None
