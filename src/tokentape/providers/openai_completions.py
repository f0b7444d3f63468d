"""OpenAI's legacy Completions, and every server that speaks it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from tokentape.errors import ConfigurationError
from tokentape.providers.messages import Message, Tools, as_input
from tokentape.providers.openai import OpenAIProvider
from tokentape.providers.openai_request import with_usage


class OpenAICompletions(OpenAIProvider):
    """A client for POST /completions, which completes a text.

    The prompt is the text of the messages, with a blank line between them: roles are not part of it. Pass `prompt=`
    to send one as it is. Settings come from the same variables as OpenAIChat's, and a streamed request asks for the
    usage in the same way.
    """

    wire: ClassVar[str] = "openai_completions"
    path: ClassVar[str] = "/completions"
    prompt_field: ClassVar[str] = "prompt"

    def request_body(
        self, messages: Sequence[Message], *, stream: bool, tools: Tools | None, options: Mapping[str, Any]
    ) -> dict[str, Any]:
        """The request body, pure. Raises ConfigurationError for tools."""
        if tools is not None:
            raise ConfigurationError("the Completions API has no tools: use OpenAIChat or OpenAIResponses")
        prompt = "\n\n".join(message.text for message in as_input(messages))
        body = {"model": self.model, "prompt": prompt, **options}
        return with_usage(body) if stream else body
