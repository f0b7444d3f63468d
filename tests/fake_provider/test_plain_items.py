"""Items that a wire format has no form for: it sends their text, or leaves them out."""

from __future__ import annotations

import msgspec
import pytest

from tests.fake_provider.asks import ask_of
from tests.round_trip import decoded
from tokentape_fake_provider import Audio, Citation, Reasoning, Script, ServerTool, Text
from tokentape_fake_provider.errors import ScriptError
from tokentape_fake_provider.wires import BUILT_IN


@pytest.mark.parametrize("wire", BUILT_IN)
def test_hidden_reasoning_is_counted_and_not_sent(wire: str) -> None:
    """The text of hidden reasoning is in no wire format's stream, and its tokens are in the usage."""
    request = ask_of(wire, **({"stream_options": {"include_usage": True}} if wire.startswith("openai_c") else {}))
    hidden, plain = (
        decoded(script, request)
        for script in (Script.of(Reasoning("One two three four", hidden=True), "So."), Script.of("So."))
    )
    assert (hidden.message.reasoning, hidden.text, plain.text) == ("", "So.", "So.")
    assert (hidden.usage.output or 0) - (plain.usage.output or 0) == 4


@pytest.mark.parametrize(
    ("build", "problem"),
    [
        (lambda: Citation("https://a.test", start=3, end=3), "from 3 to 3: set end above start"),
        (lambda: Text("Hello", citations=(Citation("https://a.test", end=6),)), "'Hello' has 5 characters"),
        (lambda: ServerTool("weather"), "no server tool 'weather': the kinds are web_search, "),
    ],
)
def test_impossible_items_are_refused(build: object, problem: str) -> None:
    """The error says what is wrong with a citation's part of the text, or a server tool's kind."""
    assert callable(build)
    with pytest.raises(ScriptError, match=problem):
        build()


def test_the_items_are_json() -> None:
    """The control API takes what `msgspec.to_builtins` gives."""
    script = Script.of(
        ServerTool("web_search", "q", pieces=("q",)),
        Text("Hello", citations=(Citation("https://a.test", "A", "Hello!", end=5),)),
        Audio("Hi", "AAAA"),
        Reasoning("hm", hidden=True),
    )
    assert msgspec.convert(msgspec.to_builtins(script), Script) == script
    assert Audio("Hi") != Text("Hi")
