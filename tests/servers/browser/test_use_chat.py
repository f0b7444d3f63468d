"""`useChat` of the Vercel AI SDK, versions 6 and 7, in Chromium, in front of examples/use_chat."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, Page, Route, expect

from tests.clients.environments import FOLDER, NODE, node_program
from tests.environments import UnavailableError
from tests.tokentape.web_streams import served
from tokentape_harness import FakeProvider

pytestmark = [pytest.mark.servers, pytest.mark.xdist_group("browser")]

EXAMPLE = Path(__file__).parents[3] / "examples" / "use_chat"
ALIASES = {"6": ("--alias:@ai-sdk/react=ai-sdk-react-6",), "7": ("--alias:ai=ai-7",)}


@pytest.fixture(scope="module", params=ALIASES)
def bundle(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The front end, bundled with a version of the SDK."""
    try:
        esbuild = node_program("esbuild")
    except UnavailableError as error:
        pytest.skip(str(error))
    target = tmp_path_factory.mktemp("use_chat") / "chat.js"
    options = ("--bundle", "--format=esm", "--jsx=automatic", "--log-level=error", f"--outfile={target}")
    done = subprocess.run(
        [*esbuild, str(EXAMPLE / "chat.jsx"), *options, *ALIASES[request.param]],
        env={**os.environ, "NODE_PATH": str(FOLDER / NODE / "node_modules")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return target


@pytest.fixture
def page(bundle: Path, tabs: BrowserContext, fake_provider_env: FakeProvider, monkeypatch: Any) -> Iterator[Page]:
    """The page of the example."""
    from examples.use_chat import app

    monkeypatch.setattr(app, "BUNDLE", bundle)
    with served(app.app) as url:
        opened = tabs.new_page()
        opened.goto(url)
        expect(opened.get_by_role("status")).to_have_text("ready")
        yield opened


def ask(page: Page, prompt: str) -> None:
    """Send a prompt."""
    page.get_by_label("prompt").fill(prompt)
    page.get_by_role("button", name="Send").click()


def messages(page: Page) -> list[str]:
    """The texts of all messages."""
    return page.get_by_role("article").all_inner_texts()


@pytest.mark.fake_provider(timing="stepped")
def test_a_reload_in_mid_stream(page: Page, fake_provider_env: FakeProvider) -> None:
    """The message is whole and alone after a reload in mid-stream, and after another one when it has ended."""
    fake_provider_env.script("The sea ", "is deep", " and blue.")
    ask(page, "Hi")
    stream = fake_provider_env.next_stream()
    answer = page.get_by_role("article", name="assistant")
    stream.step_until("sea")
    expect(answer).to_have_text("The sea")
    page.reload()
    expect(answer).to_have_text("The sea")
    stream.step_until("is deep")
    expect(answer).to_have_text("The sea is deep")
    expect(page.get_by_role("status")).to_have_text("streaming")
    stream.finish()
    expect(page.get_by_role("status")).to_have_text("ready")
    assert messages(page) == ["Hi", "The sea is deep and blue."]
    page.reload()
    expect(answer).to_have_text("The sea is deep and blue.")
    assert messages(page) == ["Hi", "The sea is deep and blue."]
    assert len(fake_provider_env.requests) == 1


@pytest.mark.fake_provider(timing="stepped")
def test_a_second_turn(page: Page, fake_provider_env: FakeProvider) -> None:
    """A second answer of the same chat is a message of its own, also through a reload."""
    for text in ("One.", "Two is more."):
        fake_provider_env.script(text)
    ask(page, "1")
    fake_provider_env.next_stream().finish()
    expect(page.get_by_role("status")).to_have_text("ready")
    ask(page, "2")
    stream = fake_provider_env.next_stream()
    stream.step_until("Two")
    expect(page.get_by_role("article").last).to_have_text("Two")
    page.reload()
    stream.finish()
    expect(page.get_by_role("article").last).to_have_text("Two is more.")
    assert messages(page) == ["1", "One.", "2", "Two is more."]
    assert [each["content"] for each in fake_provider_env.requests[1].body["messages"]] == ["1", "One.", "2"]


@pytest.mark.fake_provider(timing="stepped")
def test_an_answer_that_ends_while_the_page_loads(page: Page, fake_provider_env: FakeProvider) -> None:
    """An answer that ends after the page has loaded the history, and before it reconnects, is shown."""
    fake_provider_env.script("The sea ", "is deep")
    ask(page, "Hi")
    stream = fake_provider_env.next_stream()
    stream.step_until("sea")

    def finish_first(route: Route) -> None:
        stream.finish()
        route.continue_()

    page.route("**/stream", finish_first)
    page.reload()
    expect(page.get_by_role("article", name="assistant")).to_have_text("The sea is deep")


@pytest.mark.fake_provider(timing="stepped")
def test_stop(page: Page, fake_provider_env: FakeProvider) -> None:
    """The stop button closes the provider's connection without another token; the text so far stays."""
    fake_provider_env.script("The sea ", "is deep")
    ask(page, "Hi")
    stream = fake_provider_env.next_stream()
    stream.step_until("sea")
    expect(page.get_by_role("article", name="assistant")).to_have_text("The sea")
    sent = stream.sent
    page.get_by_role("button", name="Stop").click()
    fake_provider_env.client.assert_left(after_frames=sent)
    expect(page.get_by_role("status")).to_have_text("ready")
    assert messages(page) == ["Hi", "The sea"]
