"""Odd responses and requests are recorded, and replay as they were: one of them never costs the whole cassette."""

from __future__ import annotations

import array
import gzip
import json
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx2
import pytest
import requests
import urllib3

from tests.harness.recording.reading_clients import CLIENTS, read
from tokentape_harness import read_cassette, use_cassette
from tokentape_harness.errors import CassetteWarning

PLAIN = b"HTTP/1.1 200 %s\r\ncontent-type: text/plain\r\n%sconnection: close\r\ncontent-length: 2\r\n\r\nhi"
URL = "http://provider.test/v1/chat/completions"


@contextmanager
def served(response: bytes) -> Iterator[str]:
    """The URL of a server that sends these bytes to every request, and ends the connection."""

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            length = 0
            while line := self.rfile.readline().strip().lower():
                if line.startswith(b"content-length:"):
                    length = int(line.partition(b":")[2])
            self.rfile.read(length)
            self.wfile.write(response)

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


def echo() -> httpx2.Client:
    """A client whose provider answers with the body that it received, without its content coding."""

    def respond(request: httpx2.Request) -> httpx2.Response:
        coded = request.headers.get("content-encoding") == "gzip"
        return httpx2.Response(200, content=gzip.decompress(request.content) if coded else request.content)

    return httpx2.Client(transport=httpx2.MockTransport(respond))


@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize(
    ("reason", "header", "expected"),
    [
        (b"OK", b"x-odd: caf\xe9\r\n", ("OK", "café")),
        (b"OK", b"x-odd: a\x7fb\r\n", ("OK", "a?b")),
        (b"Tr\xe8s bien", b"x-odd: a\tb\r\n", ("Très bien", "a\tb")),
    ],
)
def test_a_head_that_no_file_can_hold(client, reason, header, expected, tmp_path):
    """A header or reason in latin-1 or with control characters is recorded as text; the cassette is written."""
    path = tmp_path / "cassette.yaml"
    with served(PLAIN % (reason, header)) as url:
        with use_cassette(path):
            assert read(client, url) == ([b"hi"], None)
        with use_cassette(path, record_mode="none", all_played=True):
            assert read(client, url) == ([b"hi"], None)
    (interaction,) = read_cassette(path)
    message, value = expected
    assert dict(interaction.response.headers)["x-odd"] == value
    # httpx decodes a reason as ASCII.
    assert interaction.response.message in (message, message.encode("ascii", "ignore").decode())


def test_an_empty_reason(tmp_path):
    """A response without a reason phrase has none on replay; one that another recorder left out is the usual one."""
    path = tmp_path / "cassette.yaml"
    with served(PLAIN % (b"", b"")) as url:
        with use_cassette(path):
            assert (httpx2.get(url).reason_phrase, requests.get(f"{url}/two", timeout=10).reason) == ("", "")
        with use_cassette(path, record_mode="none"):
            assert (httpx2.get(url).reason_phrase, requests.get(f"{url}/two", timeout=10).reason) == ("", "")
        text = path.read_text()
        path.write_text(text[: text.index("    stream:\n")] + "version: 1\n")
        with use_cassette(path, record_mode="none"):
            assert httpx2.get(url).reason_phrase == "OK"


def test_a_body_in_an_unknown_coding(tmp_path):
    """A body in a coding that nothing here decodes is recorded as it arrives, with a warning, beside the others."""
    path = tmp_path / "cassette.yaml"
    with served(PLAIN % (b"OK", b"content-encoding: other\r\n")) as url:
        with (
            pytest.warns(CassetteWarning, match="recorded as it arrives: the content coding 'other'"),
            use_cassette(path),
        ):
            assert read("requests", url) == ([b"hi"], None)
        with use_cassette(path, record_mode="none", all_played=True):
            assert read("requests", url) == ([b"hi"], None)


@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize("damage", ["plain", "damaged"])
def test_a_body_that_is_not_in_its_coding(client, damage, tmp_path):
    """A body that its header calls gzip and that is none raises the client's own error on replay as it did before."""
    path = tmp_path / "cassette.yaml"
    coded = gzip.compress(b"data: hello\n\n" * 20, mtime=0)
    body = b"hello" if damage == "plain" else coded[:14] + b"\xff\xff\xff" + coded[17:]
    head = b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\nconnection: close\r\ncontent-length: %d\r\n\r\n"
    with served(head % len(body) + body) as url:
        with use_cassette(path):
            pieces, error = read(client, url)
        assert error is not None
        with use_cassette(path, record_mode="none", all_played=True):
            again, replayed = read(client, url)
    assert (again, type(replayed), str(replayed)) == (pieces, type(error), str(error))
    response = next(iter(read_cassette(path))).response
    if client != "aiohttp":  # it passes on no byte of this body
        assert (response.body, dict(response.headers)["content-encoding"]) == (body, "gzip")


