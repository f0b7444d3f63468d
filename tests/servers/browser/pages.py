"""What a person does with the console and with the chat beside it, in words of the page."""

from __future__ import annotations

import re

from playwright.sync_api import BrowserContext, Locator, Page, expect

from tokentape_fake_provider.hosting.server import FakeProviderServer


class Chat:
    """The chat page, in a tab of its own."""

    def __init__(self, tabs: BrowserContext, server: FakeProviderServer, session: str = "default") -> None:
        self.page = tabs.new_page()
        self.page.goto(f"{server.url}/_tokentape/console/chat.html?session={session}")

    def send(self, prompt: str) -> None:
        """Write a prompt and send it."""
        self.page.get_by_label("prompt", exact=True).fill(prompt)
        self.page.get_by_role("button", name="Send").click()

    def last(self, role: str) -> Locator:
        """The text of the last message of this role (`assistant`, `user`, `tool`, `error`)."""
        return self.page.get_by_role("article", name=role, exact=True).last.locator(".text")

    def shows(self, role: str, text: str | re.Pattern[str]) -> None:
        """Wait until the last message of this role has exactly this text."""
        expect(self.last(role)).to_have_text(text, use_inner_text=False)


class Console:
    """The console, in a tab of its own."""

    def __init__(self, tabs: BrowserContext, server: FakeProviderServer, hash_: str = "") -> None:
        self.page: Page = tabs.new_page()
        self.page.goto(f"{server.url}/_tokentape/console{hash_}")

    @property
    def rows(self) -> Locator:
        """The requests that the list has in the document."""
        return self.page.get_by_role("grid", name="requests").locator(".rows [role=row]:visible")

    @property
    def frames(self) -> Locator:
        """The frames of the stream that are in the document."""
        return self.page.get_by_role("grid", name="frames of the stream").locator(".rows [role=row]:visible")

    @property
    def sent(self) -> Locator:
        """The frames that were sent."""
        return self.page.get_by_role("grid", name="frames of the stream").locator(
            ".rows [role=row]:visible:not(.planned)"
        )

    def open(self, text: str) -> None:
        """Open the request that has this text in its row."""
        self.rows.filter(has_text=text).last.click()
        expect(self.page.get_by_role("region", name="request", exact=True)).to_be_visible()

    def tab(self, name: str) -> Locator:
        """Open a tab of the request; its panel."""
        self.page.get_by_role("tab", name=name).click()
        return self.page.get_by_role("tabpanel")

    def press(self, name: str) -> None:
        """Press the button with exactly this name."""
        self.page.get_by_role("button", name=name, exact=True).click()

    def says(self, text: str | re.Pattern[str]) -> None:
        """Wait until the page reports this of an action."""
        expect(self.page.get_by_role("status")).to_contain_text(text)

    def outcome(self, text: str, of: str) -> None:
        """Wait until the row with the text `of` has this outcome."""
        expect(self.rows.filter(has_text=of).last.locator(".outcome")).to_have_text(text)
