"""One Chromium for all tests of this package, and a server with a session of its own for each module or test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, sync_playwright

from tests.environments import UnavailableError
from tests.servers.programs import Debian


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
    context.set_default_timeout(20_000)
    context.on("weberror", lambda error: problems.append(str(error.error)))
    context.on(
        "console",
        lambda message: problems.append(message.text) if "Content Security Policy" in message.text else None,
    )
    yield context
    context.close()
    assert not problems
