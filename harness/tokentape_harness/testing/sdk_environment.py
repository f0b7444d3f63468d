"""SDK environment: the variables that point official SDKs to another server, without a change of code."""

from __future__ import annotations

from collections.abc import Collection, Mapping
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
"""Providers that use the wire format of another provider."""
FAKE_KEY = "tokentape-fake-key"


class BaseUrl(NamedTuple):
    """The provider whose requests a variable redirects, and the end of its value, which depends on the SDK."""

    provider: str
    ending: str = ""


def providers() -> Mapping[str, Provider]:
    """Every provider by name: those of the wire formats, and the compatible ones."""
    return {known.name: known for known in (*(wire.facts.provider for wire in WIRES.values()), *COMPATIBLE)}


def base_urls() -> dict[str, BaseUrl]:
    """The variables from which SDKs read their base URL."""
    endings = {wire.facts.provider.name: wire.base_path for wire in WIRES.values()}
    return {
        variable: BaseUrl(known.name, endings.get(known.name, ""))
        for known in providers().values()
        for variable in known.base_urls
    }


def sdk_environment(url: str, *, keys: bool = True) -> dict[str, str]:
    """The variables for a server at `url` (with a session's prefix), and keys for the SDKs that need one."""
    urls = {name: url.rstrip("/") + base.ending for name, base in base_urls().items()}
    return urls | fake_keys() if keys else urls


def fake_keys(names: Collection[str] | None = None) -> dict[str, str]:
    """The variables besides base URLs that SDKs of these providers, by default of all, require.

    Any SDK may use an upstream of another name, so that needs all. These keys are not secret.
    """
    known = providers()
    wanted = known.keys() if names is None or not known.keys() >= set(names) else set(names)
    region = {"AWS_DEFAULT_REGION": "us-east-1"} if "bedrock" in wanted else {}
    return {key: FAKE_KEY for name in known if name in wanted for key in known[name].keys} | region
