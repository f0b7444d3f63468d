"""Dresses: what other providers do to `openai_chat`, as changes to the chunks that OpenAI would send.

Fields, ids and places of usage are those of streams recorded in 2025 and 2026:

- `azure`: a chunk with the prompt's filter results first, `content_filter_results` in each choice, sorted keys.
- `groq`: tool calls whole, `reasoning`, `x_groq` in the first and last chunk, usage beside the last choice.
- `mistral`: tool calls whole, usage beside the last choice, thinking parts, an error that is not wrapped.
- `openrouter`: comments first, `provider`, `native_finish_reason`, `reasoning_details`, usage with cost.
- `deepseek`: usage beside the last choice, its prompt told apart by what was in the cache.
- `xai`: tool calls whole; reasoning tokens stand beside the completion tokens.

A refusal is text for those that have no place for it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Literal, TypeAlias, get_args

import msgspec

from tokentape_fake_provider.errors import UnknownDressError
from tokentape_fake_provider.ids import BASE62, HEX, make_id
from tokentape_fake_provider.script import Error
from tokentape_fake_provider.usage import Counts
from tokentape_fake_provider.wires.dress import Dress, Object, Place
from tokentape_fake_provider.wires.openai_http import completion_usage
from tokentape_fake_provider.wires.wire import Ask

DressName: TypeAlias = Literal["openai", "azure", "groq", "mistral", "openrouter", "deepseek", "xai"]

MISTRAL_MODEL = re.compile(r"(open-)?(mistral|mixtral|codestral|devstral|magistral|ministral|pixtral|voxtral)\b")

_LOWER = "abcdefghijklmnopqrstuvwxyz0123456789"
_SAFE: Object = {"filtered": False, "severity": "safe"}
_FILTERS: Object = dict.fromkeys(("hate", "self_harm", "sexual", "violence"), _SAFE)


def dress_name(name: str) -> DressName:
    """The name, if there is such a dress. Raises `UnknownDressError` that lists the known ones."""
    known: tuple[DressName, ...] = get_args(DressName)
    for candidate in known:
        if candidate == name:
            return candidate
    raise UnknownDressError(f"no dress {name!r}: the known ones are {', '.join(known)}")


def dress_named(name: str) -> Dress | None:
    """The dress of this name; `None` for OpenAI's own. Raises `UnknownDressError`."""
    return DRESSES.get(dress_name(name))


def dress_of(path: str, model: str) -> DressName:
    """The dress that a path says, or a model of Mistral's own names."""
    if path.startswith("/openai/deployments/"):
        return "azure"
    if path.startswith("/api/v1/"):
        return "openrouter"
    if path.startswith("/openai/v1/"):
        return "groq"
    return "mistral" if MISTRAL_MODEL.match(model) else "openai"


def dressed_for(ask: Ask, chosen: DressName | None, headers: Sequence[tuple[bytes, bytes]]) -> Ask:
    """The ask in the dress that was chosen; else Azure's key tells its own v1 path from Groq's."""
    if chosen is not None:
        return msgspec.structs.replace(ask, dress=chosen)
    if ask.path.startswith("/openai/v1/") and any(name == b"api-key" for name, _ in headers):
        return msgspec.structs.replace(ask, dress="azure")
    return ask


def _uuid(seed: str, purpose: str) -> str:
    made = make_id(seed, purpose, 32, HEX)
    return "-".join((made[:8], made[8:12], made[12:16], made[16:20], made[20:]))


def _plain_usage(counts: Counts) -> Object:
    return {"prompt_tokens": counts.input, "completion_tokens": counts.output, "total_tokens": counts.total}


def _details(counts: Counts) -> Object:
    """Details for those who give them only where there is something to tell."""
    made: Object = {}
    if counts.cached:
        made["prompt_tokens_details"] = {"cached_tokens": counts.cached}
    if counts.reasons:
        made["completion_tokens_details"] = {"reasoning_tokens": counts.reasoning}
    return made


# Azure


def _azure_usage(counts: Counts, _ask: Ask) -> Object:
    return completion_usage(counts)


def _azure_choice(choice: Object) -> None:
    said = choice.get("delta", choice.get("message")) or {}
    choice["content_filter_results"] = _FILTERS if said.get("content") or "message" in choice else {}


def _prompt_filter() -> list[Object]:
    return [
        {"prompt_index": 0, "content_filter_results": {**_FILTERS, "jailbreak": {"detected": False, "filtered": False}}}
    ]


def _azure_lead(_ask: Ask) -> bytes:
    first = {
        "choices": [],
        "created": 0,
        "id": "",
        "model": "",
        "object": "",
        "prompt_filter_results": _prompt_filter(),
    }
    return b"data: " + msgspec.json.encode(first) + b"\n\n"


