"""OpenAI's Responses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from tokentape.providers.messages import Message, Tools
from tokentape.providers.openai import OpenAIProvider
from tokentape.providers.responses_request import responses_input, responses_tools


class OpenAIResponses(OpenAIProvider):
    """A client for POST /responses.

    Settings come from the same variables as OpenAIChat's. Messages become input items: an answer that goes back has
    its reasoning, calls and built-in tools in it, as the API wants them; without `store` that takes
    `include=["reasoning.encrypted_content"]`. With `previous_response_id` pass only what is new.
    """

    wire: ClassVar[str] = "openai_responses"
    path: ClassVar[str] = "/responses"
    prompt_field: ClassVar[str] = "input"

    def request_body(
        self, messages: Sequence[Message], *, stream: bool, tools: Tools | None, options: Mapping[str, Any]
    ) -> dict[str, Any]:
        """The request body, pure."""
        made = None if tools is None else responses_tools(tools)
        stored = options.get("store") is not False
        body: dict[str, Any] = {"model": self.model, "input": responses_input(messages, made or (), stored=stored)}
        if made is not None:
            body["tools"] = made
        if stream:
            body["stream"] = True
        return {**body, **options}
