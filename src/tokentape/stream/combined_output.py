"""Joins the outputs of a stream and of its follow-up streams."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from tokentape.message import ChatMessage
from tokentape.output import ChatOutput
from tokentape.usage import TokenUsage


def combined_output(outputs: Sequence[ChatOutput]) -> ChatOutput:
    """Join the outputs of successive requests.

    Text, reasoning, tool calls and parts of the first choice are joined in order. Usage is added up field by
    field, as each output is of a request of its own. The finish reason and error are the last output's.
    """
    if len(outputs) == 1:
        return outputs[0]
    unfiltered = None
    if any(output.unfiltered is not None for output in outputs):
        unfiltered = combined_output([output.unfiltered or output for output in outputs])
    messages = [output.message for output in outputs]
    usage = _sum(output.usage for output in outputs)
    last = messages[-1]
    message = ChatMessage(
        "".join(message.text for message in messages),
        last.role,
        last.metadata,
        "".join(message.reasoning for message in messages),
        tuple(call for message in messages for call in message.tool_calls),
        usage=usage,
        finish_reason=last.finish_reason,
        provider_finish_reason=last.provider_finish_reason,
        refusal="".join(message.refusal for message in messages),
        parts=tuple(part for message in messages for part in message.parts),
        model=last.model,
    )
    return msgspec.structs.replace(
        outputs[-1], messages=(message,), usage=usage, model=outputs[-1].model, unfiltered=unfiltered
    )


def _sum(usages: Iterable[TokenUsage]) -> TokenUsage:
    reported = list(usages)

    def add(name: str) -> Any:
        values = [value for usage in reported if (value := getattr(usage, name)) is not None]
        return sum(values) if values else None

    return TokenUsage(*(add(name) for name in TokenUsage.__struct_fields__[:-1]))
