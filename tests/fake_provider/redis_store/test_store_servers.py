"""Servers that can be the store, and what they can do to it: each is a real one on this machine."""

from __future__ import annotations

import hashlib
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

import httpx2
import msgspec
import pytest

from tests.redis_server import PASSWORD, REDIS, VALKEY, RedisServer, redis_server
from tests.servers.programs import Debian, Wheel
from tokentape import ConfigurationError
from tokentape.web import RedisBuffer, ResumableResponses
from tokentape_fake_provider.errors import SettingError, StoreUnavailableError
from tokentape_fake_provider.hosting.server import FakeProviderServer
from tokentape_fake_provider.playback.journal import Entry
from tokentape_fake_provider.sessions.redis_store.scripts import FORMAT
from tokentape_fake_provider.sessions.redis_store.shared_journal import request_record, response_record

pytestmark = pytest.mark.slow
REQUEST: dict[str, Any] = {"model": "m", "messages": [{"role": "user", "content": "hello"}]}


class Link:
    """A connection to a port that delays what passes, each way by as many s, and passes nothing while it is silent."""

    def __init__(self, port: int) -> None:
        self.delay = 0.0
        self.silent = threading.Event()
        self._to = port
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = self._listening.getsockname()[1]
        self._open: list[socket.socket] = []

    def __enter__(self) -> Link:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        for each in (self._listening, *self._open):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listening.accept()
                server = socket.create_connection(("127.0.0.1", self._to))
                self._open += (client, server)
                for ends in ((client, server), (server, client)):
                    threading.Thread(target=self._pass, args=ends, daemon=True).start()

    def _pass(self, source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65_536):
                time.sleep(self.delay)
                while self.silent.is_set():
                    time.sleep(0.01)
                target.sendall(data)
        with suppress(OSError):
            target.shutdown(socket.SHUT_WR)


def ask(server: FakeProviderServer, session: str, **fields: Any) -> httpx2.Response:
    """The response to a chat completion."""
    return httpx2.post(f"{server.url}/s/{session}/v1/chat/completions", json=REQUEST | fields, timeout=30)


def control(server: FakeProviderServer, method: str, path: str, body: Any = None) -> httpx2.Response:
    """A response of the control API."""
    content = {} if body is None else {"json": body}
    return httpx2.request(method, f"{server.url}/_tokentape{path}", timeout=30, **content)


@contextmanager
def two_servers(url: str) -> Iterator[list[FakeProviderServer]]:
    """Two servers with this store."""
    with ExitStack() as stack:
        yield [stack.enter_context(FakeProviderServer(store=url)) for _ in range(2)]


def check(url: str) -> None:
    """What two servers share in a store: a session, its queue in order, a file, and its journal."""
    with two_servers(url) as (one, two):
        assert control(one, "POST", "/sessions", {"id": "a", "settings": {"strict": True}}).status_code == 201
        assert control(two, "POST", "/sessions/a/queue", {"items": ["x", "y"]}).status_code == 201
        received = [ask(server, "a").json()["choices"][0]["message"]["content"] for server in (one, two)]
        assert received == ["x", "y"]
        sent = httpx2.post(f"{one.url}/s/a/v1/files", files={"file": ("f", b"data")}, data={"purpose": "batch"})
        assert httpx2.get(f"{two.url}/s/a/v1/files/{sent.json()['id']}/content").content == b"data"
        entries = control(two, "GET", "/sessions/a/journal?wait=10").json()["entries"]
        assert [entry["status"] for entry in entries] == [200] * 4
        assert control(one, "DELETE", "/sessions/a").status_code == 204


