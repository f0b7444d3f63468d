"""Whole: responses without streaming."""

from __future__ import annotations

from tokentape_conformance.provider import ProviderTrial, case, having
from tokentape_conformance.provider.grammar_event import Problem, at_path
from tokentape_conformance.provider.scenario import LENGTH, REASONING, TEXT

REFERENCE = "the provider's API reference"


@case(
    "provider/whole/fields",
    "The response has the required fields, of the right types.",
    source=REFERENCE,
    needs=["not_streamed"],
)
def fields(trial: ProviderTrial) -> None:
    trial.whole()
    document = trial.response(TEXT, stream=False).document
    trial.expect_none(
        Problem("fields", f"`{path}`", kind.name, repr(at_path(document, path))[:80])
        for path, kind in trial.grammar.whole_fields.items()
        if not kind.takes(at_path(document, path))
    )


@case(
    "provider/whole/text",
    "Its text is the stream's.",
    source=REFERENCE,
    needs=["not_streamed"],
)
def text(trial: ProviderTrial) -> None:
    if not trial.scripted:
        first, second = (trial.judged(trial.new_response(TEXT)).content.text for _ in range(2))
        if first != second:
            trial.skip("the text differs from request to request")
    trial.expect("the text", trial.whole().text, trial.stream().content.text)


@case(
    "provider/whole/reasoning",
    "Its reasoning is the stream's.",
    source=REFERENCE,
    needs=["not_streamed", "reasoning", "scripted"],
    wires=having(lambda facts: facts.reasoning),
)
def reasoning(trial: ProviderTrial) -> None:
    trial.expect("the reasoning", trial.whole(REASONING).reasoning, trial.stream(REASONING).content.reasoning)


@case(
    "provider/whole/finish",
    "Its finish reason is the stream's.",
    source=REFERENCE,
    needs=["not_streamed", "finish_length"],
)
def finish(trial: ProviderTrial) -> None:
    trial.expect("the finish reason", trial.whole(LENGTH).finish, trial.stream(LENGTH).content.finish)


@case(
    "provider/whole/model",
    "Its model is the stream's.",
    source=REFERENCE,
    needs=["not_streamed"],
    wires=having(lambda facts: facts.model_reported),
)
def model(trial: ProviderTrial) -> None:
    trial.expect("the model", trial.whole().model, trial.stream().content.model)
