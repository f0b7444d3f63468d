"""The console's list of requests: filters, size, keyboard, screen readers, narrow windows, lost connections."""

from __future__ import annotations

import re
from typing import Any

import httpx2
import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from tests.environments import UnavailableError
from tests.servers.browser.pages import Chat, Console
from tests.servers.browser.scale import add_requests
from tests.servers.programs import Node
from tokentape_fake_provider import Rule, Script
from tokentape_fake_provider.hosting.server import FakeProviderServer

pytestmark = [pytest.mark.servers, pytest.mark.xdist_group("browser")]

MARKUP = "<img src=x onerror=\"document.title='broken'\"><script>document.title='broken'</script>"


def ask(server: FakeProviderServer, path: str, **body: Any) -> None:
    """Send a request to the default session."""
    httpx2.post(f"{server.url}{path}", json={"model": "m", **body}, timeout=30)


def chat_body(text: str) -> dict[str, Any]:
    """A request for an answer to this text, which is streamed."""
    return {"stream": True, "messages": [{"role": "user", "content": text}]}


def violations(page: Page) -> list[str]:
    """What axe-core finds in the page as it is shown now."""
    try:
        script = Node().folder() / "node_modules" / "axe-core" / "axe.min.js"
    except UnavailableError as error:
        pytest.skip(str(error))
    page.evaluate(script.read_text())
    found = page.evaluate("async () => (await axe.run(document)).violations")
    return [f"{rule['id']}: {[node['target'] for node in rule['nodes']]}" for rule in found]


def test_filters(server: FakeProviderServer, console: Console) -> None:
    """Each filter leaves the requests that it names, together they leave fewer, and one button takes them back."""
    server.default.add_rule(Rule((Script.of("sunny"),), contains="weather"))
    ask(server, "/v1/chat/completions", **chat_body("the weather"))
    ask(server, "/v1/chat/completions", **chat_body("the sea"))
    ask(server, "/v1/messages", max_tokens=9, **chat_body("the weather"))
    ask(server, "/v1/nowhere", **chat_body("the sea"))
    page = console.page
    expect(console.rows).to_have_count(4)
    for label, value, count in (
        ("wire format", "anthropic_messages", 1),
        ("answered by", "rule", 2),
        ("status", "4xx", 1),
        ("outcome", "complete", 4),
        ("outcome", "dropped", 0),
    ):
        page.get_by_label(label).select_option(value)
        expect(console.rows).to_have_count(count)
        console.press("Clear filters")
        expect(console.rows).to_have_count(4)
    page.keyboard.press("/")
    page.keyboard.type("SEA")
    expect(console.rows).to_have_count(2)
    page.get_by_label("status").select_option("2xx")
    expect(console.rows).to_have_count(1)
    expect(page.get_by_text("1 of 4 requests")).to_be_visible()
    ask(server, "/v1/chat/completions", **chat_body("another sea"))
    expect(console.rows).to_have_count(2)


def test_text_of_requests_stays_text(server: FakeProviderServer, chat: Chat, console: Console) -> None:
    """Markup in prompts, answers, names of models and rules is shown as it is, and never becomes part of the page."""
    server.default.add_rule(Rule((Script.of(f"no {MARKUP}"),), contains=MARKUP))
    ask(server, "/v1/chat/completions", **{**chat_body(MARKUP), "model": MARKUP})
    console.open("<img src=x")
    expect(console.tab("Conversation").get_by_label("user", exact=True)).to_contain_text(MARKUP)
    expect(console.tab("Conversation").get_by_label("answer", exact=True)).to_contain_text(MARKUP)
    expect(console.tab("Request")).to_contain_text("<img src=x onerror=")
    console.tab("Stream")
    console.frames.nth(2).click()
    console.press("Session")
    expect(console.page.get_by_text(MARKUP[:20])).not_to_have_count(0)
    chat.send(MARKUP)
    chat.shows("assistant", f"no {MARKUP}")
    for page in (console.page, chat.page):
        assert page.locator("img").count() == 0
        assert "broken" not in page.title()


def test_a_request_whole(server: FakeProviderServer, console: Console) -> None:
    """The parts of a request: headers with secrets masked, bytes beside what they decode to, times, the ending."""
    server.default.configure(timing="synthetic:ttft=30ms,tps=200")
    server.default.push("one two")
    httpx2.post(
        f"{server.url}/v1/chat/completions",
        json={"model": "m", **chat_body("show all")},
        headers={"authorization": "Bearer sk-secret-of-mine"},
    )
    console.open("show all")
    expect(console.frames).to_have_count(5)
    console.frames.nth(1).click()
    expect(console.page.get_by_label("raw bytes of the frame")).to_contain_text('"content":"one"')
    expect(console.page.get_by_label("decoded messages of the frame")).to_contain_text('"text": "one"')
    facts = console.page.locator(".facts")
    expect(facts).to_contain_text("5 of 5")
    expect(facts).to_contain_text("stop")
    expect(console.page.locator("stream-timeline title")).to_have_text(re.compile("5 of 5 frames sent in .*"))
    marks = (
        "[...document.querySelectorAll('stream-timeline path:is(.left, .late)')].map((path) => path.getAttribute('d'))"
    )
    assert "".join(console.page.evaluate(marks)).count("M") >= 2
    panel = console.tab("Request")
    expect(panel).to_contain_text("authorization")
    expect(panel).not_to_contain_text("sk-secret-of-mine")
    expect(panel).to_contain_text("text/event-stream")
    expect(console.tab("Why")).to_contain_text("the next script of the session's queue")


