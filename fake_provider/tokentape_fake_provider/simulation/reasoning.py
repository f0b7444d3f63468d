"""How long the simulated model reasons."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from tokentape_fake_provider.simulation.settings import When
from tokentape_fake_provider.wires.prompt import Effort, ReasoningRequest

_TOKENS: Final[Mapping[Effort, int]] = {
    "none": 0,
    "minimal": 8,
    "low": 24,
    "medium": 48,
    "high": 96,
    "xhigh": 144,
    "max": 192,
}


def reasoning_tokens(request: ReasoningRequest, when: When) -> int:
    """The tokens of the reasoning: more with the effort, never more than the budget; 0 if there is to be none."""
    effort, budget = request.effort, request.budget
    off = request.enabled is False or effort == "none" or budget == 0
    on = request.enabled or request.visible or effort is not None or budget is not None
    if when == "never" or (when == "auto" and (off or not on)):
        return 0
    tokens = _TOKENS["medium" if effort is None or effort == "none" else effort]
    return tokens if budget is None or budget < 1 else min(tokens, budget)
