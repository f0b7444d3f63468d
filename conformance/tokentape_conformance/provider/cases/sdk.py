"""SDKs: the provider's own Python client reads the server's responses as their bytes are."""

from __future__ import annotations

import json
from typing import Any

from tokentape_conformance.provider import ProviderTrial, case, having
from tokentape_conformance.provider.cases.usage import counted
from tokentape_conformance.provider.grammar import judge
from tokentape_conformance.provider.grammar_event import Call, ResponseContent
from tokentape_conformance.provider.relay import relay_to
from tokentape_conformance.provider.scenario import TEXT, TOOL, Scenario, refused
from tokentape_conformance.provider.sdks import Sdk
from tokentape_conformance.provider.target import below, origin
from tokentape_conformance.trial import Prose
from tokentape_fake_provider.wires import wire_named

SOURCE = "the provider's official Python SDK"


def installed(trial: ProviderTrial) -> Sdk:
    """The SDK, if there is one that can be imported."""
    sdk = trial.grammar.sdk
    missing = "no SDK is known for this wire format" if sdk is None else sdk.missing(trial.facts.provider.sdk)
    if sdk is None or missing is not None:
        trial.skip(f"sdk: {missing}")
    return sdk


def base_for(trial: ProviderTrial, relay_url: str, url: str) -> str:
    """The base URL that an SDK needs to send the requests for `url` through a relay."""
    end = wire_named(trial.wire).base_path
    return relay_url + below(url, f"{end}/-").removesuffix("/-")


def read_twice(
    trial: ProviderTrial, scenario: Scenario, *, stream: bool = True
) -> tuple[ResponseContent, ResponseContent]:
    """A response's content as the SDK reads it, and as its bytes have it."""
    sdk = installed(trial)
    url, model = trial.target.url(scenario), trial.target.model_for(trial.wire)
    body = trial.grammar.request.body(scenario, model, stream)
    with relay_to(origin(url)) as relay:
        base = base_for(trial, relay.url, url)
        try:
            content = sdk.read_response(base, trial.target.key, body, model, stream=stream)
        except Exception as error:
            if (last := relay.last()) is not None:
                trial.show(last)
            trial.fail(trial.facts.provider.sdk, Prose(f"{type(error).__name__}: {error}"), Prose("it reads it"))
        last = relay.last()
        if last is None:
            trial.fail(trial.facts.provider.sdk, Prose("no request"), Prose("one"))
        answer = trial.show(last)
    if stream:
        return content, judge(trial.grammar, answer.body).content
    return content, trial.grammar.read_whole(answer.document)


def parsed(calls: tuple[Call, ...]) -> list[tuple[str, Any]]:
    """Names and parsed arguments of calls."""
    return [(call.name, json.loads(call.arguments or "{}")) for call in calls]


@case(
    "provider/sdk/text",
    "The SDK reads the text, the finish reason and the usage that the bytes have.",
    source=SOURCE,
    needs=["sdk"],
)
def text(trial: ProviderTrial) -> None:
    content, raw = read_twice(trial, TEXT)
    trial.expect("the text", content.text, raw.text)
    trial.expect("the finish reason", content.finish, raw.finish)
    if trial.lacks("usage") is None:
        trial.expect("input and output", counted(trial, content.usage), counted(trial, raw.usage))


@case(
    "provider/sdk/tool-calls",
    "The SDK reads the tool calls that the bytes have.",
    source=SOURCE,
    needs=["sdk", "tool_calls"],
    wires=having(lambda facts: facts.tool_calls),
)
def tool_calls(trial: ProviderTrial) -> None:
    content, raw = read_twice(trial, TOOL)
    trial.expect("the calls", parsed(content.calls), parsed(raw.calls))
    if not content.calls:
        trial.fail("the calls", [], Prose("one"))


@case(
    "provider/sdk/not-streamed",
    "The SDK reads the response without streaming.",
    source=SOURCE,
    needs=["sdk", "not_streamed"],
)
def not_streamed(trial: ProviderTrial) -> None:
    content, raw = read_twice(trial, TEXT, stream=False)
    trial.expect("the text", content.text, raw.text)
    trial.expect("the finish reason", content.finish, raw.finish)


@case(
    "provider/sdk/error",
    "The SDK raises its own error for a request that is refused.",
    source=SOURCE,
    needs=["sdk"],
)
def error(trial: ProviderTrial) -> None:
    sdk = installed(trial)
    if not trial.scripted and (reason := trial.lacks("unknown_model")) is not None:
        trial.skip(reason)
    scenario = refused(400)
    url, model = trial.target.url(scenario), trial.target.model_for(trial.wire)
    model = model if trial.scripted else "no-such-model-7"
    with relay_to(origin(url)) as relay:
        base = base_for(trial, relay.url, url)
        try:
            sdk.read_response(
                base, trial.target.key, trial.grammar.request.body(scenario, model, True), model, stream=True
            )
        except sdk.error:
            return
        except Exception as error:
            seen = f"{type(error).__name__}: {error}"
        else:
            seen = "nothing"
        if (last := relay.last()) is not None:
            trial.show(last)
    trial.fail("what it raises", Prose(seen), Prose(sdk.errors))
