"""Usage: its place and its arithmetic."""

from __future__ import annotations

from tokentape_conformance.provider import ProviderTrial, case, having
from tokentape_conformance.provider.grammar_event import Document, at_path
from tokentape_conformance.provider.scenario import LENGTH, REASONING, TEXT, WITHOUT_USAGE, Scenario
from tokentape_conformance.trial import Prose

REFERENCE = "the provider's API reference"
INCLUDE = "OpenAI API reference: stream_options.include_usage"


def counted(trial: ProviderTrial, usage: Document | None) -> tuple[int, int]:
    """Total input and output tokens of a usage object."""
    if usage is None:
        trial.fail("usage", None, Prose("it is reported"))
    sides = []
    for paths in (trial.facts.input_usage, trial.facts.output_usage):
        found = [at_path(usage, path) for path in paths]
        if not any(isinstance(count, int | float) for count in found):
            trial.fail(f"`{paths[0]}`", found[0], Prose("a count"))
        sides.append(sum(int(count or 0) for count in found))
    return sides[0], sides[1]


@case("provider/usage/reported", "The stream reports input and output.", source=REFERENCE, needs=["usage"])
def reported(trial: ProviderTrial) -> None:
    seen = counted(trial, trial.stream().content.usage)
    if trial.scripted:
        trial.expect("input and output", seen, (120, 34))
    elif seen[0] < 1 or seen[1] < 1:
        trial.fail("input and output", seen, Prose("1 or more of each"))


@case(
    "provider/usage/parts",
    "A part is at most its whole: cached tokens, reasoning tokens.",
    source=REFERENCE,
    needs=["usage"],
)
def parts(trial: ProviderTrial) -> None:
    trial.expect_no("usage")


@case("provider/usage/total", "The total is the sum of its terms.", source=REFERENCE, needs=["usage"])
def total(trial: ProviderTrial) -> None:
    trial.expect_no("total")


@case(
    "provider/usage/cached",
    "Cached tokens are reported, as the provider counts them.",
    source=REFERENCE,
    needs=["usage", "scripted"],
    wires=having(lambda facts: facts.cached_usage),
)
def cached(trial: ProviderTrial) -> None:
    path = trial.facts.cached_usage
    trial.expect(path, at_path(trial.stream().content.usage, path), 20)


@case(
    "provider/usage/reasoning",
    "Reasoning tokens are reported, as the provider counts them.",
    source=REFERENCE,
    needs=["usage", "scripted", "reasoning"],
    wires=having(lambda facts: facts.reasoning_usage),
)
def reasoning(trial: ProviderTrial) -> None:
    usage = trial.stream(REASONING).content.usage
    trial.expect("input and output", counted(trial, usage), (120, 34))
    path = trial.facts.reasoning_usage
    trial.expect(path, at_path(usage, path), 10)


@case(
    "provider/usage/own-chunk",
    "Requested usage comes once, in a chunk without choices, after the finish reason.",
    source=INCLUDE,
    needs=["usage"],
    wires=having(lambda facts: facts.usage_on_request),
)
def own_chunk(trial: ProviderTrial) -> None:
    for scenario, judged in trial.streams():
        if not scenario.usage:
            continue
        with_usage = [event for event in judged.events if event.document.get("usage")]
        trial.expect(f"chunks with usage ({scenario.name})", len(with_usage), 1)
        trial.expect(f"the choices of event {with_usage[0].number}", with_usage[0].document.get("choices"), [])
        later = [e.number for e in judged.events if e.number > with_usage[0].number and e.text != "[DONE]"]
        trial.expect(f"chunks after event {with_usage[0].number}, which has the usage", later, [])


@case(
    "provider/usage/only-if-asked",
    "Without `include_usage` there is no usage, and no chunk without choices.",
    source=INCLUDE,
    needs=["usage_on_request"],
    wires=having(lambda facts: facts.usage_on_request),
)
def only_if_requested(trial: ProviderTrial) -> None:
    judged = trial.stream(WITHOUT_USAGE)
    with_usage = [event.number for event in judged.events if event.document.get("usage")]
    trial.expect("chunks with usage", with_usage, [])
    empty = [event.number for event in judged.events if event.document.get("choices") == []]
    trial.expect("chunks without choices", empty, [])


@case(
    "provider/usage/at-the-start",
    "message_start has the input; message_delta's counts are those of the whole message.",
    source="Anthropic API reference: message_delta's usage is cumulative",
    needs=["usage"],
    wires=["anthropic_messages", "bedrock_invoke"],
)
def at_the_start(trial: ProviderTrial) -> None:
    events = trial.stream().events
    first = next(event.document["message"]["usage"] for event in events if "message" in event.document)
    last = [event.document["usage"] for event in events if event.document.get("type") == "message_delta"][-1]
    if last["output_tokens"] < first["output_tokens"]:
        trial.fail("output_tokens at the end", last["output_tokens"], Prose(f"{first['output_tokens']} or more"))
    if "input_tokens" in last and last["input_tokens"] is not None:
        trial.expect("input_tokens at the end", last["input_tokens"], first["input_tokens"])


@case(
    "provider/usage/within-the-limit",
    "A response that reached the token limit has no more output than that.",
    source=REFERENCE,
    needs=["usage", "finish_length"],
)
def within_the_limit(trial: ProviderTrial) -> None:
    limit = max(16, LENGTH.limit) if trial.wire == "openai_responses" else LENGTH.limit
    _, output = counted(trial, trial.stream(LENGTH).content.usage)
    if output > limit:
        trial.fail("output", output, Prose(f"at most {limit}"))


@case(
    "provider/usage/not-streamed",
    "The same request without streaming reports the same input.",
    source=REFERENCE,
    needs=["usage", "not_streamed"],
)
def not_streamed(trial: ProviderTrial) -> None:
    streamed = counted(trial, trial.stream().content.usage)
    whole = counted(trial, trial.whole().usage)
    trial.expect("input", whole[0], streamed[0])
    if trial.scripted:
        trial.expect("output", whole[1], streamed[1])
        _same_total(trial, TEXT)


def _same_total(trial: ProviderTrial, scenario: Scenario) -> None:
    usage = trial.whole(scenario).usage
    trial.expect_none(trial.grammar.usage(usage or {}))
