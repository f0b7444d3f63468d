"""A program that gevent has patched before anything else was imported; it prints what it saw."""

from __future__ import annotations

import gevent.monkey

gevent.monkey.patch_all()

import flask  # noqa: E402
import gevent  # noqa: E402
import httpx2  # noqa: E402
from gevent.pywsgi import WSGIServer  # noqa: E402

from tokentape.providers import OpenAIChat  # noqa: E402
from tokentape.web import wsgi_stream  # noqa: E402
from tokentape_fake_provider import FakeProviderServer  # noqa: E402
from tokentape_harness.testing.fake_provider import FakeProvider  # noqa: E402


def main() -> None:
    """A Flask app under gevent's server, in front of a fake provider in the same process, both stepped and read."""
    with FakeProviderServer() as server:
        provider = FakeProvider(server, server.session("default"))
        app = flask.Flask("app")

        @app.get("/chat")
        def chat() -> flask.Response:
            client = OpenAIChat("gpt-4o-mini", api_key="key", base_url=provider.base_url())
            body = wsgi_stream(client.chat("hi", stream=True), format="text", idle_timeout=20)
            return flask.Response(body, headers=list(body.headers.items()))

        web = WSGIServer(("127.0.0.1", 0), app, log=None)
        web.start()
        url = f"http://127.0.0.1:{web.server_port}/chat"
        provider.timing("stepped")
        for number in range(3):
            provider.script(f"number {number}")
        readers = [gevent.spawn(lambda: httpx2.get(url, timeout=20).text) for _ in range(3)]
        for _ in readers:
            stream = provider.next_stream()
            stream.step()
            stream.release()
        print(sorted(reader.get(timeout=20) for reader in readers))
        print(len(provider.requests))
        web.stop()
    with FakeProviderServer() as server:
        print(httpx2.get(f"{server.url}/v1/models").status_code)


if __name__ == "__main__":
    main()
