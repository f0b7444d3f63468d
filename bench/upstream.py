"""Upstream: a provider on a bare socket that sends an answer in chunks of one word each, and notes when.

`python -m bench.upstream` prints its URL. Each line of its input, the name of a wire format, lets it answer one more
request, and it prints a line of JSON: when the request was there and when each chunk was sent (ms, monotonic).
"""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import msgspec

from tokentape_fake_provider.encoding.encode import encode
from tokentape_fake_provider.script.model import Script, Text
from tokentape_fake_provider.timing import Instant
from tokentape_fake_provider.wires.wire import ProviderRequest

CHUNKS = 10
EVERY_MS = 100.0


class Sent(NamedTuple):
    """When a request was there, and when each chunk of its answer was sent, in ms."""

    asked: float
    chunks: list[float]


def now() -> float:
    """ms of the clock that all processes of this machine share."""
    return time.monotonic() * 1000.0


def chunked_answer(wire: str) -> tuple[str, list[bytes]]:
    """The content type and the chunks of a valid stream of this format, with one word in each chunk."""
    words = tuple(f"word{number} " for number in range(CHUNKS))
    script = Script.of(Text("".join(words), pieces=words))
    tape = encode(script, ProviderRequest(wire, "m", stream=True, query="alt=sse"), Instant())
    chunks = [b""]
    for frame in tape.frames:
        if any(word.encode() in frame.data for word in words[1:]):
            chunks.append(b"")
        chunks[-1] += frame.data
    if len(chunks) != CHUNKS:
        raise RuntimeError(f"{wire}: {len(chunks)} chunks of {CHUNKS} words")
    return dict(tape.headers)["content-type"], chunks


def _answer(connection: socket.socket, content_type: str, chunks: list[bytes]) -> Sent:
    _read_request(connection)
    asked = now()
    head = f"HTTP/1.1 200 OK\r\ncontent-type: {content_type}\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n"
    connection.sendall(head.encode())
    sent = []
    for number, chunk in enumerate(chunks):
        time.sleep(max(0.0, asked + EVERY_MS * (number + 1) - now()) / 1000.0)
        framed = b"%x\r\n%s\r\n" % (len(chunk), chunk)
        sent.append(now())
        connection.sendall(framed)
    connection.sendall(b"0\r\n\r\n")
    return Sent(asked, sent)


def _read_request(connection: socket.socket) -> None:
    head, received = b"", b""
    while b"\r\n\r\n" not in received:
        received += connection.recv(65536)
    head, _, body = received.partition(b"\r\n\r\n")
    length = next(
        (int(line.split(b":")[1]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")), 0
    )
    while len(body) < length:
        body += connection.recv(65536)


def main() -> None:
    """Answer as many requests as there are lines."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        print(f"http://127.0.0.1:{listener.getsockname()[1]}", flush=True)
        for line in sys.stdin:
            answer = chunked_answer(line.strip())
            connection, _ = listener.accept()
            with connection:
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                print(msgspec.json.encode(_answer(connection, *answer)).decode(), flush=True)


class Upstream:
    """One in a process of its own."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self._to, self._of = process.stdin, process.stdout
        self.url = self._of.readline().strip()

    def expect(self, wire: str) -> None:
        """Answer the next request, in this format."""
        self._to.write(wire + "\n")
        self._to.flush()

    def sent(self) -> Sent:
        """What was sent, once it is."""
        return msgspec.json.decode(self._of.readline(), type=Sent)


@contextmanager
def running_upstream() -> Iterator[Upstream]:
    """Start one."""
    command = [sys.executable, "-m", "bench.upstream"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield Upstream(process)
        finally:
            process.kill()


if __name__ == "__main__":
    main()
