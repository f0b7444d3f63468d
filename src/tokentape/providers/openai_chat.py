"""OpenAI's Chat Completions, and every server that speaks it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from tokentape.providers.messages import Message, Tools
from tokentape.providers.openai import OpenAIProvider
from tokentape.providers.openai_request import openai_messages, openai_tools, with_usage


class OpenAIChat(OpenAIProvider):
    """A client for POST /chat/completions.

    What isn't passed comes from the variables that the official SDK reads: OPENAI_API_KEY, OPENAI_BASE_URL,
    OPENAI_ORG_ID, OPENAI_PROJECT_ID, OPENAI_CUSTOM_HEADERS. A streamed request asks for the usage
    (`stream_options: {include_usage: true}`); pass `stream_options=None` for a server that does not know it.
    """

    wire: ClassVar[str] = "openai_chat"
    path: ClassVar[str] = "/chat/completions"

    def request_body(
        self, messages: Sequence[Message], *, stream: bool, tools: Tools | None, options: Mapping[str, Any]
    ) -> dict[str, Any]:
        """The request body, pure."""
        body: dict[str, Any] = {"model": self.model, "messages": openai_messages(messages)}
        if tools is not None:
            body["tools"] = openai_tools(tools)
        if not stream:
            return {**body, **options}
        return with_usage({**body, **options})
