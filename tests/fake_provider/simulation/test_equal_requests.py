"""Requests that are equal byte for byte: the simulated model generates their script once."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx2
import msgspec
import pytest

from tokentape_fake_provider.answers import simulated_answer
from tokentape_fake_provider.hosting.server import FakeProviderServer
from tokentape_fake_provider.script.recently_used import RecentlyUsed
from tokentape_fake_provider.sessions.session import Session

BODY: dict[str, Any] = {"model": "m", "messages": [{"role": "user", "content": "Hi"}]}


class Eager(RecentlyUsed[Any, Any]):
    """Values that are kept the first time, which shows in fewer requests what is kept."""

    def is_new(self, key: Any) -> bool:
        return False


class Asked:
    """One session of a server; counts what the model generates."""

    def __init__(self, server: FakeProviderServer, session: Session, http: httpx2.Client) -> None:
        self.session, self.generated = session, 0
        self._base, self._http = server.base_url("anthropic_messages", session.id), http

    def answer(self, path: str = "/v1/chat/completions", headers: Any = None, **fields: Any) -> httpx2.Response:
        """The answer to one request."""
        body = msgspec.json.encode(BODY | fields)
        given = {"content-type": "application/json", **(headers or {})}
        return self._http.post(f"{self._base}{path}", content=body, headers=given)

    def text(self, **fields: Any) -> str:
        """Its text."""
        message: str = self.answer(**fields).json()["choices"][0]["message"]["content"]
        return message


@pytest.fixture
def asked(
    server: FakeProviderServer, session: Session, http: httpx2.Client, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Asked]:
    """With nothing kept from other tests."""
    client, simulate = Asked(server, session, http), simulated_answer.simulate

    def counted(*given: Any, **named: Any) -> Any:
        client.generated += 1
        return simulate(*given, **named)

    monkeypatch.setattr(simulated_answer, "simulate", counted)
    monkeypatch.setattr(simulated_answer, "_SIMULATED", Eager(1_000_000))
    return client


def test_equal_requests_get_equal_answers_with_ids_of_their_own(asked: Asked) -> None:
    """The text is generated once; each answer has its own id."""
    first, second = asked.answer().json(), asked.answer().json()
    assert first["choices"] == second["choices"]
    assert first["id"] != second["id"]
    assert asked.generated == 1


def test_an_answer_is_kept_once_it_was_requested_again(asked: Asked, monkeypatch: pytest.MonkeyPatch) -> None:
    """Most prompts are sent once, so an answer is kept from the second request on."""
    monkeypatch.setattr(simulated_answer, "_SIMULATED", RecentlyUsed(1_000_000))
    assert len({asked.text() for _ in range(4)}) == 1
    assert asked.generated == 2


@pytest.mark.parametrize(
    "changes",
    [{"seed": 1}, {"simulation": {"words": 5}}, {"locale": "de_DE"}, {"simulation": "reasoning=always"}],
    ids=str,
)
def test_a_changed_setting_counts_at_once(asked: Asked, changes: dict[str, Any]) -> None:
    """A setting that changes the answer changes it for a request that was answered before, and back."""
    before = asked.answer().json()["choices"]
    settings = asked.session.settings
    asked.session.configure(**changes)
    assert asked.answer().json()["choices"] != before
    asked.session.settings = settings
    assert asked.answer().json()["choices"] == before


def test_what_is_refused_is_refused_again(asked: Asked) -> None:
    """A request that was answered without validation is refused with it, and its refusal is not kept as an answer."""
    asked.session.configure(validate=False)
    assert asked.answer(temperature=3).status_code == 200
    asked.session.configure(validate=True)
    assert [asked.answer(temperature=3).status_code for _ in range(2)] == [400, 400]


def test_the_path_and_the_beta_headers_count(asked: Asked) -> None:
    """Equal bodies to other paths, or with other beta features, are other requests."""
    asked.answer()
    assert asked.answer("/api/v1/chat/completions").json()["provider"]
    message = {"max_tokens": 128_000, "model": "claude-3-7-sonnet-20250219"}
    allowed = {"anthropic-beta": "output-128k-2025-02-19"}
    statuses = [
        asked.answer("/v1/messages", headers=given, **message).status_code for given in (allowed, None, allowed)
    ]
    assert statuses == [200, 400, 200]


def test_a_conversation_is_no_equal_request(asked: Asked) -> None:
    """A request that refers to an earlier response depends on that, and is generated anew."""
    asked.session.configure(simulation={"words": 5})
    first = [asked.answer("/v1/responses", input=text).json()["id"] for text in ("A", "B")]
    texts = [
        asked.answer("/v1/responses", input="Go on", previous_response_id=first[0]).json()["output"] for _ in range(2)
    ]
    assert texts[0][0]["content"] == texts[1][0]["content"]
    assert asked.generated == 4


def test_the_cache_of_prompts_still_counts(asked: Asked) -> None:
    """A long prompt that is sent again is read from the provider's cache, though its answer is known."""
    messages = [{"role": "user", "content": "word " * 2000}]
    cached = [asked.answer(messages=messages).json()["usage"]["prompt_tokens_details"] for _ in range(2)]
    assert [count["cached_tokens"] > 0 for count in cached] == [False, True]
