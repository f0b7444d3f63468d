"""Reads a prompt from a request body of any wire format, by the shape of its fields."""

from __future__ import annotations

from tokentape_fake_provider.wires.prompt import Message, Prompt
from tokentape_fake_provider.wires.wire import ProviderRequest


def read_prompt(request: ProviderRequest) -> Prompt:
    """What a request asks of the model; never raises: what has another form than documented is left out."""
    return Prompt(messages=(Message("user", request.text),), choices=request.choices)