@pytest.mark.parametrize("program", [REDIS, VALKEY], ids=["redis", "valkey"])
def test_urls(program: Debian | Wheel, tmp_path: Path) -> None:
    """Redis and Valkey: with a password, a user of few rights, a number of the database, a socket, TLS, a prefix."""
    certificate = tmp_path / "cert.pem"
    new = ("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost")
    names = ("-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1")
    key = ("-keyout", tmp_path / "key.pem", "-out", certificate)
    subprocess.run([*new, *names, *key], check=True, capture_output=True)
    rights = ("~tokentape:*", "+@all", "-@dangerous", "+client|list")
    files = ("--tls-cert-file", str(certificate), "--tls-key-file", str(tmp_path / "key.pem"))
    tls = () if program is VALKEY else ("--tls-port", "0", *files, "--tls-auth-clients", "no")
    with redis_server(program, "--unixsocket", str(tmp_path / "s"), *tls) as server, server.client() as client:
        client.execute_command("ACL", "SETUSER", "app", "on", f">{PASSWORD}", *rights)
        place = f"127.0.0.1:{server.port}"
        urls = [
            server.url,
            f"valkey://app:{PASSWORD}@{place}/3",
            f"unix://:{PASSWORD}@{tmp_path}/s?db=2",
            f"{server.url}?prefix=team-a",
        ]
        if tls:
            tls_port = server.port + 1
            client.config_set("tls-port", tls_port)
            urls.append(f"rediss://:{PASSWORD}@127.0.0.1:{tls_port}/0?ssl_cert_reqs=none")
        for url in urls:
            check(url)
        prefixes = {key.split(b":")[0] for key in client.keys("*")}
    assert prefixes == {b"tokentape", b"team-a"}


@pytest.fixture
def store() -> Iterator[RedisServer]:
    """A server of the test's own."""
    with redis_server() as running:
        yield running


def test_a_cluster_is_refused(tmp_path: Path) -> None:
    """Three nodes of a cluster: neither server nor buffer uses one of them; the error names the remedy."""
    with ExitStack() as stack:
        options = ("--cluster-enabled", "yes", "--dir", str(tmp_path), "--requirepass", "")
        nodes = [
            stack.enter_context(redis_server(REDIS, *options, "--cluster-config-file", f"{number}.conf"))
            for number in range(3)
        ]
        places = [f"127.0.0.1:{node.port}" for node in nodes]
        create = ("redis-cli", "--cluster", "create", *places, "--cluster-replicas", "0", "--cluster-yes")
        subprocess.run(create, check=True, capture_output=True, timeout=60)
        for place in places:
            with pytest.raises(SettingError, match=r"is a node of a Redis Cluster.*use a server without cluster mode"):
                FakeProviderServer(store=f"redis://{place}")
            with closing(RedisBuffer(f"redis://{place}")) as buffer:
                responses = ResumableResponses(buffer=buffer)
                for use in (responses.open, responses.status, partial(responses.start, stream=())):
                    with pytest.raises(ConfigurationError, match="use a server without cluster mode"):
                        use("a")


def test_a_replica_is_refused(store: RedisServer) -> None:
    """At the start by what it is; later, when a primary has become one, by a 503 until it is a primary again."""
    with redis_server(REDIS, "--replicaof", "127.0.0.1", str(store.port), "--masterauth", PASSWORD) as replica:
        with pytest.raises(SettingError, match=r"is a replica, .* give the address of its primary"):
            FakeProviderServer(store=replica.url)
        with FakeProviderServer(store=store.url) as server, store.client() as client:
            control(server, "POST", "/sessions", {"id": "a"})
            client.replicaof("127.0.0.1", replica.port)  # itself a replica of this one
            refused = ask(server, "a")
            assert (refused.status_code, refused.json()["error"]["code"]) == (503, "store_unavailable")
            assert "give the address of its primary" in refused.json()["error"]["message"]
            assert control(server, "POST", "/sessions/a/queue", {"items": ["x"]}).status_code == 503
            client.replicaof("NO", "ONE")
            assert control(server, "POST", "/sessions/a/queue", {"items": ["x"]}).status_code == 201
            assert ask(server, "a").json()["choices"][0]["message"]["content"] == "x"


