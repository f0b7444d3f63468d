"""Web responses in FastAPI, Starlette and Flask, on real servers."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from typing import Any

import fastapi
import flask
import httpx2
import pytest
import werkzeug.serving
from starlette.background import BackgroundTask

from tests.tokentape.stepped_server import SteppedServer
from tests.tokentape.web_streams import AS_TEXT, async_stream, run_asgi, served
from tokentape.providers import OpenAIChat
from tokentape.web import StreamingChatResponse, wsgi_stream

OPENAI_BODY = [
    b'data: {"choices":[{"index":0,"delta":{"content":"a"}}]}\n\n',
    b'data: {"choices":[{"index":0,"delta":{"content":"b"},"finish_reason":"stop"}]}\n\n',
    b"data: [DONE]\n\n",
]


def fastapi_app(provider: OpenAIChat) -> fastapi.FastAPI:
    """An application as in the documentation: an async and a plain route."""
    app = fastapi.FastAPI()

    @app.post("/async")
    async def achat(prompt: str) -> Any:
        return StreamingChatResponse(await provider.achat(prompt, stream=True), format="sse")

    @app.post("/plain")
    def chat(prompt: str) -> Any:
        return StreamingChatResponse(provider.chat(prompt, stream=True))

    return app


@pytest.mark.parametrize(
    ("path", "frames"),
    [
        ("/async", [b'data: {"text":"a"}\n\n', b'data: {"text":"b","finish_reason":"stop"}\n\n']),
        ("/plain", [b"a", b"b"]),
    ],
)
def test_fastapi_streams_each_message_as_it_comes(path: str, frames: list[bytes]) -> None:
    """Through a real server: the reader has each token before the provider sends the next."""
    with (
        SteppedServer(OPENAI_BODY) as upstream,
        OpenAIChat("m", api_key="k", base_url=upstream.url) as provider,
        served(fastapi_app(provider)) as url,
        httpx2.Client() as http,
        http.stream("POST", f"{url}{path}?prompt=Hi") as response,
    ):
        assert response.headers["x-accel-buffering"] == "no"
        body = response.iter_bytes()
        for frame in frames:
            upstream.step()
            assert next(body) == frame
        upstream.all()
        assert b"".join(body).startswith(b"event: done" if path == "/async" else b"")


@pytest.mark.parametrize("path", ["/async", "/plain"])
def test_a_reader_that_leaves_fastapi_closes_the_upstream(path: str) -> None:
    """Through a real server: the browser goes, the provider's connection is closed."""
    with (
        SteppedServer(OPENAI_BODY) as upstream,
        OpenAIChat("m", api_key="k", base_url=upstream.url) as provider,
        served(fastapi_app(provider)) as url,
        httpx2.Client() as http,
    ):
        with http.stream("POST", f"{url}{path}?prompt=Hi") as response:
            upstream.step()
            assert next(response.iter_bytes())
        assert upstream.left.wait(10)


def test_a_background_task_runs_after_the_stream() -> None:
    """Starlette's own background tasks work, and cookies are kept."""
    done: list[str] = []
    response = StreamingChatResponse(async_stream(), background=BackgroundTask(done.append, "ran"))
    response.set_cookie("a", "1")
    response.set_cookie("b", "2")
    client = run_asgi(response)
    assert client.body == AS_TEXT
    assert done == ["ran"]
    assert [name for name, _ in client.sent[0]["headers"]].count(b"set-cookie") == 2


@contextlib.contextmanager
def served_wsgi(app: Any) -> Iterator[str]:
    """A WSGI application on Werkzeug's server, in a thread."""
    server = werkzeug.serving.make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.port}"
    finally:
        server.shutdown()
        thread.join(10)
        server.server_close()


def flask_app(provider: OpenAIChat, **options: Any) -> flask.Flask:
    """An application as in the documentation."""
    app = flask.Flask("example")

    @app.post("/chat")
    def chat() -> flask.Response:
        body = wsgi_stream(provider.chat("Hi", stream=True), **options)
        return flask.Response(body, headers=body.headers)

    return app


def test_flask_streams_each_message_as_it_comes() -> None:
    """Through a real server, as plain text. WSGI sends the headers with the first frame (PEP 3333)."""
    with (
        SteppedServer(OPENAI_BODY) as upstream,
        OpenAIChat("m", api_key="k", base_url=upstream.url) as provider,
        served_wsgi(flask_app(provider)) as url,
        httpx2.Client() as http,
    ):
        upstream.step()
        with http.stream("POST", f"{url}/chat") as response:
            assert response.headers["content-type"] == "text/plain; charset=utf-8"
            assert response.headers["cache-control"] == "no-cache"
            body = response.iter_bytes()
            assert next(body) == b"a"
            upstream.step()
            assert next(body) == b"b"
            upstream.all()
            assert list(body) == []


def test_flask_closes_the_upstream_when_the_response_is_closed() -> None:
    """Werkzeug closes the body of a response, and that closes the provider's connection."""
    with (
        SteppedServer(OPENAI_BODY) as upstream,
        OpenAIChat("m", api_key="k", base_url=upstream.url) as provider,
    ):
        upstream.step()
        response = flask_app(provider).test_client().post("/chat", buffered=False)
        assert next(response.iter_encoded()) == b"a"
        response.close()
        assert upstream.left.wait(10)
