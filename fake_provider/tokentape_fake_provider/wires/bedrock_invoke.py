"""`bedrock_invoke`: POST /model/{m}/invoke-with-response-stream and /invoke, as Amazon Bedrock sends them.

- The model's id shows which body is inside (`invoke_bodies`); where it does not, the request does.
- Each document is a `chunk` event, in base64; the last one carries `amazon-bedrock-invocationMetrics`.
- Without streaming the body is the model's own, with token counts in headers.
- An error inside the stream is an exception frame.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from tokentape_fake_provider.script.model import Script
from tokentape_fake_provider.script.usage import Counts, resolve_usage
from tokentape_fake_provider.wires.anthropic_messages import AnthropicMessages
from tokentape_fake_provider.wires.aws_frames import (
    AMAZON,
    SAMPLE_MODEL,
    BedrockWire,
    event_frame,
    exception_frame,
    invocation_metrics,
    paddings,
    request_id,
)
from tokentape_fake_provider.wires.bedrock_converse import model_of
from tokentape_fake_provider.wires.document_paths import DocumentPaths
from tokentape_fake_provider.wires.facts import WireFacts
from tokentape_fake_provider.wires.invoke_bodies import body_of
from tokentape_fake_provider.wires.wire import EncodedFrame, ProviderRequest, Reply


class BedrockInvoke(BedrockWire):
    """The wire format `bedrock_invoke`."""

    name = "bedrock_invoke"
    paths: Sequence[str] = (
        "/model/{model}/invoke-with-response-stream",
        "/model/{model}/invoke",
        "/model/{arn}/{model}/invoke-with-response-stream",
        "/model/{arn}/{model}/invoke",
    )
    document_paths = DocumentPaths(
        endings=(
            ("delta", "stop_reason"),
            ("choices", "*", "finish_reason"),
            ("outputs", "*", "stop_reason"),
            ("choices", "*", "stop_reason"),
            ("messageStop", "stopReason"),
            ("completionReason",),
            ("stop_reason",),
            ("is_finished",),
            ("finish_reason",),
            ("amazon-bedrock-invocationMetrics",),
        ),
        usage=(
            ("usage",),
            ("message", "usage"),
            ("metadata", "usage"),
            ("prompt_token_count",),
            ("generation_token_count",),
            ("inputTextTokenCount",),
            ("totalOutputTextTokenCount",),
            ("amazon-bedrock-invocationMetrics", "inputTokenCount"),
            ("amazon-bedrock-invocationMetrics", "outputTokenCount"),
            ("amazon-bedrock-invocationMetrics", "cacheReadInputTokenCount"),
            ("amazon-bedrock-invocationMetrics", "cacheWriteInputTokenCount"),
        ),
        output=(("amazon-bedrock-invocationMetrics", "outputTokenCount"),),
        wrapped=True,
    )
    facts = WireFacts(
        provider=AMAZON,
        framing="aws",
        client_settings={"region": "us-east-1"},
        # A model of another provider: its name does not say what body it takes.
        unknown_model_settings={"family": "anthropic"},
        sample_model=SAMPLE_MODEL,
        complete_argument_text=False,
        finish_words=AnthropicMessages.facts.finish_words,
        text_finish_reasons=("stop", "length"),
        input_usage=AnthropicMessages.facts.input_usage,
        output_usage=("output_tokens",),
        cached_usage="cache_read_input_tokens",
        error_fields=("message",),
    )

    def read(self, path: str, body: Mapping[str, Any], *, created: int, seed: str) -> ProviderRequest:
        """Read a request body; fields it doesn't know are let through."""
        request = ProviderRequest(
            wire=self.name,
            model=model_of(self.paths, path),
            stream=path.endswith("-stream"),
            include_usage=True,
            created=created,
            seed=seed,
            body=body,
            path=path,
        )
        return msgspec.structs.replace(request, text=body_of(request.model, body).prompt(request))

    def stream_headers(self, request: ProviderRequest) -> tuple[tuple[str, str], ...]:
        """The headers of a streamed response."""
        return (*super().stream_headers(request), ("x-amzn-bedrock-content-type", "application/json"))

    def encode_stream(self, script: Script, request: ProviderRequest) -> list[EncodedFrame]:
        """The frames of a streamed response."""
        documents = list(body_of(request.model, request.body).events(script, request))
        if script.error is None:
            metrics = invocation_metrics(_counts(script, request))
            last = documents[-1]
            data = last.data[:-1] + b',"amazon-bedrock-invocationMetrics":' + msgspec.json.encode(metrics) + b"}"
            documents[-1] = last._replace(data=data)
        padding = paddings()
        pieces = [
            EncodedFrame(
                event_frame("chunk", {"bytes": base64.b64encode(data).decode(), "p": next(padding)}), tokens, at
            )
            for data, tokens, at in documents
        ]
        if script.error is not None:
            pieces.append(EncodedFrame(exception_frame(script.error)))
        return pieces

    def encode_complete(self, script: Script, request: ProviderRequest) -> Reply:
        """The model's own body."""
        body = body_of(request.model, request.body).whole(script, request)
        headers = [("content-type", "application/json"), ("x-amzn-requestid", request_id(request.seed))]
        metrics = invocation_metrics(_counts(script, request))
        headers += [(name, str(metrics[field])) for field, name in _METRIC_HEADERS.items() if field in metrics]
        return Reply(200, tuple(headers), body)


_METRIC_HEADERS: Mapping[str, str] = {
    "invocationLatency": "x-amzn-bedrock-invocation-latency",
    "inputTokenCount": "x-amzn-bedrock-input-token-count",
    "outputTokenCount": "x-amzn-bedrock-output-token-count",
    "cacheReadInputTokenCount": "x-amzn-bedrock-cache-read-input-token-count",
    "cacheWriteInputTokenCount": "x-amzn-bedrock-cache-write-input-token-count",
}
"""The metrics of a stream's last chunk are headers where nothing is streamed."""


def _counts(script: Script, request: ProviderRequest) -> Counts | None:
    return resolve_usage(script, request.text, script.choices)
