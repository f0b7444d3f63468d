"""One Chromium for all tests of this package, and a server with a session of its own for each module or test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, expect, sync_playwright

from tests.environments import UnavailableError
from tests.servers.browser.pages import Chat, Console
from tests.servers.programs import Debian
from tokentape_fake_provider.hosting.server import FakeProviderServer
from tokentape_harness.testing.exchange_tools import HarnessTools
from tokentape_harness.testing.recordings import load_recordings


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """Debian's Chromium."""
    try:
        path = Debian("chromium", "chromium").path()
    except UnavailableError as error:
        pytest.skip(str(error))
    # Playwright's sync API keeps an event loop running in this thread, so it ends with the package's tests.
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=path, headless=True, args=["--no-sandbox"])
        yield running
        running.close()


@pytest.fixture
def tabs(browser: Browser) -> Iterator[BrowserContext]:
    """A window of its own, whose tabs fail the test if a script raises or breaks the content security policy."""
    problems: list[str] = []
    context = browser.new_context()
    context.set_default_timeout(10_000)
    context.on("weberror", lambda error: problems.append(str(error.error)))
    context.on(
        "console",
        lambda message: problems.append(message.text) if "Content Security Policy" in message.text else None,
    )
    yield context
    context.close()
    assert not problems


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FakeProviderServer]:
    """A server for the module, with a cassette folder and all that `tokentape serve` gives one."""
    folder = tmp_path_factory.mktemp("cassettes")
    with FakeProviderServer(folders=[folder], loader=load_recordings, tools=HarnessTools()) as server:
        yield server


@pytest.fixture
def server(running: FakeProviderServer) -> Iterator[FakeProviderServer]:
    """The server with an empty default session."""
    running.sessions.delete("default")
    yield running
    running.sessions.delete("default")


@pytest.fixture
def chat(tabs: BrowserContext, server: FakeProviderServer) -> Chat:
    """The chat."""
    return Chat(tabs, server)


@pytest.fixture
def console(tabs: BrowserContext, server: FakeProviderServer) -> Console:
    """The console."""
    console = Console(tabs, server)
    expect(console.page.get_by_text("live", exact=True)).to_be_visible()
    return console
