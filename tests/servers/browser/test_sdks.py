"""Pages on another port of this machine use the provider directly: by fetch, and by the SDKs with a key in the page."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler
from typing import Any

import pytest
from playwright.sync_api import Browser, Error, Page

from tests.environments import UnavailableError, run
from tests.http_server import QuietHandler, serving
from tests.pages import block_with, page_text
from tests.servers.programs import Node
from tokentape_fake_provider import Script, ToolCall
from tokentape_fake_provider.hosting.server import FakeProviderServer
from tokentape_fake_provider.playback.journal import Entry
from tokentape_fake_provider.sessions.session import Session

pytestmark = [pytest.mark.servers, pytest.mark.xdist_group("browser")]

WEB_PAGES = page_text("docs/web-pages.md")
PAGE = "<!doctype html><meta charset=utf-8><title>app</title><script src=app.js></script>"
FINISH = {
    "openai": "tool_calls",
    "responses": "completed",
    "anthropic": "tool_use",
    "vercelOpenai": "tool-calls",
    "vercelAnthropic": "tool-calls",
}


class Quiet(QuietHandler, SimpleHTTPRequestHandler):
    """Serves files, and logs nothing."""


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a front-end on a port of its own, bundled by esbuild."""
    try:
        modules, node = Node().folder(), Node().path()
    except UnavailableError as error:
        pytest.skip(str(error))
    folder = tmp_path_factory.mktemp("app")
    bundler = modules / "node_modules" / "esbuild" / "bin" / "esbuild"
    options = ("--bundle", "--format=iife", "--platform=browser", "--log-level=error")
    run(node, str(bundler), "browser_sdks.mjs", *options, f"--outfile={folder / 'app.js'}", cwd=modules)
    (folder / "index.html").write_text(PAGE)
    with serving(partial(Quiet, directory=str(folder))) as server:
        yield server.url


@pytest.fixture(scope="module")
def ended() -> list[Entry]:
    """The requests that the server has answered, also those of no session."""
    return []


@pytest.fixture(scope="module")
def provider(ended: list[Entry]) -> Iterator[FakeProviderServer]:
    """A server on a free port."""
    with FakeProviderServer(ended=ended.append) as running:
        yield running


@pytest.fixture
def session(provider: FakeProviderServer) -> Session:
    """A session of its own."""
    return provider.create_session()


@pytest.fixture
def page(browser: Browser, app: str) -> Iterator[Page]:
    """The front-end, in a window of its own."""
    with browser.new_page() as opened:
        opened.set_default_timeout(20_000)
        opened.goto(app)
        yield opened


def ask(page: Page, name: str, provider: FakeProviderServer, session: Session) -> Any:
    """What the page's function returns."""
    return page.evaluate("([name, root]) => chat[name](root)", [name, f"{provider.url}/s/{session.id}"])


def test_the_code_of_the_page(page: Page, app: str, provider: FakeProviderServer, session: Session) -> None:
    """What docs/web-pages.md shows writes the answer into the page."""
    session.push("It rains.")
    block = block_with(WEB_PAGES, "dangerouslyAllowBrowser")
    block = block.replace("http://127.0.0.1:8089", f"{provider.url}/s/{session.id}")
    block = block.replace('import OpenAI from "openai";', "const { OpenAI } = chat;")
    assert page.evaluate(f"async () => {{ {block}\n return document.body.textContent; }}") == "It rains."


@pytest.mark.parametrize("name", FINISH)
def test_an_sdk_streams_in_the_browser(name: str, page: Page, provider: FakeProviderServer, session: Session) -> None:
    """The SDK's preflights pass, and it reads text, a tool call and the finish reason of a stream."""
    session.push(Script.of("Let me look. ", ToolCall.of("get_weather", {"city": "Oslo"})))
    answer = ask(page, name, provider, session)
    assert answer == {
        "text": "Let me look. ",
        "calls": [["get_weather", {"city": "Oslo"}]],
        "finish": FINISH[name],
    }
    (entry,) = session.journal.wait()
    assert entry.body["stream"] is True


def test_fetch_reads_each_token_as_it_is_sent(page: Page, provider: FakeProviderServer, session: Session) -> None:
    """The page receives the head and each step's tokens while the stream is open, and reads the request's id."""
    session.configure(timing="stepped")
    session.push("one two three")
    page.evaluate("root => { window.answer = chat.plainFetch(root); }", f"{provider.url}/s/{session.id}")
    stream = session.streams.next()
    for text in ("one", " two"):
        stream.step_until(text)
        page.wait_for_function("text => window.received.includes(text)", arg=f'"content":"{text}"')
        assert "three" not in page.evaluate("window.received")
    assert page.evaluate("window.head.status") == 200
    assert page.evaluate("window.head.id").startswith("req_")
    stream.finish()
    assert page.evaluate("window.answer").rstrip().endswith("data: [DONE]")


@pytest.mark.parametrize("name", [*FINISH, "plainFetch"])
@pytest.mark.parametrize("fault", ["fin@event=2", "rst@event=2"])
def test_a_cut_stream_is_an_error(
    name: str, fault: str, page: Page, provider: FakeProviderServer, session: Session
) -> None:
    """A stream that breaks off is an error in the page, whatever reads it."""
    session.configure(faults=[fault])
    session.push("one two three")
    with pytest.raises(Error):
        ask(page, name, provider, session)
    assert session.journal.wait()[-1].outcome in ("dropped", "reset")


@pytest.mark.parametrize("status", [401, 429, 503])
def test_a_page_reads_an_error(status: int, page: Page, provider: FakeProviderServer, session: Session) -> None:
    """The SDK raises the provider's own error, whose status and message the page can read."""
    session.configure(faults=[f"http_error@status={status},message=Not now"])
    with pytest.raises(Error, match=f"{status} .*Not now"):
        ask(page, "openai", provider, session)


def test_pages_of_another_origin_are_refused(
    browser: Browser, app: str, provider: FakeProviderServer, session: Session, ended: list[Entry]
) -> None:
    """A frame whose origin is none gets no answer that it could read, and leaves nothing in the session."""
    ended.clear()
    with browser.new_page() as page:
        page.goto(app)
        frame = "<iframe sandbox='allow-scripts' srcdoc=\"<script src='{}/app.js'></script>\"></iframe>"
        page.set_content(frame.format(app))
        inner = page.frames[1]
        inner.wait_for_function("window.chat !== undefined")
        with pytest.raises(Error, match="Failed to fetch"):
            inner.evaluate("root => chat.plainFetch(root)", f"{provider.url}/s/{session.id}")
    assert [(entry.method, entry.status) for entry in ended] == [("OPTIONS", 403)]
    assert not session.journal.entries


def test_an_origin_that_is_named(browser: Browser, app: str) -> None:
    """With its origin allowed, the same frame reads the stream."""
    with FakeProviderServer(allowed_origins=["null"]) as provider, browser.new_page() as page:
        provider.default.push("Hello")
        page.goto(app)
        page.set_content(f"<iframe sandbox='allow-scripts' srcdoc=\"<script src='{app}/app.js'></script>\"></iframe>")
        inner = page.frames[1]
        inner.wait_for_function("window.chat !== undefined")
        assert "Hello" in inner.evaluate("root => chat.plainFetch(root)", provider.url)
