"""What docs/resumable.md shows runs."""

from __future__ import annotations

import asyncio
import re

import fastapi
import pytest
from django.conf import settings
from django.test import RequestFactory
from starlette.testclient import TestClient

from tests.pages import block_with, page_text, run
from tokentape import BufferUnavailableError
from tokentape_harness import FakeProvider

PAGE = page_text("docs/resumable.md")
if not settings.configured:
    settings.configure()


@pytest.fixture
def provider(fake_provider_env: FakeProvider) -> FakeProvider:
    """A provider with one answer."""
    fake_provider_env.script("The sea")
    return fake_provider_env


def rest_of(body: bytes) -> tuple[str, bytes]:
    """The id of the first event, and what follows it."""
    first, rest = body.split(b"\n\n", 1)
    assert first.endswith(b'data: {"text":"The"}')
    return re.findall(r"id: (\S+)", first.decode())[0], rest


def test_fastapi(provider: FakeProvider) -> None:
    """The answer is read, resumed and read again; there is nothing to stop then."""
    with TestClient(run(block_with(PAGE, "FastAPI()"))["app"]) as client:
        whole = client.post("/chat/a?prompt=Hi").content
        first, rest = rest_of(whole)
        assert client.get("/chat/a", headers={"Last-Event-ID": first}).content == rest
        assert client.get("/chat/a").content == client.post("/chat/a?prompt=Hi").content == whole
        assert client.delete("/chat/a").json() == {"stopped": False}
    assert len(provider.requests) == 1


def test_an_id_with_the_user_in_it(provider: FakeProvider) -> None:
    """What one user started, another one neither reads nor stops, whatever the id."""
    names = run(block_with(PAGE, "FastAPI()"))
    app, responses = fastapi.FastAPI(), names["responses"]
    assert 'responses.starlette(f"{user.id}/{id}")' in PAGE

    @app.post("/{user}/{id}")
    async def chat(user: str, id: str) -> fastapi.Response:  # noqa: A002
        await responses.astart(f"{user}/{id}", lambda: names["provider"].achat("Hi", stream=True))
        return responses.starlette(f"{user}/{id}")  # type: ignore[no-any-return]

    @app.get("/{user}/{id}")
    async def rejoin(user: str, id: str) -> fastapi.Response:  # noqa: A002
        return responses.starlette(f"{user}/{id}")  # type: ignore[no-any-return]

    with TestClient(app) as client:
        whole = client.post("/anna/a").content
        assert client.get("/anna/a").content == whole
        assert client.get("/ben/a").status_code == 404
        assert client.get("/ben/..%2Fanna%2Fa").status_code == 404


def test_flask(provider: FakeProvider) -> None:
    """The same with Flask."""
    names = run(block_with(PAGE, "flask.Flask"), __name__="app")
    client = names["app"].test_client()
    first, rest = rest_of(client.post("/chat/a", data={"prompt": "Hi"}).data)
    assert client.get("/chat/a", headers={"Last-Event-ID": first}).data == rest
    assert client.get("/chat/b").status_code == 404
    names["provider"].close()


def test_django(provider: FakeProvider) -> None:
    """The same with Django."""
    names = run(block_with(PAGE, "responses.django"))
    first, rest = rest_of(b"".join(names["chat"](RequestFactory().post("/chat/a", {"prompt": "Hi"}), "a")))
    request = RequestFactory().get("/chat/a", headers={"Last-Event-ID": first})
    assert b"".join(names["chat"](request, "a")) == rest
    names["provider"].close()


def test_the_end(provider: FakeProvider) -> None:
    """With the lifespan of the page, an app that has ended starts no response."""
    names = run(block_with(PAGE, "responses.lifespan"))
    with TestClient(names["app"]):
        pass
    with pytest.raises(BufferUnavailableError):
        asyncio.run(names["responses"].astart("a", lambda: provider))


def test_buffers() -> None:
    """The limits and the URL are accepted."""
    run(block_with(PAGE, "MemoryBuffer(max_bytes"))
    run(block_with(PAGE, "RedisBuffer("))
