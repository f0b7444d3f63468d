"""Resumable responses in Redis: several workers, one of which may die or restart, as if there were one."""

from __future__ import annotations

import asyncio
import json
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from itertools import cycle
from typing import Any

import httpx2
import pytest

from tests.redis_server import PASSWORD, RedisServer, redis_server
from tests.tokentape.resumable_stacks import STACKS, plain_stream, texts
from tests.tokentape.test_resumable_stacks import SERVERS, Source, ids
from tokentape import (
    BufferFullError,
    BufferUnavailableError,
    ChatMessage,
    ConfigurationError,
    EventsDroppedError,
    RateLimitError,
    ResponseNotFoundError,
)
from tokentape.web import RedisBuffer, ResumableResponses
from tokentape.web.resumable.redis_connection import RedisConnection
from tokentape.web.resumable.redis_sink import RedisSink

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def redis() -> Iterator[RedisServer]:
    """A Redis server."""
    with redis_server() as running:
        yield running


@pytest.fixture
def connect(redis: RedisServer) -> Iterator[Callable[..., RedisBuffer]]:
    """Connects to the server, which is empty at first."""
    with redis.client() as client:
        client.flushall()
    with ExitStack() as stack:
        yield lambda **options: stack.enter_context(closing(RedisBuffer(redis.url, **options)))


def two_workers(connect: Callable[..., RedisBuffer], lease: float) -> list[ResumableResponses]:
    """What two workers have, as two objects that share nothing but Redis."""
    return [ResumableResponses(buffer=connect(lease=lease), when_unread="cancel", heartbeat=None) for _ in range(2)]


@pytest.fixture
def workers(connect: Callable[..., RedisBuffer]) -> list[ResumableResponses]:
    """Two workers, neither of which counts as lost because the machine is slow."""
    return two_workers(connect, lease=600)


@pytest.fixture
def short_leases(connect: Callable[..., RedisBuffer]) -> list[ResumableResponses]:
    """Two workers that soon give up on a Redis that is gone."""
    return two_workers(connect, lease=1)


def body(responses: ResumableResponses, id: str = "a", last: str | None = None) -> bytes:  # noqa: A002
    """All that a reader gets."""
    return b"".join(responses.open(id, last).frames())


@pytest.mark.parametrize(("name", "count"), [(name, 500 if name in SERVERS else 60) for name in STACKS])
def test_a_reader_cut_after_each_event_comes_back_to_the_other_worker(
    name: str, count: int, connect: Callable[..., RedisBuffer]
) -> None:
    """Events, each read in a request of its own by turns from two workers, are byte for byte the whole."""
    workers = [ResumableResponses(buffer=connect()) for _ in range(2)]
    stacks, source = [STACKS[name](worker) for worker in workers], Source()
    assert workers[0].start("a", source.stream)
    assert not workers[1].start("a", source.stream)
    received, last = b"", None
    for message, stack in zip(texts(count), cycle(stacks), strict=False):
        source.messages.put(message)
        event = stack.get("a", last).cut()
        (last,) = ids(event)
        received += event
    source.messages.put(None)
    received += stacks[1].get("a", last).rest()
    assert received == stacks[0].get("a").rest() == stacks[1].get("a").rest()
    assert len(ids(received)) == count + 1
    assert source.opened == 1
    for stack in stacks:
        nothing_left = stack.get("a", ids(received)[-1])
        assert (nothing_left.status, nothing_left.rest()) == (204, b"")
        stack.close()


@pytest.mark.parametrize("id", ["\ud800", "a\0b", "a\r\n\r\nb", "a/b", "}{", "x}:events", "é😀", "*", "x" * 512])
def test_ids_of_any_text(workers: list[ResumableResponses], id: str) -> None:  # noqa: A002
    """Whatever text an app takes for an id, also half a surrogate pair, names one response in every worker."""
    source = Source()
    assert workers[0].start(id, source.stream)
    assert not workers[1].start(id, source.stream)
    assert workers[1].status(f"{id}:"[-512:]) is None
    reader = workers[1].open(id).frames()
    source.messages.put(ChatMessage("x"))
    received = next(reader)
    source.messages.put(None)
    assert received + b"".join(reader) == body(workers[0], id)


