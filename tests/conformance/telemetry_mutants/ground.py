"""Ground: an app with an exact instrumentation, of which each broken one changes one thing."""

from __future__ import annotations

import json
import os
import secrets
import time
import urllib.request
from collections.abc import Iterator, Sequence
from typing import Any

from tests.conformance.pipelines.chatting import QUESTION, TOOLS, provider
from tokentape import ChatMessage, ChatOutput, RateLimitError


class Call:
    """One call of the model, as far as it has come."""

    def __init__(self, messages: Sequence[ChatMessage]) -> None:
        self.messages = messages
        self.began = time.time()
        self.head = self.began
        self.chunks: list[float] = []
        self.texts = 0
        self.output: ChatOutput | None = None
        self.error: Exception | None = None
        self.attempts: list[Exception] = []
        self.complete = False
        self.ended = self.began

    @property
    def is_follow_up(self) -> bool:
        """Whether it has a tool's result."""
        return len(self.messages) > len(QUESTION)

    @property
    def was_left(self) -> bool:
        """Whether the app closed it before its end."""
        return not self.complete and self.error is None


class Ground:
    """An app that streams, calls its tool, and retries once; its telemetry is exact."""

    def __call__(self) -> Iterator[str]:
        return self.answer(QUESTION)

    def answer(self, messages: Sequence[ChatMessage]) -> Iterator[str]:
        """The texts of an answer and of its follow-up."""
        call, stream = Call(messages), None
        self.begun(call)
        try:
            stream = self.request(call)
            call.head = time.time()
            for message in stream:
                if message.text or message.tool_call_deltas:
                    call.chunks.append(time.time())
                if message.text:
                    call.texts += 1
                    yield message.text
            call.complete = True
        except Exception as error:
            call.error = error
            raise
        finally:
            if stream is not None:
                stream.close()
                call.output = stream.get_chat_output()
            call.ended = time.time()
            self.export(call)
        message = stream.get_chat_output().message
        if message.tool_calls:
            results = [ChatMessage.tool("3,800", tool_call_id=each.id) for each in message.tool_calls]
            yield from self.answer((*messages, message, *results))

    def begun(self, call: Call) -> None:
        """Called when a call begins."""

    def request(self, call: Call) -> Any:
        """The stream, after one retry where that is allowed."""
        for _ in range(2):
            try:
                return provider().chat(call.messages, stream=True, tools=TOOLS).normalized
            except RateLimitError as error:
                call.attempts.append(error)
        raise call.attempts[-1]

    # What is reported.

    def attributes(self, call: Call) -> dict[str, Any]:
        """The attributes of the span."""
        output = call.output
        found: dict[str, Any] = {
            "gen_ai.operation.name": "chat",
            "gen_ai.provider.name": "openai",
            "gen_ai.request.model": "gpt-4o-mini",
            "gen_ai.request.stream": True,
        }
        if call.chunks:
            found["gen_ai.response.time_to_first_chunk"] = call.chunks[0] - call.began
        if call.error is not None:
            found["error.type"] = type(call.error).__name__
        if output is not None:
            found |= {
                "gen_ai.response.model": output.model,
                "gen_ai.response.id": output.metadata.get("id"),
                "gen_ai.response.finish_reasons": output.finish_reason and [str(output.finish_reason)],
                "gen_ai.usage.input_tokens": output.usage.input,
                "gen_ai.usage.output_tokens": output.usage.output,
                "gen_ai.usage.cache_read.input_tokens": output.usage.cached,
                "gen_ai.usage.reasoning.output_tokens": output.usage.reasoning,
            }
        if os.environ["OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"] == "true":
            found |= self.content(call)
        return {name: value for name, value in found.items() if value is not None}

    def content(self, call: Call) -> dict[str, Any]:
        """The prompt and the response, where content is on."""
        return {
            "gen_ai.input.messages": prompt_of(call),
            "gen_ai.output.messages": json.dumps([{"role": "assistant", "parts": [*text_of(call), *tools_of(call)]}]),
        }

    def is_error(self, call: Call) -> bool:
        """Whether the span's status is an error."""
        return call.error is not None

    def end(self, call: Call) -> float:
        """When the span ends."""
        return call.ended

    def spans(self, call: Call) -> int:
        """The number of spans that are exported."""
        return 1

    def metrics(self, call: Call) -> dict[str, list[tuple[float, dict[str, Any]]]]:
        """The values of each metric."""
        usage = call.output.usage if call.output else None
        counts = {} if usage is None else {"input": usage.input, "output": usage.output}
        return {
            "gen_ai.client.operation.duration": [(call.ended - call.began, {})],
            "gen_ai.client.operation.time_to_first_chunk": [(at - call.began, {}) for at in call.chunks[:1]],
            "gen_ai.client.operation.time_per_output_chunk": [
                (late - early, {}) for early, late in zip(call.chunks, call.chunks[1:], strict=False)
            ],
            "gen_ai.client.token.usage": [
                (count, {"gen_ai.token.type": kind}) for kind, count in counts.items() if count is not None
            ],
        }

    # How it is exported: metrics first, so that the span is the last.

    def export(self, call: Call) -> None:
        """Send OTLP as JSON."""
        points = [
            {"name": name, "histogram": {"aggregationTemporality": 1, "dataPoints": list(map(_point, values))}}
            for name, values in self.metrics(call).items()
        ]
        self.send(
            "metrics", {"resourceMetrics": [{"scopeMetrics": [{"scope": {"name": "ground"}, "metrics": points}]}]}
        )
        status = {"code": 2, "message": "failed"} if self.is_error(call) else {}
        span = {
            "traceId": secrets.token_hex(16),
            "name": "chat",
            "kind": 3,
            "startTimeUnixNano": str(int(call.began * 1e9)),
            "endTimeUnixNano": str(int(self.end(call) * 1e9)),
            "attributes": _attributes(self.attributes(call)),
            "status": status,
        }
        spans = [{**span, "spanId": secrets.token_hex(8)} for _ in range(self.spans(call))]
        self.send("traces", {"resourceSpans": [{"scopeSpans": [{"scope": {"name": "ground"}, "spans": spans}]}]})

    def send(self, signal: str, fields: dict[str, Any]) -> None:
        """Send one export."""
        url = f"{os.environ['OTEL_EXPORTER_OTLP_ENDPOINT']}/v1/{signal}"
        request = urllib.request.Request(url, json.dumps(fields).encode(), {"content-type": "application/json"})
        urllib.request.urlopen(request, timeout=10).close()


