"""What the fake provider encodes as Ollama, the library decodes: decode(encode(script)) == script."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.round_trip import assert_says, decoded
from tests.script_strategies import scripts
from tokentape_fake_provider.script.model import Script
from tokentape_fake_provider.wires import ProviderRequest, wire_named

WIRE = "ollama"


def ask(path: str, *, stream: bool) -> ProviderRequest:
    """A request."""
    asked = {"messages": [{"role": "user", "content": "Hi"}]} if path == "/api/chat" else {"prompt": "Hi"}
    # Ollama streams unless it is told not to.
    body = {"model": "m", **asked, **({} if stream else {"stream": False})}
    return wire_named(WIRE).read(path, body, created=1_790_000_000, seed="round trip")


@pytest.mark.parametrize("path", ["/api/chat", "/api/generate"])
@pytest.mark.parametrize("stream", [True, False], ids=["stream", "whole"])
@given(script=scripts(WIRE), piece=st.sampled_from((None, 1, 2, 7, 100)))
def test_the_library_decodes_what_was_scripted(path: str, stream: bool, script: Script, piece: int | None) -> None:
    """Every script comes back whole: text, thinking, tool calls, end, usage and model."""
    assert_says(decoded(script, ask(path, stream=stream), piece=piece), script)
