"""The public cassettes of others, as they are."""

from __future__ import annotations

import hashlib
import json

import pytest
import yaml

from tests.corpus import ROOT
from tokentape_harness.cassettes.reader import parse_cassette, read_cassette
from tokentape_harness.cassettes.writer import format_cassette
from tokentape_harness.errors import CassetteFormatError


def rows():
    index = ROOT / "cassettes.jsonl"
    if not index.exists():
        pytest.skip(f"no recorded cassettes at {ROOT}: set TOKENTAPE_CORPUS")
    return [json.loads(line) for line in index.read_text().splitlines()]


def plain_rows():
    return [row for row in rows() if row["replay_check"]["vcrpy_loads"]]


def test_plain_vcrpy_files_give_each_body_byte_for_byte():
    """Every public cassette that vcrpy loads is read here, and each streamed body is exact."""
    read = 0
    for row in plain_rows():
        cassette = read_cassette(ROOT / "cassettes" / row["file"])
        assert len(cassette) == row["replay_check"]["interactions"], row["file"]
        for streamed in row["streamed"]:
            body = cassette.interactions[streamed["interaction"]].response.body
            assert hashlib.sha256(body).hexdigest() == streamed["body_sha256"], row["file"]
        read += 1
    assert read == 80


def test_another_projects_serializer_is_a_clear_error():
    """A file of another project's serializer is refused with its name, the interaction and what to do."""
    refused = 0
    for row in rows():
        if row["replay_check"]["vcrpy_loads"]:
            continue
        path = ROOT / "cassettes" / row["file"]
        with pytest.raises(CassetteFormatError, match="another project's serializer") as caught:
            read_cassette(path)
        assert str(caught.value).startswith(f"{path}: interaction {caught.value.interaction}: ")
        assert "\n" not in str(caught.value)
        refused += 1
    assert refused == 21


def test_writing_what_was_read_loses_nothing():
    """A public cassette written again reads the same, with libyaml and without."""
    for row in plain_rows():
        cassette = read_cassette(ROOT / "cassettes" / row["file"])
        text = format_cassette(cassette)
        again = parse_cassette(text.encode())
        assert [(item.request, item.response) for item in again] == [
            (item.request, item.response) for item in cassette
        ], row["file"]
        assert format_cassette(again) == text
        if len(text) < 20_000:
            assert yaml.load(text, yaml.SafeLoader) == yaml.load(text, yaml.CSafeLoader)
