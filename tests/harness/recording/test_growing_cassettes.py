"""A cassette that is saved again and again while it grows."""

from __future__ import annotations

import httpx2
import pytest

from tokentape_harness import read_cassette, use_cassette
from tokentape_harness.recording import redacted_cache as saved
from tokentape_harness.recording import redactor

URL = "http://provider.test/v1/chat/completions"
KEY = "no-known-format-5b7c9e2d4f"


@pytest.fixture
def path(tmp_path):
    """A cassette that is not there yet."""
    return tmp_path / "cassette.yaml"


def post(client, text, **headers):
    """One request."""
    client.post(URL, json={"messages": [{"role": "user", "content": text}]}, headers=headers)


def client_of(answer):
    """A client whose provider answers with this."""
    return httpx2.Client(transport=httpx2.MockTransport(lambda _: httpx2.Response(200, text=answer)))


def test_the_work_of_saving_is_that_of_what_is_new(path, monkeypatch):
    """However often a growing cassette is saved, each interaction is redacted and formatted once for it."""
    redacted, formatted = [], []
    redact, format_interaction = redactor.redact, saved.format_interaction
    monkeypatch.setattr(redactor, "redact", lambda *given: redacted.append(given) or redact(*given))
    monkeypatch.setattr(saved, "format_interaction", lambda one: formatted.append(one) or format_interaction(one))
    cassette = use_cassette(path)
    with client_of("fine") as client, cassette:
        for number in range(20):
            post(client, str(number), authorization=f"Bearer {KEY}")
            cassette.recorder.save()
            assert len(read_cassette(path)) == number + 1
    assert len(formatted) == 20
    assert len(redacted) == 2 * 20  # when it was recorded, and when it was saved


def test_a_key_that_is_learned_later_is_taken_out_of_what_was_saved(path):
    """What was saved before its secret was known is redacted again."""
    cassette = use_cassette(path)
    with client_of(f"it was {KEY}") as client, cassette:
        post(client, "what is my key?")
        cassette.recorder.save()
        assert KEY in path.read_text()
        post(client, "and now?", authorization=f"Bearer {KEY}")
        cassette.recorder.save()
        assert KEY not in path.read_text()
        assert [interaction.response.body for interaction in read_cassette(path)] == [b"it was REDACTED"] * 2


def test_what_another_run_adds_between_saves_is_kept(path):
    """Between the saves of one run another one may write, too."""
    cassette = use_cassette(path, record_mode="new_episodes")
    with client_of("fine") as client, cassette:
        for text in ("one", "two"):
            post(client, text)
            cassette.recorder.save()
            with use_cassette(path, record_mode="new_episodes"):
                post(client, f"another {text}")
    bodies = [interaction.request.body for interaction in read_cassette(path)]
    assert len(bodies) == 4
    assert len(set(bodies)) == 4


def test_two_runs_that_grow_by_turns_keep_each_interaction_once(path):
    """What was written or taken over at an earlier save is not taken for another run's new one."""
    first = use_cassette(path, record_mode="new_episodes")
    second = use_cassette(path, record_mode="new_episodes")
    with client_of("fine") as client, first, second:  # the inner one records
        post(client, "second's")
        second.recorder.save()
        first.recorder.cassette.dirty = True
        first.recorder.save()
        post(client, "second's again")
        for cassette in (second, first):
            cassette.recorder.cassette.dirty = True
            cassette.recorder.save()
    assert len(read_cassette(path)) == 2