def prompt_of(call: Call) -> str:
    """The request's messages in the conventions' JSON."""
    return json.dumps([{"role": m.role, "parts": [{"type": "text", "content": m.text}]} for m in call.messages])


def text_of(call: Call) -> list[dict[str, Any]]:
    """The response's text as a part."""
    text = call.output.text if call.output else ""
    return [{"type": "text", "content": text}] if text else []


def tools_of(call: Call) -> list[dict[str, Any]]:
    """The response's tool calls as parts."""
    calls = call.output.message.tool_calls if call.output else ()
    return [{"type": "tool_call", "id": c.id, "name": c.name, "arguments": c.arguments} for c in calls]


def _point(value: tuple[float, dict[str, Any]]) -> dict[str, Any]:
    number, attributes = value
    now = str(time.time_ns())
    return {"timeUnixNano": now, "count": "1", "sum": number, "attributes": _attributes(attributes)}


def _attributes(values: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"key": name, "value": _value(value)} for name, value in values.items()]


def _value(value: Any) -> dict[str, Any]:
    match value:
        case bool():
            return {"boolValue": value}
        case int():
            return {"intValue": str(value)}
        case float():
            return {"doubleValue": value}
        case list():
            return {"arrayValue": {"values": list(map(_value, value))}}
        case _:
            return {"stringValue": value}
