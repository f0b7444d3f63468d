"""Finish: why an answer ended, in the provider's words."""

from __future__ import annotations

from collections.abc import Mapping

from tokentape_conformance.provider import ProviderTrial, case
from tokentape_conformance.provider.scenario import LENGTH, TEXT, ended
from tokentape_conformance.trial import Prose
from tokentape_fake_provider.script.model import FinishReason

REFERENCE = "the provider's API reference: finish and stop reasons"
_CLAUDE = {
    "stop": "end_turn",
    "length": "max_tokens",
    "tool_calls": "tool_use",
    "refusal": "refusal",
    "pause": "pause_turn",
}
WORDS: Mapping[str, Mapping[str, str]] = {
    "openai_chat": {
        "stop": "stop",
        "length": "length",
        "tool_calls": "tool_calls",
        "content_filter": "content_filter",
    },
    "openai_completions": {"stop": "stop", "length": "length", "content_filter": "content_filter"},
    "openai_responses": {
        "stop": "completed",
        "length": "max_output_tokens",
        "tool_calls": "completed",
        "content_filter": "content_filter",
    },
    "anthropic_messages": _CLAUDE,
    "bedrock_invoke": _CLAUDE,
    "bedrock_converse": {
        "stop": "end_turn",
        "length": "max_tokens",
        "tool_calls": "tool_use",
        "content_filter": "content_filtered",
    },
    "gemini": {"stop": "STOP", "length": "MAX_TOKENS", "tool_calls": "STOP", "content_filter": "SAFETY"},
    "gemini_interactions": {"stop": "completed", "length": "incomplete", "tool_calls": "requires_action"},
    "ollama": {"stop": "stop", "length": "length", "tool_calls": "stop"},
    "cohere_chat": {"stop": "COMPLETE", "length": "MAX_TOKENS", "tool_calls": "TOOL_CALL"},
}
"""What each says for which reason; what is missing it has no word for."""
ENDINGS = {known for words in WORDS.values() for known in words.values()} | {"stop_sequence"}


def having(reason: str) -> list[str]:
    """The wire formats that have a word for this reason."""
    return [wire for wire, words in WORDS.items() if reason in words]


@case("provider/finish/told", "The stream says why it ended, in a word that the specification has.", source=REFERENCE)
def told(trial: ProviderTrial) -> None:
    finish = trial.stream(TEXT).said.finish
    if trial.scripted:
        trial.expect("the finish reason", finish, WORDS[trial.wire]["stop"])
    elif finish not in WORDS[trial.wire].values() and finish != "stop_sequence":
        trial.fail("the finish reason", finish, Prose(" or ".join(WORDS[trial.wire].values())))


@case(
    "provider/finish/length",
    "An answer that a limit of tokens cut says so.",
    source=REFERENCE,
    needs=["finish_length"],
)
def length(trial: ProviderTrial) -> None:
    trial.expect("the finish reason", trial.stream(LENGTH).said.finish, WORDS[trial.wire]["length"])


def _scripted(trial: ProviderTrial, reason: FinishReason) -> None:
    trial.expect("the finish reason", trial.stream(ended(reason)).said.finish, WORDS[trial.wire][reason])
    trial.expect_none(trial.stream(ended(reason)).problems)


@case(
    "provider/finish/content-filter",
    "An answer that a filter cut says so.",
    source=REFERENCE,
    needs=["scripted"],
    wires=having("content_filter"),
)
def content_filter(trial: ProviderTrial) -> None:
    _scripted(trial, "content_filter")


@case(
    "provider/finish/refusal",
    "An answer that the model refused says so.",
    source=REFERENCE,
    needs=["scripted"],
    wires=having("refusal"),
)
def refusal(trial: ProviderTrial) -> None:
    _scripted(trial, "refusal")


@case(
    "provider/finish/pause",
    "An answer that pauses says so.",
    source=REFERENCE,
    needs=["scripted"],
    wires=having("pause"),
)
def pause(trial: ProviderTrial) -> None:
    _scripted(trial, "pause")
