"""Chunk by chunk: the provider sends the next piece only when the client has the last one, while it is recorded."""

from __future__ import annotations

import threading

import pytest

from bench.clients import CLIENTS, UPSTREAMS
from bench.upstream import CHUNKS, chunked_answer
from tokentape_fake_provider import Frame, Tape
from tokentape_fake_provider.wires import wire_named
from tokentape_harness import read_cassette, use_cassette
from tokentape_harness.recording.proxy import RecordingProxy, upstreams_of

pytestmark = pytest.mark.filterwarnings("ignore:Inheritance class AiohttpClientSession:DeprecationWarning")


class Stepping:
    """Lets the provider's next chunk out each time the client has one."""

    def __init__(self, provider, wire):
        content_type, chunks = chunked_answer(wire)
        self.chunks = chunks
        self.seen = []
        self._provider = provider
        self._stream = None
        self._there = threading.Event()
        provider.timing("stepped")
        provider.session.push(
            Tape(tuple(Frame(0.0, chunk) for chunk in chunks), 200, (("content-type", content_type),))
        )

    def begin(self):
        """Wait for the request in another thread, as the client's own waits for the first chunk."""
        threading.Thread(target=self._first, daemon=True).start()

    def _first(self):
        self._stream = self._provider.next_stream()
        self._stream.step()
        self._there.set()

    def got(self):
        """The client has a piece."""
        assert self._there.wait(10)
        self.seen.append(self._stream.sent)
        if len(self.seen) < CHUNKS:
            self._stream.step()
        else:
            self._stream.release()

    def read(self, client, base_url):
        """Read the whole response."""
        self.begin()
        client.read(base_url, self.got)

    def check(self, path):
        """Every piece was there before the next one was sent, and the cassette has them apart."""
        assert self.seen == list(range(1, CHUNKS + 1))
        (interaction,) = read_cassette(path)
        assert interaction.response.body == b"".join(self.chunks)
        assert [chunk.size for chunk in interaction.response.stream.chunks] == [len(chunk) for chunk in self.chunks]
        assert interaction.response.stream.end == "complete"


@pytest.mark.parametrize("name", list(CLIENTS))
def test_each_chunk_is_live_while_recording(name, fake_provider, tmp_path):
    """In process, no client waits for a chunk that the provider has sent already."""
    client = CLIENTS[name]
    stepping = Stepping(fake_provider, client.wire)
    path = tmp_path / "cassette.yaml"
    with use_cassette(path):
        stepping.read(client, fake_provider.base_url(client.wire))
    stepping.check(path)


@pytest.mark.parametrize("name", list(CLIENTS))
def test_each_chunk_is_live_through_the_proxy(name, fake_provider, tmp_path):
    """By the recording proxy, no client waits for a chunk that the provider has sent already."""
    client = CLIENTS[name]
    stepping = Stepping(fake_provider, client.wire)
    upstream, base_path = UPSTREAMS[client.wire], wire_named(client.wire).base_path
    known = upstreams_of([f"{upstream}={fake_provider.base_url(client.wire)}"], {})
    with RecordingProxy({upstream: known[upstream]}, tmp_path) as proxy:
        stepping.read(client, f"{proxy.url}/{upstream}{base_path}")
    stepping.check(tmp_path / f"{upstream}.yaml")
