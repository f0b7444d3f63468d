"""A session in the console: what is set there changes what the chat gets next."""

from __future__ import annotations

import re

import msgspec
import pytest
from playwright.sync_api import BrowserContext, expect

from tests.servers.browser.pages import Chat, Console
from tokentape_fake_provider import Rule, Script
from tokentape_fake_provider.hosting.server import FakeProviderServer

pytestmark = [pytest.mark.servers, pytest.mark.xdist_group("browser")]


def write_rule(console: Console, rule: object, action: str) -> None:
    """Write a rule into the dialog that is open, and confirm it."""
    dialog = console.page.get_by_role("dialog")
    dialog.get_by_label("rule as JSON").fill(msgspec.json.encode(rule).decode())
    dialog.get_by_role("button", name=action).click()


def test_a_script_is_pushed(chat: Chat, console: Console) -> None:
    """A text that is pushed answers the chat's next request, and a queue item as JSON the one after it."""
    console.press("Session")
    text = console.page.get_by_label("script to push")
    text.fill("Pushed by hand.")
    console.press("Push script")
    console.says("Pushed")
    expect(console.page.get_by_role("heading", name="Queue (1 script)")).to_be_visible()
    text.fill('{"script": {"error": {"status": 429, "message": "slow down"}}}')
    console.press("Push script")
    expect(console.page.get_by_role("heading", name="Queue (2 scripts)")).to_be_visible()
    chat.send("one")
    chat.shows("assistant", "Pushed by hand.")
    chat.send("two")
    chat.shows("error", "429: slow down")
    expect(console.page.get_by_role("heading", name="Queue (0 scripts)")).to_be_visible()


def test_an_item_that_is_wrong_is_explained(server: FakeProviderServer, console: Console) -> None:
    """The page shows the problem, the place and the remedy of the control API, and text that is not JSON in words."""
    console.press("Session")
    text = console.page.get_by_label("script to push")
    text.fill('{"script": {"choice": []}}')
    console.press("Push script")
    alert = console.page.get_by_role("alert")
    expect(alert).to_contain_text("Object contains unknown field `choice`")
    expect(alert).to_contain_text("$.items[0]")
    expect(alert).to_contain_text("→ see /_tokentape/openapi.json")
    text.fill('{"script": ')
    console.press("Push script")
    expect(alert).to_contain_text("the text is not JSON")
    console.press("Dismiss")
    expect(alert).to_be_empty()


def test_a_rule_is_added_edited_moved_and_removed(server: FakeProviderServer, chat: Chat, console: Console) -> None:
    """Each change of the rules changes the chat's next answer."""
    console.press("Session")
    console.press("Add a rule…")
    write_rule(console, {"contains": "sea", "scripts": ["The sea is deep."]}, "Save")
    console.says("The rules are saved.")
    chat.send("Tell me about the sea")
    chat.shows("assistant", "The sea is deep.")
    console.press("Edit rule 1")
    write_rule(console, {"contains": "sea", "scripts": ["The sea is wide."]}, "Save")
    expect(console.page.get_by_text("The sea is wide.")).to_be_visible()
    chat.send("Tell me about the sea")
    chat.shows("assistant", "The sea is wide.")
    console.press("Add a rule…")
    write_rule(console, {"contains": "sea", "scripts": ["The sea is salty."]}, "Save")
    console.press("Move rule 2 up")
    console.says("Moved up.")
    chat.send("Tell me about the sea")
    chat.shows("assistant", "The sea is salty.")
    console.press("Remove rule 1")
    expect(console.page.get_by_role("heading", name="Rules (1)")).to_be_visible()
    chat.send("Tell me about the sea")
    chat.shows("assistant", "The sea is wide.")


def test_a_rule_that_is_wrong_stays_in_its_dialog(server: FakeProviderServer, console: Console) -> None:
    """A rule with an unknown field is refused with its place; the rules stay as they were."""
    server.default.add_rule(Rule((Script.of("kept"),), contains="x"))
    console.press("Session")
    console.press("Edit rule 1")
    write_rule(console, {"contain": "x", "scripts": ["Hi"]}, "Save")
    alert = console.page.get_by_role("dialog").get_by_role("alert")
    expect(alert).to_contain_text("contain")
    expect(alert).to_contain_text("$.rules[0]")
    console.page.keyboard.press("Escape")
    assert [rule.contains for rule in server.default.rules] == ["x"]