def test_a_near_miss_is_shown_field_by_field(server: FakeProviderServer, console: Console) -> None:
    """For a request that nothing answered the page shows the nearest rule, and what differs."""
    server.default.configure(strict=True)
    server.default.add_rule(Rule((Script.of("sunny"),), last_user="the weather", model="gpt-*"))
    ask(server, "/v1/chat/completions", **chat_body("the weather"))
    console.open("the weather")
    miss = console.tab("Why").get_by_role("table").last
    expect(miss).to_contain_text("model")
    expect(miss.locator("del")).to_contain_text("gpt-*")
    expect(miss.locator("ins")).to_contain_text("m")


def test_the_keyboard_alone(server: FakeProviderServer, chat: Chat, console: Console) -> None:
    """Requests and frames are chosen, streams controlled, tabs and dialogs left without a pointer."""
    server.default.configure(hold=True)
    server.default.push("one two")
    ask(server, "/v1/models")
    chat.send("keys")
    expect(console.rows).to_have_count(2)
    keys = console.page.keyboard
    keys.press("r")
    keys.press("End")
    expect(console.page.get_by_role("heading", name="POST /v1/chat/completions")).to_be_visible()
    keys.press("s")
    keys.press("s")
    chat.shows("assistant", "one")
    keys.press("h")
    chat.shows("assistant", "one two")
    keys.press("ArrowUp")
    expect(console.page.get_by_role("heading", name="POST /v1/models")).to_be_visible()
    keys.press("Escape")
    expect(console.page.get_by_role("heading", name="POST /v1/models")).to_be_hidden()
    keys.press("?")
    expect(console.page.get_by_role("dialog", name="Keys")).to_be_visible()
    console.page.get_by_label("single keys are on").uncheck()
    keys.press("Escape")
    keys.press("n")
    expect(console.page.get_by_label("Hold new streams")).to_be_checked()


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_screen_readers(theme: str, server: FakeProviderServer, chat: Chat, console: Console) -> None:
    """axe-core finds nothing in any view, light or dark: names, roles, contrast."""
    page = console.page
    page.emulate_media(color_scheme=theme, reduced_motion="reduce")
    server.default.configure(hold=True, timing="synthetic:ttft=1ms,tps=500")
    server.default.add_rule(Rule((Script.of("one two three"),), last_user="hold me", model="gpt-*"))
    chat.send("hold me")
    console.open("hold me")
    for _ in range(3):
        console.press("Step")
    chat.shows("assistant", "one two")
    console.frames.nth(2).click()
    assert violations(page) == []
    for name in ("Conversation", "Request", "Why"):
        console.tab(name)
        assert violations(page) == [], name
    console.tab("Stream")
    for key in ("f", "?"):
        page.keyboard.press(key)
        assert violations(page) == [], key
        page.keyboard.press("Escape")
    console.press("Session")
    expect(page.get_by_role("heading", name="Rules (1)")).to_be_visible()
    assert violations(page) == []
    chat.page.emulate_media(color_scheme=theme)
    assert violations(chat.page) == []


def test_the_theme(server: FakeProviderServer, console: Console) -> None:
    """The theme follows the system, or the switch, which is remembered."""
    page, ground = console.page, "getComputedStyle(document.documentElement).backgroundColor"
    page.emulate_media(color_scheme="light")
    light = page.evaluate(ground)
    page.emulate_media(color_scheme="dark")
    dark = page.evaluate(ground)
    assert light != dark
    console.press("Theme: system")
    console.press("Theme: light")
    page.emulate_media(color_scheme="light")
    assert page.evaluate(ground) == dark
    page.reload()
    expect(page.get_by_role("button", name="Theme: dark")).to_be_visible()
    assert page.evaluate(ground) == dark


def test_the_feed_has_a_gap(server: FakeProviderServer, console: Console) -> None:
    """When events are missing, the page reads the lists again: nothing is missing, nothing twice."""
    ask(server, "/v1/chat/completions", **chat_body("before"))
    expect(console.rows).to_have_count(1)
    add_requests(server.default, 700)  # more at once than the feed has events for
    expect(console.page.get_by_text("701 requests")).to_be_visible()
    ask(server, "/v1/chat/completions", **chat_body("after"))
    expect(console.page.get_by_text("702 requests")).to_be_visible()