def test_readers_of_both_workers_read_live(workers: list[ResumableResponses]) -> None:
    """Each receives each event before the provider sends the next."""
    source = Source()
    workers[0].start("a", source.stream)
    readers = [worker.open("a").frames() for worker in workers]
    for message in texts(20):
        source.messages.put(message)
        assert next(readers[0]) == next(readers[1])
    source.messages.put(None)
    assert list(readers[0]) == list(readers[1])
    assert [worker.status("a") for worker in workers] == ["complete", "complete"]


def test_stop_from_the_other_worker(workers: list[ResumableResponses]) -> None:
    """The provider is closed at once; the readers of both workers receive the same end."""
    source = Source()
    workers[0].start("a", source.stream)
    source.messages.put(ChatMessage("x"))
    readers = [worker.open("a").frames() for worker in workers]
    assert next(readers[0]) == next(readers[1])
    assert workers[1].stop("a")
    assert source.closed.wait(10)
    ends = [b"".join(reader) for reader in readers]
    assert ends[0] == ends[1]
    assert b'"stopped":true' in ends[0]
    assert not workers[1].stop("a")


def test_stop_while_redis_refuses_it(connect: Callable[..., RedisBuffer], redis: RedisServer) -> None:
    """The worker that reads the provider closes it at once, and reports Redis's error."""
    worker, source = ResumableResponses(buffer=connect(lease=600)), Source()
    worker.start("a", source.stream)
    with redis.client() as client:
        client.execute_command("REPLICAOF", "127.0.0.1", "1")  # type: ignore[no-untyped-call]
        try:
            with pytest.raises(BufferUnavailableError, match=r"write against a read only replica\.$"):
                worker.stop("a")
        finally:
            client.execute_command("REPLICAOF", "NO", "ONE")  # type: ignore[no-untyped-call]
    assert source.closed.wait(10)
    assert b'"stopped":true' in body(worker)


def test_the_last_reader_of_all_workers(workers: list[ResumableResponses]) -> None:
    """The provider is read while any worker has a reader, and closed when the last one has left."""
    source = Source()
    workers[0].start("a", source.stream)
    remote = workers[1].open("a")
    workers[0].open("a").close()
    source.messages.put(ChatMessage("x"))
    frames = remote.frames()
    next(frames)
    assert not source.closed.is_set()
    frames.close()
    assert source.closed.wait(10)
    assert b'"stopped":true' in body(workers[1])


def test_readers_that_leave_after_their_buffer_has_closed(connect: Callable[..., RedisBuffer]) -> None:
    """They and what the provider still sends raise nothing, here and on the other worker."""
    buffers, source = [connect(), connect()], Source()
    workers = [ResumableResponses(buffer=buffer) for buffer in buffers]
    workers[0].start("a", source.stream)
    source.messages.put(ChatMessage("x"))
    readers = [worker.open("a").frames() for worker in workers]
    assert next(readers[0]) == next(readers[1])
    for buffer in buffers:
        buffer.close()
    source.messages.put(ChatMessage("y"))
    source.messages.put(None)
    for reader in readers:
        reader.close()


def test_replace_from_the_other_worker(workers: list[ResumableResponses]) -> None:
    """The response before is stopped where it runs; its readers get its end, and its cursors are refused."""
    source = Source()
    workers[0].start("a", source.stream)
    source.messages.put(ChatMessage("old"))
    reader = workers[1].open("a").frames()
    last = ids(next(reader))[0]
    assert workers[1].start("a", plain_stream([ChatMessage("new")]), replace=True)
    assert source.closed.wait(10)
    assert b'"stopped":true' in b"".join(reader)
    assert all(b"new" in body(worker) for worker in workers)
    with pytest.raises(EventsDroppedError, match="an earlier response"):
        workers[0].open("a", last)


