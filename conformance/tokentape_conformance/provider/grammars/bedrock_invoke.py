"""Amazon Bedrock, InvokeModelWithResponseStream: chunks that wrap a model's own stream, here Anthropic's.

Amazon Bedrock API reference: InvokeModelWithResponseStream; Anthropic Claude Messages API.
"""

from __future__ import annotations

import msgspec

from tokentape_conformance.provider.framing import invoked
from tokentape_conformance.provider.grammar import STREAM
from tokentape_conformance.provider.grammars import anthropic_messages as anthropic

_EXCEPTIONS = dict.fromkeys(
    ("internalServerException", "modelStreamErrorException", "modelTimeoutException", "throttlingException"), "failed"
)
_MACHINE = msgspec.structs.replace(
    anthropic.STREAM_MACHINE,
    table={state: {**row, **_EXCEPTIONS} for state, row in anthropic.STREAM_MACHINE.table.items()},
)

GRAMMAR = msgspec.structs.replace(
    anthropic.GRAMMAR,
    wire="bedrock_invoke",
    source="Amazon Bedrock API reference: InvokeModelWithResponseStream",
    framing="aws",
    content_type="application/vnd.amazon.eventstream",
    machines={**anthropic.GRAMMAR.machines, STREAM: _MACHINE},
    named=lambda _: None,
    open=invoked,
)
