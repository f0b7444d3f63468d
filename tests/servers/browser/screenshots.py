"""The pictures of docs/console.md: a session of a chat, in Chromium, light and dark.

python -m tests.servers.browser.screenshots FOLDER
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx2
from playwright.sync_api import Browser, Page, sync_playwright

from tests.servers.programs import Debian
from tokentape_fake_provider import Reasoning, Rule, Script, ToolCall
from tokentape_fake_provider.hosting.server import FakeProviderServer
from tokentape_harness.testing.exchange_tools import HarnessTools

_SIZE = {"width": 1120, "height": 760}
_WEATHER = {"type": "object", "properties": {"city": {"type": "string"}}}
_TOOL = {"type": "function", "function": {"name": "get_weather", "description": "Weather", "parameters": _WEATHER}}
_CALL = {"id": "call_1", "type": "function", "function": {"name": "get_weather", "arguments": '{"city": "Ghent"}'}}


def _ask(server: FakeProviderServer, *messages: dict[str, Any], model: str = "gpt-4o-mini", session: str = "") -> None:
    url = f"{server.url}{session and f'/s/{session}'}/v1/chat/completions"
    options = {"include_usage": True}
    body = {"model": model, "stream": True, "stream_options": options, "messages": messages, "tools": [_TOOL]}
    with (
        suppress(httpx2.HTTPError),
        httpx2.Client(timeout=60) as client,
    ):  # one is cut, one is left when the server stops
        client.post(url, json=body, headers={"authorization": "Bearer sk-any"})


def _user(text: str) -> dict[str, Any]:
    return {"role": "user", "content": text}


@contextmanager
def _scene() -> Iterator[FakeProviderServer]:
    """A server after a conversation, with a stream that is held."""
    with FakeProviderServer(tools=HarnessTools()) as server:
        session = server.default
        session.configure(timing="synthetic:ttft=240ms,tps=45,jitter=0.4,seed=3")
        call = Script.of(Reasoning("They want the weather."), ToolCall.of("get_weather", {"city": "Ghent"}))
        sea = "The sea is deep, salty and mostly cold. Its tides follow the moon, and its waves follow the wind."
        session.add_rule(Rule((Script.of("It rains in Ghent, at 9 °C."),), tool_result=True))
        session.add_rule(Rule((call,), last_user="weather"))
        session.add_rule(Rule((Script.of(sea),), last_user="sea"))
        prompt = "What is the weather in Ghent?"
        result = {"role": "tool", "tool_call_id": "call_1", "content": '{"sky": "rain", "celsius": 9}'}
        _ask(server, _user(prompt))
        _ask(server, _user(prompt), {"role": "assistant", "tool_calls": [_CALL]}, result)
        server.create_session("checkout", strict=True).add_rule(
            Rule((Script.of("Paid."),), last_user="pay my order", model="gpt-*")
        )
        _ask(server, _user("Please pay my order"), model="claude-sonnet-4-5", session="checkout")
        server.session("checkout").configure(strict=False, faults=["fin@frame=6"])
        _ask(server, _user("Is it delivered?"), session="checkout")
        session.configure(hold=True)
        threading.Thread(target=_ask, args=(server, _user("Tell me about the sea.")), daemon=True).start()
        session.streams.next().step(12)
        yield server


def _take(page: Page, folder: Path, name: str) -> None:
    page.mouse.move(0, 0)
    page.wait_for_timeout(400)  # a person looks at it after it has settled
    page.screenshot(path=folder / f"console-{name}.png", scale="css")


def _pictures(browser: Browser, url: str, folder: Path) -> None:
    page = browser.new_page(viewport=_SIZE, color_scheme="light")
    page.goto(f"{url}/_tokentape/console")
    rows = page.get_by_role("grid", name="requests").locator(".rows [role=row]")
    rows.filter(has_text="held").click()
    page.get_by_role("grid", name="frames").locator(".rows [role=row]").nth(11).click()
    _take(page, folder, "stream-light")
    rows.nth(1).click()
    page.get_by_role("tab", name="Conversation").click()
    _take(page, folder, "conversation")
    page.emulate_media(color_scheme="dark")
    page.get_by_role("button", name="Session", exact=True).click()
    page.get_by_role("heading", name="Rules").wait_for()
    _take(page, folder, "session-dark")


def main(folder: Path) -> None:
    """Take the pictures."""
    with _scene() as server, sync_playwright() as playwright:
        path = Debian("chromium", "chromium").path()
        with playwright.chromium.launch(executable_path=path, headless=True, args=["--no-sandbox"]) as browser:
            _pictures(browser, server.url, folder)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
