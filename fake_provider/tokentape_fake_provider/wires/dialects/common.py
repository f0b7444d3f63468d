"""What the dresses share."""

from __future__ import annotations

from tokentape_fake_provider.script.ids import HEX, make_id
from tokentape_fake_provider.script.usage import Counts
from tokentape_fake_provider.wires.dialect import Object, Place
from tokentape_fake_provider.wires.wire import Ask

LOWER = "abcdefghijklmnopqrstuvwxyz0123456789"


def uuid_of(seed: str, purpose: str) -> str:
    """A UUID, made from the seed."""
    made = make_id(seed, purpose, 32, HEX)
    return "-".join((made[:8], made[8:12], made[12:16], made[16:20], made[20:]))


def plain_usage(counts: Counts) -> Object:
    """The three counts that everybody has."""
    return {"prompt_tokens": counts.input, "completion_tokens": counts.output, "total_tokens": counts.total}


def details(counts: Counts) -> Object:
    """Details for those who give them only where there is something to tell."""
    made: Object = {}
    if counts.cached:
        made["prompt_tokens_details"] = {"cached_tokens": counts.cached}
    if counts.reasons:
        made["completion_tokens_details"] = {"reasoning_tokens": counts.reasoning}
    return made


def rename(said: Object, old: str, new: str) -> None:
    """Give a field another name, if it is there."""
    if old in said:
        said[new] = said.pop(old)


def without_tier(chunk: Object, _ask: Ask, _place: Place) -> None:
    """Only OpenAI names a service tier in each chunk."""
    chunk.pop("service_tier", None)


def without_annotations(said: Object, _ask: Ask) -> None:
    """Only OpenAI has annotations in each message."""
    said.pop("annotations", None)
