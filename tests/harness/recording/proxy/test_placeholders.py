"""Placeholders in a command: which braces become base URLs, and which stay."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.pages import page_text
from tokentape_harness.recording.proxy import upstreams_of
from tokentape_harness.recording.proxy.upstream import command_urls, with_urls

URL = "http://127.0.0.1:1/secret"
URLS = command_urls(URL, upstreams_of(["mine=https://gateway.example/llm"], {}))


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("{openai}", f"{URL}/openai/v1"),
        ("openai_base_url={openai}", f"openai_base_url={URL}/openai/v1"),
        ("{anthropic},{google},{gemini}", f"{URL}/anthropic,{URL}/gemini,{URL}/gemini"),
        ("{mistral}/v1", f"{URL}/mistral/v1"),
        ("{mine}/v1", f"{URL}/mine/v1"),
        ("{proxy}", URL),
        ('{"options": {"baseURL": "{openai}"}}', f'{{"options": {{"baseURL": "{URL}/openai/v1"}}}}'),
        ("{base_url={openai}}", f"{{base_url={URL}/openai/v1}}"),
    ],
)
def test_placeholders_become_base_urls(word: str, expected: str) -> None:
    """Each provider's name in braces becomes the base URL that its SDK expects, anywhere in a word."""
    assert with_urls([word], URLS) == [expected]


@pytest.mark.parametrize(
    "word",
    [
        "{}",
        "{print $1}",
        "{{openai}}",
        "${openai}",
        "${{openai}}",
        "{openai",
        "openai}",
        "{OPENAI}",
        "{ openai }",
        "{nobody}",
    ],
)
def test_other_braces_stay(word: str) -> None:
    """Code, JSON and templates reach the command as they were written."""
    assert with_urls([word], URLS) == [word]


@given(st.lists(st.text(alphabet="{}$\"' =:abopenai")))
def test_words_without_a_known_name_stay(words: list[str]) -> None:
    """No word changes unless it has a known name in braces."""
    expected = [word for word in words if "{openai}" not in word]
    assert with_urls(expected, URLS) == expected


def test_the_page_lists_every_placeholder() -> None:
    """docs/agents.md names each placeholder that there is."""
    page = page_text("docs/agents.md")
    assert [name for name in URLS if f"{{{name}}}" not in page and name != "mine"] == []
