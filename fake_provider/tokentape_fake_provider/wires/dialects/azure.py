"""Azure: filter results first and in each choice, sorted keys, usage in a chunk of its own if requested."""

from __future__ import annotations

import msgspec

from tokentape_fake_provider.script.ids import BASE62, make_id, make_uuid
from tokentape_fake_provider.script.usage import Counts
from tokentape_fake_provider.wires.dialect import LOGPROB_NAMES, Dialect, Object, Place
from tokentape_fake_provider.wires.dialects.common import without_annotations
from tokentape_fake_provider.wires.limits import azure_limits
from tokentape_fake_provider.wires.openai_http import completion_usage
from tokentape_fake_provider.wires.wire import ProviderRequest

_SAFE: Object = {"filtered": False, "severity": "safe"}
_FILTERS: Object = dict.fromkeys(("hate", "self_harm", "sexual", "violence"), _SAFE)


def _usage(counts: Counts, _request: ProviderRequest) -> Object:
    return completion_usage(counts)


def _choice(choice: Object) -> None:
    message = choice.get("delta", choice.get("message")) or {}
    choice["content_filter_results"] = _FILTERS if message.get("content") or "message" in choice else {}


def _prompt_filter() -> list[Object]:
    return [
        {"prompt_index": 0, "content_filter_results": {**_FILTERS, "jailbreak": {"detected": False, "filtered": False}}}
    ]


def _lead(_request: ProviderRequest) -> bytes:
    first = {
        "choices": [],
        "created": 0,
        "id": "",
        "model": "",
        "object": "",
        "prompt_filter_results": _prompt_filter(),
    }
    return b"data: " + msgspec.json.encode(first) + b"\n\n"


def _chunk(chunk: Object, request: ProviderRequest, _place: Place) -> None:
    chunk.pop("service_tier", None)
    if chunk["object"] == "chat.completion":
        chunk["prompt_filter_results"] = _prompt_filter()
    elif request.include_usage:
        chunk["usage"] = None


def _headers(seed: str) -> tuple[tuple[str, str], ...]:
    return (
        ("apim-request-id", make_uuid(seed, "apim")),
        ("x-ms-region", "East US 2"),
        ("x-ms-rai-invoked", "true"),
        ("x-ratelimit-remaining-requests", "9999"),
        ("x-ratelimit-remaining-tokens", "1999999"),
        ("x-request-id", make_uuid(seed, "request")),
    )


DIALECT = Dialect(
    "azure",
    _usage,
    frozenset({"requested"}),
    completion_id=lambda request: "chatcmpl-" + make_id(request.seed, "completion", 29, BASE62),
    call_id=lambda seed: "call_" + make_id(seed, "call", 24, BASE62),
    part=without_annotations,
    choice=_choice,
    chunk=_chunk,
    lead=_lead,
    headers=_headers,
    limits=azure_limits,
    refuses=True,
    logprobs=LOGPROB_NAMES,
    audio=True,
    obfuscates=True,
    sorts=True,
)
