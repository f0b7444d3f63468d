"""`tokentape serve --workers`: several processes on one port."""

from __future__ import annotations

import os
import select
import signal
import socket
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import httpx2
import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.worker_server import SERVE, WorkerServer, running
from tokentape_fake_provider.hosting.server import FakeProviderServer

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="workers share a port as Linux does it"),
]


class Server(WorkerServer):
    """Two workers that are asked."""

    def ask(self, _: int = 0) -> Any:
        """The response to a request on a connection of its own."""
        return ask(self.url)


def ask(url: str) -> Any:
    """The response of the server at this URL."""
    body = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}
    return httpx2.post(f"{url}/v1/chat/completions", json=body).raise_for_status().json()


def scrapes(server: Server) -> set[tuple[float, float]]:
    """What eight scrapes, each on a connection of its own, show of requests and of open responses."""
    found = set()
    for _ in range(8):
        sums = Counter[str]()
        for family in text_string_to_metric_families(httpx2.get(f"{server.url}/metrics", verify=False).text):
            for sample in family.samples:
                sums[sample.name] += int(sample.value)
        found.add((sums["tokentape_requests_total"], sums["tokentape_open_responses"]))
    return found


@pytest.fixture
def server() -> Iterator[Server]:
    """Two workers on a free port."""
    with running() as process:
        yield Server(process)


def test_workers_answer_alike_under_different_ids(server: Server) -> None:
    """Both workers answer, with one text for equal requests, and no two responses have the same id."""
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(server.ask, range(64)))
    assert len({answer["id"] for answer in answers}) == 64
    assert len({answer["choices"][0]["message"]["content"] for answer in answers}) == 1
    assert "2 workers, which share no state" in server.announced
    with FakeProviderServer() as alone:
        first_of_each = {ask(alone.url)["id"] for _ in range(2)}
    assert first_of_each <= {answer["id"] for answer in answers}  # so each worker answered


def test_the_control_api_says_what_it_needs(server: Server) -> None:
    """What only one worker would know is refused in one line; what describes the server is there."""
    assert httpx2.get(f"{server.url}/_tokentape").json()["server"] == "tokentape"
    assert httpx2.get(f"{server.url}/health").is_success
    for path in ("/_tokentape/sessions", "/_tokentape/sessions/default/journal"):
        response = httpx2.get(f"{server.url}{path}")
        need = "start the server with --store, or without --workers"
        assert (response.status_code, response.json()["error"]["do"]) == (501, need)


def test_readiness_counts_the_workers(server: Server) -> None:
    """Ready while all workers answer; while one is missing the other answers 503 and reports it."""
    ready = {"status": "ready", "workers": 2, "answering": 2, "problems": []}
    assert httpx2.get(f"{server.url}/ready").raise_for_status().json() == ready
    stays, _ = server.workers
    for _ in range(2):  # one that ends again at once is replaced only after 2 s
        while len(server.workers) < 2:
            pass
        os.kill(max(server.workers), signal.SIGKILL)
        assert server.process.stderr is not None
        assert "it is replaced" in server.process.stderr.readline()
    missing = httpx2.get(f"{server.url}/ready")
    assert missing.status_code == 503
    problems = ["1 of 2 workers answer: the others are starting, or suspended"]
    assert missing.json() == {"status": "not ready", "workers": 2, "answering": 1, "problems": problems}
    assert httpx2.get(f"{server.url}/health").is_success
    while not httpx2.get(f"{server.url}/ready").is_success:
        pass
    assert stays in server.workers


def readiness(server: Server) -> Any:
    """What a worker that runs says of all of them; one that is suspended lets its connections wait."""
    while True:
        with suppress(httpx2.TimeoutException):
            return httpx2.get(f"{server.url}/ready", timeout=0.3).json()


def test_a_suspended_worker_is_not_ready(server: Server) -> None:
    """While a signal has stopped a worker, the others are not ready, and say so; they are when it continues."""
    first, _ = server.workers
    for _ in range(2):
        os.kill(first, signal.SIGSTOP)
        try:
            while (found := readiness(server))["status"] == "ready":
                pass
        finally:
            os.kill(first, signal.SIGCONT)
        assert found["problems"] == ["1 of 2 workers answer: the others are starting, or suspended"]
        while readiness(server)["answering"] < 2:
            pass
    assert first in server.workers


def test_a_worker_that_is_killed_is_replaced(server: Server) -> None:
    """After a worker was killed there are two again; every later request is answered, under an id of its own."""
    first, second = server.workers
    ids = [server.ask()["id"] for _ in range(16)]
    os.kill(first, signal.SIGKILL)
    assert server.process.stderr is not None
    assert f"(process {first}) ended with signal 9: it is replaced" in server.process.stderr.readline()
    while not httpx2.get(f"{server.url}/ready").is_success:
        pass
    with ThreadPoolExecutor(8) as pool:
        ids += [answer["id"] for answer in pool.map(server.ask, range(32))]
    assert len(set(ids)) == 48
    assert second in server.workers
    assert len(server.workers) == 2