def _azure_chunk(chunk: Object, ask: Ask, _place: Place) -> None:
    chunk.pop("service_tier", None)
    if chunk["object"] == "chat.completion":
        chunk["prompt_filter_results"] = _prompt_filter()
    elif ask.include_usage:
        chunk["usage"] = None


def _azure_headers(seed: str) -> tuple[tuple[str, str], ...]:
    return (
        ("apim-request-id", _uuid(seed, "apim")),
        ("x-ms-region", "East US 2"),
        ("x-ms-rai-invoked", "true"),
        ("x-ratelimit-remaining-requests", "9999"),
        ("x-ratelimit-remaining-tokens", "1999999"),
        ("x-request-id", _uuid(seed, "request")),
    )


# Groq


def _groq_id(seed: str) -> str:
    return "req_01" + make_id(seed, "request", 24, _LOWER)


def _groq_usage(counts: Counts, _ask: Ask) -> Object:
    prompt, completion = counts.input / 20_000, counts.output / 500
    return {
        "queue_time": 0.02,
        "prompt_tokens": counts.input,
        "prompt_time": prompt,
        "completion_tokens": counts.output,
        "completion_time": completion,
        "total_tokens": counts.total,
        "total_time": prompt + completion,
        **_details(counts),
    }


def _groq_part(said: Object, ask: Ask) -> None:
    _renamed(said, "reasoning_content", "reasoning")
    said.pop("annotations", None)
    if "reasoning" in said and "gpt-oss" in ask.model and "role" not in said:
        said["channel"] = "analysis"


def _groq_chunk(chunk: Object, ask: Ask, place: Place) -> None:
    if chunk["object"] == "chat.completion":
        chunk["service_tier"] = "on_demand"
    else:
        chunk.pop("service_tier", None)
    told: Object = {"id": _groq_id(ask.seed)}
    if place.usage is not None:
        told["usage"] = place.usage
    if place.first or place.usage is not None:
        chunk["x_groq"] = told


# Mistral


def _mistral_usage(counts: Counts, _ask: Ask) -> Object:
    # Reasoning tokens are not told apart.
    cached = {"prompt_tokens_details": {"cached_tokens": counts.cached}} if counts.cached else {}
    return _plain_usage(counts) | cached


def _mistral_part(said: Object, _ask: Ask) -> None:
    thought = said.pop("reasoning_content", None)
    said.pop("annotations", None)
    if thought:
        parts: list[Object] = [{"type": "thinking", "thinking": [{"type": "text", "text": thought}]}]
        if said.get("content"):
            parts.append({"type": "text", "text": said["content"]})
        said["content"] = parts


def _mistral_choice(choice: Object) -> None:
    choice.pop("logprobs", None)
    if choice.get("finish_reason") and choice.get("delta") == {}:
        choice["delta"] = {"content": ""}


def _bare(chunk: Object, _ask: Ask, _place: Place) -> None:
    chunk.pop("service_tier", None)
    chunk.pop("system_fingerprint", None)


def _mistral_error(fields: Object, error: Error) -> Object:
    return {"object": "error", **fields, "raw_status_code": error.status}


# OpenRouter


def _openrouter_usage(counts: Counts, _ask: Ask) -> Object:
    prompt, completion = counts.input * 1.5e-7, counts.output * 6e-7
    return {
        **_plain_usage(counts),
        "cost": prompt + completion,
        "is_byok": False,
        "prompt_tokens_details": {
            "cached_tokens": counts.cached,
            "cache_write_tokens": counts.cache_write,
            "audio_tokens": 0,
            "video_tokens": 0,
        },
        "cost_details": {
            "upstream_inference_cost": None,
            "upstream_inference_prompt_cost": prompt,
            "upstream_inference_completions_cost": completion,
        },
        "completion_tokens_details": {"reasoning_tokens": counts.reasoning, "image_tokens": 0},
    }


def _openrouter_part(said: Object, _ask: Ask) -> None:
    thought = said.pop("reasoning_content", None)
    said.pop("annotations", None)
    rest = dict(said)
    said.clear()
    said |= {"role": "assistant", "content": rest.get("content", None if "tool_calls" in rest else "")} | rest
    if thought:
        detail = {"type": "reasoning.text", "text": thought, "format": "unknown", "index": 0}
        said |= {"reasoning": thought, "reasoning_details": [detail]}


def _openrouter_choice(choice: Object) -> None:
    choice["native_finish_reason"] = choice["finish_reason"]


def _openrouter_chunk(chunk: Object, _ask: Ask, _place: Place) -> None:
    chunk.pop("service_tier", None)
    chunk["provider"] = "OpenAI"


def _openrouter_error(fields: Object, error: Error) -> Object:
    choice = {"index": 0, "delta": {"role": "assistant", "content": ""}, "finish_reason": "error"}
    told = {"code": error.status, "message": fields["message"]}
    return {"error": told, "choices": [choice | {"native_finish_reason": None}]} if error.in_stream else {"error": told}


