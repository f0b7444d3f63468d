"""Gemini's cached contents, as the official SDK uses them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import httpx2
import pytest
from google import genai
from google.genai import errors, types

from tokentape_fake_provider.hosting.server import FakeProviderServer
from tokentape_fake_provider.script.tokenizer import count_tokens
from tokentape_fake_provider.sessions.session import Session

pytestmark = pytest.mark.both_stores

MODEL = "gemini-2.5-flash"
CONFIG = types.CreateCachedContentConfig(
    contents=["one two three four"], system_instruction="Be kind.", ttl="300s", display_name="a book"
)


@pytest.fixture
def client(server: FakeProviderServer, session: Session) -> Iterator[genai.Client]:
    """The official client in a session of its own."""
    base_url = f"{server.url}/s/{session.id}"
    with genai.Client(api_key="k", http_options=types.HttpOptions(base_url=base_url)) as client:
        yield client


def ask(client: genai.Client, name: str) -> types.GenerateContentResponseUsageMetadata:
    """The usage of a request that begins with a cached content."""
    config = types.GenerateContentConfig(cached_content=name)
    usage = client.models.generate_content(model=MODEL, contents="Hi", config=config).usage_metadata
    assert usage is not None
    return usage


def test_a_request_begins_with_a_cached_content(client: genai.Client) -> None:
    """Its tokens count as input, and as read from the cache."""
    content = client.caches.create(model=MODEL, config=CONFIG)
    assert content.name is not None
    assert content.usage_metadata is not None
    usage = ask(client, content.name)
    assert content.usage_metadata.total_token_count == count_tokens("Be kind.\none two three four")
    assert usage.prompt_token_count == count_tokens("Be kind.\none two three four\nHi")
    assert usage.cached_content_token_count == content.usage_metadata.total_token_count


def test_cached_contents_are_listed_changed_and_deleted(client: genai.Client) -> None:
    """A content is shown as it was created, lives as long as was last requested, and is gone after a deletion."""
    content = client.caches.create(model=MODEL, config=CONFIG)
    assert content.name is not None
    assert [found.name for found in client.caches.list()] == [content.name]
    assert client.caches.get(name=content.name).display_name == "a book"
    changed = client.caches.update(name=content.name, config=types.UpdateCachedContentConfig(ttl="600s"))
    assert changed.expire_time is not None
    assert changed.update_time is not None
    assert (changed.expire_time - changed.update_time).total_seconds() == 600
    client.caches.delete(name=content.name)
    with pytest.raises(errors.ClientError, match="CachedContent not found"):
        client.caches.get(name=content.name)
    with pytest.raises(errors.ClientError, match="403 PERMISSION_DENIED"):
        ask(client, content.name)


def test_a_cached_content_expires_by_the_sessions_clock(client: genai.Client, session: Session) -> None:
    """It is there until its lifetime is over, and unknown afterwards."""
    session.configure(clock="controlled")
    content = client.caches.create(model=MODEL, config=CONFIG)
    assert content.name is not None
    assert session.clock is not None
    session.clock.advance(299)
    assert ask(client, content.name).cached_content_token_count
    session.clock.advance(2)
    with pytest.raises(errors.ClientError, match="CachedContent not found"):
        ask(client, content.name)


def test_a_wrong_lifetime_is_refused(client: genai.Client) -> None:
    """A lifetime that is no duration is refused in Google's format."""
    config = types.CreateCachedContentConfig(contents=["one"], ttl="soon")
    with pytest.raises(errors.ClientError, match=r"400 INVALID_ARGUMENT.*ttl.*'soon' is not a duration"):
        client.caches.create(model=MODEL, config=config)


def test_a_cached_content_lives_until_a_given_time(client: genai.Client) -> None:
    """The end of its lifetime may be given in place of the lifetime."""
    content = client.caches.create(model=MODEL, config=CONFIG)
    assert content.name is not None
    assert content.update_time is not None
    end = content.update_time + timedelta(days=2)
    changed = client.caches.update(name=content.name, config=types.UpdateCachedContentConfig(expire_time=end))
    assert changed.expire_time == end


@pytest.mark.parametrize(
    "body",
    [{"ttl": 5}, {"ttl": "9" * 30 + "s"}, {"ttl": "-5s"}, {"expireTime": "soon"}, {"expireTime": 5},
     {"expireTime": "2001-01-01T00:00:00Z"}, {"expireTime": "2001-01-01"}],
    ids=str,
)  # fmt: skip
def test_a_lifetime_that_is_none_is_refused(
    server: FakeProviderServer, session: Session, http: httpx2.Client, body: dict[str, Any]
) -> None:
    """Neither durations nor times of another form, nor those that are over or out of range."""
    answer = http.post(f"{server.url}/s/{session.id}/v1beta/cachedContents", json={"model": MODEL, **body})
    assert answer.status_code == 400
    assert answer.json()["error"]["status"] == "INVALID_ARGUMENT"


def test_tools_and_instructions_belong_into_the_content(client: genai.Client, session: Session) -> None:
    """A request that names a content is refused if it has its own, unless requests are not validated."""
    content = client.caches.create(model=MODEL, config=CONFIG)
    config = types.GenerateContentConfig(cached_content=content.name, system_instruction="Be short.")
    with pytest.raises(errors.ClientError, match="CachedContent can not be used with GenerateContent request setting"):
        client.models.generate_content(model=MODEL, contents="Hi", config=config)
    session.configure(validate=False)
    assert client.models.generate_content(model=MODEL, contents="Hi", config=config).text