def test_one_scrape_has_the_metrics_of_all_workers() -> None:
    """Whichever worker answers it, counts are exact and go on after a worker was killed; its open streams are gone."""
    with running(options=("--timing", "synthetic:ttft=3600s")) as process, ExitStack() as stack:
        server = Server(process)
        port = int(server.url.rpartition(":")[2])
        for _ in range(40):
            httpx2.get(f"{server.url}/v1/models", verify=False).raise_for_status()
        assert scrapes(server) == {(40, 0)}
        body = b'{"model":"m","stream":true,"messages":[{"role":"user","content":"hi"}]}'
        head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ncontent-length: {len(body)}\r\n\r\n"
        streams = [stack.enter_context(socket.create_connection(("127.0.0.1", port))) for _ in range(16)]
        for stream in streams:
            stream.sendall(head.encode() + body)
        while scrapes(server) != {(40, 16)}:
            pass
        os.kill(server.workers[0], signal.SIGKILL)
        assert process.stderr is not None
        assert "it is replaced" in process.stderr.readline()
        while not httpx2.get(f"{server.url}/ready").is_success:
            pass
        ended, _, _ = select.select(streams, (), (), 0)
        assert 0 < len(ended) < 16
        while scrapes(server) != {(40, 16 - len(ended))}:
            pass
        for stream in streams:
            stream.close()
        while scrapes(server) != {(40 + 16 - len(ended), 0)}:
            pass


@pytest.mark.parametrize("at_a_terminal", [False, True])
def test_it_ends_with_its_workers(server: Server, at_a_terminal: bool) -> None:
    """After SIGTERM, or Ctrl-C for its whole group, all its processes are gone; it exits with 0 and no message."""
    workers = server.workers
    if at_a_terminal:
        os.killpg(server.process.pid, signal.SIGINT)
    else:
        server.process.terminate()
    _, err = server.process.communicate(timeout=30)
    assert (server.process.returncode, err) == (0, "")
    assert not [worker for worker in workers if Path(f"/proc/{worker}").exists()]


def test_a_port_in_use_is_not_shared_by_chance(server: Server) -> None:
    """Another server with workers does not join them on their port."""
    port = server.url.rpartition(":")[2]
    ran = subprocess.run([*SERVE, port], capture_output=True, text=True, check=False)
    assert ran.returncode == 1
    assert ran.stderr.startswith(f"tokentape: port {port} on 127.0.0.1 is in use: stop the program")
    with socket.create_connection(("127.0.0.1", int(port))):
        assert server.ask()["id"]


def test_an_address_of_another_machine_is_no_matter_of_the_port() -> None:
    """Where the address is wrong, the error does not send to another port."""
    command = [*SERVE, "0", "--host", "203.0.113.1"]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stderr) == (
        1,
        "tokentape: can't listen on 203.0.113.1:0: Cannot assign requested address\n",
    )


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGHUP])
def test_workers_end_with_the_command(server: Server, number: signal.Signals) -> None:
    """If the command itself is killed, its workers end too, and the port is free."""
    server.process.send_signal(number)
    assert server.process.stderr is not None
    assert server.process.stderr.read() == ""  # ends with the last process that can write to it
    with pytest.raises(httpx2.ConnectError):
        httpx2.get(f"{server.url}/health")


def test_a_second_signal_kills_workers_that_do_not_end(server: Server) -> None:
    """A worker that can't end does not keep the command waiting if it is signalled again."""
    stuck, other = server.workers
    os.kill(stuck, signal.SIGSTOP)
    server.process.terminate()
    while Path(f"/proc/{other}").exists():
        pass
    server.process.terminate()
    assert server.process.wait(timeout=10) == 0
    assert not Path(f"/proc/{stuck}").exists()


def run_program(program: str) -> str:
    """What a program prints that runs workers which only answer."""
    start = (
        "import os, resource, signal\n"
        "from tokentape_harness.cli.workers import run_workers\n"
        "from tokentape_harness.errors import UsageError\n"
        "def work(worker, answers):\n"
        "    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))\n"
        "    answers()\n"
        "    signal.pause()\n"
        "def ready():\n"
        "    print('ready')\n"
        "    os.kill(os.getpid(), signal.SIGTERM)\n"
    )
    ran = subprocess.run([sys.executable, "-c", start + program], capture_output=True, text=True, check=True)
    return ran.stdout + ran.stderr


def test_workers_need_no_files_of_the_command() -> None:
    """As many workers start as the system lets, however few files a process may open."""
    program = "resource.setrlimit(resource.RLIMIT_NOFILE, (16, 16))\nrun_workers(40, work, ready)\n"
    assert run_program(program) == "ready\n"


def test_more_workers_than_the_system_allows() -> None:
    """If the system refuses a process, the error says so, and those that have started end."""
    program = (
        "import errno\n"
        "fork, forks = os.fork, []\n"
        "def refuse():\n"
        "    if len(forks) == 2:\n"
        "        raise OSError(errno.EAGAIN, os.strerror(errno.EAGAIN))\n"
        "    forks.append(fork())\n"
        "    return forks[-1]\n"
        "os.fork = refuse\n"
        "try:\n"
        "    run_workers(3, work, ready)\n"
        "except UsageError as error:\n"
        "    print(error)\n"
        "try:\n"
        "    os.waitpid(-1, 0)\n"
        "except ChildProcessError:\n"
        "    print('none is left')\n"
    )
    output = run_program(program)
    assert output.startswith("--workers 3 are more processes than the system allows\nnone is left\n")
    assert "worker 2 can't start: Resource temporarily unavailable" in output


def test_a_worker_that_is_ended_while_it_starts_ends() -> None:
    """A signal right after the fork is not lost in the handlers that the worker has from its parent."""
    program = (
        "import os, signal\n"
        "from tokentape_harness.cli.workers import run_workers\n"
        "from tokentape_harness.errors import UsageError\n"
        "os.register_at_fork(after_in_child=lambda: os.kill(os.getpid(), signal.SIGTERM))\n"
        "try:\n"
        "    run_workers(1, lambda worker, answers: (answers(), signal.pause()), lambda: print('ready'))\n"
        "except UsageError as error:\n"
        "    print(error)\n"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        first = process.stdout.readline()
        process.kill()
    assert first.startswith("a worker did not begin to answer")
