"""What OpenAI's completions refuse (platform.openai.com/docs/api-reference/completions)."""

from __future__ import annotations

from tokentape_fake_provider.errors import BadRequestError
from tokentape_fake_provider.wires.prompt import Prompt
from tokentape_fake_provider.wires.reading.fields import whole
from tokentape_fake_provider.wires.validation.openai_values import (
    check_decimal,
    check_integer,
    check_output_limit,
    check_stop,
)
from tokentape_fake_provider.wires.wire import ProviderRequest


def check_openai_completions(request: ProviderRequest, prompt: Prompt) -> None:  # noqa: ARG001 - the body says it all
    """Raise `BadRequestError` for what the provider refuses."""
    body = request.body
    check_decimal(body, "temperature", 0, 2)
    check_decimal(body, "top_p", 0, 1)
    for name in ("presence_penalty", "frequency_penalty"):
        check_decimal(body, name, -2, 2)
    check_stop(body)
    check_output_limit(body, "max_tokens", request.model, low=0)
    if not isinstance(body.get("logprobs"), bool):
        check_integer(body, "logprobs", 0, 5)
    best, choices = whole(body.get("best_of")), whole(body.get("n")) or 1  # of each prompt
    if best is not None and best < choices:
        raise BadRequestError(
            f"You requested that the server return more choices than it will generate (HINT: 'n' is {choices}, but "
            f"'best_of' is {best}).",
            param="best_of",
        )
