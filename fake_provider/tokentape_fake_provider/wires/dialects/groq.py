"""Groq: tool calls whole, `reasoning`, `x_groq` in the first and last chunk, usage beside the last choice."""

from __future__ import annotations

from tokentape_fake_provider.script.ids import make_id
from tokentape_fake_provider.script.usage import Counts
from tokentape_fake_provider.wires.dialect import Dialect, Object, Place
from tokentape_fake_provider.wires.dialects.common import LOWER, details, rename, uuid_of
from tokentape_fake_provider.wires.wire import ProviderRequest


def _id(seed: str) -> str:
    return "req_01" + make_id(seed, "request", 24, LOWER)


def _usage(counts: Counts, _request: ProviderRequest) -> Object:
    prompt, completion = counts.input / 20_000, counts.output / 500
    return {
        "queue_time": 0.02,
        "prompt_tokens": counts.input,
        "prompt_time": prompt,
        "completion_tokens": counts.output,
        "completion_time": completion,
        "total_tokens": counts.total,
        "total_time": prompt + completion,
        **details(counts),
    }


def _part(said: Object, request: ProviderRequest) -> None:
    rename(said, "reasoning_content", "reasoning")
    said.pop("annotations", None)
    if "reasoning" in said and "gpt-oss" in request.model and "role" not in said:
        said["channel"] = "analysis"


def _chunk(chunk: Object, request: ProviderRequest, place: Place) -> None:
    if chunk["object"] == "chat.completion":
        chunk["service_tier"] = "on_demand"
    else:
        chunk.pop("service_tier", None)
    told: Object = {"id": _id(request.seed)}
    if place.usage is not None:
        told["usage"] = place.usage
    if place.first or place.usage is not None:
        chunk["x_groq"] = told


DIALECT = Dialect(
    "groq",
    _usage,
    frozenset({"last", "requested"}),
    completion_id=lambda request: "chatcmpl-" + uuid_of(request.seed, "completion"),
    call_id=lambda seed: make_id(seed, "call", 9, LOWER),
    part=_part,
    chunk=_chunk,
    own={"choices": [], "service_tier": "on_demand"},
    whole_calls=True,
    headers=lambda seed: (("x-groq-region", "dls"), ("x-request-id", _id(seed))),
)
