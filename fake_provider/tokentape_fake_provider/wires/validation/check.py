"""Checks a request by the rules of its provider."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final, TypeAlias

from tokentape_fake_provider.wires.invoke_bodies import AnthropicBody, NovaBody, OpenAIBody, body_of
from tokentape_fake_provider.wires.prompt import Prompt
from tokentape_fake_provider.wires.prompt_reader import asks_in_messages_alone
from tokentape_fake_provider.wires.validation.anthropic import check_anthropic
from tokentape_fake_provider.wires.validation.cohere import check_cohere
from tokentape_fake_provider.wires.validation.converse import check_converse
from tokentape_fake_provider.wires.validation.gemini import check_gemini
from tokentape_fake_provider.wires.validation.interactions import check_interactions
from tokentape_fake_provider.wires.validation.invoke_text import check_invoke_text
from tokentape_fake_provider.wires.validation.ollama import check_ollama
from tokentape_fake_provider.wires.validation.openai_chat import check_openai_chat
from tokentape_fake_provider.wires.validation.openai_completions import check_openai_completions
from tokentape_fake_provider.wires.validation.openai_responses import check_openai_responses
from tokentape_fake_provider.wires.validation.schema_limits import check_schemas
from tokentape_fake_provider.wires.wire import ProviderRequest

Check: TypeAlias = Callable[[ProviderRequest, Prompt], None]
_ANTHROPIC: Final = "anthropic_messages"


def check_request(request: ProviderRequest, prompt: Prompt, headers: Sequence[tuple[bytes, bytes]] = ()) -> None:
    """Raise `BadRequestError` if the provider would refuse the request, which is read as `prompt`.

    The headers name the beta features of Anthropic's that lift a limit.
    """
    if request.wire == _ANTHROPIC:
        check_anthropic(request, prompt, betas_of(request, headers))
    elif (check := _CHECKS.get(request.wire)) is not None:
        check(request, prompt)
    if not asks_in_messages_alone(request.body):
        check_schemas(request, prompt)


def betas_of(request: ProviderRequest, headers: Sequence[tuple[bytes, bytes]]) -> str:
    """The beta features that a request names in its headers; empty for a provider that has none."""
    if request.wire != _ANTHROPIC:
        return ""
    return b",".join(value for name, value in headers if name.lower() == b"anthropic-beta").decode(errors="replace")


def _check_invoke(request: ProviderRequest, prompt: Prompt) -> None:
    body = body_of(request.model, request.body)
    if isinstance(body, AnthropicBody):
        check_anthropic(request, prompt, str(request.body.get("anthropic_beta")))
    elif isinstance(body, OpenAIBody):
        check_openai_chat(request, prompt)
    elif isinstance(body, NovaBody):
        check_converse(request, prompt)
    else:
        check_invoke_text(request, prompt)


_CHECKS: Final[Mapping[str, Check]] = {
    "openai_chat": check_openai_chat,
    "openai_responses": check_openai_responses,
    "openai_completions": check_openai_completions,
    "bedrock_converse": check_converse,
    "bedrock_invoke": _check_invoke,
    "gemini": check_gemini,
    "gemini_interactions": check_interactions,
    "ollama": check_ollama,
    "cohere_chat": check_cohere,
}