def test_a_start_that_fails_leaves_its_successor_alone(workers: list[ResumableResponses]) -> None:
    """A response of either worker that took the place of one whose stream can't be opened is kept, and readable."""
    for successor in workers:
        source = Source()

        def refuse(successor: ResumableResponses = successor, source: Source = source) -> Any:
            assert successor.start("a", source.stream, replace=True)
            raise RateLimitError("slow down", status=429)

        with pytest.raises(RateLimitError):
            workers[0].start("a", refuse, replace=True)
        reader = workers[1].open("a").frames()
        source.messages.put(ChatMessage("x"))
        assert b'"x"' in next(reader)
        source.messages.put(None)
        assert b"event: done" in b"".join(reader)


def test_a_response_that_does_not_stop_is_replaced_anyway(connect: Callable[..., RedisBuffer]) -> None:
    """After the lease the new one takes its place, and the readers of the old one receive an error."""

    class Deaf:
        def stop(self) -> None: ...

        def readers_changed(self) -> None: ...

    buffer = connect(lease=0.3)
    old = buffer.create("a").result()
    assert isinstance(old, RedisSink)
    old.attach(Deaf())
    assert buffer.create("a", replace=True).result() is not None
    assert isinstance(old.log.error, EventsDroppedError)
    assert old.closed  # its owner is stopped, and its lease not renewed


def test_limits_and_expiry(redis: RedisServer, connect: Callable[..., RedisBuffer]) -> None:
    """Redis keeps no more bytes than allowed, and forgets a response after its time."""
    buffers = [connect(max_response_bytes=500, max_age=0.5) for _ in range(2)]
    one, two = (ResumableResponses(buffer=buffer, heartbeat=None) for buffer in buffers)
    one.start("a", plain_stream(texts(100)))
    while one.status("a") == "running":
        time.sleep(0.01)
    with pytest.raises(EventsDroppedError, match="events 1 to"):
        two.open("a")
    with redis.client() as client:
        (key,) = client.keys("*:events")
        assert sum(map(len, client.lrange(key, 0, -1))) <= 500
        while client.keys():
            time.sleep(0.05)
    for responses in (one, two):
        with pytest.raises(ResponseNotFoundError, match="no response 'a' is kept"):
            responses.open("a")
    full = ResumableResponses(buffer=connect(max_response_bytes=500, when_full="fail"))
    full.start("b", plain_stream(texts(100)))
    assert BufferFullError.__name__.encode() in body(full, "b", None)


def test_redis_that_goes_away(short_leases: list[ResumableResponses], redis: RedisServer) -> None:
    """After the lease the provider is closed, readers get an error, new ones 503; all is well when Redis is back."""
    source = Source()
    short_leases[0].start("a", source.stream)
    readers = [worker.open("a").frames() for worker in short_leases]
    source.messages.put(ChatMessage("x"))
    assert next(readers[0]) == next(readers[1])
    try:
        redis.stop()
        source.messages.put(ChatMessage("y"))
        for reader in readers:
            end = b"".join(reader)
            assert json.loads(end.split(b"data: ")[-1])["error"]["type"] == "BufferUnavailableError"
            assert not ids(end)
        assert source.closed.wait(10)
        for worker in short_leases:
            with pytest.raises(BufferUnavailableError, match="can't be reached") as caught:
                worker.open("a")
            assert caught.value.status == 503
            assert PASSWORD not in str(caught.value)
    finally:
        redis.start()
    with pytest.raises(ResponseNotFoundError):
        short_leases[1].open("a")
    assert short_leases[0].start("a", plain_stream(texts(3)))
    assert body(short_leases[1]).count(b"word") == 3


