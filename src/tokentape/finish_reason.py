"""Finish reasons: one small set over all providers."""

from __future__ import annotations

from typing import Literal

FinishReason = Literal["stop", "length", "tool_calls", "content_filter", "refusal", "pause", "error", "other"]
"""Why generation ended. The provider's own word stays beside it as `provider_finish_reason`."""
