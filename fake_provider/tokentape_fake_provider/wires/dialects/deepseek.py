"""DeepSeek: usage beside the last choice, its prompt divided into cached and uncached tokens."""

from __future__ import annotations

from tokentape_fake_provider.script.ids import BASE62, HEX, make_id, make_uuid
from tokentape_fake_provider.script.usage import Counts
from tokentape_fake_provider.wires.dialect import Dialect, Object, Place
from tokentape_fake_provider.wires.dialects.common import plain_usage
from tokentape_fake_provider.wires.wire import ProviderRequest


def _usage(counts: Counts, _request: ProviderRequest) -> Object:
    return {
        **plain_usage(counts),
        "prompt_tokens_details": {"cached_tokens": counts.cached},
        **({"completion_tokens_details": {"reasoning_tokens": counts.reasoning}} if counts.reasons else {}),
        "prompt_cache_hit_tokens": counts.cached,
        "prompt_cache_miss_tokens": max(0, counts.input - counts.cached),
    }


def _part(message: Object, _request: ProviderRequest) -> None:
    message.pop("annotations", None)
    if "reasoning_content" in message and "role" not in message:
        message["content"] = None


def _choice(choice: Object) -> None:
    if logprobs := choice.get("logprobs"):
        choice["logprobs"] = {name: tokens for name, tokens in logprobs.items() if tokens is not None}


def _chunk(chunk: Object, _request: ProviderRequest, _place: Place) -> None:
    chunk.pop("service_tier", None)
    if chunk["object"] != "chat.completion":
        chunk["usage"] = None


DIALECT = Dialect(
    "deepseek",
    _usage,
    frozenset({"last"}),
    completion_id=lambda request: make_uuid(request.seed, "completion"),
    call_id=lambda seed: "call_00_" + make_id(seed, "call", 24, BASE62),
    part=_part,
    choice=_choice,
    chunk=_chunk,
    logprobs=("content", "refusal", "reasoning_content"),
    headers=lambda seed: (("x-ds-trace-id", make_id(seed, "request", 32, HEX)),),
)