def test_streams_do_not_babble(server: FakeProviderServer, chat: Chat, console: Console) -> None:
    """What streams do by themselves is not announced; only actions are."""
    server.default.push("one two three")
    chat.send("quiet")
    console.open("quiet")
    console.outcome("complete", of="quiet")
    expect(console.page.get_by_role("status")).to_be_empty()
    live = console.page.evaluate("[...document.querySelectorAll('[aria-live], [role=log]')].length")
    assert live == 0


@pytest.mark.parametrize("width", [320, 390, 900])
def test_narrow_windows(width: int, server: FakeProviderServer, chat: Chat, console: Console) -> None:
    """At the width of a phone nothing is cut off at the side, and a stream can be stepped."""
    server.default.configure(hold=True)
    server.default.push("one two")
    console.page.set_viewport_size({"width": width, "height": 700})
    chat.send("narrow")
    inside = "document.documentElement.scrollWidth <= innerWidth"
    expect(console.rows).to_have_count(1)
    assert console.page.evaluate(inside)
    console.open("narrow")
    console.press("Step")
    console.press("Step")
    chat.shows("assistant", "one")
    assert console.page.evaluate(inside)
    console.press("Session")
    expect(console.page.get_by_role("heading", name="Session default")).to_be_visible()
    assert console.page.evaluate(inside)
    console.press("Requests")
    console.press("Close the request")
    expect(console.rows).to_have_count(1)


def test_ten_thousand_requests(server: FakeProviderServer, console: Console) -> None:
    """Of 10,000 requests those in view are in the document, whatever is scrolled to, filtered or added."""
    add_requests(server.default, 10_000)
    page = console.page
    page.reload()
    expect(page.get_by_text("10,000 requests")).to_be_visible()
    elements = "document.querySelectorAll('*').length"
    assert page.evaluate(elements) < 1_200
    page.get_by_role("grid", name="requests").focus()
    page.keyboard.press("End")
    expect(page.get_by_role("heading", name="POST /v1/chat/completions")).to_be_visible()
    add_requests(server.default, 300, 10_000)
    expect(page.get_by_text("10,300 requests")).to_be_visible()
    expect(console.rows.last.locator(".preview")).to_have_text("question 10299")
    page.get_by_label("filter by text").fill("question 9876")
    expect(console.rows).to_have_count(1)
    assert page.evaluate(elements) < 1_200


def test_a_long_stream_is_followed(server: FakeProviderServer, chat: Chat, console: Console) -> None:
    """Of a stream of thousands of frames those in view are in the document, the last one sent among them."""
    server.default.configure(hold=True)
    server.default.push(" ".join(f"w{number}" for number in range(2_000)))
    chat.send("a long one")
    console.open("a long one")
    stream = server.default.streams.open[-1]
    in_view = """() => {
      const grid = document.querySelector(".frames").getBoundingClientRect();
      const rows = [...document.querySelectorAll(".frames .rows .row:not([hidden])")];
      return rows.map((row) => row.getBoundingClientRect()).filter(({ y }) => y > grid.top && y < grid.bottom).length;
    }"""
    for sent in (500, 1_000, 1_500):
        stream.step(500)
        expect(console.page.locator(".progress")).to_contain_text(f"{sent} of ")
        expect(console.frames.filter(has=console.page.get_by_text(str(sent - 1), exact=True))).to_be_in_viewport()
        assert console.page.evaluate(in_view) > 5
    assert console.page.evaluate("document.querySelectorAll('*').length") < 1_200


def test_a_server_that_stops_and_starts_again(tabs: BrowserContext) -> None:
    """The page shows that the connection is lost, and follows the server again when it is back."""
    with FakeProviderServer() as server:
        console = Console(tabs, server)
        ask(server, "/v1/chat/completions", **chat_body("before"))
        expect(console.rows).to_have_count(1)
        port = int(server.url.rpartition(":")[2])
    expect(console.page.get_by_text("disconnected")).to_be_visible()
    with FakeProviderServer(port=port) as server:
        expect(console.page.get_by_text("live", exact=True)).to_be_visible()
        expect(console.rows).to_have_count(0)
        ask(server, "/v1/chat/completions", **chat_body("after"))
        expect(console.rows).to_have_count(1)


def test_a_token(browser: Browser) -> None:
    """With a token the page asks for it, keeps it in this tab, and takes one that stands behind # in its address."""
    with FakeProviderServer(token="secret") as server:
        with browser.new_context() as window:
            console = Console(window, server)
            dialog = console.page.get_by_role("dialog", name="The server has a token")
            dialog.get_by_label("token", exact=True).fill("wrong")
            dialog.get_by_role("button", name="Use it").click()
            expect(dialog).to_contain_text("missing or wrong")
            dialog.get_by_label("token", exact=True).fill("secret")
            dialog.get_by_role("button", name="Use it").click()
            expect(console.page.get_by_text("live", exact=True)).to_be_visible()
        with browser.new_context() as window:
            console = Console(window, server, "#token=secret")
            expect(console.page.get_by_text("live", exact=True)).to_be_visible()
            assert "secret" not in console.page.url
