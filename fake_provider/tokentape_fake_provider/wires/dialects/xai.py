"""xAI: tool calls whole; reasoning tokens stand beside the completion tokens."""

from __future__ import annotations

from tokentape_fake_provider.script.ids import make_id, make_uuid
from tokentape_fake_provider.script.usage import Counts
from tokentape_fake_provider.wires.dialect import LOGPROB_NAMES, Dialect, Object
from tokentape_fake_provider.wires.dialects.common import without_annotations, without_tier
from tokentape_fake_provider.wires.wire import ProviderRequest


def _usage(counts: Counts, _request: ProviderRequest) -> Object:
    return {
        "prompt_tokens": counts.input,
        "completion_tokens": max(0, counts.output - counts.reasoning),
        "total_tokens": counts.total,
        "prompt_tokens_details": {
            "text_tokens": counts.input,
            "audio_tokens": 0,
            "image_tokens": 0,
            "cached_tokens": counts.cached,
        },
        "completion_tokens_details": {
            "reasoning_tokens": counts.reasoning,
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
        "num_sources_used": 0,
    }


def _choice(choice: Object) -> None:
    if not choice.get("logprobs"):
        choice.pop("logprobs", None)
    if choice.get("finish_reason") is None:
        choice.pop("finish_reason", None)


DIALECT = Dialect(
    "xai",
    _usage,
    frozenset({"own"}),
    completion_id=lambda request: make_uuid(request.seed, "completion"),
    call_id=lambda seed: "call_" + make_id(seed, "call", 8, "0123456789"),
    part=without_annotations,
    choice=_choice,
    chunk=without_tier,
    whole_calls=True,
    logprobs=LOGPROB_NAMES,
    headers=lambda seed: (("x-request-id", make_uuid(seed, "request")),),
)
