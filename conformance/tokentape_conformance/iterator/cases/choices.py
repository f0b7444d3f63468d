"""Choices: promise 16. Several choices in one stream never mix."""

from __future__ import annotations

from tokentape_conformance.iterator import IteratorTrial, case
from tokentape_conformance.iterator.cases.sources import CONTRACT
from tokentape_conformance.iterator.wires import SEVERAL_CHOICES
from tokentape_fake_provider.script.model import Choice, Script, Text, ToolCall

RED = Text("red green", pieces=("red", " ", "green"))
BLUE = Text("blue yellow", pieces=("blue", " ", "yellow"))
NEEDS = ("several_choices", "output", "messages", "message_text")
TWO = Script((Choice((RED,)), Choice((BLUE,), "length")))


@case(
    "iterator/choices/apart",
    "Each choice is a message of its own.",
    source=CONTRACT,
    needs=NEEDS,
    wires=SEVERAL_CHOICES,
)
async def apart(trial: IteratorTrial) -> None:
    stream = trial.open(trial.encode(TWO))
    await stream.read()
    texts = [trial.adapter.message_text(message) for message in trial.adapter.messages(stream.output)]
    trial.expect("the text of each choice", texts, [RED.text, BLUE.text])


@case(
    "iterator/choices/chunks",
    "A chunk has the index of its choice.",
    source=CONTRACT,
    needs=["several_choices", "choice"],
    wires=SEVERAL_CHOICES,
)
async def chunks(trial: IteratorTrial) -> None:
    stream = trial.open(trial.encode(TWO))
    texts = ["", ""]
    for chunk in await stream.read():
        texts[trial.adapter.choice(chunk)] += trial.adapter.text(chunk)
    trial.expect("the text of the chunks of each choice", texts, [RED.text, BLUE.text])


@case(
    "iterator/choices/finish-reasons",
    "Each choice has its own finish reason.",
    source=CONTRACT,
    needs=[*NEEDS, "message_finish_reason"],
    wires=SEVERAL_CHOICES,
)
async def finish_reasons(trial: IteratorTrial) -> None:
    stream = trial.open(trial.encode(TWO))
    await stream.read()
    reasons = [trial.adapter.message_finish_reason(message) for message in trial.adapter.messages(stream.output)]
    trial.expect("the finish reason of each choice", reasons, ["stop", "length"])


@case(
    "iterator/choices/tool-calls",
    "Each choice has its own tool calls, although both are numbered from 0.",
    source=CONTRACT,
    needs=[*NEEDS, "tool_calls", "message_tool_calls"],
    wires=["openai_chat"],
)
async def tool_calls(trial: IteratorTrial) -> None:
    calls = [ToolCall.of("red", {"is": 1}, id="call_1"), ToolCall.of("blue", {"is": 2}, id="call_2")]
    stream = trial.open(trial.encode(Script(tuple(Choice((call,)) for call in calls))))
    await stream.read()
    seen = [
        [(call["name"], call["arguments"]) for call in trial.adapter.message_tool_calls(message)]
        for message in trial.adapter.messages(stream.output)
    ]
    trial.expect("the calls of each choice", seen, [[("red", {"is": 1})], [("blue", {"is": 2})]])
