"""Request format: how a scenario is asked in a wire format, as its provider's reference has it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from tokentape_conformance.provider.scenario import FUNCTION, PARAMETERS, Scenario

Body = dict[str, Any]
TOOL_MEANING = "The weather of a city"


def bearer(key: str) -> Mapping[str, str]:
    """The header with a key that most providers take."""
    return {"authorization": f"Bearer {key}"}


class RequestFormat(msgspec.Struct, frozen=True):
    """How a wire format asks: the paths of a request that streams and of one that does not, and the body."""

    streamed: str
    whole: str
    body: Callable[[Scenario, str, bool], Body]
    """The body for a scenario, a model, and whether to stream."""
    prompt_field: str
    """The field of the body without which there is no request."""
    auth: Callable[[str], Mapping[str, str]] = bearer


def with_function(scenario: Scenario, make: Callable[[Body], Body]) -> Body:
    """The fields that name the tool, if the scenario wants it called; `make` gets it as OpenAI describes functions."""
    function = {"name": FUNCTION, "description": TOOL_MEANING, "parameters": dict(PARAMETERS)}
    return make(function) if scenario.tool else {}
