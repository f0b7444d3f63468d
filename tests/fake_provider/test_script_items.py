"""What a script is made of is checked where it is written, and not when a request is answered."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

import tokentape
from tokentape_fake_provider import Choice, Reasoning, Script, Text, ToolCall
from tokentape_fake_provider.errors import ScriptError
from tokentape_fake_provider.script.model import Refusal


def test_a_call_takes_a_dict_of_arguments() -> None:
    """It is the same call as with their JSON text, and text stays as it is, valid or not."""
    arguments: Any = {"of": "the sea", "deep": True}
    call = ToolCall("depth", arguments)
    assert call == ToolCall.of("depth", arguments) == ToolCall("depth", '{"of":"the sea","deep":true}')
    assert ToolCall("depth", '{"of": ').arguments == '{"of": '
    assert msgspec.convert(msgspec.to_builtins(Script.of(call)), Script) == Script.of(call)


def test_lists_are_tuples() -> None:
    """A script that is written with lists is the same as one with tuples, also as a key of what is kept."""
    pieces: Any = ["The ", "sea"]
    items: Any = [Text("The sea", pieces=pieces), Reasoning("The sea", pieces=pieces), ToolCall("f", pieces=["{}"])]
    choices: Any = [Choice(items)]
    script = Script(choices)
    assert script.choices[0].items[0] == Text("The sea", pieces=("The ", "sea"))
    assert hash(script) == hash(msgspec.convert(msgspec.to_builtins(script), Script))


@pytest.mark.parametrize(
    ("write", "problem"),
    [
        (lambda: ToolCall("f", [1]), "ToolCall's arguments is a list: pass a str"),
        (lambda: ToolCall({"a": 1}, "f"), "ToolCall's name is a dict: pass a str"),
        (lambda: ToolCall("f", "{}", 7), "ToolCall's id is a int: pass a str"),
        (lambda: Text(5), "Text's text is a int"),
        (lambda: Reasoning(None), "Reasoning's text is a NoneType"),
        (lambda: Refusal(b"no"), "Refusal's text is a bytes"),
        (lambda: Script.of(5), "a builtins.int is not an item of a script: pass Text, "),
        (lambda: Script.of(tokentape.ToolCall("id", "f")), "a tokentape.message.ToolCall is not an item of a script"),
    ],
)
def test_items_of_another_type_are_refused(write: Any, problem: str) -> None:
    """The error names the item, the field and what to pass."""
    with pytest.raises(ScriptError, match=problem.replace("(", r"\(")):
        write()
