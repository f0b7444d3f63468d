"""Which tools the simulated model calls: a pure function of the prompt and the settings."""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import groupby
from typing import Final

from tokentape_fake_provider.simulation.settings import Simulation
from tokentape_fake_provider.wires.prompt import Message, Prompt, Tool

_WORD: Final = re.compile(r"[^\W_]+")
_CAMEL: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
# Words of a name that say nothing about its subject.
_COMMON: Final = frozenset(
    (
        *("a", "an", "and", "by", "for", "from", "in", "is", "it", "me", "my", "of", "on", "or", "the", "this", "to"),
        *("what", "with", "you", "your", "call", "do", "fetch", "find", "function", "get", "lookup", "make", "read"),
        *("run", "search", "send", "set", "tool", "use"),
    )
)
_LAST: Final = frozenset(("final", "finish", "answer", "respond", "response", "submit", "output", "completion"))


def tools_to_call(prompt: Prompt, simulation: Simulation) -> tuple[Tool, ...]:
    """The tools that the next response calls: several only if the last message of the user names them."""
    tools = prompt.callable_tools
    if not tools:
        return ()
    turns = _turns(prompt)
    called = {call.name for message in prompt.since_user for call in message.calls}
    called |= {result.name for result in prompt.results}
    if prompt.tool_choice.mode == "auto" and not _calls_by_itself(simulation, turns):
        return tuple(tool for tool in tools if turns and _is_output(tool) and tool.name not in called)[:1]
    if turns and (last := [tool for tool in tools if is_last(tool)]):
        return (last[0],)
    # An agent that must call a tool ends with one for its answer: that is not the first to call.
    tools = tuple(tool for tool in tools if not is_last(tool)) or tools
    tools = tuple(tool for tool in tools if tool.name not in called) or tools
    if len(tools) == 1:
        return tools
    words = words_of(prompt.last_user)
    named = tuple(tool for tool in tools if _is_named(tool, words)) if not turns else ()
    if named:
        return named if prompt.tool_choice.parallel else named[:1]
    return (max(tools, key=lambda tool: _score(tool, words)),)


def is_last(tool: Tool) -> bool:
    """Whether a tool takes the answer of an agent, as its name shows: `final_answer`, `submit`."""
    return not _LAST.isdisjoint(words_of(tool.name))


def _is_output(tool: Tool) -> bool:
    """Whether a tool stands for structured output, also where calls are up to the model (google-adk has such a one)."""
    words = words_of(tool.name)
    return "final" in words or {"model", "response"} <= words or {"structured", "output"} <= words


def words_of(text: str) -> frozenset[str]:
    """The words of a text or a name, in lower case and without a plural's `s`."""
    words = (word.lower() for word in _WORD.findall(_CAMEL.sub(" ", text)))
    return frozenset(word[:-1] if len(word) > 3 and word[-1] == "s" else word for word in words)


def _turns(prompt: Prompt) -> int:
    """The responses since the last message of the user whose calls have results.

    Those of tools that are no longer offered don't count: after a handoff the next agent has tools of its own.
    """
    offered = {"", *(tool.name for tool in prompt.callable_tools)}

    def answered(message: Message) -> bool:
        return any(result.name in offered for result in message.results)

    return sum(has_results for has_results, _ in groupby(prompt.since_user, key=answered))


def _calls_by_itself(simulation: Simulation, turns: int) -> bool:
    if simulation.tools == "never":
        return False
    limit = simulation.turns
    if limit is None:
        return simulation.tools == "always" or turns < 1
    return turns < limit


def _is_named(tool: Tool, words: frozenset[str]) -> bool:
    own = words_of(tool.name)
    telling = own - _COMMON
    return (telling or own) <= words


def _score(tool: Tool, words: frozenset[str]) -> int:
    schema = tool.schema if isinstance(tool.schema, dict) else {}
    properties = schema.get("properties")
    names: Iterable[str] = properties if isinstance(properties, dict) else ()
    about = words_of(" ".join((tool.description, *names)))
    return 3 * len((words_of(tool.name) - _COMMON) & words) + len((about - _COMMON) & words)
