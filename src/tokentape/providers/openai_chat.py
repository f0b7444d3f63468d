"""The client for OpenAI's Chat Completions and every server with the same API."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from tokentape.providers.messages import Message, Tools
from tokentape.providers.openai import OpenAIProvider
from tokentape.providers.openai_request import openai_messages, openai_tools, with_usage


class OpenAIChat(OpenAIProvider):
    """A client for POST /chat/completions.

    Arguments that are not passed come from the variables of the official SDK: OPENAI_API_KEY, OPENAI_BASE_URL,
    OPENAI_ORG_ID, OPENAI_PROJECT_ID, OPENAI_CUSTOM_HEADERS. A request for a stream also requests usage
    (`stream_options: {include_usage: true}`); pass `stream_options=None` for a server that does not support it.
    """

    wire: ClassVar[str] = "openai_chat"
    path: ClassVar[str] = "/chat/completions"

    def request_body(
        self, messages: Sequence[Message], *, stream: bool, tools: Tools | None, options: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Build the request body."""
        body: dict[str, Any] = {"model": self.model, "messages": openai_messages(messages)}
        if tools is not None:
            body["tools"] = openai_tools(tools)
        body |= options
        return with_usage(body) if stream else body
