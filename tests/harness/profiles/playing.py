"""Streams as a profile plays them, without a clock: what a recording of them would have."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from tokentape_fake_provider.encoding.encode import encode
from tokentape_fake_provider.script.model import Script, ToolCall, Usage
from tokentape_fake_provider.simulation.synthetic import synthetic_text
from tokentape_fake_provider.timing import Profile
from tokentape_fake_provider.wires import ProviderRequest, wire_named
from tokentape_harness.conversion.sample_request import read_request, sample_request
from tokentape_harness.profiles import Observed, observed_tape


def provider_request(wire: str, seed: str) -> ProviderRequest:
    """A streaming request in this wire format."""
    request = read_request(sample_request(wire, "tokentape", "Hi"), wire, created=0, seed=seed)
    assert wire_named(wire)
    return msgspec.structs.replace(request, include_usage=True)


def played(
    profile: Profile,
    *,
    streams: int = 24,
    words: int = 200,
    wire: str = "openai_chat",
    usages: Sequence[Usage] = (Usage(input=10),),
    call: bool = False,
) -> list[Observed]:
    """This number of streams with different seeds, with these usages in turn."""
    text = synthetic_text(words, seed="played", locale="en_US")
    items: list[Any] = [text, *([ToolCall.of("look", {"at": text[:90]})] if call else [])]
    found = []
    for number in range(streams):
        script = Script.of(*items, usage=usages[number % len(usages)])
        seen = observed_tape(encode(script, provider_request(wire, f"stream {number}"), profile), wire)
        assert isinstance(seen, Observed)
        found.append(seen)
    return found
