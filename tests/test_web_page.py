"""What docs/web.md shows runs."""

from __future__ import annotations

import pytest
from django.conf import settings
from django.test import RequestFactory
from starlette.testclient import TestClient

from tests.pages import block_with, page_text, run
from tokentape_harness import FakeProvider

PAGE = page_text("docs/web.md")
if not settings.configured:
    settings.configure()


@pytest.fixture
def provider(fake_provider_env: FakeProvider) -> FakeProvider:
    """A provider with something to say."""
    fake_provider_env.script("The sea")
    return fake_provider_env


def check(body: bytes) -> None:
    """It is the answer, in events."""
    events = [line for line in body.decode().splitlines() if line.startswith("data: ")]
    assert "".join(events[:-1]) == 'data: {"text":"The"}data: {"text":" sea"}data: {"finish_reason":"stop"}'
    assert b"event: done" in body


def test_fastapi(provider: FakeProvider) -> None:
    """The application of FastAPI answers."""
    with TestClient(run(block_with(PAGE, "FastAPI()"))["app"]) as client:
        check(client.post("/chat?prompt=Hi").content)
    assert provider.requests[0].body["messages"][0]["content"] == "Hi"


def test_flask(provider: FakeProvider) -> None:
    """The application of Flask answers."""
    names = run(block_with(PAGE, "flask.Flask"), __name__="app")
    check(names["app"].test_client().post("/chat", data={"prompt": "Hi"}).data)
    names["provider"].close()


def test_django(provider: FakeProvider) -> None:
    """The view of Django answers."""
    names = run(block_with(PAGE, "StreamingChatHttpResponse"))
    check(b"".join(names["chat"](RequestFactory().post("/chat", {"prompt": "Hi"}))))
    names["provider"].close()


def test_output_buffer(capsys: pytest.CaptureFixture[str]) -> None:
    """The buffers hold and hand down what the page says."""
    assert run(block_with(PAGE, "capture_print"))["held"] == "DONE. "
    assert capsys.readouterr().out == "Thinking... DONE. One answer, and another."
