"""The simulated model: what it generates for a prompt, as a pure function."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Final

import msgspec

from tokentape_fake_provider.http.bounded_pattern import pattern_budget
from tokentape_fake_provider.script.model import Choice, Item, Reasoning, Script, Text, ToolCall
from tokentape_fake_provider.simulation.answer_text import answer_text, plain_text
from tokentape_fake_provider.simulation.arguments import simulated_arguments
from tokentape_fake_provider.simulation.limits import limited
from tokentape_fake_provider.simulation.reasoning import reasoning_tokens
from tokentape_fake_provider.simulation.server_tools import with_server_items
from tokentape_fake_provider.simulation.settings import Simulation
from tokentape_fake_provider.simulation.synthetic import synthetic_tokens
from tokentape_fake_provider.simulation.text_agents import TextAgent, text_agent, with_observations
from tokentape_fake_provider.simulation.tool_choice import is_last, tools_to_call
from tokentape_fake_provider.wires.prompt import Prompt

PATTERN_SECONDS: Final = 0.5
"""The CPU time that the patterns of a prompt's schemas may take."""


def simulate(prompt: Prompt, simulation: Simulation, *, seed: str, locale: str, partial_calls: bool = True) -> Script:
    """The model's answer: equal arguments give an equal script.

    Limits (`max_tokens`, `stop`) end an answer without changing how it begins, and the first of several choices is the
    only one of a request for one. A tool call that `max_tokens` cuts is left out without `partial_calls`. Raises
    `SchemaError` if no value is valid by a schema of the prompt, `PatternTimeoutError` if its patterns take too long,
    `ScriptError` if there is no text in the language.
    """
    seed = content_seed(prompt, seed)
    prompt = with_observations(prompt)
    agent = None if prompt.tools else text_agent(prompt)
    if agent is not None:
        prompt = msgspec.structs.replace(prompt, tools=agent.tools)

    def choice(index: int) -> Choice:
        items = _items(prompt, agent, simulation, f"{seed} {index}", locale)
        choice = limited(items, stop=prompt.stop, max_tokens=prompt.max_tokens, partial_calls=partial_calls)
        return with_server_items(choice, prompt, seed=f"{seed} {index}", locale=locale)

    with pattern_budget(PATTERN_SECONDS):
        return Script(tuple(map(choice, range(prompt.choices))))


def content_seed(prompt: Prompt, seed: str) -> str:
    """A seed that depends on what the prompt is about, but neither on limits nor on ids of calls, which are random."""
    about = (
        [
            (
                *(m.role, m.text),
                [(c.name, c.arguments) for c in m.calls] if m.calls else (),
                [(r.name, r.text) for r in m.results] if m.results else (),
                m.media,
            )
            for m in prompt.messages
        ],
        [tool.name for tool in prompt.tools],
        prompt.output,
        prompt.documents,
        prompt.seed,
    )
    try:
        encoded = msgspec.msgpack.encode(about)
    except OverflowError:  # integers of any size are JSON only
        encoded = msgspec.json.encode(about)
    return hashlib.blake2b(encoded, key=seed.encode()[:64], digest_size=12).hexdigest()


def _items(prompt: Prompt, agent: TextAgent | None, simulation: Simulation, seed: str, locale: str) -> Iterator[Item]:
    """What the model generates without limits."""
    tokens = reasoning_tokens(prompt.reasoning, simulation.reasoning)
    if tokens:
        thought = synthetic_tokens(tokens, seed=f"{seed} reasoning", locale=locale)
        yield Reasoning(thought, hidden=prompt.reasoning.visible is False, signed=True)
    tools = tools_to_call(prompt, simulation)
    for number, tool in enumerate(tools):
        answer = plain_text(prompt, simulation, seed=seed, locale=locale) if is_last(tool) else ""
        arguments = simulated_arguments(tool, prompt, answer, seed=f"{seed} call {number}", locale=locale)
        if agent is not None:
            yield Text(agent.call(tool, arguments))
            return  # text has room for one call
        yield ToolCall(tool.name, arguments)
    if tools:
        return
    if agent is not None:
        yield Text(agent.answer(plain_text(prompt, simulation, seed=seed, locale=locale)))
    elif text := answer_text(prompt, simulation, seed=seed, locale=locale):
        yield Text(text)