def test_one_connection_follows_all_channels(connect: Callable[..., RedisBuffer], redis: RedisServer) -> None:
    """However often it breaks off while more are followed: then all are followed, by one connection."""
    names = {f"{turn}-{number}" for turn in range(10) for number in range(3)}

    async def run() -> int:
        connection, received = RedisConnection(connect()._settings), asyncio.Queue[tuple[str, object]]()
        listening = asyncio.ensure_future(connection.listen(lambda *message: received.put_nowait(message)))

        async def until(missing: dict[str, type]) -> None:
            async with asyncio.timeout(20):
                while missing:
                    name, data = await received.get()
                    if isinstance(data, missing.get(name, ())):
                        del missing[name]

        with redis.client() as client:
            for turn in range(10):
                client.execute_command("CLIENT", "KILL", "TYPE", "pubsub")
                await asyncio.gather(*[connection.subscribe(f"{turn}-{number}") for number in range(3)])
                await until({f"{turn}-{number}": int for number in range(3)})
            for name in names:
                client.publish(name, "x")
            await until(dict.fromkeys(names, bytes))
            connections = sum(found["sub"] != "0" for found in client.client_list())
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)
        await connection.close()
        return connections

    assert asyncio.run(run()) == 1


def test_redis_that_restarts_empty(short_leases: list[ResumableResponses], redis: RedisServer) -> None:
    """A response that Redis has lost ends with an error, and the provider is closed."""
    source = Source()
    short_leases[0].start("a", source.stream)
    readers = [worker.open("a").frames() for worker in short_leases]
    source.messages.put(ChatMessage("x"))
    assert next(readers[0]) == next(readers[1])
    redis.stop()
    redis.start()
    source.messages.put(ChatMessage("y"))
    for reader in readers:
        assert b"EventsDroppedError" in b"".join(reader)
    assert source.closed.wait(10)


@pytest.mark.parametrize("part", ["", ":events"])
def test_redis_that_drops_a_key(short_leases: list[ResumableResponses], redis: RedisServer, part: str) -> None:
    """Redis whose memory is full may drop any key: readers get an error, the provider is closed, and no one hangs."""
    source = Source()
    short_leases[0].start("a", source.stream)
    short_leases[0].start("done", plain_stream(texts(3)))
    body(short_leases[0], "done")
    readers = [worker.open("a").frames() for worker in short_leases]
    source.messages.put(ChatMessage("x"))
    assert next(readers[0]) == next(readers[1])
    with redis.client() as client:
        assert client.delete(*(f"tokentape:response:{{{id}}}{part}" for id in ("a", "done"))) == 2  # noqa: A001
    source.messages.put(ChatMessage("y"))
    for reader in readers:
        assert b"EventsDroppedError" in b"".join(reader)
    assert source.closed.wait(10)
    for worker in short_leases:
        for id in ("a", "done"):  # noqa: A001
            with pytest.raises(ResponseNotFoundError):
                worker.open(id)


