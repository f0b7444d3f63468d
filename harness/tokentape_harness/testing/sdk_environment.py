"""SDK environment: the variables that send official SDKs to another server, with no change of code."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

from tokentape_fake_provider.wires import WIRES
from tokentape_fake_provider.wires.facts import Provider

COMPATIBLE: Final = (
    Provider("groq", "https://api.groq.com", base_urls=("GROQ_BASE_URL",), keys=("GROQ_API_KEY",)),
    Provider("mistral", "https://api.mistral.ai", keys=("MISTRAL_API_KEY",)),
    Provider("deepseek", "https://api.deepseek.com", keys=("DEEPSEEK_API_KEY",)),
    Provider("xai", "https://api.x.ai", keys=("XAI_API_KEY",)),
    Provider("openrouter", "https://openrouter.ai", keys=("OPENROUTER_API_KEY",)),
    Provider("together", "https://api.together.xyz", keys=("TOGETHER_API_KEY",)),
)
"""Providers that speak a wire format of another one."""
FAKE_KEY = "tokentape-fake-key"


class BaseUrl(NamedTuple):
    """Whose requests a variable redirects, and with what its value ends: that depends on what the SDK appends."""

    provider: str
    ending: str = ""


def providers() -> Mapping[str, Provider]:
    """Every provider by name: those of the wire formats, and those that are compatible with them."""
    return {known.name: known for known in (*(wire.facts.provider for wire in WIRES.values()), *COMPATIBLE)}


def base_urls() -> dict[str, BaseUrl]:
    """The variables that SDKs take their base URL from."""
    endings = {wire.facts.provider.name: wire.base_path for wire in WIRES.values()}
    return {
        variable: BaseUrl(known.name, endings.get(known.name, ""))
        for known in providers().values()
        for variable in known.base_urls
    }


def sdk_environment(url: str, *, keys: bool = True) -> dict[str, str]:
    """The variables for a server at `url` (with a session's prefix), and keys for the SDKs that need one."""
    made = {name: url.rstrip("/") + base.ending for name, base in base_urls().items()}
    return made | fake_keys() if keys else made


def fake_keys() -> dict[str, str]:
    """What the SDKs need beside a base URL to start at all; these keys are not secret."""
    return {
        **{key: FAKE_KEY for known in providers().values() for key in known.keys},
        "AWS_DEFAULT_REGION": "us-east-1",
    }
