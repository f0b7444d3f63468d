"""The same without streaming."""

from __future__ import annotations

from collections.abc import Mapping

from tokentape_conformance.provider import ProviderTrial, case
from tokentape_conformance.provider.event import Problem, at_path
from tokentape_conformance.provider.grammar import COUNT, LIST, OBJECT, TEXT, Fields, exactly
from tokentape_conformance.provider.scenario import LENGTH, REASONING
from tokentape_conformance.provider.scenario import TEXT as SAID

REFERENCE = "the provider's API reference"
_CLAUDE: Fields = {
    "id": TEXT,
    "type": exactly("message"),
    "role": exactly("assistant"),
    "model": TEXT,
    "content": LIST,
    "stop_reason": TEXT,
    "usage.input_tokens": COUNT,
    "usage.output_tokens": COUNT,
}
FIELDS: Mapping[str, Fields] = {
    "openai_chat": {
        "id": TEXT,
        "object": exactly("chat.completion"),
        "created": COUNT,
        "model": TEXT,
        "choices": LIST,
        "usage": OBJECT,
    },
    "openai_completions": {
        "id": TEXT,
        "object": exactly("text_completion"),
        "created": COUNT,
        "model": TEXT,
        "choices": LIST,
    },
    "openai_responses": {
        "id": TEXT,
        "object": exactly("response"),
        "model": TEXT,
        "output": LIST,
        "status": TEXT,
        "usage": OBJECT,
    },
    "anthropic_messages": _CLAUDE,
    "bedrock_invoke": _CLAUDE,
    "bedrock_converse": {
        "output.message.role": exactly("assistant"),
        "output.message.content": LIST,
        "stopReason": TEXT,
        "usage.totalTokens": COUNT,
        "metrics.latencyMs": COUNT,
    },
    "gemini": {"candidates": LIST, "usageMetadata": OBJECT, "modelVersion": TEXT},
    "gemini_interactions": {"id": TEXT, "status": TEXT, "usage": OBJECT},
    "ollama": {
        "model": TEXT,
        "created_at": TEXT,
        "message.role": exactly("assistant"),
        "message.content": TEXT,
        "done_reason": TEXT,
    },
    "cohere_chat": {
        "id": TEXT,
        "finish_reason": TEXT,
        "message.role": exactly("assistant"),
        "usage": OBJECT,
    },
}


@case(
    "provider/whole/fields",
    "The answer has the fields that it must have, of their types.",
    source=REFERENCE,
    needs=["not_streamed"],
)
def fields(trial: ProviderTrial) -> None:
    trial.whole()
    document = trial.asked(SAID, stream=False).document
    trial.expect_none(
        Problem("fields", f"`{path}`", kind.name, repr(at_path(document, path))[:80])
        for path, kind in FIELDS[trial.wire].items()
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
        first, second = (trial.judged(trial.ask(SAID)).said.text for _ in range(2))
        if first != second:
            trial.skip("the text differs from request to request")
    trial.expect("the text", trial.whole().text, trial.stream().said.text)


@case(
    "provider/whole/reasoning",
    "Its reasoning is that of the stream.",
    source=REFERENCE,
    needs=["not_streamed", "reasoning", "scripted"],
    wires=[wire for wire in FIELDS if wire != "openai_completions"],
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
    wires=[wire for wire in FIELDS if wire not in ("cohere_chat", "bedrock_converse")],
)
def model(trial: ProviderTrial) -> None:
    trial.expect("the model", trial.whole().model, trial.stream().said.model)
