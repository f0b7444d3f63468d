"""Explanations: each field that differs from the nearest recording, and the flag that helps."""

# ruff: noqa: E501 - explanations are one line each

from __future__ import annotations

import re
import shlex
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from inline_snapshot import snapshot

from tokentape_fake_provider.sessions.matching.ignored_parts import as_ignored_parts
from tokentape_fake_provider.sessions.matching.machine import Machine
from tokentape_fake_provider.sessions.matching.normaliser import Normaliser
from tokentape_fake_provider.sessions.matching.request_comparison import differences
from tokentape_harness.recording.explanation import explained

NORMALISER = Normaliser(as_ignored_parts(True), Machine())


def chat(system: str = "", user: str = "Hi", **more: Any) -> dict[str, Any]:
    """The body of a request."""
    messages = [{"role": "system", "content": system}] if system else []
    return {"model": "m", "messages": [*messages, {"role": "user", "content": user}], **more}


def explain(recorded: dict[str, Any], received: dict[str, Any]) -> list[str]:
    """The lines of the explanation; each flag in them is checked to help."""
    lines = explained(recorded, received, NORMALISER)
    assert len(lines) == len(differences(NORMALISER.normal(recorded), NORMALISER.normal(received)))
    texts, paths = [], []
    for line in lines:
        words = shlex.split(line[line.index("--") :]) if "--ignore" in line else []
        texts += [words[n + 1] for n, word in enumerate(words) if word == "--ignore-text"]
        paths += [words[n + 1] for n, word in enumerate(words) if word == "--ignore-path"]
    if lines and not any(line.endswith(": --mode new_episodes records it") for line in lines):
        more = Normaliser(as_ignored_parts(True, paths, texts), Machine())
        assert not differences(more.normal(recorded), more.normal(received))
    return lines


def test_text_of_programs() -> None:
    """What differs in the system's text is a pattern with the words before it, a line each."""
    before = "You are on build alpha.\nLoad: 17 percent of it.\nBe nice."
    after = "You are on build omega.\nLoad: 3 percent of it.\nBe nice."
    assert explain(chat(before), chat(after)) == snapshot(
        [
            "messages[0].content was \"You are on build alpha.\\nLoad: 17 percent of it.\\nBe nice.\", now \"You are on build omega.\\nLoad: 3 percent of it.\\nBe nice.\": --ignore-text 'You are on build [A-Za-z]+' --ignore-text 'Load: \\d+'"
        ]
    )


def test_options_and_tools() -> None:
    """Other fields are left out by their path."""
    tool = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}
    assert explain(chat(temperature=1, tools=[tool]), chat(temperature=0, tools=[tool, tool], top_p=1)) == snapshot(
        [
            "temperature was 1, now 0: --ignore-path '$.temperature'",
            'tools[1] was (absent), now {"type":"function","function":{"name":"f","parameters":{"type":"object"}}}: --ignore-path \'$.tools[1]\'',
            "top_p was (absent), now 1: --ignore-path '$.top_p'",
        ]
    )


def test_what_the_user_asks() -> None:
    """Another question needs a recording of its own; a number in it may be no part of the question."""
    assert explain(chat(user="Why is the sky blue?"), chat(user="Who are you?")) == snapshot(
        ['messages[0].content was "Why is the sky blue?", now "Who are you?": --mode new_episodes records it']
    )
    assert explain(chat(user="Summarise job number 17"), chat(user="Summarise job number 18")) == snapshot(
        [
            'messages[0].content was "Summarise job number 17", now "Summarise job number 18": --mode new_episodes records it; if it asks nothing else: --ignore-text \'Summarise job number \\d+\''
        ]
    )
    assert explain(chat(), {**chat(), "messages": [*chat()["messages"], *chat("x")["messages"]]}) == snapshot(
        [
            'messages[1] was (absent), now {"role":"system","content":"x"}: --mode new_episodes records it',
            'messages[2] was (absent), now {"role":"user","content":"Hi"}: --mode new_episodes records it',
        ]
    )


def test_unlike_texts() -> None:
    """A text that has nothing in common is left out by its path, and quotes survive a shell."""
    assert explain(chat("One thing"), chat("Another")) == snapshot(
        ['messages[0].content was "One thing", now "Another": --ignore-path \'$.messages[0].content\'']
    )
    assert explain(chat("It's John's build alpha"), chat("It's John's build omega")) == snapshot(
        [
            "messages[0].content was \"It's John's build alpha\", now \"It's John's build omega\": --ignore-text 'It'\"'\"'s John'\"'\"'s build [A-Za-z]+'"
        ]
    )


def test_what_is_volatile_is_not_listed() -> None:
    """What is ignored anyway is no difference."""
    assert explain(chat("Today is 2026-11-28."), chat("Today is 2026-11-30.")) == []


@pytest.mark.parametrize("received", [b"raw", [], None, 3])
def test_other_bodies(received: Any) -> None:
    """A body that is no object is explained, too."""
    (line,) = explained({"a": 1}, received, NORMALISER)
    assert line.endswith("--mode new_episodes records it")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(alphabet="ab 1.'", max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["a", "b", "content", "role"]), inner),
    max_leaves=8,
)
BODIES = st.dictionaries(st.sampled_from(["model", "messages", "system", "tools", "x"]), JSON)


@given(BODIES, BODIES)
def test_each_difference_has_a_line(recorded: dict[str, Any], received: dict[str, Any]) -> None:
    """There is a line for each difference, and all flags together leave none of those that they are for."""
    for line in explain(recorded, received):
        assert re.search(r": --(mode new_episodes records it|ignore-(path|text) )", line)