# DeepSeek and xAI


def _deepseek_usage(counts: Counts, _ask: Ask) -> Object:
    return {
        **_plain_usage(counts),
        "prompt_tokens_details": {"cached_tokens": counts.cached},
        **({"completion_tokens_details": {"reasoning_tokens": counts.reasoning}} if counts.reasons else {}),
        "prompt_cache_hit_tokens": counts.cached,
        "prompt_cache_miss_tokens": max(0, counts.input - counts.cached),
    }


def _deepseek_part(said: Object, _ask: Ask) -> None:
    said.pop("annotations", None)
    if "reasoning_content" in said and "role" not in said:
        said["content"] = None


def _deepseek_chunk(chunk: Object, _ask: Ask, _place: Place) -> None:
    chunk.pop("service_tier", None)
    if chunk["object"] != "chat.completion":
        chunk["usage"] = None


def _xai_usage(counts: Counts, _ask: Ask) -> Object:
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


def _xai_choice(choice: Object) -> None:
    choice.pop("logprobs", None)
    if choice.get("finish_reason") is None:
        choice.pop("finish_reason", None)


def _without_tier(chunk: Object, _ask: Ask, _place: Place) -> None:
    chunk.pop("service_tier", None)


def _renamed(said: Object, old: str, new: str) -> None:
    if old in said:
        said[new] = said.pop(old)


DRESSES: Mapping[str, Dress] = {
    dress.name: dress
    for dress in (
        Dress(
            "azure",
            _azure_usage,
            frozenset({"asked"}),
            completion_id=lambda ask: "chatcmpl-" + make_id(ask.seed, "completion", 29, BASE62),
            call_id=lambda seed: "call_" + make_id(seed, "call", 24, BASE62),
            part=lambda said, _ask: said.pop("annotations", None) and None,
            choice=_azure_choice,
            chunk=_azure_chunk,
            lead=_azure_lead,
            headers=_azure_headers,
            refuses=True,
            obfuscates=True,
            sorts=True,
        ),
        Dress(
            "groq",
            _groq_usage,
            frozenset({"last", "asked"}),
            completion_id=lambda ask: "chatcmpl-" + _uuid(ask.seed, "completion"),
            call_id=lambda seed: make_id(seed, "call", 9, _LOWER),
            part=_groq_part,
            chunk=_groq_chunk,
            own={"choices": [], "service_tier": "on_demand"},
            whole_calls=True,
            headers=lambda seed: (("x-groq-region", "dls"), ("x-request-id", _groq_id(seed))),
        ),
        Dress(
            "mistral",
            _mistral_usage,
            frozenset({"last"}),
            completion_id=lambda ask: make_id(ask.seed, "completion", 32, HEX),
            call_id=lambda seed: make_id(seed, "call", 9, BASE62),
            part=_mistral_part,
            choice=_mistral_choice,
            chunk=_bare,
            whole_calls=True,
            error=_mistral_error,
            headers=lambda seed: (("mistral-correlation-id", _uuid(seed, "request")),),
        ),
        Dress(
            "openrouter",
            _openrouter_usage,
            frozenset({"own"}),
            completion_id=lambda ask: f"gen-{ask.created}-" + make_id(ask.seed, "completion", 20, BASE62),
            call_id=lambda seed: "call_" + make_id(seed, "call", 24, BASE62),
            part=_openrouter_part,
            choice=_openrouter_choice,
            chunk=_openrouter_chunk,
            own={
                "choices": [
                    {
                        "index": 0,
                        "delta": {"role": "assistant", "content": ""},
                        "finish_reason": None,
                        "native_finish_reason": None,
                        "logprobs": None,
                    }
                ]
            },
            lead=lambda _ask: b": OPENROUTER PROCESSING\n\n: OPENROUTER PROCESSING\n\n",
            error=_openrouter_error,
            refuses=True,
        ),
        Dress(
            "deepseek",
            _deepseek_usage,
            frozenset({"last"}),
            completion_id=lambda ask: _uuid(ask.seed, "completion"),
            call_id=lambda seed: "call_00_" + make_id(seed, "call", 24, BASE62),
            part=_deepseek_part,
            chunk=_deepseek_chunk,
            headers=lambda seed: (("x-ds-trace-id", make_id(seed, "request", 32, HEX)),),
        ),
        Dress(
            "xai",
            _xai_usage,
            frozenset({"own"}),
            completion_id=lambda ask: _uuid(ask.seed, "completion"),
            call_id=lambda seed: "call_" + make_id(seed, "call", 8, "0123456789"),
            part=lambda said, _ask: said.pop("annotations", None) and None,
            choice=_xai_choice,
            chunk=_without_tier,
            whole_calls=True,
            headers=lambda seed: (("x-request-id", _uuid(seed, "request")),),
        ),
    )
}
