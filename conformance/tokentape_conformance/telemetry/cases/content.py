"""Content: prompts and responses are in the telemetry where they are on, and nowhere where they are off."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import msgspec

from tokentape_conformance.case_registry import case
from tokentape_conformance.telemetry.observation import Observation, Sent
from tokentape_conformance.telemetry.scenarios import ARGUMENTS
from tokentape_conformance.telemetry.telemetry_trial import NOT_REPORTED, TelemetryTrial
from tokentape_conformance.trial import Prose
from tokentape_fake_provider.script.model import Text, ToolCall
from tokentape_harness.conversion.request_reader import read_content
from tokentape_harness.redaction import redact_text
from tokentape_harness.testing.sdk_environment import FAKE_KEY

SOURCE = "semantic-conventions-genai, content"
_OFF = "Turn content off in the instrumentation; search for the attribute, event or log record that still has it."
_ON = "Record the content whole, when the stream has ended."
_LONG = 12
"""The characters of a prompt from which it is unmistakable."""
_MOST = 24
"""Characters of a text that are searched for: an instrumentation may record the beginning alone."""
_AROUND = 60
_PROMPTS = ("user", "system", "developer")


def _expect_absent(trial: TelemetryTrial, what: str, observation: Observation, texts: Iterable[str]) -> None:
    wanted = list(texts)
    for place in observation.received.strings():
        if position(wanted, place) >= 0:
            shown = redact_text(place)  # whole, as half a key is not recognised
            at = max(0, position(wanted, shown))
            trial.fail(what, Prose(f"in {shown[max(0, at - _AROUND) : at + _AROUND]!r}"), Prose("nowhere"))


def position(texts: Iterable[str], place: str) -> int:
    """Where the beginning of one of the texts is, in any form and case; -1 if it is not."""
    lowered = place.casefold()
    found = (lowered.find(form) for text in texts for form in _forms(text[:_MOST].casefold()))
    return min((at for at in found if at >= 0), default=-1)


def _forms(text: str) -> set[str]:
    """The text as it is, as JSON's string with and without escapes beyond ASCII, once and in JSON's string again."""
    once = {text, json.dumps(text)[1:-1], json.dumps(text, ensure_ascii=False)[1:-1]}
    return once | {json.dumps(form, ensure_ascii=False)[1:-1] for form in once} | {repr(text)[1:-1]}


def _prompts(sent: Sent) -> list[str]:
    messages = read_content(sent.body).messages
    return [message.text for message in messages if message.role in _PROMPTS and len(message.text) >= _LONG]


@case(
    "telemetry/content/response-left-out",
    "Where content is off, the response's text is nowhere in the telemetry.",
    source=SOURCE,
    needs=["content_off"],
    remedy=_OFF,
)
def response_left_out(trial: TelemetryTrial) -> None:
    observation = trial.observe("whole")
    (markers,) = observation.markers
    _expect_absent(trial, "the response's text", observation, [markers.nonce])


@case(
    "telemetry/content/prompt-left-out",
    "Where content is off, the prompt is nowhere in the telemetry.",
    source=SOURCE,
    needs=["content_off"],
    remedy=_OFF,
)
def prompt_left_out(trial: TelemetryTrial) -> None:
    observation = trial.observe("whole")
    prompts = _prompts(observation.requests[observation.main])
    if not prompts:
        trial.skip(f"the app's prompt is shorter than {_LONG} characters")
    _expect_absent(trial, "the prompt", observation, prompts)


@case(
    "telemetry/content/tool-call-left-out",
    "Where content is off, the arguments of a tool call are nowhere in the telemetry.",
    source=SOURCE,
    needs=["content_off", "tools"],
    remedy=_OFF,
)
def tool_call_left_out(trial: TelemetryTrial) -> None:
    _expect_absent(trial, "the arguments", trial.observe("tools"), [ARGUMENTS])


@case(
    "telemetry/content/response-recorded",
    "Where content is on, the response's text is in the telemetry, whole.",
    source=SOURCE,
    needs=["content_on"],
    remedy=_ON,
)
def response_recorded(trial: TelemetryTrial) -> None:
    observation = trial.observe("whole")
    items = [item for choice in trial.exchange(observation).choices for item in choice.items]
    text = "".join(item.text for item in items if isinstance(item, Text))
    trial.expect("the response's text", text or NOT_REPORTED, trial.output(observation).message.text)


@case(
    "telemetry/content/prompt-recorded",
    "Where content is on, the prompt is in the telemetry, whole.",
    source=SOURCE,
    needs=["content_on"],
    remedy=_ON,
)
def prompt_recorded(trial: TelemetryTrial) -> None:
    observation = trial.observe("whole")
    recorded = read_content(trial.exchange(observation).request).messages
    sent = read_content(observation.requests[observation.main].body).messages
    texts = [(message.role, message.text) for message in recorded]
    trial.expect("the messages", texts or NOT_REPORTED, [(message.role, message.text) for message in sent])


@case(
    "telemetry/content/tool-call-recorded",
    "Where content is on, a tool call is in the telemetry, with its name and its arguments.",
    source=SOURCE,
    needs=["content_on", "tools"],
    remedy="Join the fragments of the arguments by the call's index.",
)
def tool_call_recorded(trial: TelemetryTrial) -> None:
    observation = trial.observe("tools")
    items = [item for choice in trial.exchange(observation).choices for item in choice.items]
    calls = [(item.name, _decoded(item.arguments)) for item in items if isinstance(item, ToolCall)]
    sent = [(call.name, call.arguments) for call in trial.output(observation).message.tool_calls]
    trial.expect("the tool calls", calls or NOT_REPORTED, sent)


def _decoded(arguments: str) -> Any:
    try:
        return msgspec.json.decode(arguments)
    except msgspec.DecodeError:
        return arguments


@case(
    "telemetry/content/no-keys",
    "The provider's key is nowhere in the telemetry.",
    source="tokentape, docs/telemetry-truth.md",
    remedy="Leave the headers of requests out, or mask `authorization` and `x-api-key`.",
)
def no_keys(trial: TelemetryTrial) -> None:
    for scenario in ("whole", "refused"):
        for place in set(trial.observe(scenario).received.strings()):
            kinds: list[str] = []
            redact_text(place, note=kinds.append)  # an app that runs already has a key of its own
            seen = next((kind for kind in kinds if kind.endswith(("key", "token"))), "")
            if FAKE_KEY in place or seen:
                trial.fail(
                    "the provider's key",
                    Prose(f"in the telemetry{seen and f', by its form: {seen}'}"),
                    Prose("nowhere"),
                )
