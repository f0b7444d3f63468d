"""Request format: how a wire format requests a scenario, by its provider's reference."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from tokentape_conformance.provider.scenario import FUNCTION, PARAMETERS, Scenario

Body = dict[str, Any]
TOOL_MEANING = "The weather of a city"


def bearer(key: str) -> Mapping[str, str]:
    """The header for a key that most providers use."""
    return {"authorization": f"Bearer {key}"}


class RequestFormat(msgspec.Struct, frozen=True):
    """A wire format's requests: the paths with and without streaming, and the body."""

    streamed: str
    whole: str
    body: Callable[[Scenario, str, bool], Body]
    """The body for a scenario, a model, and whether to stream."""
    prompt_field: str
    """The body's required field with the prompt."""
    auth: Callable[[str], Mapping[str, str]] = bearer


def with_function(scenario: Scenario, fields: Callable[[Body], Body]) -> Body:
    """The fields for the scenario's tool, if it has one; `fields` receives the function in OpenAI's format."""
    function = {"name": FUNCTION, "description": TOOL_MEANING, "parameters": dict(PARAMETERS)}
    return fields(function) if scenario.tool else {}
