"""Mistral: tool calls whole, thinking parts, usage beside the last choice, an error that is not wrapped."""

from __future__ import annotations

from tokentape_fake_provider.script.ids import BASE62, HEX, make_id, make_uuid
from tokentape_fake_provider.script.model import Error
from tokentape_fake_provider.script.usage import Counts
from tokentape_fake_provider.wires.dialect import Dialect, Object, Place
from tokentape_fake_provider.wires.dialects.common import plain_usage
from tokentape_fake_provider.wires.limits import mistral_limits
from tokentape_fake_provider.wires.wire import ProviderRequest


def _usage(counts: Counts, _request: ProviderRequest) -> Object:
    # Reasoning tokens are not counted apart.
    cached = {"prompt_tokens_details": {"cached_tokens": counts.cached}} if counts.cached else {}
    return plain_usage(counts) | cached


def _part(message: Object, _request: ProviderRequest) -> None:
    thought = message.pop("reasoning_content", None)
    message.pop("annotations", None)
    if thought:
        parts: list[Object] = [{"type": "thinking", "thinking": [{"type": "text", "text": thought}]}]
        if message.get("content"):
            parts.append({"type": "text", "text": message["content"]})
        message["content"] = parts


def _choice(choice: Object) -> None:
    choice.pop("logprobs", None)
    if choice.get("finish_reason") and choice.get("delta") == {}:
        choice["delta"] = {"content": ""}


def _chunk(chunk: Object, _request: ProviderRequest, _place: Place) -> None:
    chunk.pop("service_tier", None)
    chunk.pop("system_fingerprint", None)


def _error(fields: Object, error: Error) -> Object:
    return {"object": "error", **fields, "raw_status_code": error.status}


DIALECT = Dialect(
    "mistral",
    _usage,
    frozenset({"last"}),
    completion_id=lambda request: make_id(request.seed, "completion", 32, HEX),
    call_id=lambda seed: make_id(seed, "call", 9, BASE62),
    part=_part,
    choice=_choice,
    chunk=_chunk,
    whole_calls=True,
    error=_error,
    limits=mistral_limits,
    headers=lambda seed: (("mistral-correlation-id", make_uuid(seed, "request")),),
)
