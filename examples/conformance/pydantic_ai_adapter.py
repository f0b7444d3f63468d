"""Adapter of pydantic-ai's streams, as `model_request_stream` yields them, over the official SDKs.

$ uv pip install 'tokentape[harness]' 'pydantic-ai-slim[openai,anthropic]'
$ tokentape conformance iterator examples.conformance.pydantic_ai_adapter:Adapter --baseline pydantic_ai.toml
"""

from __future__ import annotations

import json
from importlib.metadata import version
from typing import Any

import anthropic
import openai
from pydantic_ai.direct import model_request_stream
from pydantic_ai.messages import (
    ModelRequest,
    ModelResponse,
    PartDeltaEvent,
    PartStartEvent,
    TextPart,
    TextPartDelta,
    ThinkingPart,
    ThinkingPartDelta,
    ToolCallPart,
)
from pydantic_ai.models.anthropic import AnthropicModel
from pydantic_ai.models.openai import OpenAIChatModel, OpenAIResponsesModel
from pydantic_ai.providers.anthropic import AnthropicProvider
from pydantic_ai.providers.openai import OpenAIProvider

from tokentape_conformance import async_http_client

_FINISH = {"tool_call": "tool_calls"}


class Stream:
    """A request whose stream is read by `async for`, and the response so far."""

    def __init__(self, model: Any) -> None:
        self._request = model_request_stream(model, [ModelRequest.user_text_prompt("Hi")])
        self._loop: Any = None
        self._streamed: Any = None

    @property
    def response(self) -> ModelResponse:
        """The response so far."""
        return ModelResponse(parts=[]) if self._streamed is None else self._streamed.get()

    def __aiter__(self) -> Any:
        self._loop = self._read()
        return self._loop

    async def _read(self) -> Any:
        async with self._request as self._streamed:
            async for event in self._streamed:
                yield event

    async def aclose(self) -> None:
        """Leave the request, which may not have been sent yet."""
        if self._loop is not None:
            await self._loop.aclose()
        else:
            async with self._request:
                pass


class Adapter:
    """pydantic-ai 2, async only."""

    wires = ("openai_chat", "openai_responses", "anthropic_messages")
    lacks = {  # noqa: RUF012 - a plain table
        "second_loop": "the stream is read once, by design",
        "two_loops": "the stream is read once, by design",
        "several_choices": "a model response has one choice, by design",
        "with_block": "the request is the context, and is entered by the loop here",
    }
    versions = {name: version(name) for name in ("pydantic-ai-slim", "openai", "anthropic")}  # noqa: RUF012

    def aopen(self, source: Any, wire: str, **_options: Any) -> Stream:
        """A stream over the SDK of the wire format."""
        http = async_http_client(source)
        if wire == "anthropic_messages":
            client = anthropic.AsyncAnthropic(api_key="none", http_client=http, max_retries=0)
            return Stream(AnthropicModel("m", provider=AnthropicProvider(anthropic_client=client)))
        kind = OpenAIChatModel if wire == "openai_chat" else OpenAIResponsesModel
        sdk = openai.AsyncOpenAI(api_key="none", http_client=http, max_retries=0)
        return Stream(kind("m", provider=OpenAIProvider(openai_client=sdk)))

    async def aclose(self, stream: Stream) -> None:
        """Leave the request."""
        await stream.aclose()

    def text(self, chunk: Any) -> str:
        """The text that an event adds."""
        return _added(chunk, TextPart, TextPartDelta)

    def reasoning(self, chunk: Any) -> str:
        """The reasoning that an event adds."""
        return _added(chunk, ThinkingPart, ThinkingPartDelta)

    def usage(self, stream: Stream) -> dict[str, int | None]:
        """Usage; 0 by default."""
        return self.output_usage(stream.response)

    def finish_reason(self, stream: Stream) -> str | None:
        """The finish reason."""
        return self.message_finish_reason(stream.response)

    def output(self, stream: Stream) -> Any:
        """The response so far."""
        return stream.response

    def messages(self, output: Any) -> list[Any]:
        """The only one."""
        return [output]

    def output_usage(self, output: Any) -> dict[str, int | None]:
        """Usage of a response."""
        usage = output.usage
        return {
            "input": usage.input_tokens,
            "output": usage.output_tokens,
            "total": usage.total_tokens,
            "cached": usage.cache_read_tokens,
            "cache_write": usage.cache_write_tokens,
            "reasoning": usage.details.get("reasoning_tokens"),
        }

    def message_text(self, message: Any) -> str:
        """All text."""
        return "".join(part.content for part in message.parts if isinstance(part, TextPart))

    def message_reasoning(self, message: Any) -> str:
        """All reasoning."""
        return "".join(part.content for part in message.parts if isinstance(part, ThinkingPart))

    def message_finish_reason(self, message: Any) -> str | None:
        """Why it ended."""
        reason: str | None = message.finish_reason
        return None if reason is None else _FINISH.get(reason, reason)

    def message_tool_calls(self, message: Any) -> list[dict[str, Any]]:
        """The tool calls."""
        return [_call(part) for part in message.parts if isinstance(part, ToolCallPart)]


def _added(event: Any, part: Any, delta: Any) -> str:
    added = ""
    match event:
        case PartStartEvent(part=started) if isinstance(started, part):
            added = started.content
        case PartDeltaEvent(delta=more) if isinstance(more, delta):
            added = more.content_delta or ""
    return added


def _call(part: ToolCallPart) -> dict[str, Any]:
    raw = part.args if isinstance(part.args, str) else json.dumps(part.args or {})
    try:
        arguments = part.args_as_dict(raise_if_invalid=True)
    except (ValueError, AssertionError):
        return {"id": part.tool_call_id, "name": part.tool_name, "arguments": {}, "raw": raw, "valid": False}
    return {"id": part.tool_call_id, "name": part.tool_name, "arguments": arguments, "raw": raw, "valid": True}