def test_an_answer_is_saved_as_a_rule(server: FakeProviderServer, chat: Chat, console: Console) -> None:
    """What answered once by the queue answers again by the rule that was saved of it."""
    server.default.push("It will rain.")
    chat.send("What will it do?")
    chat.shows("assistant", "It will rain.")
    console.open("What will it do?")
    console.press("Save as rule…")
    expect(console.page.get_by_label("rule as JSON")).to_have_value(re.compile("It will rain"))
    console.page.get_by_role("dialog").get_by_role("button", name="Add rule").click()
    console.says("Saved")
    chat.page.reload()
    chat.send("What will it do?")
    chat.shows("assistant", "It will rain.")
    expect(console.rows.last.locator(".by")).to_have_text("rule 0")


def test_timing_faults_and_strictness_are_set(server: FakeProviderServer, chat: Chat, console: Console) -> None:
    """The session's timing, faults and strictness are those of the chat's next answers."""
    console.press("Session")
    console.page.get_by_label("timing", exact=True).fill("synthetic:ttft=20ms,tps=200")
    console.press("Set")
    console.says("New streams have the timing synthetic:ttft=20ms,tps=200.")
    assert server.default.settings.timing.tps == 200
    console.page.get_by_label("timing", exact=True).fill("fast")
    console.press("Set")
    expect(console.page.get_by_role("alert")).to_contain_text("'fast' is not one of instant")
    console.press("Add a fault…")
    dialog = console.page.get_by_role("dialog")
    dialog.get_by_label("fault", exact=True).select_option("http_error")
    dialog.get_by_label("status").fill("503")
    dialog.get_by_role("button", name="Add").click()
    console.says("Added http_error@status=503.")
    chat.send("Hi")
    chat.shows("error", "503: The server had an error while processing your request.")
    console.page.get_by_role("button", name="Remove http_error").click()
    expect(console.page.get_by_text("No faults.")).to_be_visible()
    console.page.get_by_label("strict").check()
    console.says("Unmatched requests are refused.")
    chat.send("Hi")
    expect(chat.last("error")).to_contain_text("409: No recording answers")


def test_several_sessions(tabs: BrowserContext, server: FakeProviderServer, console: Console) -> None:
    """Each session's requests, settings and streams are its own; one can be chosen, and deleted."""
    server.create_session("left").push("left answer")
    server.create_session("right", hold=True).push("right answer")
    left, right = Chat(tabs, server, "left"), Chat(tabs, server, "right")
    left.send("to the left")
    right.send("to the right")
    left.shows("assistant", "left answer")
    right.shows("assistant", "")
    expect(console.rows).to_have_count(2)
    console.page.get_by_label("session", exact=True).select_option("right")
    expect(console.rows).to_have_count(1)
    expect(console.page.get_by_label("Hold new streams")).to_be_checked()
    console.open("to the right")
    console.press("Release")
    right.shows("assistant", "right answer")
    console.press("Session")
    console.press("Delete session…")
    console.page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    expect(console.page.get_by_label("session", exact=True).locator("option")).to_have_text(
        ["All sessions", "default", "left"]
    )
    console.press("Requests")
    expect(console.rows).to_have_count(1)
    server.sessions.delete("left")


def test_the_chat_with_an_api_key(tabs: BrowserContext) -> None:
    """On a server that has API keys the chat needs one of them, which its page has a field for."""
    with FakeProviderServer(api_keys=["sk-chat"]) as server:
        chat = Chat(tabs, server)
        server.default.push("with the key")
        chat.send("Hi")
        expect(chat.last("error")).to_contain_text("401")
        chat.page.get_by_label("API key").fill("sk-chat")
        chat.send("Hi")
        chat.shows("assistant", "with the key")
