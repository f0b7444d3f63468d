"""What the dialects share."""

from __future__ import annotations

from tokentape_fake_provider.script.usage import Counts
from tokentape_fake_provider.wires.dialect import Object, Place
from tokentape_fake_provider.wires.wire import ProviderRequest

LOWER = "abcdefghijklmnopqrstuvwxyz0123456789"


def plain_usage(counts: Counts) -> Object:
    """The three counts that every provider sends."""
    return {"prompt_tokens": counts.input, "completion_tokens": counts.output, "total_tokens": counts.total}


def details(counts: Counts) -> Object:
    """Details, for providers that send them only if they are not 0."""
    counted: Object = {}
    if counts.cached:
        counted["prompt_tokens_details"] = {"cached_tokens": counts.cached}
    if counts.reasons:
        counted["completion_tokens_details"] = {"reasoning_tokens": counts.reasoning}
    return counted


def rename(message: Object, old: str, new: str) -> None:
    """Give a field another name, if it is there."""
    if old in message:
        message[new] = message.pop(old)


def without_tier(chunk: Object, _request: ProviderRequest, _place: Place) -> None:
    """Only OpenAI names a service tier in each chunk."""
    chunk.pop("service_tier", None)


def without_annotations(message: Object, _request: ProviderRequest) -> None:
    """Only OpenAI has annotations in each message."""
    message.pop("annotations", None)