@pytest.mark.parametrize("part", ["", ":events", ":readers"])
def test_a_key_that_another_program_overwrites(
    short_leases: list[ResumableResponses], redis: RedisServer, part: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Only its response ends, and the log names the remedy; the others of its worker go on."""
    caplog.set_level("WARNING", "tokentape.web")
    sources = {id: Source() for id in "abc"}  # noqa: A001
    for id, source in sources.items():  # noqa: A001
        short_leases[0].start(id, source.stream)
    readers = {id: [worker.open(id).frames() for worker in short_leases] for id in sources}  # noqa: A001
    for id, source in sources.items():  # noqa: A001
        source.messages.put(ChatMessage("x"))
        assert next(readers[id][0]) == next(readers[id][1])
    with redis.client() as client:
        client.delete(key := f"tokentape:response:{{b}}{part}")
        client.set(key, "of another program")
    for source in sources.values():
        source.messages.put(ChatMessage("y"))
    for reader in readers["b"]:
        assert b"BufferUnavailableError" in b"".join(reader)
    assert sources["b"].closed.wait(10)
    assert "give RedisBuffer a prefix of its own" in caplog.text
    for id in "ac":  # noqa: A001
        sources[id].messages.put(None)
        assert [b"done" in b"".join(reader) for reader in readers[id]] == [True, True]
    with pytest.raises(BufferUnavailableError, match=r"keys that begin with 'tokentape:response:\{b\}'"):
        short_leases[1].open("b")


def test_wrong_urls() -> None:
    """A URL that is not usable is an error at once, which does not show its password."""
    for url in (None, 6379):
        with pytest.raises(ConfigurationError, match=f"the URL of RedisBuffer is {url}"):
            RedisBuffer(url)  # type: ignore[arg-type]
    for url in ("http://localhost", "redis://", f"redis://:{PASSWORD}@localhost:port"):
        with pytest.raises(ConfigurationError, match="redis://127") as caught:
            RedisBuffer(url)
        assert PASSWORD not in str(caught.value)


class Worker:
    """A worker in a process of its own."""

    def __init__(self, url: str) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        command = [sys.executable, "-m", "tests.tokentape.resumable_worker", str(port), url]
        self.process = subprocess.Popen(command)
        self.http = httpx2.Client(base_url=f"http://127.0.0.1:{port}", timeout=30)
        while True:
            try:
                self.http.get("/openapi.json")
                return
            except httpx2.ConnectError:
                assert self.process.poll() is None
                time.sleep(0.05)

    def start(self, id: str, count: int, pause: float) -> None:  # noqa: A002
        """Start a response."""
        assert self.http.post(f"/{id}", params={"count": count, "pause": pause}).json()

    def get(self, id: str, last: str | None = None) -> bytes:  # noqa: A002
        """All that a reader gets."""
        headers = {} if last is None else {"Last-Event-ID": last}
        response = self.http.get(f"/{id}", headers=headers)
        assert response.status_code == 200
        return response.content

    @contextmanager
    def reader(self, id: str) -> Iterator[Iterator[bytes]]:  # noqa: A002
        """The pieces of a body as they come."""
        with self.http.stream("GET", f"/{id}") as response:
            yield response.iter_bytes()

    def close(self, kill: bool = False) -> None:
        """End the process."""
        self.http.close()
        self.process.kill() if kill else self.process.terminate()
        self.process.wait(20)


def ends_with(received: bytes, error: str) -> Any:
    """The id of the last event, which is an error."""
    last = received.split(b"\n\n")[-2].splitlines()
    assert last[1] == b"event: error"
    assert json.loads(last[2].removeprefix(b"data: "))["error"]["type"] == error
    return last[0].removeprefix(b"id: ").decode()


def test_a_worker_that_is_killed(redis: RedisServer) -> None:
    """Readers at the other worker, and at the one that is started in its place, receive what there was, then, after
    the lease, an error event, the same for all.
    """
    with redis.client() as client:
        client.flushall()
    one = Worker(redis.url)
    with closing(Worker(redis.url)) as two:
        one.start("done", 5, 0)
        one.get("done")
        one.start("a", 10_000, 0.01)
        with two.reader("a") as pieces:
            received = b""
            while received.count(b"\n\n") < 5:
                received += next(pieces)
            one.close(kill=True)
            began = time.monotonic()
            received += b"".join(pieces)
            assert time.monotonic() - began < 10
        last = ends_with(received, "WorkerLostError")
        assert two.get("a") == received
        assert two.get("a", ids(received)[3]) == received[received.index(b"id: " + ids(received)[4].encode()) :]
        assert two.http.get("/a", headers={"Last-Event-ID": last}).status_code == 204
        assert two.get("done").count(b"word") == 5
        with closing(Worker(redis.url)) as three:
            assert three.get("a") == received