@pytest.mark.parametrize("client", ["requests", "urllib3"])
def test_a_chunk_without_a_size_is_the_clients_error_again(client, tmp_path):
    """A response whose chunked coding breaks is not recorded as whole: its replay breaks at the same byte."""
    path = tmp_path / "cassette.yaml"
    head = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n"
    with served(head + b"2\r\nhi\r\nzz\r\nabc\r\n") as url, use_cassette(path):
        pieces, error = read(client, url)
    assert (pieces, isinstance(error, requests.RequestException | urllib3.exceptions.HTTPError)) == ([b"hi"], True)
    assert next(iter(read_cassette(path))).response.stream.end == "dropped"
    with use_cassette(path, record_mode="none"):
        again, replayed = read(client, url)
    assert (again, type(replayed)) == ([b"hi"], type(error))


@pytest.mark.parametrize(
    "body",
    [memoryview(b"ab"), bytearray(b"ab"), array.array("b", b"ab"), ["a", "b"], (b"a", b"b")],
    ids=lambda body: type(body).__name__,
)
def test_bodies_that_urllib3_takes(body: Any, tmp_path):
    """Every kind of body that urllib3 sends is sent and recorded: buffers, and iterables of text or bytes."""
    path = tmp_path / "cassette.yaml"
    with served(PLAIN % (b"OK", b"")) as url, urllib3.PoolManager() as pool:
        headers = {"content-length": "2"}
        with use_cassette(path):
            assert pool.request("POST", url, body=body, headers=headers).data == b"hi"
        with use_cassette(path, record_mode="none", all_played=True):
            assert pool.request("POST", url, body=body, headers=headers).data == b"hi"
    assert next(iter(read_cassette(path))).request.body == b"ab"


def test_compressed_requests_never_swap(tmp_path):
    """Compressed JSON bodies are compared by their content, in any order and however they are compressed."""
    path = tmp_path / "cassette.yaml"

    def post(client: httpx2.Client, number: int, level: int) -> Any:
        data = gzip.compress(json.dumps({"number": number}).encode(), level)
        return client.post(URL, content=data, headers={"content-encoding": "gzip"}).json()["number"]

    with echo() as client, use_cassette(path):
        assert [post(client, number, 9) for number in range(3)] == [0, 1, 2]
    with echo() as client, use_cassette(path, record_mode="none", all_played=True):
        assert [post(client, number, 0) for number in (2, 0, 1)] == [2, 0, 1]


def test_a_credential_that_a_later_request_repeats(tmp_path):
    """A later request that repeats a credential under another name replays, and no error shows the credential."""
    path = tmp_path / "cassette.yaml"
    key = "correct-horse-42-battery"

    def run(client: httpx2.Client, extra: str = "") -> None:
        client.get(URL, headers={"authorization": f"Bearer {key}"})
        client.post(URL, json={"argument": key, "text": f"text{extra}"})

    with echo() as client, use_cassette(path):
        run(client)
    assert key not in path.read_text()
    with echo() as client, use_cassette(path, record_mode="none", all_played=True):
        run(client)
    with pytest.raises(Exception, match="text was") as error, echo() as client, use_cassette(path, record_mode="none"):
        run(client, " that changed")
    assert key not in str(error.value)


def test_a_credential_that_an_earlier_request_repeats(tmp_path):
    """A request before the one that was sent with the credential replays: what was redacted there may be anything."""
    path = tmp_path / "cassette.yaml"
    key = "correct-horse-42-battery"

    def run(client: httpx2.Client, text: str = "text", first: str = key) -> None:
        client.post(URL, json={"note": f"it is {first}, so", "text": text})
        client.post(URL, json={"note": "another", "text": text})
        client.get(URL, headers={"authorization": f"Bearer {key}"})

    with echo() as client, use_cassette(path):
        run(client)
    assert key not in path.read_text()
    for first in (key, "another-horse-43-battery"):
        with echo() as client, use_cassette(path, record_mode="none", all_played=True):
            run(client, first=first)
    with pytest.raises(Exception, match="text was"), echo() as client, use_cassette(path, record_mode="none"):
        run(client, "text that changed")
