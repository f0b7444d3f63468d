"""DeepSeek: usage beside the last choice, its prompt told apart by what was in the cache."""

from __future__ import annotations

from tokentape_fake_provider.script.ids import BASE62, HEX, make_id
from tokentape_fake_provider.script.usage import Counts
from tokentape_fake_provider.wires.dialect import Dialect, Object, Place
from tokentape_fake_provider.wires.dialects.common import plain_usage, uuid_of
from tokentape_fake_provider.wires.wire import ProviderRequest


def _usage(counts: Counts, _request: ProviderRequest) -> Object:
    return {
        **plain_usage(counts),
        "prompt_tokens_details": {"cached_tokens": counts.cached},
        **({"completion_tokens_details": {"reasoning_tokens": counts.reasoning}} if counts.reasons else {}),
        "prompt_cache_hit_tokens": counts.cached,
        "prompt_cache_miss_tokens": max(0, counts.input - counts.cached),
    }


def _part(said: Object, _request: ProviderRequest) -> None:
    said.pop("annotations", None)
    if "reasoning_content" in said and "role" not in said:
        said["content"] = None


def _chunk(chunk: Object, _request: ProviderRequest, _place: Place) -> None:
    chunk.pop("service_tier", None)
    if chunk["object"] != "chat.completion":
        chunk["usage"] = None


DIALECT = Dialect(
    "deepseek",
    _usage,
    frozenset({"last"}),
    completion_id=lambda request: uuid_of(request.seed, "completion"),
    call_id=lambda seed: "call_00_" + make_id(seed, "call", 24, BASE62),
    part=_part,
    chunk=_chunk,
    headers=lambda seed: (("x-ds-trace-id", make_id(seed, "request", 32, HEX)),),
)
