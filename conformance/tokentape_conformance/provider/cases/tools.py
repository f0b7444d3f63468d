"""Tool calls: requested with a tool that must be called."""

from __future__ import annotations

import json

from tokentape_conformance.provider import ProviderTrial, case, having
from tokentape_conformance.provider.grammar_event import Call
from tokentape_conformance.provider.scenario import FUNCTION, TOOL, TOOLS
from tokentape_conformance.trial import Prose

REFERENCE = "the provider's API reference: tools"
CALLING = having(lambda facts: facts.tool_calls)


def calls(trial: ProviderTrial) -> tuple[Call, ...]:
    """The calls of the response to a request for one tool call."""
    found = trial.stream(TOOL).content.calls
    if not found:
        trial.fail("tool calls", 0, Prose("one: the request requires a tool call"))
    return found


def arguments(trial: ProviderTrial, call: Call) -> object:
    """A call's parsed arguments; fails the case if a fragment is missing."""
    try:
        found = json.loads(call.arguments)
    except ValueError as error:
        trial.fail("the arguments", Prose(f"{call.arguments!r} ({error})"), Prose("a JSON object"))
    if not isinstance(found, dict):
        trial.fail("the arguments", found, Prose("a JSON object"))
    return found


@case(
    "provider/tools/called",
    "The tool that must be called is called.",
    source=REFERENCE,
    needs=["tool_calls"],
    wires=CALLING,
)
def called(trial: ProviderTrial) -> None:
    trial.expect("the name", calls(trial)[0].name, FUNCTION)


@case(
    "provider/tools/id",
    "A call has an id.",
    source=REFERENCE,
    needs=["tool_calls"],
    wires=having(lambda facts: facts.tool_calls and facts.tool_call_ids),
)
def call_id(trial: ProviderTrial) -> None:
    if not calls(trial)[0].id:
        trial.fail("the id", "", Prose("one"))


@case(
    "provider/tools/arguments",
    "The joined fragments of a call's arguments are a JSON object.",
    source=REFERENCE,
    needs=["tool_calls"],
    wires=CALLING,
)
def joined(trial: ProviderTrial) -> None:
    found = arguments(trial, calls(trial)[0])
    if trial.scripted:
        trial.expect("the arguments", found, {"city": "Lisbon"})


@case(
    "provider/tools/types",
    "Arguments have the format's type: text, or an object.",
    source=REFERENCE,
    needs=["tool_calls"],
    wires=["openai_chat", "gemini", "ollama"],
)
def types(trial: ProviderTrial) -> None:
    trial.expect_none(trial.stream(TOOL).of("arguments"), TOOL)


@case(
    "provider/tools/index",
    "Each fragment of a call has the call's index.",
    source="OpenAI API reference: tool_calls[].index",
    needs=["tool_calls"],
    wires=["openai_chat"],
)
def index(trial: ProviderTrial) -> None:
    trial.expect_no("call-index")


@case(
    "provider/tools/parallel",
    "Two calls in one response each have their own id and arguments.",
    source=REFERENCE,
    needs=["parallel_tool_calls"],
    wires=CALLING,
)
def parallel(trial: ProviderTrial) -> None:
    found = trial.stream(TOOLS).content.calls
    if len(found) < 2 and not trial.scripted:
        trial.skip("parallel_tool_calls: the model called once")
    found_arguments = [arguments(trial, call) for call in found]
    if trial.scripted:
        trial.expect("the arguments", found_arguments, [{"city": "Lisbon"}, {"city": "Kraków"}])
    if trial.facts.tool_call_ids:
        trial.expect("different ids", len({call.id for call in found}), len(found))


@case(
    "provider/tools/not-streamed",
    "The same request without streaming calls the same tool.",
    source=REFERENCE,
    needs=["tool_calls", "not_streamed"],
    wires=CALLING,
)
def not_streamed(trial: ProviderTrial) -> None:
    whole = trial.whole(TOOL).calls
    streamed = calls(trial)
    trial.expect("the names", [call.name for call in whole], [call.name for call in streamed])
    if trial.scripted:
        trial.expect("the arguments", arguments(trial, whole[0]), arguments(trial, streamed[0]))


@case(
    "provider/tools/finish",
    "A response that ends in a tool call has the finish reason for it.",
    source=REFERENCE,
    needs=["tool_calls"],
    wires=CALLING,
)
def finish(trial: ProviderTrial) -> None:
    trial.expect("the finish reason", trial.stream(TOOL).content.finish, trial.facts.finish_words["tool_calls"])
