"""Finish reasons: one small set for all providers."""

from __future__ import annotations

from typing import Literal

FinishReason = Literal["stop", "length", "tool_calls", "content_filter", "refusal", "pause", "error", "other"]
"""Why generation ended. `provider_finish_reason` keeps the provider's own value."""
