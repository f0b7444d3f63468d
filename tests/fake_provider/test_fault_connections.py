"""Faults of a connection as clients see them: bytes apart, resets, stalls."""

from __future__ import annotations

import httpx2
import openai
import pytest

from tests.fake_provider.faulty_server import STREAMED, THREE_WORDS, in_process, provider
from tests.fake_provider.test_resolver import stream
from tokentape_fake_provider import InProcessProvider
from tokentape_fake_provider.hosting.server import FakeProviderServer
from tokentape_fake_provider.sessions.session import Session
from tokentape_fake_provider.tape import Frame, Tape

__all__ = ["provider"]

pytestmark = pytest.mark.both_stores


# How it leaves.


def test_bytes_leave_one_by_one(session: Session, server: FakeProviderServer, http: httpx2.Client) -> None:
    """Even an instant replay sends frames that are to leave apart in writes of their own."""
    session.configure(faults="tiny_chunks")
    url = f"{server.base_url('openai_chat', session.id)}/chat/completions"
    session.push(THREE_WORDS)
    with http.stream("POST", url, json=STREAMED) as response:
        chunks = list(response.iter_raw())
    assert {len(chunk) for chunk in chunks} == {1}
    entry = session.journal.wait()[-1]
    assert entry.frames_sent == entry.bytes_sent == len(chunks)


def test_queued_tapes_whose_frames_leave_apart(
    session: Session, server: FakeProviderServer, http: httpx2.Client
) -> None:
    """A tape can ask for that itself."""
    frames = (Frame(900, b"a"), Frame(1000, b"b"), Frame(1000, b"c"))
    session.push(Tape(frames, 200, (("content-type", "text/plain"),), apart=True))
    with http.stream(
        "POST", f"{server.base_url('openai_chat', session.id)}/chat/completions", json=STREAMED
    ) as response:
        assert list(response.iter_raw()) == [b"a", b"b", b"c"]


def test_reset_comes_after_what_was_sent(session: Session, server: FakeProviderServer, http: httpx2.Client) -> None:
    """A client has every byte that was sent before the connection was reset."""
    body = bytes(range(256)) * 4000
    session.push(Tape((Frame(0, body),), 200, (("content-type", "text/plain"),), end="reset"))
    got: list[bytes] = []
    url = f"{server.base_url('openai_chat', session.id)}/chat/completions"
    with (
        http.stream("POST", url, json=STREAMED) as response,
        pytest.raises(httpx2.ReadError, match="reset by peer"),
    ):
        got.extend(response.iter_raw())
    assert b"".join(got) == body
    assert session.journal.wait()[-1].outcome == "reset"


def test_stalls_end_with_the_client(session: Session, server: FakeProviderServer, http: httpx2.Client) -> None:
    """A stream that stalls for ever is held until its client leaves, and then it is over."""
    session.configure(faults="stall@event=2")
    session.push(THREE_WORDS)
    with http.stream(
        "POST", f"{server.base_url('openai_chat', session.id)}/chat/completions", json=STREAMED
    ) as response:
        chunks = response.iter_raw()
        assert next(chunks).count(b"data: ") == 2
        assert session.journal.entries[-1].outcome == "pending"
    assert session.journal.wait()[-1].outcome == "client_left"


def test_stalls_for_a_time(provider: InProcessProvider) -> None:
    """A stall and slow headers take their time of the clock, even in an instant session, and then it goes on."""
    provider.default.configure(faults=("stall@event=2,for=30s", "slow_headers@for=5s"))
    provider.default.push(THREE_WORDS)
    assert stream(in_process(provider)) == "one two three"
    entry = provider.default.journal.wait()[-1]
    assert entry.started == 5000
    assert [frame.left for frame in entry.frames] == [5000, 5000, 35_000, 35_000, 35_000, 35_000]


@pytest.mark.parametrize("spec", ["stall@event=2", "slow_headers@for=ever", "half_event@then=stall"])
def test_clients_time_out_of_endless_stalls(provider: InProcessProvider, spec: str) -> None:
    """A client's timeout ends what would stall for ever."""
    provider.default.configure(faults=spec)
    with pytest.raises((openai.APITimeoutError, httpx2.ReadTimeout)):
        stream(in_process(provider, timeout=10))
    assert provider.default.journal.wait()[-1].outcome == "client_left"


def test_server_stops_with_streams_that_stall(http: httpx2.Client) -> None:
    """A stream that stalls for ever keeps no server from stopping; the journal has how it ended."""
    with FakeProviderServer() as server:
        server.default.configure(faults="stall@event=2")
        url = f"{server.base_url('openai_chat')}/chat/completions"
        with http.stream("POST", url, json=STREAMED) as response:
            chunks = response.iter_raw()
            assert next(chunks)
            server.stop()
            with pytest.raises(httpx2.HTTPError):
                list(chunks)
        assert server.default.journal.wait()[-1].outcome == "server_stopped"
