"""The browser client of examples/resumable_chat in Chromium, behind a proxy that cuts its connections."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.pages import block_with, page_text
from tests.servers.browser.cutting_proxy import CuttingProxy, after_events
from tests.tokentape.web_streams import served
from tokentape_harness import FakeProvider

pytestmark = [pytest.mark.servers, pytest.mark.xdist_group("browser")]

RESUMABLE_CLIENTS = page_text("docs/resumable-clients.md")
WORDS = [f"w{number} " for number in range(40)]
READ_ALL = """async ([url, prompt]) => {
    const { readEvents } = await import("./resumable.js");
    const headers = { "content-type": "application/json" };
    const init = { method: "POST", headers, body: JSON.stringify({ prompt }) };
    const events = [];
    for await (const event of readEvents(url, { init, firstDelay: 1, longestDelay: 20 })) events.push(event);
    return events;
}"""


USED = """async () => {{
    document.body.textContent = "";
    {block}
    return document.body.textContent;
}}"""


@pytest.fixture
def proxy(fake_provider_env: FakeProvider) -> Iterator[CuttingProxy]:
    """The example behind the proxy."""
    from examples.resumable_chat.app import app

    with served(app) as url, CuttingProxy(url) as running:
        yield running


@pytest.fixture
def page(tabs: BrowserContext, proxy: CuttingProxy) -> Page:
    """The page."""
    opened = tabs.new_page()
    opened.goto(proxy.url)
    return opened


def ask(page: Page) -> None:
    """Send a prompt."""
    page.get_by_label("prompt").fill("Hi")
    page.get_by_role("button", name="Send").click()


def in_the_middle(body: bytes) -> int | None:
    """Cut within the second event."""
    end = body.find(b"\n\n")
    return end + 9 if 0 <= end < len(body) - 9 else None


@pytest.mark.parametrize("cut", [after_events(1), after_events(7), in_the_middle])
def test_nothing_is_lost_or_doubled(page: Page, proxy: CuttingProxy, fake_provider_env: FakeProvider, cut: Any) -> None:
    """A client whose every connection is cut receives each event once, in order, and the provider is read once."""
    fake_provider_env.script(*WORDS)
    url, proxy.cut = f"/chat/{uuid4()}", cut
    events = page.evaluate(READ_ALL, [url, "Hi"])
    proxy.cut = lambda body: None
    assert [int(event["id"].rpartition("-")[2]) for event in events] == list(range(1, len(events) + 1))
    assert "".join(event["data"].get("text", "") for event in events) == "".join(WORDS)
    assert events == page.evaluate(READ_ALL, [url, "Hi"])
    assert events[-1]["type"] == "done"
    assert proxy.streams > len(WORDS) // 8
    assert len(fake_provider_env.requests) == 1


def test_the_code_of_the_page(page: Page, fake_provider_env: FakeProvider) -> None:
    """What docs/resumable-clients.md shows sends a prompt, shows the answer, and resumes it."""
    fake_provider_env.script("The sea ", "is deep.")
    ahead = 'const { chat } = await import("./resumable.js");'
    block = block_with(RESUMABLE_CLIENTS, "chat.resume()").replace('import { chat } from "./resumable.js";', ahead)
    text = page.evaluate(USED.format(block=block))
    assert text == "The sea is deep."


@pytest.mark.fake_provider(timing="stepped")
def test_a_reload_goes_on(page: Page, proxy: CuttingProxy, fake_provider_env: FakeProvider) -> None:
    """After a cut and a reload in mid-stream the page shows the text so far, then the rest as it comes."""
    fake_provider_env.script("The sea ", "is deep", " and blue.")
    ask(page)
    stream = fake_provider_env.next_stream()
    answer = page.locator("#answer")
    stream.step_until("sea")
    expect(answer).to_have_text("The sea")
    proxy.break_all()
    stream.step_until("is deep")
    expect(answer).to_have_text("The sea is deep")
    page.reload()
    expect(answer).to_have_text("The sea is deep")
    stream.finish()
    expect(answer).to_have_text("The sea is deep and blue.")
    expect(page.get_by_role("status")).to_have_text("stop")
    page.reload()
    expect(answer).to_have_text("The sea is deep and blue.")
    assert len(fake_provider_env.requests) == 1


@pytest.mark.fake_provider(timing="stepped")
def test_stop_reaches_the_provider(page: Page, fake_provider_env: FakeProvider) -> None:
    """The stop button closes the provider's connection without another token; the text so far stays."""
    fake_provider_env.script("The sea ", "is deep")
    ask(page)
    stream = fake_provider_env.next_stream()
    stream.step_until("sea")
    expect(page.locator("#answer")).to_have_text("The sea")
    sent = stream.sent
    page.get_by_role("button", name="Stop").click()
    fake_provider_env.client.assert_left(after_frames=sent)
    expect(page.get_by_role("status")).to_have_text("stopped")
    expect(page.locator("#answer")).to_have_text("The sea")


def test_a_refusal_ends_the_client(page: Page) -> None:
    """An answer that is no longer kept is not requested for ever: the page shows the reason."""
    page.evaluate("sessionStorage.chat = '/chat/unknown'")
    page.reload()
    expect(page.get_by_role("status")).to_contain_text("no response 'unknown' is kept")


def test_a_success_without_events_ends_the_client(page: Page) -> None:
    """A page in place of the events, as a login or a proxy sends it, is not requested for ever either."""
    page.evaluate("sessionStorage.chat = '/index.html'")
    page.reload()
    expect(page.get_by_role("status")).to_contain_text("no event stream, but content type text/html")
