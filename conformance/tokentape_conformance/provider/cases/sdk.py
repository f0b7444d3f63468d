"""SDKs: the provider's own Python client asks the server, and reads what its bytes say."""

from __future__ import annotations

import json
from typing import Any

from tokentape_conformance.provider import ProviderTrial, case
from tokentape_conformance.provider.cases.usage import COUNTS, counted
from tokentape_conformance.provider.event import Call, Said
from tokentape_conformance.provider.grammar import judge
from tokentape_conformance.provider.relay import relay_to
from tokentape_conformance.provider.scenario import TEXT, TOOL, Scenario, refused
from tokentape_conformance.provider.sdks import SDKS
from tokentape_conformance.provider.target import below, origin
from tokentape_conformance.trial import Prose

SOURCE = "the provider's official Python SDK"
TOOL_WIRES = tuple(wire for wire in SDKS if wire != "openai_completions")


def heard(trial: ProviderTrial, scenario: Scenario, *, stream: bool = True) -> tuple[Said, Said]:
    """What the SDK says of an answer, and what its bytes say."""
    sdk = SDKS[trial.wire]
    missing = sdk.missing()
    if missing is not None:
        trial.skip(f"sdk: {missing}")
    url, model = trial.target.url(scenario), trial.target.model_for(trial.wire)
    with relay_to(origin(url)) as relay:
        base = relay.url + below(url, f"{sdk.base}/-").removesuffix("/-").removesuffix(sdk.base)
        try:
            said = sdk.said(trial.wire, base, trial.target.key, scenario, model, stream=stream)
        except Exception as error:
            if (last := relay.last()) is not None:
                trial.show(last)
            trial.fail(sdk.distribution, Prose(f"{type(error).__name__}: {error}"), Prose("reads the answer"))
        last = relay.last()
        if last is None:
            trial.fail(sdk.distribution, Prose("no request"), Prose("one"))
        answer = trial.show(last)
    if stream:
        return said, judge(trial.grammar, answer.body).said
    return said, trial.grammar.read_whole(answer.document)


def same(calls: tuple[Call, ...]) -> list[tuple[str, Any]]:
    """Names and arguments of calls, as values."""
    return [(call.name, json.loads(call.arguments or "{}")) for call in calls]


@case(
    "provider/sdk/text",
    "The SDK reads the text, the finish reason and the usage that the bytes have.",
    source=SOURCE,
    needs=["sdk"],
)
def text(trial: ProviderTrial) -> None:
    said, raw = heard(trial, TEXT)
    trial.expect("the text", said.text, raw.text)
    trial.expect("the finish reason", said.finish, raw.finish)
    if trial.lacks("usage") is None:
        trial.expect("input and output", counted(trial, said.usage), counted(trial, raw.usage))
    assert trial.wire in COUNTS


@case(
    "provider/sdk/tool-calls",
    "The SDK reads the tool calls that the bytes have.",
    source=SOURCE,
    needs=["sdk", "tool_calls"],
    wires=TOOL_WIRES,
)
def tool_calls(trial: ProviderTrial) -> None:
    said, raw = heard(trial, TOOL)
    trial.expect("the calls", same(said.calls), same(raw.calls))
    if not said.calls:
        trial.fail("the calls", [], Prose("one"))


@case(
    "provider/sdk/not-streamed",
    "The SDK reads the answer that is not streamed.",
    source=SOURCE,
    needs=["sdk", "not_streamed"],
)
def not_streamed(trial: ProviderTrial) -> None:
    said, raw = heard(trial, TEXT, stream=False)
    trial.expect("the text", said.text, raw.text)
    trial.expect("the finish reason", said.finish, raw.finish)


@case(
    "provider/sdk/error",
    "The SDK raises its own error for a request that is refused.",
    source=SOURCE,
    needs=["sdk"],
)
def error(trial: ProviderTrial) -> None:
    sdk = SDKS[trial.wire]
    missing = sdk.missing()
    if missing is not None:
        trial.skip(f"sdk: {missing}")
    if not trial.scripted and (reason := trial.lacks("unknown_model")) is not None:
        trial.skip(reason)
    scenario = refused(400)
    url, model = trial.target.url(scenario), trial.target.model_for(trial.wire)
    model = model if trial.scripted else "no-such-model-7"
    with relay_to(origin(url)) as relay:
        base = relay.url + below(url, f"{sdk.base}/-").removesuffix("/-").removesuffix(sdk.base)
        try:
            sdk.said(trial.wire, base, trial.target.key, scenario, model, stream=True)
        except sdk.error:
            return
        except Exception as error:
            seen = f"{type(error).__name__}: {error}"
        else:
            seen = "nothing"
        if (last := relay.last()) is not None:
            trial.show(last)
    trial.fail("what it raises", Prose(seen), Prose(sdk.errors))
