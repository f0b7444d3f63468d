"""The console and files: a rules file that is edited, cassettes that are written."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.servers.browser.pages import Chat, Console
from tokentape_fake_provider.hosting.server import FakeProviderServer
from tokentape_harness.cli.reload import reloader
from tokentape_harness.served_files import ServedFiles
from tokentape_harness.testing.recordings import load_recordings

pytestmark = [pytest.mark.servers, pytest.mark.xdist_group("browser")]


def test_a_rules_file_is_edited(tmp_path: Path, server: FakeProviderServer, chat: Chat, console: Console) -> None:
    """A save is announced and answers the next request; a broken one is explained, and the last good one stays."""
    file = tmp_path / "rules.yaml"
    file.write_text("rules:\n  - {contains: sea, scripts: [The sea is deep.]}\n")
    files = ServedFiles([file], read=load_recordings)
    state = files.load()
    server.sessions.set_up(state.settings, state.setups)
    with reloader(files, server):
        chat.send("Tell me about the sea")
        chat.shows("assistant", "The sea is deep.")
        file.write_text("rules:\n  - {contains: sea, scripts: [The sea is wide.]}\n")
        console.says("Reloaded")
        console.says("rules.yaml: 1 rule.")
        chat.send("Tell me about the sea")
        chat.shows("assistant", "The sea is wide.")
        console.press("Session")
        expect(console.page.get_by_text("contains: sea → The sea is wide.")).to_be_visible()
        file.write_text("rules:\n  - {contian: sea, scripts: [The sea is salty.]}\n")
        alert = console.page.get_by_role("alert")
        expect(alert).to_contain_text("what was served before is still served")
        expect(alert).to_contain_text("rules.yaml:2:")
        expect(alert).to_contain_text("contian")
        chat.send("Tell me about the sea")
        chat.shows("assistant", "The sea is wide.")


def test_an_answer_is_saved_as_a_cassette(server: FakeProviderServer, chat: Chat, console: Console) -> None:
    """A cassette of what was seen is a file of the server's folder, which answers once it is loaded."""
    server.default.push("It will rain.")
    chat.send("What will it do?")
    chat.shows("assistant", "It will rain.")
    console.open("What will it do?")
    console.press("Save as cassette…")
    dialog = console.page.get_by_role("dialog")
    dialog.get_by_label("name").fill("forecast")
    dialog.get_by_role("button", name="Write").click()
    console.says("Written to forecast.yaml.")
    console.press("Save as cassette…")
    dialog.get_by_label("name").fill("../forecast")
    dialog.get_by_role("button", name="Write").click()
    expect(dialog.get_by_role("alert")).to_contain_text("→")
    console.page.keyboard.press("Escape")
    loaded = console.page.request.post(f"{server.url}/_tokentape/sessions/default/cassettes", data={"name": "forecast"})
    assert loaded.json()["recordings"] == 1
    chat.page.reload()
    chat.send("What will it do?")
    chat.shows("assistant", "It will rain.")
    expect(console.rows.last.locator(".by")).to_contain_text("recording")


def test_drafts_stay_while_the_session_changes(server: FakeProviderServer, console: Console) -> None:
    """What a person is writing, and the focus, stay when someone else changes the session."""
    console.press("Session")
    text = console.page.get_by_label("script to push")
    text.fill("half a scr")
    server.default.push("from elsewhere")
    expect(console.page.get_by_role("heading", name="Queue (1 script)")).to_be_visible()
    console.page.keyboard.type("ipt")
    expect(text).to_have_value("half a script")
