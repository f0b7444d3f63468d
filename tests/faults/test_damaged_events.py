"""What official clients give out for events that they can't read, as docs/faults.md says."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.faults.readers import CLAUDE, MESSAGES, SDKS, bedrock_client, genai_client, read_with
from tokentape_fake_provider import FakeProviderServer
from tokentape_fake_provider.sessions.session import Session

# Some official clients leave the sockets of broken streams to the garbage collection.
pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")


@pytest.fixture(scope="module")
def server() -> Iterator[FakeProviderServer]:
    """A server for all of them."""
    with FakeProviderServer() as running:
        yield running


@pytest.fixture
def session(server: FakeProviderServer) -> Iterator[Session]:
    """A session with one answer."""
    created = server.create_session()
    created.push("Grüße")
    yield created
    server.delete_session(created.id)


@pytest.mark.parametrize("wire", ["openai_chat", "openai_responses", "anthropic_messages", "gemini_interactions"])
def test_bytes_that_are_no_utf8(wire: str, server: FakeProviderServer, session: Session) -> None:
    """They raise Python's own error rather than the client's."""
    session.configure(faults=("bit_flip@byte=2,bit=7",))
    with SDKS[wire](server.base_url(wire, session.id), 30) as read:
        assert type(read_with(read).error) is UnicodeDecodeError


def test_google_genai_gives_out_text(server: FakeProviderServer, session: Session) -> None:
    """An event that is no JSON comes as a `str` among typed events."""
    session.configure(faults=("malformed_json",))
    with genai_client(server.base_url("gemini_interactions", session.id), 30) as client:
        events = list(client.interactions.create(model="m", input="x", stream=True))
    assert [event for event in events if isinstance(event, str)] == ['{"index":0,"event_type":"step.stop"']


def test_boto3_gives_out_empty_events(server: FakeProviderServer, session: Session) -> None:
    """An event that is no JSON has nothing in it."""
    session.configure(faults=("malformed_json@event=1",))
    client: Any = bedrock_client(server.base_url("bedrock_converse", session.id), 30)
    messages = [{"role": "user", "content": [{"text": MESSAGES[0]["content"]}]}]
    events = list(client.converse_stream(modelId=CLAUDE, messages=messages)["stream"])
    assert events[:2] == [{"messageStart": {"role": "assistant"}}, {"contentBlockDelta": {}}]
    client.close()
