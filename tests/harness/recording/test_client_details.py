"""What clients do around a response: redirects, cookies, raised statuses, whole bodies, uploads, other libraries."""

from __future__ import annotations

import asyncio
import io
import urllib.request

import aiohttp
import httpx2
import pytest
import requests
import urllib3

from tests.http_server import QuietHandler, serving
from tokentape_harness import read_cassette, use_cassette
from tokentape_harness.redaction import RedactionRules


class Handler(QuietHandler):
    """`/from` redirects with a cookie, `/bad` fails, any other request is echoed."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.answer(b"")

    def do_HEAD(self):
        self.answer(b"")

    def do_POST(self):
        self.answer(self.rfile.read(int(self.headers.get("content-length", 0))))

    def answer(self, sent):
        self.server.calls += 1
        echo = f"{self.command} {self.path} {sent.decode()}".encode()
        self.send_response({"/from": 302, "/bad": 500, "/empty": 204}.get(self.path, 200))
        if self.path == "/from":
            self.send_header("location", "/to")
            self.send_header("set-cookie", "one=1; Path=/")
            self.send_header("set-cookie", "two=2; Path=/")
        if self.path != "/empty":
            self.send_header("content-length", str(len(echo)))
        self.end_headers()
        if self.command != "HEAD" and self.path != "/empty":
            self.wfile.write(echo)


@pytest.fixture
def server():
    """A server on the loopback interface; `calls` counts its requests."""
    with serving(Handler) as running:
        running.calls = 0
        yield running


def with_requests(url):
    with requests.Session() as session:
        response = session.get(url + "/from")
        cookies = session.cookies.get_dict()
        bad = session.get(url + "/bad")
        sent = session.post(url + "/echo", data=iter([b"a", b"b"]), headers={"content-length": "2"})
        empty = session.get(url + "/empty")
        head = session.head(url + "/x")
        return (
            response.text,
            len(response.history),
            cookies,
            bad.status_code,
            sent.text,
            empty.content,
            head.status_code,
        )


def with_urllib3(url):
    with urllib3.PoolManager() as pool:
        response = pool.request("GET", url + "/from")
        bad = pool.request("GET", url + "/bad")
        sent = pool.request("POST", url + "/echo", body=io.BytesIO(b"ab"), headers={"content-length": "2"})
        whole = pool.request("GET", url + "/x", preload_content=False)
        return response.data, bad.status, sent.data, whole.read(3), whole.read(), whole.headers["content-length"]


def with_aiohttp(url):
    async def call():
        async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as session:
            async with session.get(url + "/from") as response:
                answer = await response.text(), len(response.history)
            cookies = sorted((cookie.key, cookie.value) for cookie in session.cookie_jar)
            with pytest.raises(aiohttp.ClientResponseError, match="500"):
                await session.get(url + "/bad", raise_for_status=True)
            async with session.post(url + "/echo", data=io.BytesIO(b"ab")) as response:
                sent = await response.read()
                again = await response.read()
            async with session.get(url + "/empty") as response:
                empty = await response.read()
            async with session.head(url + "/x") as response:
                head = response.status
            async with session.get(url + "/line") as response:
                line = await response.content.readexactly(4), await response.content.readline()
            return answer, cookies, sent, again, empty, head, line

    return asyncio.run(call())


def with_httpx2(url):
    with httpx2.Client(follow_redirects=True) as client:
        response = client.get(url + "/from")
        cookies = dict(client.cookies)
        bad = client.get(url + "/bad").status_code
        sent = client.post(url + "/echo", content=iter([b"a", b"b"]), headers={"content-length": "2"}).text
        empty = client.get(url + "/empty").content
        head = client.head(url + "/x").status_code
        return response.text, len(response.history), cookies, bad, sent, empty, head, response.reason_phrase


def with_urllib(url):
    with urllib.request.urlopen(url + "/x") as response:
        return response.read(), response.status


@pytest.mark.parametrize("client", [with_requests, with_urllib3, with_aiohttp, with_httpx2, with_urllib])
def test_clients_behave_as_without_a_cassette(client, server, tmp_path):
    """A client behaves the same without a cassette, while recording and on replay, and the replay sends no request."""
    plain = client(server.url)
    path = tmp_path / "cassette.yaml"
    with use_cassette(path, rules=RedactionRules()):
        assert client(server.url) == plain
    calls = server.calls
    with use_cassette(path, record_mode="none", all_played=True, rules=RedactionRules()):
        assert client(server.url) == plain
    assert server.calls == calls == 2 * len(read_cassette(path))


def test_a_response_of_http2_is_replayed_as_one(tmp_path, fake_provider):
    """A client that got HTTP/2 gets it from the replay, and one that got HTTP/1.1 gets that."""
    url = f"{fake_provider.url}/v1/chat/completions"
    request = {"model": "m", "messages": [{"role": "user", "content": "Hi"}], "stream": True}

    def responses():
        for http2 in (True, False):
            with httpx2.Client(http1=not http2, http2=http2) as client:
                response = client.post(url, json={**request, "user": str(http2)})
                yield response.http_version, response.reason_phrase, response.content

    with use_cassette(tmp_path / "c.yaml", record_mode="all"):
        recorded = [*responses()]
    assert [head for *head, _ in recorded] == [["HTTP/2", "OK"], ["HTTP/1.1", "OK"]]
    with use_cassette(tmp_path / "c.yaml", record_mode="none"):
        assert [*responses()] == recorded
