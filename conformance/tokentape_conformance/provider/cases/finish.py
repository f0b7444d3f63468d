"""Finish: the finish reason, in the provider's words."""

from __future__ import annotations

from tokentape_conformance.provider import ProviderTrial, case, having
from tokentape_conformance.provider.scenario import LENGTH, TEXT, ended
from tokentape_conformance.trial import Prose
from tokentape_fake_provider.script.model import FinishReason

REFERENCE = "the provider's API reference: finish and stop reasons"


def has_word(reason: FinishReason) -> list[str]:
    """The wire formats that have a word for this reason."""
    return having(lambda facts: reason in facts.finish_words)


@case("provider/finish/told", "The stream has a finish reason of the specification.", source=REFERENCE)
def reported(trial: ProviderTrial) -> None:
    finish = trial.stream(TEXT).content.finish
    if trial.scripted:
        trial.expect("the finish reason", finish, trial.facts.finish_words["stop"])
    elif finish not in trial.facts.finish_words.values() and finish != "stop_sequence":
        trial.fail("the finish reason", finish, Prose(" or ".join(trial.facts.finish_words.values())))


@case(
    "provider/finish/length",
    "A response that reached the token limit has the finish reason for it.",
    source=REFERENCE,
    needs=["finish_length"],
)
def length(trial: ProviderTrial) -> None:
    trial.expect("the finish reason", trial.stream(LENGTH).content.finish, trial.facts.finish_words["length"])


def _scripted(trial: ProviderTrial, reason: FinishReason) -> None:
    trial.expect("the finish reason", trial.stream(ended(reason)).content.finish, trial.facts.finish_words[reason])
    trial.expect_none(trial.stream(ended(reason)).problems)


@case(
    "provider/finish/content-filter",
    "A filtered response has the finish reason for it.",
    source=REFERENCE,
    needs=["scripted"],
    wires=has_word("content_filter"),
)
def content_filter(trial: ProviderTrial) -> None:
    _scripted(trial, "content_filter")


@case(
    "provider/finish/refusal",
    "A refusal has the finish reason for it.",
    source=REFERENCE,
    needs=["scripted"],
    wires=has_word("refusal"),
)
def refusal(trial: ProviderTrial) -> None:
    _scripted(trial, "refusal")


@case(
    "provider/finish/pause",
    "A paused response has the finish reason for it.",
    source=REFERENCE,
    needs=["scripted"],
    wires=has_word("pause"),
)
def pause(trial: ProviderTrial) -> None:
    _scripted(trial, "pause")
