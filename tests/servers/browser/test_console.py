"""The console in one tab and a chat in another: what is done in the one is seen in the other."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.servers.browser.pages import Chat, Console
from tokentape_fake_provider.hosting.server import FakeProviderServer

pytestmark = [pytest.mark.servers, pytest.mark.xdist_group("browser")]


def test_a_stream_is_held_stepped_and_released(server: FakeProviderServer, chat: Chat, console: Console) -> None:
    """New streams begin held; each step shows one more token in the chat, and the release shows the rest."""
    server.default.push("one two three four")
    console.page.get_by_label("Hold new streams").check()
    console.says("begin held")
    chat.send("count")
    console.open("count")
    chat.shows("assistant", "")
    console.press("Step")
    expect(console.sent).to_have_count(1)  # the role
    for text in ("one", "one two"):
        console.page.keyboard.press("s")
        chat.shows("assistant", text)
        console.says(f"Sent 1 frame: {text.split()[-1]}")
    expect(console.sent).to_have_count(3)
    console.outcome("held", of="count")
    console.press("Release")
    chat.shows("assistant", "one two three four")
    console.outcome("complete", of="count")


def test_next_event_and_until_a_text(server: FakeProviderServer, chat: Chat, console: Console) -> None:
    """A step goes up to the next event of another kind, or until a text; the chat shows no more than that."""
    server.default.configure(hold=True)
    server.default.push("first second third. Then more")
    chat.send("events")
    console.open("events")
    console.press("Next event")
    expect(console.sent).to_have_count(1)
    console.press("Next event")
    chat.shows("assistant", "first")
    console.page.get_by_label("send frames until this text").fill("third")
    console.page.keyboard.press("Enter")
    chat.shows("assistant", "first second third")
    console.says("Sent up to “third”")
    console.page.get_by_role("tab", name="Stream").focus()
    console.page.keyboard.press("e")  # past all text, up to the finish
    chat.shows("assistant", "first second third. Then more")


@pytest.mark.parametrize(
    ("how", "outcome", "error"),
    [
        ("close", "dropped", "network error"),
        ("reset", "reset", "network error"),
        ("clean end", "complete", "the stream ended before the answer was complete"),
    ],
)
def test_a_stream_is_cut_here(
    how: str, outcome: str, error: str, server: FakeProviderServer, chat: Chat, console: Console
) -> None:
    """The chat keeps what came before the cut, and shows what its reader raised; the console shows the outcome."""
    server.default.configure(hold=True)
    server.default.push("one two three")
    chat.send("cut me")
    console.open("cut me")
    for _ in range(3):
        console.press("Step")
    chat.shows("assistant", "one two")
    console.page.get_by_label("how to cut").select_option(how)
    console.page.keyboard.press("x") if how == "close" else console.press("Cut")
    chat.shows("error", error)
    chat.shows("assistant", "one two")
    console.outcome(outcome, of="cut me")
    expect(console.page.get_by_role("group", name="stream control")).to_be_hidden()


def test_a_fault_is_injected(server: FakeProviderServer, chat: Chat, console: Console) -> None:
    """A fault of the catalogue, with a parameter, damages the frames that are not sent yet."""
    server.default.configure(hold=True)
    server.default.push("one two three")
    chat.send("break")
    console.open("break")
    for _ in range(3):
        console.press("Step")
    chat.shows("assistant", "one two")
    console.press("Fault…")
    dialog = console.page.get_by_role("dialog", name="Inject a fault")
    dialog.get_by_label("fault", exact=True).select_option("in_band_error")
    dialog.get_by_label("message", exact=True).fill("The model is on fire, today.")
    expect(dialog.locator(".specification")).to_have_text('in_band_error@message="The model is on fire, today."')
    dialog.get_by_role("button", name="Inject").click()
    console.says("Injected in_band_error")
    console.press("Release")
    chat.shows("error", "The model is on fire, today.")
    expect(console.tab("Why")).to_contain_text("in_band_error")


def test_a_fault_that_is_wrong_is_explained(server: FakeProviderServer, chat: Chat, console: Console) -> None:
    """The dialog stays open and shows what was wrong and what to do; the stream goes on unharmed."""
    server.default.configure(hold=True)
    server.default.push("one two")
    chat.send("go on")
    console.open("go on")
    console.press("Fault…")
    dialog = console.page.get_by_role("dialog", name="Inject a fault")
    dialog.get_by_label("fault", exact=True).select_option("stall")
    dialog.get_by_label("frame", exact=True).fill("many")
    dialog.get_by_role("button", name="Inject").click()
    expect(dialog.get_by_role("alert")).to_contain_text("many")
    expect(dialog.get_by_role("alert")).to_contain_text("→")
    console.page.keyboard.press("Escape")
    console.press("Release")
    chat.shows("assistant", "one two")


def test_a_stream_stalls_and_is_then_cut(server: FakeProviderServer, chat: Chat, console: Console) -> None:
    """A stalled stream sends no more, and leaves the connection open until someone cuts it."""
    server.default.configure(hold=True)
    server.default.push("one two three")
    chat.send("stall")
    console.open("stall")
    console.press("Step")
    console.press("Step")
    chat.shows("assistant", "one")
    console.press("Stall")
    console.says("Stalled")
    console.outcome("pending", of="stall")
    chat.shows("assistant", "one")
    console.press("Cut")
    chat.shows("error", "network error")


def test_a_stream_is_sped_up(server: FakeProviderServer, chat: Chat, console: Console) -> None:
    """A stream that would take minutes ends at once when it is made fast enough."""
    server.default.configure(timing="synthetic:ttft=0,tps=0.01")
    server.default.push("one two three four five six")
    chat.send("slowly")
    console.open("slowly")
    chat.shows("assistant", "one")
    for _ in range(10):
        console.page.keyboard.press("+")
    console.says("Speed 1024")
    chat.shows("assistant", "one two three four five six")
    console.outcome("complete", of="slowly")
