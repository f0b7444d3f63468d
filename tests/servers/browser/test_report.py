"""A failed test's report in Chromium: the console's page from a file, without a server."""

from __future__ import annotations

from pathlib import Path

import httpx2
import pytest
from playwright.sync_api import BrowserContext, expect

from tokentape_fake_provider.hosting.server import FakeProviderServer
from tokentape_harness.testing.fake_provider import FakeProvider
from tokentape_harness.testing.report import write_report

pytestmark = [pytest.mark.servers, pytest.mark.xdist_group("browser")]

NASTY = "</script><script>document.title = 'taken'</script>"


def test_a_report_shows_the_test(tabs: BrowserContext, tmp_path: Path) -> None:
    """The report shows the error, the requests and a stream's timeline, requests nothing, and has no controls."""
    with FakeProviderServer() as server:
        provider = FakeProvider(server, server.create_session(timing="synthetic:ttft=1ms,tps=10000"))
        for text in ("first", "second"):
            provider.script(f"answer to {text} {NASTY}")
            body = {"model": "m", "stream": True, "messages": [{"role": "user", "content": f"{text} {NASTY}"}]}
            httpx2.post(f"{provider.base_url()}/chat/completions", json=body)
        provider.journal.wait()
        path = write_report(tmp_path, f"test_x.py::test_y[{NASTY}]", "failed", f"AssertionError: {NASTY}", [provider])
    page = tabs.new_page()
    requested: list[str] = []
    page.on("request", lambda request: requested.append(request.url))
    page.goto(path.as_uri())
    expect(page).to_have_title(f"test_x.py::test_y[{NASTY}]: failed")
    expect(page.get_by_text(f"AssertionError: {NASTY}")).to_be_visible()
    expect(page.get_by_text("2 requests")).to_be_visible()
    page.get_by_text(f"second {NASTY}").first.click()
    page.get_by_role("tab", name="Stream").click()
    for text in ("answer", "second", "stop", "data: [DONE]"):
        expect(page.get_by_role("gridcell", name=text).first).to_be_visible()
    for name in ("Hold", "Step", "Cut here", "Save as rule"):
        expect(page.get_by_role("button", name=name, exact=True)).to_have_count(0)
    assert {url.partition(":")[0] for url in requested} <= {"file", "data"}
    assert [url for url in requested if url.startswith("file")] == [path.as_uri()]
