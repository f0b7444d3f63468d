"""The client for OpenAI's Responses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from tokentape.providers.messages import Message, Tools
from tokentape.providers.openai import OpenAIProvider
from tokentape.providers.responses_request import responses_input, responses_tools


class OpenAIResponses(OpenAIProvider):
    """A client for POST /responses.

    Settings come from the same variables as OpenAIChat's. Messages become input items: a model's message is sent back
    with its reasoning, calls and built-in tools, as the API requires. With `store=False` this needs
    `include=["reasoning.encrypted_content"]`. With `previous_response_id` pass only the new messages.
    """

    wire: ClassVar[str] = "openai_responses"
    path: ClassVar[str] = "/responses"
    prompt_field: ClassVar[str] = "input"

    def request_body(
        self, messages: Sequence[Message], *, stream: bool, tools: Tools | None, options: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Build the request body."""
        tool_objects = [] if tools is None else responses_tools(tools)
        stored = options.get("store") is not False
        body: dict[str, Any] = {"model": self.model, "input": responses_input(messages, tool_objects, stored=stored)}
        if tools is not None:
            body["tools"] = tool_objects
        if stream:
            body["stream"] = True
        return {**body, **options}
