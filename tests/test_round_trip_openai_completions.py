"""What the fake provider encodes as legacy completions, the library decodes: decode(encode(script)) == script."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.round_trip import assert_says, decoded
from tests.script_strategies import scripts
from tokentape_fake_provider.script.model import Script
from tokentape_fake_provider.wires import ProviderRequest, wire_named

WIRE = "openai_completions"


def ask(*, stream: bool, choices: int) -> ProviderRequest:
    """A request."""
    options = {"stream_options": {"include_usage": True}} if stream else {}
    body = {"model": "m", "prompt": "Hi", "stream": stream, "n": choices, **options}
    return wire_named(WIRE).read("/v1/completions", body, created=1_790_000_000, seed="round trip")


@pytest.mark.parametrize("stream", [True, False], ids=["stream", "whole"])
@given(script=scripts(WIRE), piece=st.sampled_from((None, 1, 2, 7, 100)))
def test_the_library_decodes_what_was_scripted(stream: bool, script: Script, piece: int | None) -> None:
    """Every script comes back whole: text and end of each choice, usage and model."""
    asked = ask(stream=stream, choices=len(script.choices))
    # A choice without text is known by its finish reason.
    assert_says(decoded(script, asked, piece=piece), script)
