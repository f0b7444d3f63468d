"""The same without streaming."""

from __future__ import annotations

from tokentape_conformance.provider import ProviderTrial, case, having
from tokentape_conformance.provider.event import Problem, at_path
from tokentape_conformance.provider.scenario import LENGTH, REASONING, TEXT

REFERENCE = "the provider's API reference"


@case(
    "provider/whole/fields",
    "The answer has the fields that it must have, of their types.",
    source=REFERENCE,
    needs=["not_streamed"],
)
def fields(trial: ProviderTrial) -> None:
    trial.whole()
    document = trial.asked(TEXT, stream=False).document
    trial.expect_none(
        Problem("fields", f"`{path}`", kind.name, repr(at_path(document, path))[:80])
        for path, kind in trial.grammar.whole_fields.items()
        if not kind.takes(at_path(document, path))
    )


@case(
    "provider/whole/text",
    "It says what the stream says.",
    source=REFERENCE,
    needs=["not_streamed"],
)
def text(trial: ProviderTrial) -> None:
    if not trial.scripted:
        first, second = (trial.judged(trial.ask(TEXT)).said.text for _ in range(2))
        if first != second:
            trial.skip("the text differs from request to request")
    trial.expect("the text", trial.whole().text, trial.stream().said.text)


@case(
    "provider/whole/reasoning",
    "Its reasoning is that of the stream.",
    source=REFERENCE,
    needs=["not_streamed", "reasoning", "scripted"],
    wires=having(lambda facts: facts.reasoning),
)
def reasoning(trial: ProviderTrial) -> None:
    trial.expect("the reasoning", trial.whole(REASONING).reasoning, trial.stream(REASONING).said.reasoning)


@case(
    "provider/whole/finish",
    "It ended for the same reason.",
    source=REFERENCE,
    needs=["not_streamed", "finish_length"],
)
def finish(trial: ProviderTrial) -> None:
    trial.expect("the finish reason", trial.whole(LENGTH).finish, trial.stream(LENGTH).said.finish)


@case(
    "provider/whole/model",
    "It names the same model.",
    source=REFERENCE,
    needs=["not_streamed"],
    wires=having(lambda facts: facts.model_reported),
)
def model(trial: ProviderTrial) -> None:
    trial.expect("the model", trial.whole().model, trial.stream().said.model)
