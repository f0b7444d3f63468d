"""`bedrock_converse`: POST /model/{m}/converse-stream and /converse, as Amazon Bedrock sends them.

Frames, key order and padding are those of recorded streams of 2025 and 2026; the reference is
docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ConverseStream.html.

- The path shows whether the answer is streamed, and names the model, whose id is percent-encoded. A signature is
  not looked at.
- There is one choice. Each item of the script is a content block. A refusal is text that ends with
  `content_filtered`. Encrypted reasoning is sent unchanged if it is base64, else as base64 of it; hidden reasoning is
  its signature alone, which is made up if it has none.
- A text with citations is one block for each run of text that has the same citations, of pages or of documents. Code
  and web searches are Nova's server tools, each a block of its call and one of its result; other server tools are left
  out. Audio is its transcript.
- `inputTokens` leaves out what was read from and written to the cache; these are named where the script gives
  them. Reasoning tokens are not counted apart. `report=False` leaves `usage` out of `metadata`.
- An error inside the stream is an exception frame.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from tokentape_fake_provider.errors import BadRequestError
from tokentape_fake_provider.script.model import Script
from tokentape_fake_provider.script.usage import Counts, resolve_usage, uncached_input
from tokentape_fake_provider.wires.aws_frames import (
    AMAZON,
    SAMPLE_MODEL,
    BedrockWire,
    converse_texts,
    event_frame,
    exception_frame,
    paddings,
    request_id,
)
from tokentape_fake_provider.wires.converse_events import choice_of, complete_content, content_events, stop_reason
from tokentape_fake_provider.wires.document_paths import DocumentPaths
from tokentape_fake_provider.wires.facts import WireFacts, option_paths
from tokentape_fake_provider.wires.request_parts import match_path
from tokentape_fake_provider.wires.wire import EncodedFrame, ProviderRequest, Reply


class BedrockConverse(BedrockWire):
    """The wire format `bedrock_converse`."""

    name = "bedrock_converse"
    paths: Sequence[str] = (
        "/model/{model}/converse-stream",
        "/model/{model}/converse",
        "/model/{arn}/{model}/converse-stream",  # an inference profile's ARN has a slash
        "/model/{arn}/{model}/converse",
    )
    document_paths = DocumentPaths(endings=(("stopReason",),), usage=(("usage",),), output=(("usage", "outputTokens"),))
    facts = WireFacts(
        provider=AMAZON,
        framing="aws",
        client_settings={"region": "us-east-1"},
        sample_model=SAMPLE_MODEL,
        option_paths=option_paths("inferenceConfig", max_tokens="maxTokens", top_p="topP", stop="stopSequences"),
        terminal_event=True,
        model_reported=False,
        complete_argument_text=False,
        finish_words={
            "stop": "end_turn",
            "length": "max_tokens",
            "tool_calls": "tool_use",
            "content_filter": "content_filtered",
        },
        text_finish_reasons=("stop", "length", "tool_calls", "content_filter"),
        input_usage=("inputTokens", "cacheReadInputTokens", "cacheWriteInputTokens"),
        output_usage=("outputTokens",),
        cached_usage="cacheReadInputTokens",
        unreported_usage=frozenset({"reasoning"}),
        error_fields=("message",),
        error_paths=r"/(model|guardrail|async-invoke)\b",
        error_headers=((b"x-amz-date", b""), (b"user-agent", b"boto3/")),
    )

    def read(self, path: str, body: Mapping[str, Any], *, created: int, seed: str) -> ProviderRequest:
        """Read a request body; fields it doesn't know are let through."""
        messages = body.get("messages")
        check_messages(messages)
        prompt = [*converse_texts(body.get("system")), *converse_texts(messages)]
        return ProviderRequest(
            wire=self.name,
            model=model_of(self.paths, path),
            stream=path.endswith("-stream"),
            text="\n".join(prompt),
            include_usage=True,
            created=created,
            seed=seed,
            body=body,
            path=path,
        )

    def encode_stream(self, script: Script, request: ProviderRequest) -> list[EncodedFrame]:
        """The frames of a streamed response."""
        choice = choice_of(script, self.name)
        padding = paddings()
        pieces = [
            EncodedFrame(event_frame(name, payload | {"p": next(padding)}), tokens, at)
            for name, payload, tokens, at in content_events(choice, request)
        ]
        if script.error is not None:
            pieces.append(EncodedFrame(exception_frame(script.error)))
            return pieces
        counts = resolve_usage(script, request.text, script.choices)
        stop = {"stopReason": stop_reason(choice), "p": next(padding)}
        metadata = _metadata(script, counts) | {"p": next(padding)}
        pieces.append(EncodedFrame(event_frame("messageStop", stop)))
        pieces.append(EncodedFrame(event_frame("metadata", metadata)))
        return pieces

    def encode_complete(self, script: Script, request: ProviderRequest) -> Reply:
        """The same response as one JSON object."""
        choice = choice_of(script, self.name)
        content = complete_content(choice, request)
        body = _metadata(script, resolve_usage(script, request.text, script.choices)) | {
            "output": {"message": {"content": content, "role": "assistant"}},
            "stopReason": stop_reason(choice),
        }
        headers = (("content-type", "application/json"), ("x-amzn-requestid", request_id(request.seed)))
        return Reply(200, headers, msgspec.json.encode(dict(sorted(body.items()))))


def model_of(paths: Sequence[str], path: str) -> str:
    """The model's id or ARN that a path names."""
    found = match_path(paths, path)
    if not found:
        raise BadRequestError("The provided model identifier is invalid.")
    return "/".join(found.values())


def check_messages(messages: Any) -> None:
    """Refuse what Converse refuses, in its words. Raises `BadRequestError`."""
    if messages is None:
        raise BadRequestError("A conversation must start with a user message. Try again with a conversation.")
    if not isinstance(messages, list) or not all(isinstance(message, Mapping) for message in messages):
        raise BadRequestError("The value at messages is not a list of messages.")
    if not messages:
        raise BadRequestError("A conversation must start with a user message. Try again with a conversation.")
    for number, message in enumerate(messages, 1):
        role, content = message.get("role"), message.get("content")
        if role not in ("user", "assistant", "system"):
            raise BadRequestError(
                f"1 validation error detected: Value {str(role)!r} at 'messages.{number}.member.role' failed to "
                "satisfy constraint: Member must satisfy enum value set: [user, assistant, system]"
            )
        if not isinstance(content, list) or not all(isinstance(block, Mapping) for block in content):
            raise BadRequestError(f"The value at messages.{number - 1}.content is not a list of content blocks.")


def _metadata(script: Script, counts: Counts | None) -> dict[str, Any]:
    metadata: dict[str, Any] = {"metrics": {"latencyMs": 300 + 12 * (counts.output if counts is not None else 0)}}
    if counts is None:
        return metadata
    usage: dict[str, Any] = {
        "inputTokens": uncached_input(counts),
        "outputTokens": counts.output,
        "serverToolUsage": {},
        "totalTokens": counts.total,
    }
    if script.usage.cached is not None:
        usage["cacheReadInputTokens"] = counts.cached
    if script.usage.cache_write is not None:
        usage["cacheWriteInputTokens"] = counts.cache_write
    return metadata | {"usage": dict(sorted(usage.items()))}
