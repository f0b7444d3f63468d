"""Conversation: scripted responses whose tool calls are paired with the results that the agent must send back."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, Final, NamedTuple, TypeAlias

import msgspec

from tokentape_fake_provider.answers.queue_message import last_message
from tokentape_fake_provider.script.description import describe, shortened
from tokentape_fake_provider.script.model import Item, Script, ToolCall
from tokentape_fake_provider.wires.prompt import Prompt, ToolResult
from tokentape_harness.errors import UsageError

_LONGEST: Final = 200


class _AnyResult:
    pass


_ANY: Final = _AnyResult()

Expected: TypeAlias = str | re.Pattern[str] | Mapping[str, Any] | Sequence[Any] | int | float | bool | None
"""An expected result: its text, a pattern that is found in it, or its JSON value."""


class ScriptedCall(NamedTuple):
    """A tool call of the model, and the result that the next request must hold. `call` creates it."""

    item: ToolCall
    expected: Expected | _AnyResult = _ANY

    def returns(self, result: Expected) -> ScriptedCall:
        """The same call, whose result must be this text or JSON value, or match this pattern."""
        return self._replace(expected=result)


Step: TypeAlias = str | Item | ScriptedCall | Script | Sequence[str | Item | ScriptedCall]
"""One response of the model: a text, a call, or a list of several items."""


class CheckedScript(NamedTuple):
    """A response of the model, and what is wrong with the request that it is to answer."""

    script: Script
    check: Callable[[Prompt], str]


def call(tool: str, arguments: Mapping[str, Any] | None = None, /, **more: Any) -> ScriptedCall:
    """A call of a tool with these arguments, for `FakeProvider.conversation`.

    `call("get_weather", city="Paris").returns("18 C")`. Without `returns` any result is accepted.
    """
    return ScriptedCall(ToolCall.of(tool, {**(arguments or {}), **more}))


def checked_scripts(steps: Sequence[Step]) -> list[CheckedScript]:
    """The responses in order; each check looks for the results of the calls in the response before.

    Raises `UsageError` if the last response has a call with an expected result, since no request follows it.
    """
    scripts: list[CheckedScript] = []
    before: tuple[ScriptedCall, ...] = ()
    for number, step in enumerate(steps, 1):
        items = _items(step)
        script = step if isinstance(step, Script) else Script.of(*map(_plain, items))
        scripts.append(CheckedScript(script, partial(_problem, before, f"step {number} of {len(steps)}")))
        calls = (ScriptedCall(item) if isinstance(item, ToolCall) else item for item in items)
        before = tuple(item for item in calls if isinstance(item, ScriptedCall))
    if any(one.expected is not _ANY for one in before):
        raise UsageError("the conversation ends with a call that returns something: add the model's response to it")
    return scripts


def _items(step: Step) -> Sequence[str | Item | ScriptedCall]:
    if isinstance(step, Script):
        return [item for choice in step.choices for item in choice.items]
    # A scripted call is a tuple, too.
    return [step] if isinstance(step, str | Item | ScriptedCall) else step


def _plain(item: str | Item | ScriptedCall) -> str | Item:
    return item.item if isinstance(item, ScriptedCall) else item


def _problem(scripted: Sequence[ScriptedCall], place: str, prompt: Prompt) -> str:
    """What is wrong with the request after these calls; an empty string if nothing is."""
    if not scripted:
        return ""
    sent = [(index, call) for index, message in enumerate(prompt.messages) for call in message.calls][-len(scripted) :]
    if [call.name for _, call in sent] != [one.item.name for one in scripted]:
        expected = ", ".join(one.item.name for one in scripted)
        ending = last_message(prompt.messages[-1]) if prompt.messages else "nothing"
        return f"The conversation ({place}) expects the result of {expected}, but the request ends with {ending}."
    results = [result for message in prompt.messages[sent[0][0] :] for result in message.results]
    differences = list(_differences(scripted, [call for _, call in sent], results))
    return f"The conversation ({place}) expects {'; and '.join(differences)}." if differences else ""


def _differences(
    scripted: Sequence[ScriptedCall], sent: Sequence[ToolCall], results: list[ToolResult]
) -> Iterator[str]:
    """What is expected of each result and what the request has; each result belongs to one call."""
    for one, call_sent in zip(scripted, sent, strict=True):
        by_id = (result for result in results if call_sent.id and result.call_id == call_sent.id)
        by_name = (result for result in results if result.name in ("", one.item.name))
        result = next(by_id, None) or next(by_name, None)
        shown = describe(Script.of(one.item))
        if result is None:
            yield f"a result of {shown}, but the request has none"
            continue
        results.remove(result)
        if not _agrees(one.expected, result.text):
            yield f"{shown} to return {_shown(one.expected)}, but the request has {_quoted(result.text)}"


def _agrees(expected: Expected | _AnyResult, text: str) -> bool:
    if isinstance(expected, _AnyResult):
        return True
    if isinstance(expected, re.Pattern):
        return expected.search(text) is not None
    if text == expected:
        return True
    try:
        # Frameworks send texts and values as JSON.
        return bool(msgspec.json.decode(text) == expected)
    except msgspec.DecodeError:
        return False


def _shown(expected: Expected | _AnyResult) -> str:
    if isinstance(expected, re.Pattern):
        return f"a text that matches {expected.pattern!r}"
    return _quoted(expected) if isinstance(expected, str) else shortened(repr(expected), _LONGEST)


def _quoted(text: str) -> str:
    return f'"{shortened(text, _LONGEST)}"'
