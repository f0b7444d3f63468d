"""Public cassettes, played by the fake provider."""

from __future__ import annotations

from urllib.parse import urlsplit

import httpx2
import pytest

from tests.corpus import ROOT
from tokentape_harness.cassettes.reader import read_cassette
from tokentape_harness.errors import CassetteFormatError
from tokentape_harness.testing.recordings import recordings_of


def readable():
    """Every public cassette in vcrpy's format."""
    paths = sorted((ROOT / "cassettes").glob("*/*.yaml"))
    if not paths:
        pytest.skip(f"no recorded cassettes at {ROOT}: set TOKENTAPE_CORPUS")
    for path in paths:
        try:
            yield read_cassette(path)
        except CassetteFormatError:
            continue


def test_every_recorded_request_gets_its_recorded_answer(fake_provider_server):
    """The server answers each recorded request with the recorded status and body, byte for byte."""
    answered = 0
    with httpx2.Client() as client:
        for cassette in readable():
            session = fake_provider_server.create_session(strict=True)
            session.add_recordings(recordings_of(cassette))
            for interaction in cassette:
                request, response = interaction.request, interaction.response
                path = urlsplit(request.uri)
                url = f"{fake_provider_server.url}/s/{session.id}{path.path}"
                headers = {"content-type": "application/json"}
                got = client.request(request.method, url, content=request.body or b"", headers=headers)
                assert (got.status_code, got.content) == (response.status, response.body), cassette.path
                answered += 1
            assert session.unplayed.empty, cassette.path
            fake_provider_server.delete_session(session.id)
    assert answered == 115
