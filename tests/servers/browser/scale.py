"""How the console carries many requests: the time of each frame that Chromium draws while the list changes.

python -m tests.servers.browser.scale        prints it for 10,000 requests
"""

from __future__ import annotations

import time

import msgspec
from playwright.sync_api import Page, sync_playwright

from tests.servers.programs import Debian
from tokentape_fake_provider.hosting.server import FakeProviderServer
from tokentape_fake_provider.playback.journal import Entry
from tokentape_fake_provider.sessions.session import Session

_RECORD = """() => {
  window.drawn = [];
  let last = performance.now();
  const next = (now) => { drawn.push(now - last); last = now; requestAnimationFrame(next); };
  requestAnimationFrame(next);
}"""
_SCROLL = """async () => {
  const list = document.querySelector(".requests");
  for (let at = 0; at < 260000; at += 2000) {
    list.scrollTop = at;
    await new Promise(requestAnimationFrame);
  }
}"""


def add_requests(session: Session, count: int, first: int = 0) -> None:
    """Add requests to the journal that were answered at once; their prompts are numbered."""
    for number in range(first, first + count):
        body = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": f"question {number}"}]}
        entry = Entry(
            session=session.id,
            time=time.time(),
            method="POST",
            path="/v1/chat/completions",
            query="",
            raw_headers=[],
            raw_body=msgspec.json.encode(body),
            wire="openai_chat",
        )
        entry.answered_by, entry.status = "synthetic", 200
        session.journal.add(entry)
        session.journal.finish(entry, "complete", 12.5)


def _report(page: Page, what: str) -> None:
    drawn = sorted(page.evaluate("drawn.splice(0)"))
    median, worst = drawn[len(drawn) // 2], drawn[-1]
    print(f"{what}: {len(drawn)} frames drawn, every {median:.1f} ms (median), {worst:.1f} ms (longest)")


def main() -> None:
    """Measure and print."""
    with FakeProviderServer() as server, sync_playwright() as playwright:
        add_requests(server.default, 10_000)
        path = Debian("chromium", "chromium").path()
        with playwright.chromium.launch(executable_path=path, headless=True, args=["--no-sandbox"]) as browser:
            page = browser.new_page(viewport={"width": 1280, "height": 800})
            began = time.perf_counter()
            page.goto(f"{server.url}/_tokentape/console")
            page.get_by_text("10,000 requests").wait_for()
            print(f"opened in {time.perf_counter() - began:.2f} s")
            elements = page.evaluate("document.querySelectorAll('*').length")
            print(f"elements in the document: {elements}")
            page.evaluate(_RECORD)
            page.evaluate(_SCROLL)
            _report(page, "scrolled from end to end")
            for batch in range(20):
                add_requests(server.default, 50, 10_000 + 50 * batch)
                page.wait_for_timeout(50)
            _report(page, "1,000 more within a second")
            page.get_by_label("filter by text").press_sequentially("question 4242", delay=30)
            _report(page, "filtered by text, key by key")


if __name__ == "__main__":
    main()
