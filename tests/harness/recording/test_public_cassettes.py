"""The public cassettes of others, replayed through an HTTP client."""

from __future__ import annotations

import json
import warnings

import httpx2
import pytest

from tests.corpus import ROOT
from tokentape_harness import read_cassette, use_cassette
from tokentape_harness.errors import CassetteFormatError, CassetteWarning

_HOP = {"content-length", "transfer-encoding", "connection", "accept-encoding", "host"}


def rows():
    """The index of the corpus."""
    index = ROOT / "cassettes.jsonl"
    if not index.exists():
        pytest.skip(f"no recorded cassettes at {ROOT}: set TOKENTAPE_CORPUS")
    return [json.loads(line) for line in index.read_text().splitlines()]


@pytest.mark.parametrize("step", [10, pytest.param(1, marks=pytest.mark.slow)])
def test_public_cassettes_replay(step):
    """Every request of every (fast: every tenth) cassette that vcrpy loads is answered as it was recorded."""
    replayed = 0
    for row in [row for row in rows() if row["replay_check"]["vcrpy_loads"]][::step]:
        path = ROOT / "cassettes" / row["file"]
        with httpx2.Client(follow_redirects=False) as client, use_cassette(path, record_mode="none", all_played=True):
            for interaction in read_cassette(path):
                request, recorded = interaction.request, interaction.response
                headers = [pair for pair in request.headers if pair[0].lower() not in _HOP]
                with client.stream(
                    request.method, request.uri, content=request.body or b"", headers=headers
                ) as response:
                    body = b"".join(response.iter_bytes())
                assert (response.status_code, body) == (recorded.status, recorded.body), row["file"]
                replayed += 1
    assert replayed >= 80 / step


def test_another_projects_serializer_is_a_clear_error():
    """A file that plain vcrpy can't load is refused when it is opened, and stays."""
    refused = [row for row in rows() if not row["replay_check"]["vcrpy_loads"]]
    for row in refused:
        with (
            warnings.catch_warnings(),
            pytest.raises(CassetteFormatError, match="another project's serializer"),
            use_cassette(ROOT / "cassettes" / row["file"], record_mode="none"),
        ):
            warnings.simplefilter("error", CassetteWarning)
    assert len(refused) == 21
