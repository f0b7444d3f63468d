"""The conformance of a provider finds a fake provider's control API, however its base URL is written."""

from __future__ import annotations

import pytest

from tokentape_conformance.provider.grammars import GRAMMARS
from tokentape_conformance.provider.target import Target
from tokentape_fake_provider import FakeProviderServer


@pytest.mark.parametrize("ending", ["", "/", "/v1", "/v1/", "/s/default", "/s/default/v1"])
def test_the_control_api_is_found_below_any_base_url(fake_provider_server: FakeProviderServer, ending: str) -> None:
    """With `/v1`, with a session or without, it is scripted in all its wire formats."""
    target = Target(fake_provider_server.url + ending)
    assert target.control is not None
    assert "anthropic_messages" in target.wires
    assert target.control.rules().startswith(f"{fake_provider_server.url}/s/session-")


def test_another_server_has_no_control_api(fake_provider_server: FakeProviderServer) -> None:
    """A path that only looks like one is no base URL of a fake provider."""
    assert Target(f"{fake_provider_server.url}/v3", ["openai_chat"]).control is None


@pytest.mark.parametrize("ending", ["", "/v1"])
def test_each_wire_format_is_found_without_the_control_api(ending: str) -> None:
    """A server that can't be scripted is tested in all formats whose paths it answers, below `/v1` and beside it."""
    with FakeProviderServer(token="unknown") as server:
        target = Target(server.url + ending)
        assert target.control is None
        assert target.wires == list(GRAMMARS)
