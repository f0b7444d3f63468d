"""Workers of two servers with one store, some of which are killed."""

from __future__ import annotations

import os
import random
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import httpx2
import pytest

from tests.redis_server import PASSWORD, RedisServer
from tests.worker_server import SERVE, WorkerServer, running

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="workers share a port as Linux does it"),
]
ITEMS, CLIENTS, KILLS = 120, 8, 8


class Server(WorkerServer):
    """The command with two workers, whose control API is used."""

    def control(self, method: str, path: str, body: Any = None) -> Any:
        """The JSON of a response of the control API, on a connection of its own: any worker answers."""
        content = {} if body is None else {"json": body}
        deadline = time.monotonic() + 30
        while True:
            try:
                response = httpx2.request(method, f"{self.url}/_tokentape{path}", timeout=30, **content)
            except httpx2.TransportError as error:  # its workers are being replaced
                if time.monotonic() > deadline or not (method == "GET" or isinstance(error, httpx2.ConnectError)):
                    raise
                time.sleep(0.1)
                continue
            response.raise_for_status()
            return response.json() if response.content else None


@pytest.fixture
def servers(redis: RedisServer) -> Iterator[list[Server]]:
    """Two servers with two workers each."""
    with redis.client() as client:
        client.flushall()
    environment = {**os.environ, "TOKENTAPE_STORE": redis.url}
    with running(environment) as one, running(environment) as two:
        yield [Server(one), Server(two)]


def ask(url: str, session: str) -> tuple[str, str] | None:
    """The model and the text of a streamed answer, as much of it as arrived; `None` if nothing did."""
    body = {"model": "m", "stream": True, "messages": [{"role": "user", "content": "hi"}]}
    received = ""
    try:
        with httpx2.stream("POST", f"{url}/s/{session}/v1/chat/completions", json=body, timeout=30) as response:
            for chunk in response.iter_text():
                received += chunk
    except httpx2.TransportError:
        pass
    model = re.search(r'"model":"([^"]*)"', received)  # in its first frame
    return None if model is None else (model[1], "".join(re.findall(r'"content":"([^"]*)"', received)))


def test_killed_workers_lose_nothing(servers: list[Server]) -> None:
    """Eight clients of two servers, whose workers are killed at random: each item begins once, and all in order.

    An item whose worker died before the answer began comes again, before those behind it.
    """
    one, two = servers
    settings = {"strict": True, "timing": "synthetic:ttft=30ms,tps=200"}
    one.control("POST", "/sessions", {"id": "q", "settings": settings})
    text = [{"items": [{"type": "text", "text": "one two three"}]}]
    items = [{"script": {"choices": text, "model": f"item-{number}"}} for number in range(ITEMS)]
    two.control("POST", "/sessions/q/queue", {"items": items})
    received: list[str] = []
    done = threading.Event()

    def take(client: int) -> list[int]:
        mine = []
        while len(received) < ITEMS and not done.is_set():
            answer = ask(servers[client % 2].url, "q")
            if answer is not None and answer[0].startswith("item-"):
                received.append(answer[0])
                mine.append(int(answer[0].removeprefix("item-")))
            else:
                time.sleep(0.01)
        return mine

    choose = random.Random(5)
    with ThreadPoolExecutor(CLIENTS) as pool:
        clients = [pool.submit(take, number) for number in range(CLIENTS)]
        try:
            killed = 0
            while killed < KILLS and len(received) < ITEMS:
                time.sleep(choose.uniform(0.02, 0.3))
                workers = [worker for server in servers for worker in server.workers]
                with suppress(ProcessLookupError, IndexError):  # one that has just ended, or all
                    os.kill(choose.choice(workers), signal.SIGKILL)
                    killed += 1
            deadline = time.monotonic() + 60
            while len(received) < ITEMS and time.monotonic() < deadline:
                time.sleep(0.05)
        finally:
            done.set()
        taken = [client.result(60) for client in clients]
    numbers = sorted(number for mine in taken for number in mine)
    assert len(numbers) == len(set(numbers)), "an item was answered twice"
    assert numbers == list(range(ITEMS))
    assert one.control("GET", "/sessions/q")["queued"] == 0
    entries = two.control("GET", "/sessions/q/journal?wait=30&bodies=0")["entries"]
    assert {entry["outcome"] for entry in entries} <= {"complete", "server_stopped", "client_left"}


def test_an_item_of_a_killed_worker_comes_again(servers: list[Server]) -> None:
    """The item that a worker had taken, but not begun to answer, answers the next request: before those behind it."""
    one, two = servers
    one.control("POST", "/sessions", {"id": "s", "settings": {"strict": True, "timing": "synthetic:ttft=60s"}})
    one.control("POST", "/sessions/s/queue", {"items": ["first", "second"]})
    with ThreadPoolExecutor(1) as pool:
        asking = pool.submit(ask, one.url, "s")
        while one.control("GET", "/sessions/s")["queued"] == 2:
            time.sleep(0.02)
        two.control("PATCH", "/sessions/s/settings", {"timing": "instant"})
        for worker in one.workers:
            os.kill(worker, signal.SIGKILL)
        assert asking.result(30) is None
    assert [ask(two.url, "s"), ask(two.url, "s")] == [("m", "first"), ("m", "second")]
    outcomes = [entry["outcome"] for entry in two.control("GET", "/sessions/s/journal?wait=30")["entries"]]
    assert outcomes == ["server_stopped", "complete", "complete"]


def test_an_item_of_a_stopped_server_comes_again(servers: list[Server]) -> None:
    """The same for a server that is stopped by a signal."""
    one, two = servers
    one.control("POST", "/sessions", {"id": "s", "settings": {"strict": True, "timing": "synthetic:ttft=60s"}})
    one.control("POST", "/sessions/s/queue", {"items": ["first", "second"]})
    with ThreadPoolExecutor(1) as pool:
        asking = pool.submit(ask, one.url, "s")
        while two.control("GET", "/sessions/s")["queued"] == 2:
            time.sleep(0.02)
        one.process.terminate()
        assert asking.result(30) is None
        assert one.process.wait(30) == 0
    two.control("PATCH", "/sessions/s/settings", {"timing": "instant"})
    assert [ask(two.url, "s"), ask(two.url, "s")] == [("m", "first"), ("m", "second")]


def test_workers_are_as_one(servers: list[Server]) -> None:
    """The control API works on every worker; the announcement names the store without its password."""
    one, _ = servers
    assert "sessions in redis://127.0.0.1:" in one.announced
    assert PASSWORD not in one.announced
    one.control("POST", "/sessions", {"id": "w"})
    for number in range(8):  # each on a connection of its own
        one.control("POST", "/sessions/w/queue", {"items": [f"{number}"]})
    assert [ask(one.url, "w") for _ in range(8)] == [("m", f"{number}") for number in range(8)]
    assert len(one.control("GET", "/sessions/w/journal?wait=10")["entries"]) == 8


def test_a_store_that_is_not_there() -> None:
    """The command ends at once, in one line without the password."""
    url = f"redis://:{PASSWORD}@127.0.0.1:1/0"
    ran = subprocess.run([*SERVE, "0", "--store", url], capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stdout) == (1, "")
    assert ran.stderr.startswith("tokentape: the store at redis://127.0.0.1:1 can't be reached (ConnectionError)")
    assert len(ran.stderr.splitlines()) == 1