def test_a_wrong_password_and_missing_rights(store: RedisServer) -> None:
    """Both are named at the start, without the password."""
    with store.client() as client:
        client.execute_command("ACL", "SETUSER", "low", "on", f">{PASSWORD}", "~tokentape:*", "+@read", "+time")
    place = f"127.0.0.1:{store.port}"
    with pytest.raises(StoreUnavailableError, match="refused the user or the password") as wrong:
        FakeProviderServer(store=f"redis://:not-{PASSWORD}@{place}")
    with pytest.raises(StoreUnavailableError, match=r"no permissions to run the 'client") as low:
        FakeProviderServer(store=f"redis://low:{PASSWORD}@{place}")
    assert PASSWORD not in str(wrong.value) + str(low.value)


@pytest.mark.parametrize("part", [":queue", ":fields", ":changes", ":journal", ""])
def test_a_part_that_the_store_has_dropped(store: RedisServer, part: str) -> None:
    """Redis whose memory is full may drop any key: the session refuses all until it is deleted."""
    with two_servers(store.url) as servers, store.client() as client:
        one, two = servers
        control(one, "POST", "/sessions", {"id": "a"})
        control(one, "POST", "/sessions/a/queue", {"items": ["x", "y"]})
        assert [ask(server, "a").json()["choices"][0]["message"]["content"] for server in servers] == ["x", "y"]
        control(one, "POST", "/sessions/a/queue", {"items": ["z"]})
        assert client.delete(f"tokentape:s:a{part}") == 1
        for server in servers:
            refused = ask(server, "a")
            assert refused.status_code == 503
            assert "it has dropped a part of this session" in refused.json()["error"]["message"]
            assert "maxmemory-policy noeviction" in control(server, "GET", "/sessions/a").json()["error"]["what"]
        assert control(two, "DELETE", "/sessions/a").status_code == 204
        control(two, "POST", "/sessions", {"id": "a"})
        assert ask(one, "a").status_code == 200


@pytest.mark.parametrize("part", ["", ":queue", ":journal", ":leases"])
def test_a_key_that_another_program_overwrites(store: RedisServer, part: str) -> None:
    """Its session answers with a 503 that names the remedy; the others, their journals and the list go on."""
    settings = {"strict": True, "timing": "synthetic:ttft=500,tps=100"}
    with two_servers(store.url) as (one, two), store.client() as client, ThreadPoolExecutor(1) as pool:
        for session in ("a", "b"):
            control(one, "POST", "/sessions", {"id": session, "settings": settings})
            control(one, "POST", f"/sessions/{session}/queue", {"items": ["x", "y"]})
        asked = pool.submit(ask, one, "a", stream=True)
        while client.hlen("tokentape:s:a:leases") or client.llen("tokentape:s:a:queue") == 2:
            time.sleep(0.01)  # its answer has begun, and its end is still to be reported
        client.delete(f"tokentape:s:a{part}")
        client.set(f"tokentape:s:a{part}", "of another program")
        assert asked.result().status_code == 200
        assert ask(one, "b").status_code == 200
        for server in (one, two):
            refused = ask(server, "a")
            assert (refused.status_code, refused.json()["error"]["code"]) == (503, "store_unavailable")
            assert "give the store's URL a prefix of its own" in refused.json()["error"]["message"]
            error = control(server, "GET", "/sessions/a").json()["error"]
            assert error["do"] == "DELETE /_tokentape/sessions/ID deletes the session"
            listed = control(server, "GET", "/sessions").json()["sessions"]
            assert [found["id"] for found in listed] == ["default", "b"]
        (entry,) = control(two, "GET", "/sessions/b/journal?wait=10").json()["entries"]
        assert entry["outcome"] == "complete"
        assert control(two, "DELETE", "/sessions/a").status_code == 204
        assert control(one, "POST", "/sessions", {"id": "a"}).status_code == 201
        assert ask(one, "a").status_code == 200


