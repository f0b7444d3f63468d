"""Agents that keep their tools in the text: the prompt lists them and says how to call them and how to answer.

Two conventions are read: ReAct (`Action:`, `Action Input:`, `Observation:`, `Final Answer:` or `Answer:`), and Python
code between `<code>` and `</code>`, which calls the tools and at last `final_answer`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final, Literal, NamedTuple

import msgspec

from tokentape_fake_provider.wires.prompt import Message, Prompt, Tool, ToolResult

OBSERVATION: Final = "Observation:"
_REACT_TOOL: Final = re.compile(r"Tool Name: *(?P<name>\S+)(?P<rest>.*?)(?=\n>? ?Tool Name:|\Z)", re.DOTALL)
_REACT_SCHEMA: Final = re.compile(r"Tool Arg\w*: *(\{.*\})")
_DESCRIPTION: Final = re.compile(r"Tool Description: *(.*)")
_CODE_TOOL: Final = re.compile(r"^ *def (?P<name>\w+)\((?P<parameters>[^)]*)\)", re.MULTILINE)
_PARAMETER: Final = re.compile(r"(\w+): *(\w+)")
_TYPES: Final = frozenset(("string", "integer", "number", "boolean", "array", "object"))


class TextAgent(NamedTuple):
    """How the prompt wants calls and the answer written, and the tools that it lists."""

    convention: Literal["react", "code"]
    tools: tuple[Tool, ...]
    label: str = "Answer:"

    def call(self, tool: Tool, arguments: str) -> str:
        """The text that calls a tool, with JSON arguments."""
        if self.convention == "react":
            return f"Thought: I need {tool.name}.\nAction: {tool.name}\nAction Input: {arguments}"
        values = msgspec.json.decode(arguments)
        passed = ", ".join(f"{name}={value!r}" for name, value in values.items())
        return f"Thought: I need {tool.name}.\n<code>\nprint({tool.name}({passed}))\n</code>"

    def answer(self, text: str) -> str:
        """The text that ends the work."""
        if self.convention == "react":
            return f"Thought: I can answer now.\n{self.label} {text}"
        return f"Thought: I can answer now.\n<code>\nfinal_answer({text!r})\n</code>"


def text_agent(prompt: Prompt) -> TextAgent | None:
    """The convention that the prompt sets up, if any."""
    text = prompt.system or prompt.last_user
    if "Action Input:" in text:
        return TextAgent("react", tuple(_react_tools(text)), "Final Answer:" if "Final Answer:" in text else "Answer:")
    if "final_answer(" in text and "</code>" in text:
        return TextAgent("code", tuple(_code_tools(text)))
    return None


def with_observations(prompt: Prompt) -> Prompt:
    """The prompt with what text calls an observation as the result of a tool."""
    if not any(OBSERVATION in message.text for message in prompt.messages if message.role in ("user", "assistant")):
        return prompt
    return msgspec.structs.replace(prompt, messages=tuple(m for message in prompt.messages for m in _read(message)))


def _read(message: Message) -> Iterator[Message]:
    before, found, result = message.text.partition(OBSERVATION)
    if not found or message.role not in ("user", "assistant") or (message.role == "user" and before.strip()):
        yield message
        return
    if message.role == "assistant":
        yield msgspec.structs.replace(message, text=before)
    yield Message("tool", results=(ToolResult(result.strip()),))


def _react_tools(text: str) -> Iterator[Tool]:
    for found in _REACT_TOOL.finditer(text):
        description, schema = _DESCRIPTION.search(found["rest"]), _REACT_SCHEMA.search(found["rest"])
        yield Tool(found["name"], description[1] if description else "", _schema(schema[1] if schema else "{}"))


def _schema(text: str) -> Mapping[str, Any]:
    try:
        schema = msgspec.json.decode(text, type=dict[str, Any])
    except (msgspec.DecodeError, RecursionError):
        schema = {}
    return schema if "properties" in schema else {"type": "object", "properties": {}}


def _code_tools(text: str) -> Iterator[Tool]:
    for found in _CODE_TOOL.finditer(text):
        if found["name"] == "final_answer":
            continue
        parameters = _PARAMETER.findall(found["parameters"])
        properties = {name: {"type": kind} if kind in _TYPES else {} for name, kind in parameters}
        yield Tool(found["name"], schema={"type": "object", "properties": properties, "required": list(properties)})
