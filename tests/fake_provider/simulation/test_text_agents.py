"""Agents that keep their tools in the text of the prompt: the model calls, observes and answers in their form."""

from __future__ import annotations

import ast

from tests.fake_provider.simulation.test_model import FINAL, WEATHER, answer, calls, prompt, text_of
from tokentape_fake_provider.wires.prompt import Message, ToolChoice

REACT = Message(
    "system",
    """You have these tools:
> Tool Name: weather
Tool Description: weather(city: str) -> str
The weather.

    Args:
        city: The city.
Tool Args: {"properties": {"city": {"type": "string"}}, "required": ["city"], "type": "object"}

> Tool Name: clock
Tool Description: clock() -> str
Tool Args: {}

Use the format:
Thought: ...
Action: tool name
Action Input: JSON
Observation: what the tool says
At last:
Thought: ...
Final Answer: ...
""",
)
CODE = Message(
    "system",
    """Write code between <code> and </code>, with these tools:
    def weather(city: string, days: integer) -> string:
        The weather.

    def final_answer(answer: any) -> any:
        The end; as in final_answer(x).
""",
)
OBSERVED = Message("user", "Observation: 18 °C and sunny")


def test_react() -> None:
    """A tool that the prompt lists is called with JSON; after the observation comes the final answer that quotes it."""
    asked = (REACT, Message("user", "The weather in Oslo?"))
    call = text_of(answer(prompt(*asked)))
    assert call.endswith('\nAction: weather\nAction Input: {"city":"Oslo"}')
    end = text_of(answer(prompt(*asked, Message("assistant", call), OBSERVED)))
    assert "\nFinal Answer: 18 °C and sunny" in end
    same = text_of(answer(prompt(*asked, Message("assistant", f"{call}\nObservation: 18 °C and sunny"))))
    assert "\nFinal Answer: 18 °C and sunny" in same
    assert "Action: clock\nAction Input: {}" in text_of(answer(prompt(REACT, "What does the clock say?")))


def test_code() -> None:
    """The code calls a tool with arguments of its types, and at last `final_answer` with a text that quotes."""
    asked = (CODE, Message("user", "The weather in Oslo?"))
    call = text_of(answer(prompt(*asked)))
    expression = ast.parse(call.partition("<code>\n")[2].partition("\n</code>")[0]).body[0]
    assert ast.unparse(expression).startswith("print(weather(city='Oslo', days=")
    end = text_of(answer(prompt(*asked, Message("assistant", call), OBSERVED)))
    (line,) = ast.parse(end.partition("<code>\n")[2].partition("\n</code>")[0]).body
    assert ast.unparse(line).startswith("final_answer('18 °C and sunny")


def test_an_observation_is_a_result_for_a_forced_agent() -> None:
    """Frameworks that send results as messages of the user reach the tool for the answer."""
    forced = {"tools": (WEATHER, FINAL), "tool_choice": ToolChoice("required")}
    assert calls(answer(prompt("The weather?", OBSERVED, **forced))) == ["final_answer"]


def test_a_prompt_that_only_mentions_an_observation_is_no_agent() -> None:
    """The word alone changes nothing."""
    text = text_of(answer(prompt("What is an Observation: in science?")))
    assert "Final Answer" not in text
    assert "in science" not in text