def test_a_session_of_another_version(store: RedisServer) -> None:
    """Whatever it keeps in another form: a 503 that names the remedy, and nothing else about the store is refused."""
    with two_servers(store.url) as (one, two), store.client() as client:
        for session in ("a", "b"):
            control(one, "POST", "/sessions", {"id": session})
        client.hdel("tokentape:s:a", "format")  # as before there was a number
        client.hset("tokentape:s:b", "format", "0")
        for session in ("a", "b"):
            refused = ask(two, session)
            assert (refused.status_code, refused.json()["error"]["code"]) == (503, "store_unavailable")
            assert "another version of tokentape has created this session" in refused.json()["error"]["message"]
        assert control(two, "DELETE", "/sessions/a").status_code == 204
        assert control(two, "POST", "/sessions", {"id": "a"}).status_code == 201
        assert ask(one, "a").status_code == 200


def test_the_layout_of_records_has_a_number() -> None:
    """What one version writes, another with the same number reads: a change of either list needs a new FORMAT."""
    entry = Entry(session="a", time=0.0, method="GET", path="/", query="", raw_headers=[], raw_body=b"", wire=None)
    written = msgspec.json.decode(request_record(entry, "w")).keys(), msgspec.json.decode(response_record(entry)).keys()
    digest = hashlib.blake2b(repr([sorted(keys) for keys in written]).encode(), digest_size=8).hexdigest()
    assert (FORMAT, digest) == ("2", "55f6aab85f086dca")


def test_a_full_store(store: RedisServer) -> None:
    """With noeviction nothing is dropped: requests get a 503 in the provider's shape, until there is memory again."""
    with FakeProviderServer(store=store.url) as server, store.client() as client:
        control(server, "POST", "/sessions", {"id": "a"})
        control(server, "POST", "/sessions/a/queue", {"items": ["x"]})
        client.config_set("maxmemory", 1)
        refused = ask(server, "a")
        assert (refused.status_code, refused.json()["error"]["code"]) == (503, "store_unavailable")
        assert refused.json()["error"]["message"].endswith("when used memory > 'maxmemory'.")
        client.config_set("maxmemory", 0)
        assert ask(server, "a").json()["choices"][0]["message"]["content"] == "x"


def test_scripts_that_the_store_forgets(store: RedisServer) -> None:
    """After SCRIPT FLUSH the next request works, and takes its item once."""
    with two_servers(store.url) as servers, store.client() as client:
        control(servers[0], "POST", "/sessions", {"id": "a"})
        control(servers[0], "POST", "/sessions/a/queue", {"items": ["1", "2", "3", "4"]})
        received = []
        for number in range(4):
            client.script_flush()
            received.append(ask(servers[number % 2], "a").json()["choices"][0]["message"]["content"])
    assert received == ["1", "2", "3", "4"]


def test_a_slow_store(store: RedisServer) -> None:
    """With 200 ms each way requests take longer, and nothing is lost; while it is silent all get a 503 after 5 s.

    After that no reply reaches the wrong request.
    """
    with Link(store.port) as link, two_servers(f"redis://:{PASSWORD}@127.0.0.1:{link.port}") as servers:
        link.delay = 0.2
        assert control(servers[0], "POST", "/sessions", {"id": "a", "settings": {"strict": True}}).status_code == 201
        items = [str(number) for number in range(8)]
        control(servers[0], "POST", "/sessions/a/queue", {"items": items})
        with ThreadPoolExecutor(4) as pool:
            answers = list(pool.map(lambda number: ask(servers[number % 2], "a"), range(4)))
        received = [answer.json()["choices"][0]["message"]["content"] for answer in answers]
        assert sorted(received) == ["0", "1", "2", "3"]
        link.silent.set()
        began = time.monotonic()
        with ThreadPoolExecutor(8) as pool:
            refused = list(pool.map(lambda number: ask(servers[number % 2], "a"), range(8)))
        assert time.monotonic() - began < 15
        assert {answer.status_code for answer in refused} == {503}
        link.silent.clear()
        link.delay = 0.0
        for _ in range(4):
            answer = ask(servers[0], "a")
            received.append(answer.json()["choices"][0]["message"]["content"])
    assert sorted(received, key=int) == items
