"""docs/rules-file.md: its files are valid and answer, its commands print what it shows, its tests pass."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai
import pytest

from tests.pages import block_with, code_blocks, page_text
from tests.pages import run as run_block
from tokentape_fake_provider.sessions.rules_file import RulesFile
from tokentape_harness.served_files.rules_files import load_rules
from tokentape_harness.testing.fake_provider import FakeProvider

PAGE = page_text("docs/rules-file.md")
WEATHER: Any = [{"role": "user", "content": "How is the weather?"}]


@pytest.fixture
def client(fake_provider: FakeProvider) -> Iterator[openai.OpenAI]:
    """OpenAI's client of the session."""
    with openai.OpenAI(base_url=fake_provider.base_url(), api_key="k") as opened:
        yield opened


def saved(folder: Path, text: str, suffix: str = "yaml") -> Path:
    """A rules file with this text."""
    path = folder / f"rules.{suffix}"
    path.write_text(text)
    return path


def test_the_first_file_answers(fake_provider: FakeProvider, client: openai.OpenAI, tmp_path: Path) -> None:
    """The greeting, and the call of the tool with the answer to its result."""
    fake_provider.load(saved(tmp_path, code_blocks(PAGE, "yaml")[0]))
    tools: Any = [{"type": "function", "function": {"name": "get_weather"}}]
    called = client.chat.completions.create(model="m", messages=WEATHER, tools=tools).choices[0].message
    assert called.tool_calls
    assert called.tool_calls[0].to_dict()["function"] == {"name": "get_weather", "arguments": '{"city":"Paris"}'}
    result: Any = {"role": "tool", "tool_call_id": called.tool_calls[0].id, "content": "18 C"}
    messages: Any = [*WEATHER, called.to_dict(), result]
    answer = client.chat.completions.create(model="m", messages=messages, tools=tools)
    assert answer.choices[0].message.content == "It is 18 C in Paris."


def test_the_other_formats_are_the_same(tmp_path: Path) -> None:
    """The examples of JSON and TOML are read, and mean the same."""
    (as_json,) = code_blocks(PAGE, "json")
    (as_toml,) = code_blocks(PAGE, "toml")
    first = load_rules(saved(tmp_path, as_json, "json")).rules
    second = load_rules(saved(tmp_path, as_toml, "toml")).rules
    assert (first.rules, first.settings) == (second.rules, second.settings)
    assert second.sessions["slow"].settings.timing is not None


def test_every_field_is_in_the_table(tmp_path: Path) -> None:
    """The table has the fields of a rules file, and the long example is valid and uses the main ones."""
    table = re.findall(r"(?m)^\| `([$\w]+)` \|", PAGE)
    assert set(table) == set(RulesFile.__struct_encode_fields__)
    file = load_rules(saved(tmp_path, code_blocks(PAGE, "yaml")[1])).rules
    assert (len(file.rules), len(file.queue), list(file.sessions)) == (4, 3, ["slow", "broken"])


def test_the_tests_of_the_page(fake_provider: FakeProvider, client: openai.OpenAI, tmp_path: Path) -> None:
    """The fixture loads the file, and the mark takes it."""
    fake_provider._folders = (tmp_path,)
    saved(tmp_path, code_blocks(PAGE, "yaml")[0])
    defined = run_block(block_with(PAGE, "def test_the_greeting"))
    defined["test_the_greeting"](fake_provider, client)
    (mark,) = defined["test_what_is_not_in_the_file"].pytestmark
    fake_provider.set_up(*mark.args, **mark.kwargs)
    defined["test_what_is_not_in_the_file"](fake_provider)
