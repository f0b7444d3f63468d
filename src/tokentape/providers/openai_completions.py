"""The client for OpenAI's legacy Completions and every server with the same API."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from tokentape.errors import ConfigurationError
from tokentape.providers.messages import Message, Tools, as_input
from tokentape.providers.openai import OpenAIProvider
from tokentape.providers.openai_request import with_usage


class OpenAICompletions(OpenAIProvider):
    """A client for POST /completions, which completes a text.

    The prompt is the text of the messages, with a blank line between them and without roles. Pass `prompt=` to send
    another one. Settings come from the same variables as OpenAIChat's, and a request for a stream requests usage in
    the same way.
    """

    wire: ClassVar[str] = "openai_completions"
    path: ClassVar[str] = "/completions"
    prompt_field: ClassVar[str] = "prompt"
    operation_type: ClassVar[str] = "text_completion"

    def request_body(
        self, messages: Sequence[Message], *, stream: bool, tools: Tools | None, options: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Build the request body. Raises ConfigurationError for tools."""
        if tools is not None:
            raise ConfigurationError("the Completions API has no tools: use OpenAIChat or OpenAIResponses")
        prompt = "\n\n".join(message.text for message in as_input(messages))
        body = {"model": self.model, "prompt": prompt, **options}
        return with_usage(body) if stream else body
